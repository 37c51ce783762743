package rollback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback"
)

const (
	pricingUnit  = rollback.UnitID("fake:prod/pricing")
	settingsUnit = rollback.UnitID("fake:prod/settings")
)

// tied is a fake whose units read what is not versioned with them.
type tied struct {
	*fake
	ties map[rollback.UnitID][]rollback.Tie
	err  error
	with map[rollback.UnitID][]rollback.Companion // who was said to go along
}

func (f *tied) Ties(_ context.Context, obs rollback.Observation, _ rollback.Revision) ([]rollback.Tie, error) {
	return f.ties[obs.Unit.ID], f.err
}

func (f *tied) PlanWith(ctx context.Context, obs rollback.Observation, to rollback.Revision, with []rollback.Companion) (rollback.Proposal, error) {
	f.with[obs.Unit.ID] = with
	return f.Plan(ctx, obs, to)
}

// reads makes pricing r41 read what settings held as s1; its settings are at s3 now, and s2 was good too.
func reads(t *testing.T) (*bench, *tied) {
	t.Helper()
	b := newBench(t)
	b.pricing()
	b.target.add("settings", rev("s3", "x3", 8), rev("s2", "x2", 50), rev("s1", "x1", 200))
	f := &tied{fake: b.target, with: map[rollback.UnitID][]rollback.Companion{}, ties: map[rollback.UnitID][]rollback.Tie{
		pricingUnit: {{Verdict: rollback.Coupled, Unit: settingsUnit, To: digest("s1"), First: settingsUnit, Text: "r41 read s1", Evidence: "changed 8 minutes ago"}},
	}}
	b.cfg.Reversers["fake"] = f
	b.Engine = b.another(t)
	return b, f
}

// What a revision read goes back with it, to what it was then and not to the newest good one, and before it; also when the
// whole is undone.
func TestWhatARevisionReadGoesBackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := reads(t)
		p := b.plan(t, rollback.Request{})
		if got := labels(p); !slices.Equal(got, []string{"settings s3>s1", "pricing r42>r41"}) {
			t.Fatalf("the plan is %v", got)
		}
		if c := finding(t, p, "pricing", "C"); c.Verdict != rollback.Coupled || c.Text != "r41 read s1" || !slices.Equal(c.Units, []rollback.UnitID{settingsUnit}) {
			t.Errorf("%+v", c)
		}
		if w := f.with[pricingUnit]; len(w) != 1 || w[0].Unit != settingsUnit || w[0].To.Digest != digest("s1") {
			t.Errorf("its provider was told of %+v", w)
		}
		if _, err := b.Plan(t.Context(), rollback.Request{Unit: pricingUnit, Only: []rollback.UnitID{pricingUnit}}); !errors.Is(err, rollback.ErrNotAlone) {
			t.Errorf("alone: %v", err)
		}
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%q %s %v", run.State, run.Detail, err)
		}
		if got := labels(b.plan(t, rollback.Request{Unit: settingsUnit, Run: run.ID})); !slices.Equal(got, []string{"settings s1>s3", "pricing r41>r42"}) {
			t.Errorf("forward again is %v", got)
		}
		b.sound(t)
	})
}

func TestWhatTiesSayDecidesTheVerdict(t *testing.T) {
	cases := map[string]struct {
		change  func(*tied)
		verdict rollback.Verdict
		says    string
	}{
		"nobody can tell": {func(f *tied) { f.err = errAway }, rollback.Unknown, "cannot be told"},
		"it was never kept": {func(f *tied) {
			f.ties[pricingUnit][0] = rollback.Tie{Verdict: rollback.Unknown, Text: "restore it from its source"}
		}, rollback.Unknown, "restore it"},
		"it cannot start": {func(f *tied) {
			f.ties[pricingUnit][0] = rollback.Tie{Verdict: rollback.Blocked, Text: "key pool is not there"}
		}, rollback.Blocked, "key pool"},
		"no unit stands for it":   {func(f *tied) { f.ties[pricingUnit][0].Unit = "fake:prod/gone" }, rollback.Unknown, "cannot be seen"},
		"what it was is not kept": {func(f *tied) { f.ties[pricingUnit][0].To = digest("s0") }, rollback.Blocked, "nowhere to go"},
		"two need it in different ways": {func(f *tied) {
			f.ties[pricingUnit] = append(f.ties[pricingUnit], rollback.Tie{Verdict: rollback.Coupled, Unit: settingsUnit, To: digest("s2")})
		}, rollback.Blocked, "something else of this plan needs"},
		"they have proven to go together": {func(f *tied) {
			f.ties[pricingUnit][0] = rollback.Tie{Verdict: rollback.Independent, Unit: settingsUnit, Text: "they served together"}
		}, rollback.Independent, "served together"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b, f := reads(t)
			c.change(f)
			p := b.plan(t, rollback.Request{})
			found := false
			for _, u := range p.Units {
				for _, x := range u.Findings {
					found = found || strings.Contains(x.Text, c.says) && x.Verdict == c.verdict
				}
			}
			if !found || c.verdict != rollback.Independent && p.Verdict != c.verdict {
				t.Errorf("%s: %+v", p.Verdict, p.Units)
			}
		})
	}
}

// A person who names another target for what is read is told that it does not fit.
func TestTargetsHaveToHaveServedTogether(t *testing.T) {
	b, f := reads(t)
	f.ties[settingsUnit] = []rollback.Tie{{Verdict: rollback.Coupled, Unit: pricingUnit, First: settingsUnit, Text: "r42 needs s3"}}
	p := b.plan(t, rollback.Request{Unit: settingsUnit, To: "s2"})
	if p.Verdict != rollback.Blocked || !strings.Contains(finding(t, p, "settings", "C").Text+p.Units[0].Findings[len(p.Units[0].Findings)-1].Text, "served together") {
		t.Errorf("%s: %+v", p.Verdict, p.Units)
	}
	if p := b.plan(t, rollback.Request{Unit: settingsUnit, To: "s1"}); p.Verdict != rollback.Coupled || len(p.Units) != 2 {
		t.Errorf("%s: %+v", p.Verdict, p.Units)
	}
}

// What is read changed between the plan and the yes to it.
func TestATieThatAppearsVoidsThePlan(t *testing.T) {
	b, f := reads(t)
	ties := f.ties[pricingUnit]
	f.ties[pricingUnit] = nil
	p := b.plan(t, rollback.Request{})
	f.ties[pricingUnit] = ties
	if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrPlanChanged) {
		t.Errorf("it was taken: %v", err)
	}
}
