package rollbacktest

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// grace is how long a call may take beyond its deadline on a loaded machine.
const grace = 2 * time.Second

var errDeaf = errors.New("it did not return after its deadline")

// guard leaves a call behind that ignores its deadline, so that such a reverser cannot hang the suite.
type guard struct{ r rollback.Reverser }

func guarded[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := f()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.v, a.err
	case <-timer.C:
		var none T
		return none, errDeaf
	}
}

func (g guard) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] { return g.r.Units(ctx) }

func (g guard) Observe(ctx context.Context, unit rollback.UnitID) (rollback.Observation, error) {
	return guarded(ctx, func() (rollback.Observation, error) { return g.r.Observe(ctx, unit) })
}

func (g guard) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	return guarded(ctx, func() (rollback.Proposal, error) { return g.r.Plan(ctx, obs, to) })
}

func (g guard) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	return guarded(ctx, func() (rollback.Result, error) { return g.r.Apply(ctx, op, step) })
}

func (g guard) Status(ctx context.Context, unit rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	return guarded(ctx, func() (rollback.Convergence, error) { return g.r.Status(ctx, unit, to) })
}

func (g guard) Verify(ctx context.Context, unit rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	return guarded(ctx, func() ([]rollback.Check, error) { return g.r.Verify(ctx, unit, to) })
}
