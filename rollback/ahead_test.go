package rollback_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// tookBack is a bench on which one run took two units back together.
func tookBack(t *testing.T) (*bench, rollback.Run, []providers.Edge) {
	t.Helper()
	b := newBench(t)
	b.pricing()
	b.target.add("storefront", rev("s9", "bad", 9), rev("s8", "s8", 90), rev("s7", "s7", 900))
	edges := []providers.Edge{{From: "storefront", To: "pricing", Kind: providers.EdgeRequires, Source: "config"}}
	return b, b.does(t, rollback.Request{Unit: "fake:prod/pricing", Edges: edges}), edges
}

func (b *bench) does(t *testing.T, req rollback.Request) rollback.Run {
	t.Helper()
	p, err := b.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	run, err := b.Confirm(t.Context(), p, yes(p))
	if err != nil {
		t.Fatal(err)
	}
	if run, err = b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
		t.Fatalf("%v: %s %s %v", labels(p), run.State, run.Detail, err)
	}
	return run
}

// What went back together goes forward together, what is needed first; and undoing that goes back again.
func TestRunIsUndoneAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run, edges := tookBack(t)
		if got := labels(run.Plan); !slices.Equal(got, []string{"storefront s9>s8", "pricing r42>r41"}) {
			t.Fatalf("the rollback went %v", got)
		}
		forward := b.does(t, rollback.Request{Run: run.ID, Edges: edges})
		if got := labels(forward.Plan); forward.Plan.Kind != "forward" || !slices.Equal(got, []string{"pricing r41>r42", "storefront s8>s9"}) {
			t.Errorf("%s: %v", forward.Plan.Kind, got)
		}
		f := finding(t, forward.Plan, "pricing", "forward")
		if f.Verdict != rollback.Conditional || !strings.Contains(f.Text, run.ID+" took r42 back") {
			t.Errorf("%+v", f)
		}
		if forward.Plan.Verdict != rollback.Coupled {
			t.Errorf("verdict %s", forward.Plan.Verdict)
		}
		back := b.does(t, rollback.Request{Run: forward.ID, Edges: edges})
		if got := labels(back.Plan); back.Plan.Kind != "incident" || !slices.Equal(got, []string{"storefront s9>s8", "pricing r42>r41"}) {
			t.Errorf("%s: %v", back.Plan.Kind, got)
		}
		b.sound(t)
	})
}

// What one went forward from served well: when that goes wrong again, the next plan leads there and not further back.
func TestTheWayBackAfterGoingForwardLeadsToTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run, edges := tookBack(t)
		b.does(t, rollback.Request{Run: run.ID, Edges: edges})
		p := b.plan(t, rollback.Request{Unit: "fake:prod/pricing", Edges: edges})
		if got := labels(p); p.Kind != "incident" || !slices.Equal(got, []string{"storefront s9>s8", "pricing r42>r41"}) {
			t.Errorf("%s: %v", p.Kind, got)
		}
	})
}

// The rollback itself stands on the timeline: taking it back is going forward, not further back.
func TestTakingARollbackBackGoesForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run, edges := tookBack(t)
		change := &providers.Change{ID: "its entry", Kind: providers.KindRollback, Unit: "fake:prod/pricing", ChangeSet: run.ID, From: "r42", To: "r41"}
		p := b.plan(t, rollback.Request{Change: change, Edges: edges})
		if got := labels(p); p.Change != change.ID || !slices.Equal(got, []string{"pricing r41>r42", "storefront s8>s9"}) {
			t.Errorf("%s: %v", p.Change, got)
		}
	})
}

// One unit alone may go forward, by name; the other is not taken further back for its sake, and the plan says so.
func TestForwardAloneBringsNothingAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, edges := tookBack(t)
		p := b.plan(t, rollback.Request{Unit: "fake:prod/storefront", To: "s9", Edges: edges})
		if got := labels(p); !slices.Equal(got, []string{"storefront s8>s9"}) || p.Verdict != rollback.Conditional {
			t.Errorf("%v %s", got, p.Verdict)
		}
		if f := finding(t, p, "storefront", "edge requires"); !strings.Contains(f.Text, "is not in this plan") {
			t.Errorf("%+v", f)
		}
		if f := finding(t, p, "storefront", "H"); !strings.Contains(f.Text, "fake:prod/pricing too, which now serves r41") {
			t.Errorf("%+v", f)
		}
	})
}

func TestUndoingOverSomebodysNewerChangeSaysWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run, _ := tookBack(t)
		b.target.foreign(b.target.units["fake:prod/pricing"], rev("r43", "c43", 0))
		f := finding(t, b.plan(t, rollback.Request{Run: run.ID}), "pricing", "I")
		if f.Verdict != rollback.Conditional || !strings.Contains(f.Text, "r43") || strings.Contains(f.Text, "r41") {
			t.Errorf("%+v", f)
		}
	})
}

func TestRunWithoutEffectCannotBeUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if _, err := b.Plan(t.Context(), rollback.Request{Run: run.ID}); !errors.Is(err, rollback.ErrNoTarget) {
			t.Errorf("got %v", err)
		}
		if _, err := b.Plan(t.Context(), rollback.Request{Run: "RUN-0099"}); !errors.Is(err, rollback.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}
