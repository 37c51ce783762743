package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Exit codes; docs/outcomes.md has the table.
const (
	codeOK          = 0
	codeError       = 1
	codeUsage       = 2
	codeFailed      = 3
	codeUnverified  = 4
	codeRefused     = 5
	codePlanChanged = 6
	codeStrict      = 7
	codeUnknown     = 8
	codeSuperseded  = 9
	codeConfig      = 10
	codeLocked      = 11
	codeAuth        = 12
	codeWaiting     = 13
	codeInterrupted = 130
)

// coded is an error that knows its exit code; silent where the result already told everything.
type coded struct {
	code   int
	silent bool
	err    error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &coded{code: codeUsage, err: fmt.Errorf(format, args...)}
}

// ended ends a command with a code after its result was printed.
func ended(code int) error {
	if code == codeOK {
		return nil
	}
	return &coded{code: code, silent: true, err: fmt.Errorf("exit code %d", code)}
}

func isSilent(err error) bool {
	var c *coded
	return errors.As(err, &c) && c.silent
}

// exitCode is the one place that maps errors to exit codes.
func exitCode(ctx context.Context, err error) int {
	var c *coded
	var bad *config.Error
	var drill *rollback.DrillRefusal
	switch {
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &bad):
		return codeConfig
	case errors.As(err, &drill):
		return drill.ExitCode()
	case errors.Is(err, rollback.ErrWaiting):
		return codeWaiting
	case errors.Is(err, rollback.ErrPlanChanged):
		return codePlanChanged
	case errors.Is(err, rollback.ErrLocked):
		return codeLocked
	case errors.Is(err, rollback.ErrWaiting):
		return codeWaiting
	case errors.Is(err, rollback.ErrReadOnly), errors.Is(err, rollback.ErrRefused), errors.Is(err, rollback.ErrNotAlone), errors.Is(err, rollback.ErrNoTarget):
		return codeRefused
	case providers.ClassOf(err) == providers.ClassAuth:
		return codeAuth
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return codeInterrupted
	default:
		return codeError
	}
}

// refusal is an error for what is not done on purpose.
func refusal(format string, args ...any) error {
	return &coded{code: codeRefused, err: fmt.Errorf(format, args...)}
}
