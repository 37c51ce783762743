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
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// Every row of docs/outcomes.md, through the engine, on a target that says it is a fake.
func TestOutcomes(t *testing.T) {
	alert := rollback.AlertRef{Provider: "alerts", ID: "a1", Name: "PricingErrors"}
	withAlert := rollback.Request{Alerts: []rollback.AlertRef{alert}}
	cured := func(b *bench) {
		b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			b.alerts.set("a1", providers.AlertResolved)
			return b.target.swap(u, op, s)
		}
	}
	cases := map[string]struct {
		req     rollback.Request
		arrange func(t *testing.T, b *bench, u *fakeUnit) // after the confirmation
		state   rollback.RunState
		code    int
		detail  string
		effects int
		serves  string
	}{
		"succeeded": {
			req: withAlert, arrange: func(_ *testing.T, b *bench, _ *fakeUnit) { cured(b) },
			state: rollback.RunSucceeded, code: 0, detail: "serves r41; 1 alert resolved, 1 check passed, for 5s", effects: 1, serves: "r41",
		},
		"the acknowledgement is lost": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					_, _ = b.target.swap(u, op, s)
					return rollback.Result{}, errAway
				}
			},
			state: rollback.RunSucceeded, code: 0, effects: 1, serves: "r41",
		},
		"the request is lost once": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				lost := false
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					if !lost {
						lost = true
						return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "timeout"}, nil
					}
					return b.target.swap(u, op, s)
				}
			},
			state: rollback.RunSucceeded, code: 0, effects: 1, serves: "r41",
		},
		"alert still firing": {
			req: withAlert, arrange: func(*testing.T, *bench, *fakeUnit) {},
			state: rollback.RunUnverified, code: 4, detail: "alert PricingErrors: firing", effects: 1, serves: "r41",
		},
		"alert suppressed is not resolved": {
			req: withAlert, arrange: func(_ *testing.T, b *bench, _ *fakeUnit) { b.alerts.set("a1", providers.AlertSuppressed) },
			state: rollback.RunUnverified, code: 4, detail: "alert PricingErrors: suppressed", effects: 1, serves: "r41",
		},
		"alert unknown is not resolved": {
			req: withAlert, arrange: func(_ *testing.T, b *bench, _ *fakeUnit) { delete(b.alerts.state, "a1") },
			state: rollback.RunUnverified, code: 4, detail: "alert PricingErrors: unknown", effects: 1, serves: "r41",
		},
		"an answer from before the rollback proves nothing": {
			req: withAlert, arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				cured(b)
				old := time.Now().Add(-time.Second)
				b.alerts.seen = func() time.Time { return old }
			},
			state: rollback.RunUnverified, code: 4, detail: "last seen before the rollback", effects: 1, serves: "r41",
		},
		"a check that cannot be run is not passed": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) { return nil, errAway }
			},
			state: rollback.RunUnverified, code: 4, detail: "checks of fake:prod/pricing: unknown (the host does not answer)", effects: 1, serves: "r41",
		},
		"nothing to verify with": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) { return nil, nil }
			},
			state: rollback.RunUnverified, code: 4, detail: "r41, but nothing looks at it from outside", effects: 1, serves: "r41",
		},
		"the target's own word verifies nothing": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) { b.target.onVerify = ownWord },
			state:   rollback.RunUnverified, code: 4, detail: "configure checks for the unit or a probe", effects: 1, serves: "r41",
		},
		"the target's own word, and an alert that ended": {
			req: withAlert, arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				cured(b)
				b.target.onVerify = ownWord
			},
			state: rollback.RunSucceeded, code: 0, effects: 1, serves: "r41",
		},
		"vacuous convergence": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) {
					return rollback.Convergence{Done: true, Vacuous: true, Detail: "0 of 0 hosts"}, nil
				}
			},
			state: rollback.RunUnverified, code: 4, detail: "nothing serves", effects: 1, serves: "r41",
		},
		"it does not arrive in time": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) {
					return rollback.Convergence{Detail: "1 of 3 hosts on r41"}, nil
				}
			},
			state: rollback.RunUnverified, code: 4, detail: "1 of 3 hosts on r41", effects: 1, serves: "r41",
		},
		"already restored": {
			arrange: func(_ *testing.T, b *bench, u *fakeUnit) { b.target.foreign(u, u.history[0]) },
			state:   rollback.RunAlreadyGood, code: 9, detail: "switched by somebody else (somebody)", effects: 0, serves: "r41",
		},
		"superseded": {
			arrange: func(_ *testing.T, b *bench, u *fakeUnit) { b.target.foreign(u, rev("r43", "hotfix", 0)) },
			state:   rollback.RunSuperseded, code: 9, detail: "now serves r43", effects: 0, serves: "r43",
		},
		"superseded between look and effect": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					b.target.foreign(u, rev("r43", "hotfix", 0))
					b.target.onApply = nil
					return b.target.swap(u, op, s)
				}
			},
			state: rollback.RunSuperseded, code: 9, detail: "now serves r43", effects: 0, serves: "r43",
		},
		"superseded after the effect": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onVerify = func(u *fakeUnit) ([]rollback.Check, error) {
					if len(b.target.effects()) == 0 {
						return nil, nil // the look before anything was touched
					}
					b.target.onVerify = nil
					b.target.foreign(u, rev("r43", "hotfix", 0))
					return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
				}
			},
			state: rollback.RunSuperseded, code: 9, detail: "since switched fake:prod/pricing to r43", effects: 1, serves: "r43",
		},
		"unknown: nothing arrives": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onApply = func(ctx context.Context, _ *fakeUnit, _ rollback.Operation, _ rollback.Step) (rollback.Result, error) {
					<-ctx.Done() // the deadline of the engine ends it
					return rollback.Result{}, ctx.Err()
				}
			},
			state: rollback.RunUnknown, code: 8, detail: "may yet arrive", effects: 0, serves: "r42",
		},
		"unknown: the target cannot be seen afterwards": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					_, _ = b.target.swap(u, op, s)
					b.target.onObserve = func(*fakeUnit) error { return errAway }
					return rollback.Result{}, errAway
				}
			},
			state: rollback.RunUnknown, code: 8, detail: "is not known: it cannot be seen", effects: 1, serves: "r41",
		},
		"unknown: at the goal without a stamp": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					_, _ = b.target.swap(u, op, s)
					u.stamp = ""
					return rollback.Result{}, errAway
				}
			},
			state: rollback.RunUnknown, code: 8, detail: "carries no stamp", effects: 1, serves: "r41",
		},
		"unknown: no compare-and-set, so no second try": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onApply = func(context.Context, *fakeUnit, rollback.Operation, rollback.Step) (rollback.Result, error) {
					return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "the script hangs"}, nil
				}
			},
			state: rollback.RunUnknown, code: 8, detail: "may yet arrive", effects: 0, serves: "r42",
		},
		"needs a human": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) {
					return rollback.Convergence{Failed: true, Detail: "r41 does not start"}, nil
				}
			},
			state: rollback.RunNeedsHuman, code: 3, detail: "r41 does not start", effects: 1, serves: "r41",
		},
		"aborted without effect: known failure": {
			arrange: func(_ *testing.T, b *bench, u *fakeUnit) { u.history = u.history[1:] },
			state:   rollback.RunAborted, code: 3, detail: "the release directory is gone", effects: 0, serves: "r42",
		},
		"aborted without effect: the target is busy": {
			arrange: func(_ *testing.T, b *bench, u *fakeUnit) { u.inFlight = "deploy 77" },
			state:   rollback.RunAborted, code: 3, detail: "deploy 77", effects: 0, serves: "r42",
		},
		"aborted without effect: the target cannot be seen": {
			arrange: func(_ *testing.T, b *bench, _ *fakeUnit) {
				b.target.onObserve = func(*fakeUnit) error { return errAway }
			},
			state: rollback.RunAborted, code: 3, detail: "cannot be seen", effects: 0, serves: "r42",
		},
		"aborted without effect: on request": {
			arrange: func(t *testing.T, b *bench, _ *fakeUnit) {
				if err := b.Abort(t.Context(), "RUN-0001", policy.Principal{ID: "bob"}, "wrong unit"); err != nil {
					t.Fatal(err)
				}
			},
			state: rollback.RunAborted, code: 3, detail: "stopped by bob", effects: 0, serves: "r42",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				u := b.pricing()
				if strings.Contains(name, "no compare-and-set") {
					u.unit.CAS = rollback.CASNone
				}
				b.alerts.set("a1", providers.AlertFiring)
				run := b.confirmed(t, c.req)
				c.arrange(t, b, u)
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil {
					t.Fatal(err)
				}
				if run.State != c.state || run.State.ExitCode() != c.code || !strings.Contains(run.Detail, c.detail) {
					t.Errorf("ended %q (%d): %s\nwant %q (%d) with %q", run.State, run.State.ExitCode(), run.Detail, c.state, c.code, c.detail)
				}
				if got := len(b.target.effects()); got != c.effects || u.current.Label != c.serves {
					t.Errorf("%d effects, serves %s; want %d and %s", got, u.current.Label, c.effects, c.serves)
				}
				b.isOver(t, run)
			})
		})
	}
}

// isOver checks that a run ended in the journal, on the record and for its units.
func (b *bench) isOver(t *testing.T, run rollback.Run) {
	t.Helper()
	if !run.State.Final() || run.Alive || run.EndedAt.IsZero() {
		t.Errorf("not over: %+v", run)
	}
	outcome := b.entries(t, ledger.KindOutcome)
	if len(outcome) != 1 || !strings.Contains(outcome[0].Text, string(run.State)) {
		t.Errorf("the record says %+v", outcome)
	}
	if leases, err := b.db.Leases(t.Context()); err != nil || len(leases) != 0 {
		t.Errorf("units are still held: %v %v", leases, err)
	}
	b.sound(t)
}

// The row "refused", by each thing that can refuse.
func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		config  func(*rollback.Config)
		plan    func(*bench, *fakeUnit)
		change  func(*bench, *fakeUnit, *rollback.Plan, *rollback.Confirmation)
		err     error
		code    int
		because string
	}{
		"read-only": {
			config: func(c *rollback.Config) { c.ReadOnly = true }, err: rollback.ErrReadOnly, code: 5, because: "read-only",
		},
		"the wrong name": {
			change: func(_ *bench, _ *fakeUnit, _ *rollback.Plan, c *rollback.Confirmation) { c.Typed = "Pricing" },
			err:    rollback.ErrRefused, code: 5, because: `type "pricing"`,
		},
		"an agent": {
			change: func(_ *bench, _ *fakeUnit, _ *rollback.Plan, c *rollback.Confirmation) { c.By.Kind = policy.Agent },
			err:    rollback.ErrRefused, code: 5, because: "agent",
		},
		"another plan's hash": {
			change: func(_ *bench, _ *fakeUnit, _ *rollback.Plan, c *rollback.Confirmation) {
				c.PlanHash = strings.Repeat("0", 64)
			},
			err: rollback.ErrPlanChanged, code: 6, because: "confirmation is for 00000000",
		},
		"a plan that was tampered with": {
			change: func(_ *bench, _ *fakeUnit, p *rollback.Plan, _ *rollback.Confirmation) {
				p.Units[0].Steps[0].To = digest("r40")
			},
			err: rollback.ErrPlanChanged, code: 6, because: "the plan changed",
		},
		"another content": {
			change: func(b *bench, u *fakeUnit, _ *rollback.Plan, _ *rollback.Confirmation) {
				b.target.foreign(u, rev("r43", "x", 0))
			},
			err: rollback.ErrPlanChanged, code: 6, because: "served r42 and now serves r43",
		},
		"another token": {
			change: func(_ *bench, u *fakeUnit, _ *rollback.Plan, _ *rollback.Confirmation) { u.token++ },
			err:    rollback.ErrPlanChanged, code: 6, because: "switched by somebody else",
		},
		"another diff": {
			change: func(b *bench, _ *fakeUnit, _ *rollback.Plan, _ *rollback.Confirmation) {
				b.target.proposal = func(p *rollback.Proposal) { p.Destroys = []string{"the cache"} }
			},
			err: rollback.ErrPlanChanged, code: 6, because: "not what was shown",
		},
		"a missing right": {
			plan: func(b *bench, _ *fakeUnit) {
				b.target.proposal = func(p *rollback.Proposal) { p.Missing = []string{"write access to /srv"} }
			},
			err: rollback.ErrRefused, code: 5, because: "/srv",
		},
		"something under way": {
			plan: func(_ *bench, u *fakeUnit) { u.inFlight = "deploy 77" },
			err:  rollback.ErrRefused, code: 5, because: "blocked",
		},
		"something that is destroyed and was not named": {
			plan: func(b *bench, _ *fakeUnit) {
				b.target.proposal = func(p *rollback.Proposal) { p.Destroys = []string{"PVC data-0, with all orders", "pod db-2"} }
			},
			change: func(_ *bench, _ *fakeUnit, _ *rollback.Plan, c *rollback.Confirmation) {
				c.Destroys = []string{"pod db-2"}
			},
			err: rollback.ErrRefused, code: 5, because: "--destroy pvc/data-0 (",
		},
		"something named that is not destroyed": {
			change: func(_ *bench, _ *fakeUnit, _ *rollback.Plan, c *rollback.Confirmation) {
				c.Destroys = []string{"pod/db-2"}
			},
			err: rollback.ErrRefused, code: 5, because: `does not destroy "pod/db-2"`,
		},
		"an unknown without a reason": {
			plan:   func(b *bench, _ *fakeUnit) { b.target.listErr = errAway },
			change: func(_ *bench, _ *fakeUnit, _ *rollback.Plan, c *rollback.Confirmation) { c.Reason = "" },
			err:    rollback.ErrRefused, code: 5, because: "give a reason",
		},
		"another run": {
			change: func(b *bench, _ *fakeUnit, p *rollback.Plan, _ *rollback.Confirmation) {
				if _, err := b.Confirm(context.Background(), *p, yes(*p)); err != nil {
					panic(err)
				}
			},
			err: rollback.ErrLocked, code: 11, because: "RUN-0001 holds fake:prod/pricing",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(cfg *rollback.Config) {
					if c.config != nil {
						c.config(cfg)
					}
				})
				u := b.pricing()
				if c.plan != nil {
					c.plan(b, u)
				}
				p := b.plan(t, rollback.Request{})
				confirmation := yes(p)
				if c.change != nil {
					c.change(b, u, &p, &confirmation)
				}
				run, err := b.Confirm(t.Context(), p, confirmation)
				if !errors.Is(err, c.err) || rollback.ExitCode(err) != c.code || !strings.Contains(err.Error(), c.because) {
					t.Errorf("got %v (%d), want %v (%d) because %q", err, rollback.ExitCode(err), c.err, c.code, c.because)
				}
				b.wasRefused(t, run, c.because)
			})
		})
	}
}

func (b *bench) wasRefused(t *testing.T, run rollback.Run, because string) {
	t.Helper()
	if run.State != rollback.RunRefused || run.ID != "" || run.State.ExitCode() != 5 {
		t.Errorf("the run is %q %q", run.ID, run.State)
	}
	refusals := b.entries(t, ledger.KindRefusal)
	if len(refusals) != 1 || refusals[0].Actor != "ana" || !strings.Contains(refusals[0].Text, because) {
		t.Errorf("the record says %+v", refusals)
	}
	if len(b.target.effects()) != 0 {
		t.Error("a refused plan had an effect")
	}
	b.sound(t)
}
