package rollback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// guarded is a bench on a target whose reconciler has to be suspended first. What is seen from outside is well.
func guarded(t *testing.T) (*bench, *rollbacktest.Guarded) {
	t.Helper()
	g := rollbacktest.NewGuarded(rollbacktest.NewTarget("mem:prod/pricing", time.Now, "r40", "r41", "r42"))
	b := newBench(t, func(c *rollback.Config) {
		c.Reversers = map[string]rollback.Reverser{"mem": g}
		c.Checks = func(context.Context, []string) ([]rollback.Check, error) {
			return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
		}
	})
	return b, g
}

var pricing = rollback.Request{Unit: "mem:prod/pricing"}

// suspended runs a rollback to its end and gives the measure that it left.
func suspended(t *testing.T, b *bench) rollback.MeasureRun {
	t.Helper()
	run, err := b.Execute(t.Context(), b.confirmed(t, pricing).ID)
	if err != nil || run.State != rollback.RunSucceeded || len(run.Measures) != 1 {
		t.Fatalf("%q %s, %d measures, %v", run.State, run.Detail, len(run.Measures), err)
	}
	return run.Measures[0]
}

func lift(by policy.Principal) rollback.LiftRequest { return rollback.LiftRequest{By: by} }

func TestARunLeavesItsMeasureOnTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		p := b.plan(t, pricing)
		if u := p.Units[0]; len(u.Measures) != 1 || u.Measures[0].TTL != 24*time.Hour || u.LastingFix == "" || !strings.Contains(strings.Join(p.Warnings, "\n"), "the reconciler is suspended") {
			t.Errorf("the plan does not tell of its measure: %+v %q", u.Proposal, p.Warnings)
		}
		start := time.Now()
		m := suspended(t, b)
		if m.State != rollback.MeasureInForce || m.Owner != "ana" || m.Reason != "errors" || m.Exit == "" || !g.Suspended() {
			t.Errorf("%+v, suspended %v", m, g.Suspended())
		}
		if got := m.Expires.Sub(start); got < 24*time.Hour || got > 24*time.Hour+time.Minute {
			t.Errorf("expires after %s", got)
		}
		told(t, b, m)
		b.sound(t)
	})
}

// told checks what a run says of the measure that it leaves, and when the record had it.
func told(t *testing.T, b *bench, m rollback.MeasureRun) {
	t.Helper()
	run, err := b.Run(t.Context(), m.Run)
	if err != nil || !strings.Contains(run.Detail, "backout measures lift "+m.ID) {
		t.Errorf("the run does not say what it leaves: %q %v", run.Detail, err)
	}
	measure, intent := b.entries(t, ledger.KindMeasure), b.entries(t, ledger.KindIntent)
	if measure[0].Seq > intent[0].Seq {
		t.Errorf("the measure is entry %d, the intent of the step that sets it entry %d", measure[0].Seq, intent[0].Seq)
	}
	if run.AppliedAt.IsZero() || run.AppliedAt.Before(run.Steps[1].At) {
		t.Errorf("the rollback counts from %s, its switch was begun at %s", run.AppliedAt, run.Steps[1].At)
	}
}

func TestThePlanHashCoversTheMeasures(t *testing.T) {
	b, _ := guarded(t)
	p := b.plan(t, pricing)
	for name, change := range map[string]func(*rollback.Measure){
		"what": func(m *rollback.Measure) { m.What = "all is off" }, "exit": func(m *rollback.Measure) { m.Exit = "never" },
		"span": func(m *rollback.Measure) { m.TTL = time.Hour }, "args": func(m *rollback.Measure) { m.Args = map[string]string{"a": "b"} },
	} {
		q := p
		q.Units = append([]rollback.UnitPlan(nil), p.Units...)
		q.Units[0].Measures = append([]rollback.Measure(nil), p.Units[0].Measures...)
		change(&q.Units[0].Measures[0])
		if hash, err := rollback.HashPlan(q); err != nil || hash == p.Hash {
			t.Errorf("another %s has the same hash (%v)", name, err)
		}
	}
}

func TestLiftWaitsForTheExitCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		m := suspended(t, b)
		for name, c := range map[string]struct {
			prepare func()
			engine  *rollback.Engine
			req     rollback.LiftRequest
			want    error
			says    string
		}{
			"it does not hold":     {nil, b.Engine, lift(ana), rollback.ErrRefused, "does not hold"},
			"nobody can tell":      {func() { g.ExitGone = true }, b.Engine, lift(ana), rollback.ErrRefused, "not known to hold"},
			"force without reason": {nil, b.Engine, rollback.LiftRequest{By: ana, Force: true}, rollback.ErrRefused, "say why"},
			"an agent":             {nil, b.Engine, lift(policy.Principal{ID: "bot", Kind: policy.Agent}), rollback.ErrRefused, "a person has to"},
			"read-only":            {nil, b.another(t, func(c *rollback.Config) { c.ReadOnly = true }), lift(ana), rollback.ErrReadOnly, ""},
		} {
			if c.prepare != nil {
				c.prepare()
			}
			if _, _, err := c.engine.Lift(t.Context(), m.ID, c.req); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !g.Suspended() {
				t.Errorf("%s: %v, suspended %v", name, err, g.Suspended())
			}
			g.ExitGone = false
		}
		g.Allow(true)
		got, res, err := b.Lift(t.Context(), m.ID, lift(ana))
		if err != nil || got.State != rollback.MeasureLifted || res.Outcome != rollback.Applied || g.Suspended() || g.Lifts() != 1 {
			t.Errorf("%q %+v %v", got.State, res, err)
		}
		if _, res, err = b.Lift(t.Context(), m.ID, lift(ana)); err != nil || res.Outcome != rollback.AlreadyApplied || g.Lifts() != 1 {
			t.Errorf("again: %+v %v, %d lifts", res, err, g.Lifts())
		}
		b.sound(t)
	})
}

func TestForceLiftsForAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		m := suspended(t, b)
		got, _, err := b.Lift(t.Context(), m.ID, rollback.LiftRequest{By: ana, Force: true, Reason: "the source is gone for good"})
		if err != nil || got.State != rollback.MeasureLifted || g.Suspended() {
			t.Fatalf("%q %v", got.State, err)
		}
		entries := b.entries(t, ledger.KindMeasure)
		if last := entries[len(entries)-2]; !strings.Contains(last.Text, "the source is gone for good") || !strings.Contains(string(last.Body), `"force":true`) {
			t.Errorf("the intent does not say that it was forced: %s %s", last.Text, last.Body)
		}
	})
}

// What a lift did is never guessed: a lost answer is found out by looking, and an unseen one goes on under its operation.
func TestLiftTellsTheTruth(t *testing.T) {
	for name, c := range map[string]struct {
		fault   rollbacktest.Fault
		blind   bool
		state   rollback.MeasureState
		outcome rollback.Outcome
		lifts   int
	}{
		"the answer was lost":             {rollbacktest.FaultLost, false, rollback.MeasureLifted, rollback.OutcomeUnknown, 1},
		"it never arrived":                {rollbacktest.FaultDrop, false, rollback.MeasureLifting, rollback.OutcomeUnknown, 0},
		"nonsense":                        {rollbacktest.FaultGarbage, false, rollback.MeasureLifting, rollback.OutcomeUnknown, 0},
		"done, and then it was not seen":  {rollbacktest.FaultNone, true, rollback.MeasureLifting, rollback.OutcomeUnknown, 1},
		"lost, and then it was not seen":  {rollbacktest.FaultLost, true, rollback.MeasureLifting, rollback.OutcomeUnknown, 1},
		"never there, and it is not seen": {rollbacktest.FaultDrop, true, rollback.MeasureLifting, rollback.OutcomeUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, g := guarded(t)
				m := suspended(t, b)
				g.MisbehaveLift(c.fault)
				if c.blind {
					g.Blind(errAway)
				}
				got, res, err := b.Lift(t.Context(), m.ID, rollback.LiftRequest{By: ana, Force: true, Reason: "test"})
				if err != nil || got.State != c.state || res.Outcome != c.outcome || g.Lifts() != c.lifts {
					t.Fatalf("%q %+v %v, %d lifts", got.State, res, err, g.Lifts())
				}
				g.MisbehaveLift(rollbacktest.FaultNone)
				g.Blind(nil)
				if got, _, err = b.Lift(t.Context(), m.ID, rollback.LiftRequest{By: ana, Force: true, Reason: "again"}); err != nil || got.State != rollback.MeasureLifted {
					t.Errorf("again: %q %v", got.State, err)
				}
				if g.Lifts() != 1 || g.Suspended() {
					t.Errorf("%d lifts, suspended %v", g.Lifts(), g.Suspended())
				}
				b.sound(t)
			})
		})
	}
}

// Somebody else lifts it, suspends it anew, and a look finds out each time; only what is different is on the record.
func TestProbeRecordsWhatBecameDifferent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		m := suspended(t, b)
		look := func(want rollback.MeasureState, inForce rollback.Tell, entries int) {
			t.Helper()
			before := len(b.entries(t, ledger.KindMeasure))
			for range 3 {
				got, err := b.Probe(t.Context(), ana, m.ID)
				if err != nil || len(got) != 1 || got[0].State != want || got[0].InForce != inForce {
					t.Errorf("%+v %v", got, err)
				}
			}
			if n := len(b.entries(t, ledger.KindMeasure)) - before; n != entries {
				t.Errorf("%d entries, want %d", n, entries)
			}
		}
		look(rollback.MeasureInForce, rollback.TellYes, 0) // the run has looked already
		g.Resume()
		look(rollback.MeasureElsewhere, rollback.TellNo, 1)
		g.Blind(errAway)
		look(rollback.MeasureElsewhere, rollback.TellUnknown, 1)
		g.Blind(nil)
		look(rollback.MeasureElsewhere, rollback.TellNo, 1)
		got, _, err := b.Lift(t.Context(), m.ID, lift(ana)) // takes note of it: nothing is touched
		if err != nil || got.State != rollback.MeasureLifted || g.Lifts() != 0 {
			t.Errorf("%q %v, %d lifts", got.State, err, g.Lifts())
		}
	})
}

// A measure that somebody suspended anew is not the one that was set: lifting it would undo what they did.
func TestLiftLeavesAloneWhatSomebodyElseSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		m := suspended(t, b)
		g.Resume()
		if res, err := g.Apply(t.Context(), rollback.Operation{ID: "theirs"}, rollback.Step{Action: "suspend", Args: map[string]string{"version": "2"}}); err != nil || res.Outcome != rollback.Applied {
			t.Fatalf("%+v %v", res, err)
		}
		got, res, err := b.Lift(t.Context(), m.ID, rollback.LiftRequest{By: ana, Force: true, Reason: "test"})
		if err != nil || res.Outcome != rollback.PreconditionFailed || got.State != rollback.MeasureInForce || !g.Suspended() {
			t.Errorf("%q %+v %v", got.State, res, err)
		}
	})
}

// If a later step fails, the run says what stands; where the measure was never set, nothing does.
func TestWhatStandsWhenARunStops(t *testing.T) {
	for name, c := range map[string]struct {
		fault   func(*rollbacktest.Guarded)
		state   rollback.RunState
		measure rollback.MeasureState
	}{
		"somebody switched the unit meanwhile": {func(g *rollbacktest.Guarded) {
			g.Then = func() { _ = g.Switch(g.Digest("r40")) }
		}, rollback.RunNeedsHuman, rollback.MeasureInForce},
		"whether the unit was switched is not known": {func(g *rollbacktest.Guarded) {
			g.Then = func() { g.Misbehave(rollbacktest.FaultDrop) }
		}, rollback.RunUnknown, rollback.MeasureInForce},
		"the reconciler was switched since the plan": {func(g *rollbacktest.Guarded) { g.Resume() }, rollback.RunAborted, rollback.MeasureNever},
		"whether it was suspended is not known":      {func(g *rollbacktest.Guarded) { g.MisbehaveSuspend(rollbacktest.FaultDrop) }, rollback.RunUnknown, rollback.MeasureSetting},
		"the answer to the suspension was lost": {func(g *rollbacktest.Guarded) {
			g.MisbehaveSuspend(rollbacktest.FaultLost)
		}, rollback.RunUnknown, rollback.MeasureSetting},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, g := guarded(t)
				run := b.confirmed(t, pricing)
				c.fault(g)
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil || run.State != c.state || len(run.Measures) != 1 || run.Measures[0].State != c.measure {
					t.Fatalf("%q %s, %+v, %v", run.State, run.Detail, run.Measures, err)
				}
				if says := strings.Contains(run.Detail, "backout measures lift RUN-0001.1"); says != (c.measure != rollback.MeasureNever) {
					t.Errorf("%q", run.Detail)
				}
				g.Misbehave(rollbacktest.FaultNone)
				g.MisbehaveSuspend(rollbacktest.FaultNone)
				if c.measure == rollback.MeasureNever {
					return
				}
				was := g.Suspended()
				got, err := b.Probe(t.Context(), ana)
				if err != nil || len(got) != 1 || (got[0].State == rollback.MeasureInForce) != was {
					t.Errorf("suspended %v, found %+v %v", was, got, err)
				}
				b.sound(t)
			})
		})
	}
}

// While a rollback is verified, somebody lets the reconciler run again: that is no success.
func TestAMeasureThatFallsIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		b.cfg.Hold, b.cfg.Deadline = 50*time.Second, 2*time.Minute
		b.Engine = b.another(t)
		id := b.confirmed(t, pricing).ID
		time.AfterFunc(20*time.Second, g.Resume)
		run, err := b.Execute(t.Context(), id)
		if err != nil || run.State != rollback.RunUnverified || !strings.Contains(run.Detail, "somebody else lifted it") {
			t.Errorf("%q %s, %v", run.State, run.Detail, err)
		}
	})
}

// Nothing is lifted in the middle of a run, and not by two at once.
func TestLiftHasToWaitItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		m := suspended(t, b)
		g.Allow(true)
		g.MisbehaveLift(rollbacktest.FaultDrop)
		done := make(chan error, 1)
		go func() {
			_, _, err := b.Lift(t.Context(), m.ID, lift(ana))
			done <- err
		}()
		synctest.Wait()
		if _, _, err := b.another(t).Lift(t.Context(), m.ID, lift(ana)); !errors.Is(err, rollback.ErrLocked) {
			t.Errorf("two at once: %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		g.MisbehaveLift(rollbacktest.FaultNone)
		g.Allow(false)
		b.confirmed(t, rollback.Request{Unit: "mem:prod/pricing", To: "r40"})
		if _, _, err := b.Lift(t.Context(), m.ID, rollback.LiftRequest{By: ana, Force: true, Reason: "test"}); !errors.Is(err, rollback.ErrLocked) {
			t.Errorf("in the middle of a run: %v", err)
		}
	})
}
