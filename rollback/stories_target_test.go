package rollback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// More of the stories of systems that do not run here, on targets that are fakes and misbehave as the story says.

// deaf says that it lifts a measure and does not: the parent that owns the field writes it back, or nobody owns it any more.
type deaf struct {
	*rollbacktest.Guarded
	listens bool
}

func (d *deaf) Lift(ctx context.Context, op rollback.Operation, m rollback.Measure) (rollback.Result, error) {
	if !d.listens {
		return rollback.Result{Outcome: rollback.Applied, Detail: "resumed"}, nil
	}
	return d.Guarded.Lift(ctx, op, m)
}

// Nineteen components were still suspended seven months after an emergency: nobody had an expiry, and what was taken for the
// resumption did not resume them.
func TestAForgottenSuspensionIsOverdueAndItsResumptionIsVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		d := &deaf{Guarded: g}
		b.cfg.Reversers = map[string]rollback.Reverser{"mem": d}
		b.Engine = b.another(t)
		m := suspended(t, b)
		time.Sleep(7 * 30 * 24 * time.Hour)
		all, err := b.Measures(t.Context())
		if err != nil || len(all) != 1 || !all[0].Overdue(time.Now()) || all[0].Owner != "ana" || all[0].Reason != "errors" {
			t.Fatalf("seven months later: %+v %v", all, err)
		}
		seen, err := b.Probe(t.Context(), ana, m.ID)
		if err != nil || len(seen) != 1 || seen[0].InForce != rollback.TellYes || seen[0].State != rollback.MeasureInForce {
			t.Errorf("looked at: %+v %v", seen, err)
		}
		d.resumed(t, b, m)
	})
}

// resumed lifts the measure, first in vain.
func (d *deaf) resumed(t *testing.T, b *bench, m rollback.MeasureRun) {
	t.Helper()
	lift := rollback.LiftRequest{By: ana, Force: true, Reason: "the emergency is over"}
	got, res, err := b.Lift(t.Context(), m.ID, lift)
	if err != nil || got.State != rollback.MeasureLifting || res.Outcome != rollback.OutcomeUnknown || !strings.Contains(res.Detail, "not seen to be gone") {
		t.Errorf("the target says that it resumed: %q %+v %v", got.State, res, err)
	}
	if all, err := b.Measures(t.Context()); err != nil || !all[0].Overdue(time.Now()) {
		t.Errorf("it is forgotten: %+v %v", all, err)
	}
	d.listens = true
	if got, _, err = b.Lift(t.Context(), m.ID, lift); err != nil || got.State != rollback.MeasureLifted || d.Suspended() || got.Overdue(time.Now()) {
		t.Errorf("when it does: %q %v, suspended %v", got.State, err, d.Suspended())
	}
	b.sound(t)
}

// An upgrade and its remediation took turns for ever. What is not known is tried a bounded number of times, each after a fresh
// look; it is not called failed, and nothing keeps anybody from another plan.
func TestATargetThatNeverAnswersIsNotTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		tried := 0
		b.target.onApply = func(context.Context, *fakeUnit, rollback.Operation, rollback.Step) (rollback.Result, error) {
			tried++
			return rollback.Result{}, errAway
		}
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil {
			t.Fatal(err)
		}
		ended(t, run, rollback.RunUnknown, "may yet arrive")
		if tried != 3 || run.State.ExitCode() != 8 || run.Steps[0].State != rollback.StepUnknown {
			t.Errorf("tried %d times, exit code %d, step %q", tried, run.State.ExitCode(), run.Steps[0].State)
		}
		b.target.onApply = nil
		if run, err = b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID); err != nil {
			t.Fatal(err)
		}
		ended(t, run, rollback.RunSucceeded)
		b.sound(t)
	})
}

// A remediation failed once, because a webhook was down, and never tried again.
func TestARefusalOnceIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.onApply = func(context.Context, *fakeUnit, rollback.Operation, rollback.Step) (rollback.Result, error) {
			return rollback.Result{Outcome: rollback.Failed, Detail: "its admission webhook does not answer"}, nil
		}
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil {
			t.Fatal(err)
		}
		ended(t, run, rollback.RunAborted, "nothing was done", "webhook does not answer")
		b.target.onApply = nil
		if run, err = b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID); err != nil {
			t.Fatal(err)
		}
		ended(t, run, rollback.RunSucceeded)
		if n := len(b.target.effects()); n != 1 {
			t.Errorf("%d effects", n)
		}
		b.sound(t)
	})
}

// A target that was touched does not answer for a while: the run goes on looking, shows that it cannot see, and is told to stop
// or finds out what became of it.
func TestATargetThatWasTouchedIsLookedAtUntilItAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		away  time.Duration
		stop  bool
		state rollback.RunState
		words string
	}{
		"it comes back":           {away: 40 * time.Second, state: rollback.RunSucceeded},
		"it stays away":           {away: time.Hour, state: rollback.RunUnknown, words: "it cannot be seen"},
		"somebody has it stopped": {away: time.Hour, stop: true, state: rollback.RunUnknown, words: "it cannot be seen"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.pricing()
				var gone time.Time
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					_, _ = b.target.swap(u, op, s)
					gone = time.Now()
					return rollback.Result{}, errAway
				}
				b.target.onObserve = func(*fakeUnit) error {
					if !gone.IsZero() && time.Since(gone) < c.away {
						return errAway
					}
					return nil
				}
				id := b.confirmed(t, rollback.Request{}).ID
				time.AfterFunc(30*time.Second, func() {
					run, err := b.Run(t.Context(), id)
					if err != nil || run.State != rollback.RunRunning || !strings.Contains(run.Detail, "cannot be seen, looking again until it can") {
						t.Errorf("half a minute later: %q %s %v", run.State, run.Detail, err)
					}
					if c.stop {
						if err := b.Abort(t.Context(), id, ana, "enough"); err != nil {
							t.Error(err)
						}
					}
				})
				run, err := b.Execute(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				ended(t, run, c.state, c.words)
				if n := len(b.target.effects()); n != 1 {
					t.Errorf("%d effects", n)
				}
				b.sound(t)
			})
		})
	}
}

// A migration has passed its point of no return, and people asked for a way to say "do not roll back": a target that is frozen is
// left alone, also by a run that was confirmed before.
func TestAFrozenTargetIsLeftAlone(t *testing.T) {
	frozen := func(o *rollback.Observation) { o.Frozen = "migration 42 dropped the column that r41 reads" }
	t.Run("before the plan", func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.cfg.Reversers = map[string]rollback.Reverser{"fake": altered{b.target, frozen}}
		b.Engine = b.another(t)
		p := b.plan(t, rollback.Request{})
		if p.Verdict != rollback.Blocked || p.Decision.Allowed {
			t.Errorf("%s %+v", p.Verdict, p.Decision)
		}
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrRefused) {
			t.Errorf("confirmed: %v", err)
		}
	})
	t.Run("between the plan and the confirmation", func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		now := func(*rollback.Observation) {}
		b.cfg.Reversers = map[string]rollback.Reverser{"fake": altered{b.target, func(o *rollback.Observation) { now(o) }}}
		b.Engine = b.another(t)
		p := b.plan(t, rollback.Request{})
		now = frozen
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrPlanChanged) || !strings.Contains(err.Error(), "is frozen now: migration 42") {
			t.Errorf("confirmed: %v", err)
		}
	})
	t.Run("between the confirmation and the effect", func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		now := func(*rollback.Observation) {}
		b.cfg.Reversers = map[string]rollback.Reverser{"fake": altered{b.target, func(o *rollback.Observation) { now(o) }}}
		b.Engine = b.another(t)
		id := b.confirmed(t, rollback.Request{}).ID
		now = frozen
		run, err := b.Execute(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		ended(t, run, rollback.RunAborted, "nothing was done", "is frozen: migration 42")
		if n := len(b.target.effects()); n != 0 {
			t.Errorf("%d effects", n)
		}
	})
}

// altered is a target whose looks say something more.
type altered struct {
	*fake
	more func(*rollback.Observation)
}

func (a altered) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	o, err := a.fake.Observe(ctx, id)
	a.more(&o)
	return o, err
}
