// Package process runs other people's programs for providers: an argument list and never a shell, an environment that
// holds only what was named, a deadline that ends the program together with its children, and bounded output.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"runtime"
	"sync/atomic"
	"time"
)

// waitDelay is how long pipes may stay open after the end of a program: a child that left the group and still holds
// standard output cannot keep a call open for longer.
const waitDelay = 50 * time.Millisecond

// ErrTooMuch is what a program ends with that wrote more than it was allowed to.
var ErrTooMuch = errors.New("too much output")

// Program is one program to run. Argv[0] is looked up on PATH of this process. Env is the whole environment; nil is an
// empty one. MaxOutput is the size in bytes at which standard output is cut off and the program killed; 0 means 8 MiB.
type Program struct {
	Argv      []string
	Dir       string
	Env       []string
	Stdin     io.Reader
	MaxOutput int64
	Mask      []string // texts that must not appear in an error
}

// StartError is the error of a program that never ran, so that nothing can have happened.
type StartError struct{ Err error }

// Error implements error.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.Err }

// ExitError is the error of a program that ended with a code other than 0. Stderr holds its last lines, cleaned.
type ExitError struct {
	Code   int
	Stderr string
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("exit code %d and nothing on standard error", e.Code)
	}
	return fmt.Sprintf("exit code %d: %s", e.Code, e.Stderr)
}

// Run runs the program to its end and returns its standard output, also beside an error.
func (p Program) Run(ctx context.Context) ([]byte, error) {
	var out []byte
	err := p.Stream(ctx, func(r io.Reader) (err error) {
		out, err = io.ReadAll(r)
		return err
	})
	return out, err
}

// Stream runs the program and hands its standard output to read while it runs. An error of read ends the program. When
// ctx is done the program is killed with its process group, and Stream returns within about 50 ms.
func (p Program) Stream(ctx context.Context, read func(io.Reader) error) error {
	if len(p.Argv) == 0 || p.Argv[0] == "" {
		return &StartError{errors.New("no program is named")}
	}
	if err := ctx.Err(); err != nil {
		return &StartError{err}
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	from, to, err := os.Pipe()
	if err != nil {
		return &StartError{err}
	}
	pr, pw := io.Pipe()
	out := &capped{w: pw, left: p.limit(), over: cancel}
	errs := &tail{}
	cmd := osexec.CommandContext(run, p.Argv[0], p.Argv[1:]...) //nolint:gosec // the argument list is the user's own configuration
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Dir, p.Env, p.Stdin, to, errs
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = waitDelay
	ownGroup(cmd)

	done := make(chan error, 1)
	go func() {
		// The parent-death signal is tied to the thread that started the child, so this thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = to.Close()
		if err != nil {
			err = &StartError{err}
		} else {
			err = wait(run, cmd, &outlet{from: from}, out, pw)
		}
		_ = from.Close()
		_ = pw.Close()
		done <- err
	}()
	readErr := read(pr)
	if readErr != nil {
		cancel()
	}
	_, _ = io.Copy(io.Discard, pr)
	return p.verdict(ctx, <-done, readErr, out, errs)
}

func (p Program) limit() int64 {
	if p.MaxOutput > 0 {
		return p.MaxOutput
	}
	return 8 << 20
}

// verdict puts the reasons for an end in the order of what caused what.
func (p Program) verdict(ctx context.Context, err, readErr error, out *capped, errs *tail) error {
	var start *StartError
	var exit *osexec.ExitError
	switch {
	case errors.As(err, &start):
		return err
	case out.cut.Load():
		return fmt.Errorf("%w: more than %d bytes", ErrTooMuch, p.limit())
	case ctx.Err() != nil:
		return fmt.Errorf("ended by backout: %w", ctx.Err())
	case readErr != nil:
		return readErr
	case errors.As(err, &exit):
		return &ExitError{Code: exit.ExitCode(), Stderr: errs.text(p.Mask)}
	case errors.Is(err, osexec.ErrWaitDelay):
		return nil // it ended well; only a child that it left behind kept a pipe open
	default:
		return err
	}
}

// Environ picks the named variables from this process, in the form of Program.Env. Unset ones are left out.
func Environ(names ...string) []string {
	var env []string
	seen := map[string]bool{}
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok && !seen[name] {
			seen[name] = true
			env = append(env, name+"="+v)
		}
	}
	return env
}

// capped passes on what is written until the limit, then ends the program.
type capped struct {
	w    io.Writer
	left int64
	over func()
	cut  atomic.Bool
}

func (c *capped) Write(b []byte) (int, error) {
	if int64(len(b)) > c.left {
		c.cut.Store(true)
		c.over()
		return 0, ErrTooMuch
	}
	c.left -= int64(len(b))
	return c.w.Write(b)
}
