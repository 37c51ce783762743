package rollback_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

// keeper is a guard of drills whose answers a test sets.
type keeper struct {
	mu      sync.Mutex
	open    []rollback.AlertRef
	err     error
	asked   []string
	closed  string
	budgets []rollback.Check
}

func (k *keeper) Firing(_ context.Context, services []string) ([]rollback.AlertRef, int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = services
	return k.open, 1, k.err
}

func (k *keeper) Closed(rollback.Unit, time.Time) string { return k.closed }

func (k *keeper) Budgets(context.Context, rollback.Unit) []rollback.Check { return k.budgets }

func (k *keeper) fire(name, service string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = []rollback.AlertRef{{Provider: "prom", ID: name, Name: name, Service: service}}
}

func drillBench(t *testing.T, change ...func(*rollback.Config)) (*bench, *keeper) {
	t.Helper()
	k := &keeper{}
	b := newBench(t, append([]func(*rollback.Config){func(c *rollback.Config) {
		c.DrillGuard, c.Tier = k, func(string) string { return policy.TierProd }
	}}, change...)...)
	return b, k
}

func (b *bench) drillPlan(t *testing.T, req rollback.Request) (rollback.Plan, []rollback.Precondition) {
	t.Helper()
	if req.Unit == "" {
		req.Unit = "fake:prod/pricing"
	}
	p, before, err := b.PlanDrill(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return p, before
}

// drilled plans and confirms a drill.
func (b *bench) drilled(t *testing.T, ask *rollback.DrillAsk) rollback.Drill {
	t.Helper()
	p, _ := b.drillPlan(t, rollback.Request{Drill: ask})
	d, err := b.Drill(t.Context(), p, yes(p))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADrillGoesBackAndForwardAndProvesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		u := b.pricing()
		b.target.proposal = func(p *rollback.Proposal) { p.Mechanism = rollback.MechanismOf("switch", "1", nil) }
		d, err := b.Drive(t.Context(), b.drilled(t, nil).ID)
		if err != nil || d.State != rollback.DrillPassed || d.State.ExitCode() != 0 {
			t.Fatalf("%q %s, %v", d.State, d.Detail, err)
		}
		if u.current.Label != "r42" || len(b.target.effects()) != 2 {
			t.Errorf("it serves %s after %d effects", u.current.Label, len(b.target.effects()))
		}
		r := b.theProof(t)
		f := r.Forward
		if r.Kind != "drill" || r.Drill != d.ID || r.Outcome != proof.Pass || r.Earned() != proof.L4 || f == nil || !f.Returned || !f.Verified {
			t.Fatalf("%+v", r)
		}
		wholeTimes(t, r.Times)
		wholeTimes(t, f.Times)
		b.nothingIsLeft(t)
		b.sound(t)
		b.plansAsBefore(t)
	})
}

// plansAsBefore checks that a drill alters nothing of what a rollback does, but that it is tested now.
func (b *bench) plansAsBefore(t *testing.T) {
	t.Helper()
	if p := b.plan(t, rollback.Request{}); p.Kind != "incident" || p.Units[0].To.Label != "r41" || !p.Units[0].Proof.Tested() || p.Verdict != rollback.Independent {
		t.Errorf("a plan afterwards is %s to %s, %s: %s", p.Kind, p.Units[0].To.Label, p.Verdict, p.Units[0].Tested)
	}
}

// nothingIsLeft checks that what the drill left behind is closed.
func (b *bench) nothingIsLeft(t *testing.T) {
	t.Helper()
	measures, err := b.Measures(t.Context())
	if err != nil || len(measures) != 1 || !measures[0].State.Closed() {
		t.Errorf("%+v %v", measures, err)
	}
}

// theProof is the one proof that there is.
func (b *bench) theProof(t *testing.T) proof.Record {
	t.Helper()
	all, err := b.Proofs(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d proofs, %v", len(all), err)
	}
	return all[0]
}

// wholeTimes checks that a half tells of each of its segments, in order.
func wholeTimes(t *testing.T, is proof.Times) {
	t.Helper()
	last := time.Time{}
	for i, at := range []time.Time{is.Decided, is.Approved, is.FirstEffect, is.Converged, is.Verified} {
		if at.IsZero() || at.Before(last) {
			t.Errorf("time %d of %+v", i, is)
		}
		last = at
	}
}

func TestDrillsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*bench, *fakeUnit, *keeper)
		why   rollback.DrillReason
		code  int
		words string
	}{
		"an alert of the unit":  {func(_ *bench, _ *fakeUnit, k *keeper) { k.fire("5xx", "pricing") }, rollback.DrillAlerts, 20, "5xx on pricing"},
		"alerts cannot be told": {func(_ *bench, _ *fakeUnit, k *keeper) { k.err = errAway }, rollback.DrillAlerts, 20, "not known"},
		"a freeze":              {func(_ *bench, _ *fakeUnit, k *keeper) { k.closed = "year end" }, rollback.DrillClosed, 21, "year end"},
		"an error budget": {func(_ *bench, _ *fakeUnit, k *keeper) {
			k.budgets = []rollback.Check{{Name: "slo", State: rollback.CheckFail, Observed: "0.1"}}
		}, rollback.DrillBudget, 22, "slo: fail"},
		"a budget nobody can see": {func(_ *bench, _ *fakeUnit, k *keeper) {
			k.budgets = []rollback.Check{{Name: "slo", State: rollback.CheckUnknown}}
		}, rollback.DrillBudget, 22, "unknown"},
		"no L1": {func(b *bench, _ *fakeUnit, _ *keeper) {
			b.target.proposal = func(p *rollback.Proposal) { p.Missing = []string{"write access"} }
		}, rollback.DrillUnplanned, 23, "write access"},
		"what it destroys": {func(b *bench, _ *fakeUnit, _ *keeper) {
			b.target.proposal = func(p *rollback.Proposal) { p.Destroys = []string{"pvc/data"} }
		}, rollback.DrillIrreversible, 24, "pvc/data"},
		"something under way": {func(_ *bench, u *fakeUnit, _ *keeper) { u.inFlight = "a deployment" }, rollback.DrillBusy, 11, "a deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, k := drillBench(t)
				u := b.pricing()
				c.set(b, u, k)
				p, before := b.drillPlan(t, rollback.Request{})
				_, err := b.Drill(t.Context(), p, yes(p))
				var r *rollback.DrillRefusal
				if !errors.As(err, &r) || r.Why != c.why || rollback.ExitCode(err) != c.code || !strings.Contains(r.Text, c.words) {
					t.Errorf("%v (%d)", err, rollback.ExitCode(err))
				}
				shown := false
				for _, is := range before {
					shown = shown || is.Refuse && is.Name == c.why
				}
				if !shown || len(b.target.effects()) != 0 || len(b.entries(t, ledger.KindRefusal)) != 1 {
					t.Errorf("shown %v, %d effects, %d refusals on the record", shown, len(b.target.effects()), len(b.entries(t, ledger.KindRefusal)))
				}
				b.sound(t)
			})
		})
	}
}

func TestNothingToDrillWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		b.target.add("pricing", rev("r42", "bad", 10))
		_, _, err := b.PlanDrill(t.Context(), rollback.Request{Unit: "fake:prod/pricing"})
		if rollback.ExitCode(err) != 25 || !errors.Is(err, rollback.ErrRefused) {
			t.Errorf("%v (%d)", err, rollback.ExitCode(err))
		}
		p, _ := b.drillPlan(t, rollback.Request{To: "r42"})
		if _, err := b.Drill(t.Context(), p, yes(p)); rollback.ExitCode(err) != 25 || !strings.Contains(err.Error(), "L1") {
			t.Errorf("to the same content: %v", err)
		}
		p, _ = b.drillPlan(t, rollback.Request{To: "r42", Drill: &rollback.DrillAsk{Slice: proof.Canary}})
		if _, err := b.Drill(t.Context(), p, yes(p)); err == nil {
			t.Error("a part of what is switched as a whole was drilled")
		}
	})
}

func TestOneDrillAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		b.pricing()
		b.target.add("orders", rev("o2", "", 5000), rev("o1", "", 9000))
		first := b.drilled(t, nil)
		p, _ := b.drillPlan(t, rollback.Request{Unit: "fake:prod/orders"})
		_, err := b.Drill(t.Context(), p, yes(p))
		if rollback.ExitCode(err) != 11 || !strings.Contains(err.Error(), first.ID) {
			t.Errorf("%v (%d)", err, rollback.ExitCode(err))
		}
		other := b.another(t, func(c *rollback.Config) { c.Executor = "there:2" })
		if _, err := b.Confirm(t.Context(), p, yes(p)); err == nil {
			t.Error("a half of a drill was confirmed as a rollback")
		}
		done := make(chan error, 1)
		go func() {
			_, err := b.Drive(t.Context(), first.ID)
			done <- err
		}()
		synctest.Wait()
		if _, err := other.Drive(t.Context(), first.ID); !errors.Is(err, rollback.ErrLocked) {
			t.Errorf("two processes drive one drill: %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.sound(t)
	})
}

// A drill speaks of the unit that it was asked of, whatever has to go back before that one.
func TestADrillIsOfTheUnitThatItWasAskedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		b.pricing()
		b.target.add("storefront", rev("s9", "other", 9), rev("s8", "s8", 90))
		p, before := b.drillPlan(t, rollback.Request{Edges: []providers.Edge{{From: "storefront", To: "pricing", Kind: providers.EdgeRequires}}})
		_, err := b.Drill(t.Context(), p, yes(p))
		if len(p.Units) != 2 || p.Units[0].Unit.Service != "storefront" || rollback.ExitCode(err) != 26 {
			t.Fatalf("%d units, %v", len(p.Units), err)
		}
		if want := "fake:prod/pricing goes back only together with fake:prod/storefront, and a drill takes one unit"; before[1].Text != want || before[0].Text != "r42 to r41" {
			t.Errorf("before it: %q, %q", before[0].Text, before[1].Text)
		}
	})
}

// A drill that is over before it could be verified would cost the unit its proof, whatever the way back is worth.
func TestADrillHasTimeToBeVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		b.pricing()
		p, _ := b.drillPlan(t, rollback.Request{Drill: &rollback.DrillAsk{Max: time.Millisecond}})
		_, err := b.Drill(t.Context(), p, yes(p))
		if rollback.ExitCode(err) != 23 || !strings.Contains(err.Error(), "may be back for 1ms (--back-for, drills.max)") || len(b.target.effects()) != 0 {
			t.Errorf("%v (%d), %d effects", err, rollback.ExitCode(err), len(b.target.effects()))
		}
	})
}
