package rollbacktest

import (
	"context"
	"fmt"

	"github.com/backout-dev/backout/rollback"
)

// Plan implements rollback.Reverser with one step.
func (t *Target) Plan(_ context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	step := rollback.Step{
		N: 1, Unit: obs.Unit.ID, Action: "switch", Title: "switch to " + name(to),
		From: obs.Current.Digest, To: to.Digest, Token: obs.Token,
	}
	diff := fmt.Sprintf("--- %s\n+++ %s\n", name(obs.Current), name(to))
	return rollback.Proposal{Steps: []rollback.Step{step}, Diff: diff}, nil
}

// Apply implements rollback.Reverser.
func (t *Target) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if ctx.Err() != nil {
		return rollback.Result{Outcome: rollback.Failed, Detail: "not sent: " + ctx.Err().Error()}, nil
	}
	t.mu.Lock()
	fault, free := t.fault, t.free
	if fault == FaultLate {
		t.late.Add(1)
	}
	t.mu.Unlock()
	switch fault {
	case FaultDrop:
		<-ctx.Done()
		return unanswered(ctx), nil
	case FaultLate:
		go func() {
			defer t.late.Done()
			<-free
			t.apply(op, step)
		}()
		<-ctx.Done()
		return unanswered(ctx), nil
	case FaultLost:
		t.apply(op, step)
		<-ctx.Done()
		return unanswered(ctx), nil
	case FaultGarbage:
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: errNonsense.Error()}, nil
	default:
		return t.apply(op, step), nil
	}
}

func unanswered(ctx context.Context) rollback.Result {
	return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "no answer: " + ctx.Err().Error()}
}

// apply is the target's own compare-and-set.
func (t *Target) apply(op rollback.Operation, step rollback.Step) rollback.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stamp == op.ID && t.step == step.N {
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: t.token()}
	}
	if step.Token != t.token() {
		return rollback.Result{Outcome: rollback.PreconditionFailed, Token: t.token(), Detail: "now at " + name(t.revs[t.current])}
	}
	for i, r := range t.revs {
		if r.Digest == step.To {
			t.current, t.stamp, t.step = i, op.ID, step.N
			t.version++
			t.applied++
			return rollback.Result{Outcome: rollback.Applied, Token: t.token()}
		}
	}
	return rollback.Result{Outcome: rollback.Failed, Detail: "no revision " + step.To}
}

// Status implements rollback.Reverser.
func (t *Target) Status(ctx context.Context, unit rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	obs, err := t.Observe(ctx, unit)
	if err != nil {
		return rollback.Convergence{}, err
	}
	return rollback.Convergence{Done: obs.Current.Digest == to.Digest, Detail: "at " + name(obs.Current)}, nil
}

// Verify implements rollback.Reverser with one check.
func (t *Target) Verify(ctx context.Context, unit rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	obs, err := t.Observe(ctx, unit)
	if err != nil {
		return nil, err
	}
	c := rollback.Check{Name: "revision", Inside: true, State: rollback.CheckFail, Observed: name(obs.Current), Goal: name(to)}
	if obs.Current.Digest == to.Digest {
		c.State = rollback.CheckPass
	}
	return []rollback.Check{c}, nil
}
