package exec

import (
	"context"
	"io"
	"strings"
)

// The faults that Inject knows.
const (
	faultLost    = "lost answer"
	faultGarbage = "garbage"
)

// Inject makes the provider misbehave towards a real program until restore is called, so that a conformance check can try
// what no program offers by itself: "lost answer" lets the program apply and loses what it said, "garbage" spoils every
// answer. Ok is false for any other fault.
func (r reverser) Inject(fault string) (restore func(), ok bool) {
	if fault != faultLost && fault != faultGarbage {
		return nil, false
	}
	r.c.fault.Store(fault)
	return func() { r.c.fault.Store("") }, true
}

// injected puts the fault that was injected, if any, between a program and the reader of its output.
func (c *core) injected(ctx context.Context, method string, read func(io.Reader) error) func(io.Reader) error {
	switch fault, _ := c.fault.Load().(string); {
	case fault == faultLost && method == "apply":
		return func(stdout io.Reader) error {
			_, _ = io.Copy(io.Discard, stdout)
			<-ctx.Done()
			return ctx.Err()
		}
	case fault == faultGarbage:
		return func(stdout io.Reader) error {
			return read(io.MultiReader(strings.NewReader("\x1b]garbage\n"), stdout))
		}
	default:
		return read
	}
}
