package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// flagged is a fake some of whose units are feature flags.
type flagged struct {
	*fake
	flags map[rollback.UnitID]rollback.FlagState
}

func (f flagged) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	o, err := f.fake.Observe(ctx, id)
	if s, ok := f.flags[id]; ok {
		o.Flag = &s
	}
	return o, err
}

// withFlag is a world in which pricing r42 has served for ten minutes and r41 before it, and the flag new-cart was switched five minutes ago.
func withFlag(t *testing.T, state rollback.FlagState, made int, mentions map[string][]string) (*bench, *fakeUnit) {
	t.Helper()
	b := newBench(t)
	b.pricing()
	flag := b.target.add("new-cart", rev("e9", "", 5), rev("e2", "", 5000))
	flag.unit.Kind, flag.unit.Service = "flag", ""
	state.Name, state.Created = "new-cart", t0.Add(-time.Duration(made)*time.Minute)
	b.cfg.Reversers["fake"] = flagged{b.target, map[rollback.UnitID]rollback.FlagState{flag.unit.ID: state}}
	b.cfg.Mentions = func(_ context.Context, service, commit string, names []string) ([]string, error) {
		for label, found := range mentions {
			if digest(label)[7:47] == commit && service == "pricing" && slices.Contains(names, "new-cart") {
				return found, nil
			}
		}
		return nil, fmt.Errorf("%s: %w", commit, providers.ErrNotFound)
	}
	b.Engine = b.another(t)
	return b, flag
}

func flagFinding(t *testing.T, b *bench, req rollback.Request) rollback.Finding {
	t.Helper()
	for _, u := range b.plan(t, req).Units {
		i := slices.IndexFunc(u.Findings, func(f rollback.Finding) bool { return f.Rule == "J flags" })
		if u.Unit.ID == pricingUnit && i >= 0 {
			return u.Findings[i]
		}
	}
	return rollback.Finding{}
}

func TestWhatAFlagThatWasAlteredMeansForTheTarget(t *testing.T) {
	on, off := rollback.FlagState{On: true, Words: "on, flexibleRollout 50%"}, rollback.FlagState{Words: "off"}
	target, live, both := map[string][]string{"good": {"new-cart"}, "bad": nil}, map[string][]string{"bad": {"new-cart"}, "good": nil}, map[string][]string{"bad": {"new-cart"}, "good": {"new-cart"}}
	for name, c := range map[string]struct {
		state    rollback.FlagState
		made     int // minutes ago
		mentions map[string][]string
		want     rollback.Verdict
		text     string
	}{
		"what is served asks for it, and it is on":        {on, 6, live, rollback.Conditional, "r42 asks for the flag new-cart, which was altered since r41 served and is on, flexibleRollout 50%: switch it off first (backout rollback fake:prod/new-cart --to off)"},
		"what is served asks for it, and it is off":       {off, 6, live, "", ""},
		"both ask for it, and it is as old as both":       {on, 5000, both, rollback.Conditional, "r41 asks for the flag new-cart, which was altered since it served and is on"},
		"only the target asks for it":                     {off, 5000, target, rollback.Conditional, "and is off now"},
		"the name was used again, and it is on":           {on, 6, target, rollback.Blocked, "r41 asks for a flag new-cart, and the one that there is was made since, so it may mean something else, and is on"},
		"the name was used again by both, and it is on":   {on, 6, both, rollback.Blocked, "may mean something else"},
		"the name was used again, and it is off":          {off, 6, both, rollback.Conditional, "it is off, and has to stay so"},
		"nobody asks for it":                              {on, 6, map[string][]string{"bad": nil, "good": nil}, "", ""},
		"nobody has the commits, and nothing is declared": {on, 6, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := withFlag(t, c.state, c.made, c.mentions)
				f := flagFinding(t, b, rollback.Request{})
				if f.Verdict != c.want || !strings.Contains(f.Text, c.text) {
					t.Errorf("%+v", f)
				}
				if c.want != "" && (f.Source != "fake" || !strings.Contains(f.Evidence, "the files of pricing at ") || f.Since.IsZero() || f.Broke == "") {
					t.Errorf("what it rests on: %+v", f)
				}
			})
		})
	}
}

func TestWhoAsksForAFlagIsDeclaredToo(t *testing.T) {
	on := rollback.FlagState{On: true, Words: "on"}
	for name, c := range map[string]struct {
		do    func(b *bench, flag *fakeUnit)
		edges []providers.Edge
		want  rollback.Verdict
	}{
		"by its service":         {func(_ *bench, f *fakeUnit) { f.unit.Service = "pricing" }, nil, rollback.Conditional},
		"by its name":            {nil, []providers.Edge{{From: "pricing", To: "new-cart", Kind: providers.EdgeFlag}}, rollback.Conditional},
		"by its unit":            {nil, []providers.Edge{{From: "pricing", To: "fake:prod/new-cart", Kind: providers.EdgeFlag}}, rollback.Conditional},
		"for another service":    {nil, []providers.Edge{{From: "orders", To: "new-cart", Kind: providers.EdgeFlag}}, ""},
		"for a version of old":   {func(b *bench, _ *fakeUnit) { b.versions() }, []providers.Edge{{From: "pricing", To: "new-cart", Kind: providers.EdgeFlag, FromVersions: "< 2"}}, rollback.Blocked},
		"for a version of then":  {func(b *bench, _ *fakeUnit) { b.versions() }, []providers.Edge{{From: "pricing", To: "new-cart", Kind: providers.EdgeFlag, FromVersions: "> 5"}}, ""},
		"in another environment": {func(_ *bench, f *fakeUnit) { f.unit.Service, f.unit.Environment = "pricing", "staging" }, nil, ""},
		"altered before":         {func(_ *bench, f *fakeUnit) { f.unit.Service, f.current.Since = "pricing", t0.Add(-time.Hour) }, nil, rollback.Conditional},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, flag := withFlag(t, on, 6, nil)
				if c.do != nil {
					c.do(b, flag)
				}
				if f := flagFinding(t, b, rollback.Request{Edges: c.edges}); f.Verdict != c.want {
					t.Errorf("%+v", f)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b, flag := withFlag(t, on, 5000, map[string][]string{"good": {"new-cart"}})
		flag.current.Since = t0.Add(-time.Hour)
		if f := flagFinding(t, b, rollback.Request{}); f.Rule != "" {
			t.Errorf("it is as it was when the target served: %+v", f)
		}
		flag.current.Since = t0.Add(-time.Minute)
		b.cfg.Mentions = func(context.Context, string, string, []string) ([]string, error) {
			return nil, errors.New("the disk hangs")
		}
		b.Engine = b.another(t)
		if f := flagFinding(t, b, rollback.Request{}); f.Verdict != rollback.Unknown || !strings.Contains(f.Text, "the disk hangs") {
			t.Errorf("the files cannot be read: %+v", f)
		}
	})
}

// versions calls the revisions of pricing by versions.
func (b *bench) versions() {
	u := b.target.units[pricingUnit]
	u.current.Label, u.history[0].Label, u.history[1].Label = "2.0.0", "1.9.0", "1.8.0"
}

// A flag that counts on the newer program goes back first while it is on. Once it is off there is nothing to switch: it has to stay so.
func TestAFlagThatIsOffAlreadyDoesNotGoBackToo(t *testing.T) {
	for _, on := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b, flag := withFlag(t, rollback.FlagState{On: on}, 5000, nil)
			edge := providers.Edge{From: string(flag.unit.ID), To: "pricing", Kind: providers.EdgeOrder, Source: "config", Evidence: "the runbook"}
			p := b.plan(t, rollback.Request{Unit: pricingUnit, Edges: []providers.Edge{edge}})
			f := finding(t, p, "pricing", "edge order")
			want, text := rollback.Coupled, "fake:prod/new-cart first"
			if !on {
				want, text = rollback.Conditional, "it has to stay off"
			}
			if f.Verdict != want || !strings.Contains(f.Text, text) || on != (len(p.Units) == 2) {
				t.Errorf("on %v: %v, %+v", on, labels(p), f)
			}
		})
	}
}
