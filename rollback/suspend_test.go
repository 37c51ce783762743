package rollback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// owner is a fake provider of reconcilers above other providers' units, two of them, with its faults.
type owner struct {
	*fake
	err    error
	off    map[string]string // reconciler: the operation that suspended it
	lifted []string
}

func (o *owner) Suspend(_ context.Context, obs rollback.Observation, _ rollback.Revision) (rollback.Suspension, error) {
	if o.err != nil {
		return rollback.Suspension{}, o.err
	}
	var s rollback.Suspension
	for _, name := range []string{"parent", "child"} {
		s.Steps = append(s.Steps, rollback.Step{Action: "suspend", Title: "suspend " + name, Measure: name, Args: map[string]string{"name": name}})
		s.Measures = append(s.Measures, rollback.Measure{
			ID: name, What: name + " is suspended", Exit: "its source is clean", Undo: "resume " + name, TTL: time.Hour, Args: map[string]string{"name": name},
		})
	}
	s.LastingFix = "revert it in the source of " + string(obs.Unit.ID)
	return s, nil
}

func (o *owner) Apply(_ context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.off[s.Args["name"]] = op.ID
	return rollback.Result{Outcome: rollback.Applied}, nil
}

func (o *owner) Probe(_ context.Context, m rollback.Measure) (bool, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.off[m.Args["name"]] != "", "", nil
}

func (o *owner) ExitHolds(context.Context, rollback.Measure) (bool, string, error) {
	return true, "", nil
}

func (o *owner) Lift(_ context.Context, _ rollback.Operation, m rollback.Measure) (rollback.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.off, m.Args["name"])
	o.lifted = append(o.lifted, m.Args["name"])
	return rollback.Result{Outcome: rollback.Applied}, nil
}

func owned(t *testing.T) (*bench, *owner) {
	t.Helper()
	o := &owner{fake: newFake(), off: map[string]string{}}
	b := newBench(t, func(c *rollback.Config) { c.Reversers["owner"] = o })
	b.pricing()
	return b, o
}

// What another provider knows of above a unit is suspended before the unit goes back, by that provider, and lifted in reverse.
func TestAnotherProviderSuspendsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := owned(t)
		p := b.plan(t, rollback.Request{})
		var steps []string
		for _, s := range p.Units[0].Steps {
			steps = append(steps, s.Provider+":"+s.Title)
		}
		if got := strings.Join(steps, ", "); got != "owner:suspend parent, owner:suspend child, :switch to r41" || p.Units[0].LastingFix == "" {
			t.Fatalf("steps are %s, lasting fix %q", got, p.Units[0].LastingFix)
		}
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil || run.State != rollback.RunSucceeded || len(run.Measures) != 2 || len(o.off) != 2 {
			t.Fatalf("%q %s, %+v, %v", run.State, run.Detail, run.Measures, err)
		}
		parent, child := run.Measures[0].ID, run.Measures[1].ID
		if strings.Index(run.Detail, child) > strings.Index(run.Detail, parent) {
			t.Errorf("they are not told in the order in which they are lifted: %s", run.Detail)
		}
		if _, _, err := b.Lift(t.Context(), parent, lift(ana)); !errors.Is(err, rollback.ErrRefused) || !strings.Contains(err.Error(), "lift that one first") {
			t.Errorf("the parent first: %v", err)
		}
		for _, id := range []string{child, parent} {
			if m, _, err := b.Lift(t.Context(), id, lift(ana)); err != nil || m.State != rollback.MeasureLifted {
				t.Errorf("%s: %q %v", id, m.State, err)
			}
		}
		if !slices.Equal(o.lifted, []string{"child", "parent"}) {
			t.Errorf("lifted %v", o.lifted)
		}
		b.sound(t)
	})
}

// A provider that cannot be asked keeps nobody from going back, and is not taken for "nothing would undo it".
func TestAnOwnerThatCannotBeAskedIsUnknown(t *testing.T) {
	b, o := owned(t)
	o.err = errAway
	p := b.plan(t, rollback.Request{})
	if p.Verdict != rollback.Unknown || !p.Decision.NeedsReason || len(p.Units[0].Steps) != 1 {
		t.Errorf("verdict %s, %+v, %d steps", p.Verdict, p.Decision, len(p.Units[0].Steps))
	}
	o.err = nil
	if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrPlanChanged) {
		t.Errorf("now it can be asked, and the plan is still taken: %v", err)
	}
}

// A proposal whose measures nobody could lift is no plan.
func TestAMeasureHasToBeWhole(t *testing.T) {
	for name, spoil := range map[string]func(*rollback.Proposal){
		"no exit condition":     func(p *rollback.Proposal) { p.Measures[0].Exit = "" },
		"no way to lift it":     func(p *rollback.Proposal) { p.Measures[0].Undo = "" },
		"no step that sets it":  func(p *rollback.Proposal) { p.Steps = p.Steps[1:] },
		"two steps that set it": func(p *rollback.Proposal) { p.Steps = append(p.Steps[:1:1], p.Steps...) },
		"not described":         func(p *rollback.Proposal) { p.Measures = nil },
		"set with the switch":   func(p *rollback.Proposal) { p.Steps = p.Steps[1:]; p.Steps[0].Measure = "m" },
		"whole":                 func(*rollback.Proposal) {}, "its provider cannot lift": func(*rollback.Proposal) {},
	} {
		b := newBench(t)
		b.pricing()
		if name != "its provider cannot lift" {
			b.cfg.Reversers["fake"] = &owner{fake: b.target, off: map[string]string{}}
		}
		b.target.proposal = func(p *rollback.Proposal) {
			hold := rollback.Step{Action: "hold", Title: "hold", From: digest("r42"), To: digest("r42"), Measure: "m"}
			p.Steps = append([]rollback.Step{hold}, p.Steps...)
			p.Measures = []rollback.Measure{{ID: "m", What: "held", Exit: "always", Undo: "let go"}}
			spoil(p)
		}
		if _, err := b.Plan(t.Context(), rollback.Request{Unit: "fake:prod/pricing"}); (err == nil) != (name == "whole") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
