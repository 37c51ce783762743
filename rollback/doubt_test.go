package rollback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// What leaves a doubt is reported as one.
func TestDoubts(t *testing.T) {
	alert := rollback.Request{Alerts: []rollback.AlertRef{{Provider: "alerts", ID: "a1", Name: "PricingErrors"}}}
	lost := func(b *bench, then func(u *fakeUnit)) {
		b.target.onApply = func(_ context.Context, u *fakeUnit, _ rollback.Operation, _ rollback.Step) (rollback.Result, error) {
			then(u)
			return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "the script hangs"}, nil
		}
	}
	cases := map[string]struct {
		req     rollback.Request
		cas     rollback.CAS
		arrange func(b *bench, u *fakeUnit) // after the confirmation
		state   rollback.RunState
		detail  string
	}{
		"the old content again, deployed by hand, is somebody's change and not a late effect": {
			arrange: func(b *bench, _ *fakeUnit) {
				b.target.onVerify = func(u *fakeUnit) ([]rollback.Check, error) {
					if len(b.target.effects()) == 0 {
						return nil, nil // the look before anything was touched
					}
					b.target.onVerify = nil
					b.target.mu.Lock()
					defer b.target.mu.Unlock()
					u.become(u.history[0], "")
					return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
				}
			},
			state: rollback.RunSuperseded, detail: "since switched fake:prod/pricing to r42",
		},
		"a lost request to an unguarded target may still overwrite somebody's newer change": {
			cas: rollback.CASNone,
			arrange: func(b *bench, _ *fakeUnit) {
				lost(b, func(u *fakeUnit) { b.target.foreign(u, rev("r43", "hotfix", 0)) })
			},
			state: rollback.RunUnknown, detail: "somebody switched fake:prod/pricing to r43, but what this run sent to it may yet arrive",
		},
		"a lost request to an unguarded target that somebody else restored": {
			cas:     rollback.CASNone,
			arrange: func(b *bench, _ *fakeUnit) { lost(b, func(u *fakeUnit) { b.target.foreign(u, u.history[0]) }) },
			state:   rollback.RunUnknown, detail: "may yet arrive",
		},
		"a target that refuses what is late, restored by somebody else after a lost request": {
			arrange: func(b *bench, _ *fakeUnit) { lost(b, func(u *fakeUnit) { b.target.foreign(u, u.history[0]) }) },
			state:   rollback.RunAlreadyGood, detail: "nothing more was done and nothing verified",
		},
		"resolved, by a source that does not say when it looked": {
			req: alert,
			arrange: func(b *bench, _ *fakeUnit) {
				b.alerts.set("a1", providers.AlertResolved)
				b.alerts.seen = func() time.Time { return time.Time{} }
			},
			state: rollback.RunUnverified, detail: "does not say when it looked",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				u := b.pricing()
				if c.cas != "" {
					u.unit.CAS = c.cas
				}
				run := b.confirmed(t, c.req)
				c.arrange(b, u)
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil {
					t.Fatal(err)
				}
				if run.State != c.state || !strings.Contains(run.Detail, c.detail) {
					t.Errorf("ended %q: %s\nwant %q with %q", run.State, run.Detail, c.state, c.detail)
				}
				b.isOver(t, run)
			})
		})
	}
}

// A process that stood still did not see whether all was well meanwhile.
func TestAStandstillIsNoPartOfTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const still = 5 * time.Minute
		var b *bench
		stood := time.Time{}
		b = newBench(t, func(c *rollback.Config) {
			c.Deadline = time.Hour
			c.Fail = func(point string) error {
				if point == "state.before" && stood.IsZero() {
					time.Sleep(still) // the first look is being shown
					stood = time.Now()
				}
				return nil
			}
		})
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("ended %q: %s (%v)", run.State, run.Detail, err)
		}
		if held := run.EndedAt.Sub(stood); stood.IsZero() || held < b.cfg.Hold {
			t.Errorf("watched for %s after the standstill, want the whole hold of %s", held, b.cfg.Hold)
		}
		b.isOver(t, run)
	})
}

// patientFake has a limit of its own for what it applies.
type patientFake struct{ *fake }

func (patientFake) ApplyTimeout() time.Duration { return 5 * time.Minute }

func TestAPatientTargetIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Reversers = map[string]rollback.Reverser{"fake": patientFake{b.target}}
		b.Engine = b.another(t)
		b.pricing()
		b.target.onApply = func(ctx context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			select {
			case <-time.After(4 * time.Minute):
				return b.target.swap(u, op, s)
			case <-ctx.Done():
				return rollback.Result{}, ctx.Err()
			}
		}
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunSucceeded || run.Steps[0].Attempt != 1 {
			t.Errorf("ended %q after %d attempts: %s (%v)", run.State, run.Steps[0].Attempt, run.Detail, err)
		}
		b.isOver(t, run)
	})
}

// Two people confirm at the same moment: the one who comes second is told whose run it is, and what to do.
func TestTheSecondOfTwoConfirmationsIsToldOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bench
		first := false
		b = newBench(t, func(c *rollback.Config) {
			c.Fail = func(point string) error {
				if point != "confirm.before" || first {
					return nil
				}
				first = true
				other := b.another(t, func(c *rollback.Config) { c.Fail = nil })
				p, err := other.Plan(t.Context(), rollback.Request{Unit: "fake:prod/pricing"})
				if err != nil {
					return err
				}
				_, err = other.Confirm(t.Context(), p, yes(p))
				return err
			}
		})
		b.pricing()
		p := b.plan(t, rollback.Request{})
		_, err := b.Confirm(t.Context(), p, yes(p))
		if !errors.Is(err, rollback.ErrLocked) || !strings.Contains(err.Error(), "RUN-0001 holds fake:prod/pricing: follow it (runs attach RUN-0001)") {
			t.Errorf("the second confirmation: %v", err)
		}
		if runs, err := b.Runs(t.Context()); err != nil || len(runs) != 1 {
			t.Errorf("%d runs (%v)", len(runs), err)
		}
	})
}
