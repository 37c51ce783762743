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
	"github.com/backout-dev/backout/rollback/store"
)

func elsewhere(c *rollback.Config) { c.Executor = "there:2" }

// While an executor works, however long that takes, nobody else gets its run.
func TestALiveExecutorKeepsItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *rollback.Config) { c.LeaseTTL, c.ApplyTimeout = 3*time.Second, time.Hour })
		b.pricing()
		release := make(chan struct{})
		b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			<-release
			return b.target.swap(u, op, s)
		}
		run := b.confirmed(t, rollback.Request{})
		done := make(chan rollback.Run)
		go func() {
			run, err := b.Execute(t.Context(), run.ID)
			if err != nil {
				t.Error(err)
			}
			done <- run
		}()
		other := b.another(t, elsewhere)
		for range 10 {
			time.Sleep(10 * time.Second)
			seen, err := other.Run(t.Context(), run.ID)
			if err != nil || !seen.Alive || seen.Executor != "here:1" || seen.State != rollback.RunRunning {
				t.Fatalf("%+v %v", seen, err)
			}
			if _, err := other.Execute(t.Context(), run.ID); !errors.Is(err, rollback.ErrLocked) || !strings.Contains(err.Error(), "here:1") {
				t.Fatalf("taken while it is worked on: %v", err)
			}
		}
		close(release)
		if run := <-done; run.State != rollback.RunSucceeded {
			t.Errorf("%q %s", run.State, run.Detail)
		}
		b.sound(t)
	})
}

// Asked to stop in the middle of an effect, an executor lets it end and journals it, under its lease; then it stops before
// the next one.
func TestAnEffectIsLetEndWhenTheExecutorIsAskedToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *rollback.Config) { c.LeaseTTL, c.ApplyTimeout = 3*time.Second, time.Minute })
		u := b.pricing()
		ctx, terminate := context.WithCancel(t.Context())
		b.target.onApply = func(ctx context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			terminate()
			select {
			case <-ctx.Done():
				return rollback.Result{Outcome: rollback.OutcomeUnknown}, ctx.Err()
			case <-time.After(20 * time.Second): // longer than the lease
				return b.target.swap(u, op, s)
			}
		}
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(ctx, run.ID)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Execute gave %v", err)
		}
		if s := run.Steps[0]; s.State != rollback.StepApplied || s.Attempt != 1 || u.current.Label != "r41" {
			t.Errorf("the step is %q after %d attempts, served is %s", s.State, s.Attempt, u.current.Label)
		}
		if run.State.Final() || run.Alive || len(run.Checks) > 0 {
			t.Errorf("it went on: %q, alive %v, checks %v", run.State, run.Alive, run.Checks)
		}
		if run, err := b.another(t, elsewhere).Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Errorf("resumed: %q %s %v", run.State, run.Detail, err)
		}
		b.sound(t)
	})
}

// slowLooks is a target that answers every look after 40 s.
type slowLooks struct{ *fake }

func slowly[T any](ctx context.Context, look func() (T, error)) (T, error) {
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case <-time.After(40 * time.Second):
		return look()
	}
}

func (s slowLooks) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	return slowly(ctx, func() (rollback.Observation, error) { return s.fake.Observe(ctx, id) })
}

func (s slowLooks) Plan(ctx context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	return slowly(ctx, func() (rollback.Proposal, error) { return s.fake.Plan(ctx, o, to) })
}

func (s slowLooks) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	return slowly(ctx, func() (rollback.Convergence, error) { return s.fake.Status(ctx, id, to) })
}

func (s slowLooks) Verify(ctx context.Context, id rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	return slowly(ctx, func() ([]rollback.Check, error) { return s.fake.Verify(ctx, id, to) })
}

// watchful is a target that says how long its looks may take.
type watchful struct{ slowLooks }

func (watchful) LookTimeout() time.Duration { return time.Minute }

// A look may take as long as its provider allows, and no longer than the engine's own limit where it names none.
func TestALookTakesAsLongAsItsProviderAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *rollback.Config) { c.Deadline = time.Hour })
		b.pricing()
		through := func(r rollback.Reverser) *rollback.Engine {
			return b.another(t, func(c *rollback.Config) { c.Reversers = map[string]rollback.Reverser{"fake": r} })
		}
		if _, err := through(slowLooks{b.target}).Plan(t.Context(), rollback.Request{Unit: "fake:prod/pricing"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody allowed it so much time, and it was seen: %v", err)
		}
		e := through(watchful{slowLooks{b.target}})
		p, err := e.Plan(t.Context(), rollback.Request{Unit: "fake:prod/pricing"})
		if err != nil {
			t.Fatal(err)
		}
		run, err := e.Confirm(t.Context(), p, yes(p))
		if err != nil {
			t.Fatal(err)
		}
		if run, err = e.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Errorf("%q %s, %v", run.State, run.Detail, err)
		}
	})
}

// A dead executor's run waits for its lease to run out, unless somebody knows that it is dead.
func TestADeadExecutorsRunIsTakenOver(t *testing.T) {
	for name, known := range map[string]bool{"known to be dead": true, "lease runs out": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.pricing()
				run := b.confirmed(t, rollback.Request{})
				// What kill -9 leaves behind: a lease, and nobody who renews it.
				err := b.db.Update(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Acquire(run.ID, "here:1", time.Now().Add(30*time.Second), nil)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				other := b.another(t, elsewhere, func(c *rollback.Config) {
					if known {
						c.HolderDead = func(e string) bool { return e == "here:1" }
					}
				})
				if !known {
					if _, err := other.Execute(t.Context(), run.ID); !errors.Is(err, rollback.ErrLocked) {
						t.Fatalf("taken before the lease ran out: %v", err)
					}
					time.Sleep(31 * time.Second)
				}
				if run, err = other.Run(t.Context(), run.ID); err != nil || run.Alive {
					t.Errorf("still alive: %v", err)
				}
				if run, err = other.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded || run.Executor != "there:2" {
					t.Errorf("%q by %s, %v", run.State, run.Executor, err)
				}
				b.sound(t)
			})
		})
	}
}

// An executor that was wrongly taken for dead cannot write any more, and its effect is found instead of repeated.
func TestAZombieIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		landed, release := make(chan struct{}), make(chan struct{})
		first := true
		b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			res, err := b.target.swap(u, op, s)
			if first {
				first = false
				close(landed)
				<-release
			}
			return res, err
		}
		run := b.confirmed(t, rollback.Request{})
		zombie := make(chan error)
		go func() {
			_, err := b.Execute(t.Context(), run.ID)
			zombie <- err
		}()
		<-landed
		other := b.another(t, elsewhere, func(c *rollback.Config) { c.HolderDead = func(string) bool { return true } })
		run, err := other.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunSucceeded || run.Steps[0].Result.Outcome != rollback.AlreadyApplied {
			t.Errorf("%+v %v", run, err)
		}
		close(release)
		if err := <-zombie; !errors.Is(err, store.ErrFenced) && err != nil {
			t.Errorf("the zombie ended with %v", err)
		}
		if again, err := b.Run(t.Context(), run.ID); err != nil || again.Executor != "there:2" || len(b.entries(t, ledger.KindOutcome)) != 1 {
			t.Errorf("the zombie wrote: %+v %v", again, err)
		}
		b.sound(t)
	})
}

// A process that is asked to go leaves the run where it is, and another can go on at once.
func TestAnInterruptedRunIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		ctx, cancel := context.WithCancel(t.Context())
		b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) {
			cancel()
			return rollback.Convergence{Detail: "0 of 1"}, nil
		}
		run, err := b.Execute(ctx, run.ID)
		if !errors.Is(err, context.Canceled) || run.State.Final() || run.Alive {
			t.Fatalf("%q alive %v, %v", run.State, run.Alive, err)
		}
		b.target.onStatus = nil
		other := b.another(t, elsewhere)
		if run, err = other.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Errorf("%q %s %v", run.State, run.Detail, err)
		}
		if log := run.Log; !strings.Contains(log[len(log)-1].Text, "succeeded") || !strings.Contains(text(log), "resumed by there:2, after here:1") {
			t.Errorf("log is %v", log)
		}
		if again, err := other.Execute(t.Context(), run.ID); err != nil || again.State != rollback.RunSucceeded {
			t.Errorf("a run that is over: %v", err)
		}
		b.sound(t)
	})
}

func text(log []rollback.LogLine) string {
	var b strings.Builder
	for _, l := range log {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

// All has to be well without a break for the whole hold.
func TestTheHoldStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.alerts.set("a1", providers.AlertResolved)
		start := time.Now()
		b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
			if since := time.Since(start); since > 4*time.Second && since < 4500*time.Millisecond {
				return []rollback.Check{{Name: "answers", State: rollback.CheckUnknown}}, nil // one look without an answer
			}
			return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
		}
		run := b.confirmed(t, rollback.Request{Alerts: []rollback.AlertRef{{Provider: "alerts", ID: "a1"}}})
		run, err := b.Execute(t.Context(), run.ID)
		if took := time.Since(start); err != nil || run.State != rollback.RunSucceeded || took < 9*time.Second || took > 11*time.Second {
			t.Errorf("%q after %s, %v", run.State, took, err)
		}
	})
}

// Runs on other units go on beside each other; their units are free afterwards.
func TestRunsOnOtherUnitsGoOnTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.add("orders", rev("o2", "other", 20), rev("o1", "o1", 2000))
		one, two := b.confirmed(t, rollback.Request{}), b.confirmed(t, rollback.Request{Unit: "fake:prod/orders"})
		done := make(chan rollback.RunState)
		for _, id := range []string{one.ID, two.ID} {
			go func() {
				run, err := b.Execute(t.Context(), id)
				if err != nil {
					t.Error(err)
				}
				done <- run.State
			}()
		}
		for range 2 {
			if s := <-done; s != rollback.RunSucceeded {
				t.Errorf("ended %q", s)
			}
		}
		b.sound(t)
	})
}

func TestATargetsOwnLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Reversers = map[string]rollback.Reverser{"fake": lockingFake{b.target}}
		b.Engine = b.another(t)
		b.pricing()
		b.target.locked = errors.Join(rollback.ErrLocked, errors.New("kim on laptop-7"))
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		if !errors.Is(err, rollback.ErrLocked) || rollback.ExitCode(err) != 11 || run.State != rollback.RunAborted || !strings.Contains(run.Detail, "laptop-7") {
			t.Errorf("%q %s, %v", run.State, run.Detail, err)
		}
		b.target.locked = nil
		run = b.confirmed(t, rollback.Request{})
		if run, err = b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Errorf("%q %v", run.State, err)
		}
		if b.target.released != 1 {
			t.Errorf("the lock was released %d times", b.target.released)
		}
	})
}

// Two units that go back together: the consumer first, and a failure half way is a person's matter.
func TestCoupledRuns(t *testing.T) {
	cases := map[string]struct {
		arrange func(t *testing.T, b *bench, storefront, pricing *fakeUnit)
		state   rollback.RunState
		detail  string
		serves  string
	}{
		"both go back, in order": {
			func(t *testing.T, b *bench, storefront, _ *fakeUnit) {
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					if u.unit.Service == "pricing" && storefront.current.Label != "s8" {
						t.Error("the provider moved before its consumer was back")
					}
					return b.target.swap(u, op, s)
				}
			}, rollback.RunSucceeded, "fake:prod/storefront serves s8, fake:prod/pricing serves r41", "s8 r41",
		},
		"the consumer does not arrive": {
			func(_ *testing.T, b *bench, _, _ *fakeUnit) {
				b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) { return rollback.Convergence{Detail: "1 of 2"}, nil }
			}, rollback.RunNeedsHuman, "it did not arrive", "s8 r42",
		},
		"the second is refused": {
			func(_ *testing.T, _ *bench, _, pricing *fakeUnit) { pricing.history = nil },
			rollback.RunNeedsHuman, "release directory is gone; nothing was taken back", "s8 r42",
		},
		"the second was changed": {
			func(_ *testing.T, b *bench, _, pricing *fakeUnit) { b.target.foreign(pricing, rev("r43", "fix", 0)) },
			rollback.RunNeedsHuman, "now serves r43", "s8 r43",
		},
		"somebody stops it in between": {
			func(t *testing.T, b *bench, _, _ *fakeUnit) {
				b.target.onStatus = func(u *fakeUnit) (rollback.Convergence, error) {
					if err := b.Abort(context.WithoutCancel(t.Context()), "RUN-0001", policy.Principal{ID: "bob"}, "wait"); err != nil {
						t.Error(err)
					}
					return rollback.Convergence{Done: true, Detail: "1 of 1"}, nil
				}
			}, rollback.RunNeedsHuman, "stopped, as bob asked; nothing was taken back", "s8 r42",
		},
		"somebody took the first back": {
			func(_ *testing.T, b *bench, storefront, _ *fakeUnit) {
				b.target.foreign(storefront, storefront.history[0])
			},
			rollback.RunSuperseded, "fake:prod/pricing is not back: nothing was done", "s8 r42",
		},
		"somebody took both back": {
			func(_ *testing.T, b *bench, storefront, pricing *fakeUnit) {
				b.target.foreign(storefront, storefront.history[0])
				b.target.foreign(pricing, pricing.history[0])
			}, rollback.RunAlreadyGood, "nothing was done and nothing verified", "s8 r41",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				pricing := b.pricing()
				storefront := b.target.add("storefront", rev("s9", "bad", 9), rev("s8", "s8", 90))
				run := b.confirmed(t, rollback.Request{Edges: []providers.Edge{{From: "storefront", To: "pricing", Kind: providers.EdgeRequires}}})
				c.arrange(t, b, storefront, pricing)
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil || run.State != c.state || !strings.Contains(run.Detail, c.detail) {
					t.Errorf("%q: %s, %v\nwant %q with %q", run.State, run.Detail, err, c.state, c.detail)
				}
				if got := storefront.current.Label + " " + pricing.current.Label; got != c.serves {
					t.Errorf("they serve %s, want %s", got, c.serves)
				}
				b.sound(t)
			})
		})
	}
}

// The old content under a newer switch is somebody's decision: it is left alone, before and after the effect was noted.
func TestTheBadRevisionDeployedAgainIsLeftAlone(t *testing.T) {
	for name, acknowledged := range map[string]bool{"the effect is known": true, "the effect is not known": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				u := b.pricing()
				bad := u.current
				b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
					res, err := b.target.swap(u, op, s)
					b.target.foreign(u, bad)
					if !acknowledged {
						return rollback.Result{}, errAway
					}
					return res, err
				}
				run := b.confirmed(t, rollback.Request{})
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil || run.State != rollback.RunSuperseded || u.current.Label != "r42" || len(b.target.effects()) != 1 {
					t.Errorf("%q %s, serves %s, %v", run.State, run.Detail, u.current.Label, err)
				}
			})
		})
	}
}

// A switch whose reload was cut off is handed in again on its old condition, so that the target can finish it.
func TestWhatWasCutOffIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		reloaded := false
		b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) {
			return rollback.Convergence{Done: reloaded, Detail: "reloaded or not"}, nil
		}
		var conditions []string
		b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			conditions = append(conditions, s.Token)
			res, err := b.target.swap(u, op, s)
			if res.Outcome == rollback.AlreadyApplied {
				reloaded = true
				res.Detail = "reloaded now"
				return res, err
			}
			return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "cut off before the reload"}, nil
		}
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunSucceeded || len(conditions) != 2 || conditions[0] != conditions[1] {
			t.Errorf("%q %s, on the conditions %v, %v", run.State, run.Detail, conditions, err)
		}
		if got := run.Steps[0].Result.Detail; !strings.Contains(got, "found as this run left it; reloaded now") {
			t.Errorf("the step says %q", got)
		}
		b.sound(t)
	})
}

func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		by := policy.Principal{ID: "bob", Kind: policy.Human}
		if err := b.another(t, func(c *rollback.Config) { c.ReadOnly = true }).Abort(t.Context(), run.ID, by, ""); !errors.Is(err, rollback.ErrReadOnly) {
			t.Errorf("read-only: %v", err)
		}
		if err := b.Abort(t.Context(), "RUN-9", by, ""); !errors.Is(err, rollback.ErrNotFound) {
			t.Errorf("no such run: %v", err)
		}
		if err := b.Abort(t.Context(), run.ID, by, "token=abcdefghijkl"); err != nil {
			t.Fatal(err)
		}
		if err := b.Abort(t.Context(), run.ID, by, ""); err == nil {
			t.Error("a run that is over can be stopped")
		}
		asked := b.entries(t, ledger.KindAbort)
		if len(asked) != 1 || strings.Contains(asked[0].Text, "abcdefghijkl") || asked[0].Actor != "bob" {
			t.Errorf("the record says %+v", asked)
		}
		again := b.confirmed(t, rollback.Request{}) // the unit is free again
		b.target.onStatus = func(*fakeUnit) (rollback.Convergence, error) {
			if err := b.Abort(context.WithoutCancel(t.Context()), again.ID, by, "enough"); err != nil {
				t.Error(err)
			}
			return rollback.Convergence{Detail: "0 of 1"}, nil
		}
		again, err := b.Execute(t.Context(), again.ID)
		if err != nil || again.State != rollback.RunUnverified || !strings.Contains(again.Detail, "nobody watches it any more, as bob asked") {
			t.Errorf("%q %s %v", again.State, again.Detail, err)
		}
		b.sound(t)
	})
}

func TestRecord(t *testing.T) {
	b := newBench(t)
	e, err := b.Record(t.Context(), ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: "look\x1b[2J at password: hunter2"}, nil)
	if err != nil || e.Seq != 1 || e.Text != "look at password: [redacted]" {
		t.Errorf("%+v %v", e, err)
	}
	if _, err := b.Record(t.Context(), ledger.Entry{Kind: ledger.KindOutcome, Text: "RUN-0001 succeeded"}, nil); err == nil {
		t.Error("an outcome was recorded by hand")
	}
	b.sound(t)
}

// An executor that stands still between its intent and its request, while somebody else takes its run over, sends nothing any
// more when it goes on: not even to a target that does not ask whether its caller still wants it.
func TestAnExecutorThatLostItsLeaseAfterTheIntentSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bench
		var run rollback.Run
		b = newBench(t, func(c *rollback.Config) {
			c.LeaseTTL = 3 * time.Second
			c.Fail = func(point string) error {
				if point != "intent.after" {
					return nil
				}
				err := b.db.Update(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Acquire(run.ID, "there:2", time.Now().Add(time.Minute), func(string) bool { return true })
					return err
				})
				time.Sleep(3 * time.Second)
				return err
			}
		})
		b.pricing()
		run = b.confirmed(t, rollback.Request{})
		if _, err := b.Execute(t.Context(), run.ID); err == nil || !strings.Contains(err.Error(), "the lease is lost") {
			t.Errorf("%v", err)
		}
		if sent := b.target.effects(); len(sent) > 0 {
			t.Errorf("sent after all: %v", sent)
		}
		b.sound(t)
	})
}
