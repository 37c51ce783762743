package rollback_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

func labels(p rollback.Plan) []string {
	var out []string
	for _, u := range p.Units {
		out = append(out, u.Unit.Service+" "+u.From.Label+">"+u.To.Label)
	}
	return out
}

func finding(t *testing.T, p rollback.Plan, service, rule string) rollback.Finding {
	t.Helper()
	for _, u := range p.Units {
		for _, f := range u.Findings {
			if u.Unit.Service == service && strings.HasPrefix(f.Rule, rule) {
				return f
			}
		}
	}
	t.Fatalf("no finding %q on %s in %+v", rule, service, p.Units)
	return rollback.Finding{}
}

func TestTargetIsTheNewestKnownGood(t *testing.T) {
	bad := func(label string, ago int) rollback.Revision { r := rev(label, label, ago); r.Good = nil; return r }
	same := rev("r41b", "r41b", 300)
	same.Digest = digest("r42")
	cases := map[string]struct {
		revs   []rollback.Revision
		change *providers.Change
		to     string
		want   string
		err    error
	}{
		"the one before":                         {revs: []rollback.Revision{rev("r42", "c42", 10), rev("r41", "c41", 100)}, want: "r41"},
		"previous is not known good":             {revs: []rollback.Revision{rev("r42", "c42", 10), bad("r41", 100), rev("r40", "c40", 200)}, want: "r40"},
		"the same content is no target":          {revs: []rollback.Revision{rev("r42", "c42", 10), same, rev("r40", "c40", 400)}, want: "r40"},
		"nothing is known good":                  {revs: []rollback.Revision{rev("r42", "c42", 10), bad("r41", 100)}, err: rollback.ErrNoTarget},
		"no history":                             {revs: []rollback.Revision{rev("r42", "c42", 10)}, err: rollback.ErrNoTarget},
		"a person names one by label":            {revs: []rollback.Revision{rev("r42", "c42", 10), bad("r41", 100), rev("r40", "c40", 200)}, to: "r41", want: "r41"},
		"a person names one by digest":           {revs: []rollback.Revision{rev("r42", "c42", 10), rev("r41", "c41", 100)}, to: digest("r41"), want: "r41"},
		"a person names one by part of a digest": {revs: []rollback.Revision{rev("r42", "c42", 10), rev("r41", "c41", 100)}, to: digest("r41")[7:15], want: "r41"},
		"a person names nothing that was there":  {revs: []rollback.Revision{rev("r42", "c42", 10), rev("r41", "c41", 100)}, to: "r7", err: rollback.ErrNotFound},
		"a label that was used twice": {
			revs: []rollback.Revision{rev("r42", "c42", 10), {Digest: "sha256:aa", Label: "v1"}, {Digest: "sha256:bb", Label: "v1"}},
			to:   "v1", err: rollback.ErrNotFound,
		},
		"older than the change, not only older than now": {
			revs:   []rollback.Revision{rev("r43", "c43", 5), rev("r42", "c42", 10), rev("r41", "c41", 100)},
			change: &providers.Change{ID: "CHG", Unit: "fake:prod/pricing", Commit: rev("", "c42", 0).Commit}, want: "r41",
		},
		"the commit of an earlier build was left standing on later content": {
			revs:   []rollback.Revision{rev("r43", "c41", 5), rev("r42", "c41", 10), rev("r41", "c41", 100), rev("r40", "c40", 200)},
			change: &providers.Change{ID: "CHG", Unit: "fake:prod/pricing", Commit: rev("", "c41", 0).Commit, Artifacts: []string{digest("r42")}}, want: "r41",
		},
		"the change is found by time where nothing says what carries it": {
			revs:   []rollback.Revision{rev("r43", "", 5), rev("r42", "", 10), rev("r41", "", 100)},
			change: &providers.Change{ID: "CHG", Unit: "fake:prod/pricing", EffectiveFrom: t0.Add(-10 * time.Minute)}, want: "r41",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.target.add("pricing", c.revs...)
			req := rollback.Request{Unit: "fake:prod/pricing", To: c.to}
			if c.change != nil {
				req = rollback.Request{Change: c.change}
			}
			p, err := b.Plan(t.Context(), req)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if err == nil && p.Units[0].To.Label != c.want {
				t.Errorf("goes to %s, want %s", p.Units[0].To.Label, c.want)
			}
		})
	}
}

// Rolling back twice must not bring the bad revision back.
func TestNoFlipFlop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		u := b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if run, err := b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%+v %v", run, err)
		}
		p := b.plan(t, rollback.Request{})
		if got := labels(p); !slices.Equal(got, []string{"pricing r41>r40"}) {
			t.Errorf("the second rollback goes %v", got)
		}
		change := &providers.Change{ID: "CHG", Unit: "fake:prod/pricing", Commit: rev("", "bad", 0).Commit}
		p = b.plan(t, rollback.Request{Change: change})
		if p.Verdict != rollback.NoOp || p.Decision.Allowed || len(p.Units[0].Steps) != 0 {
			t.Errorf("taking the same change back again: %s, allowed %v, %v", p.Verdict, p.Decision.Allowed, labels(p))
		}
		p = b.plan(t, rollback.Request{To: "r42"})
		if p.Kind != "forward" || !slices.Equal(labels(p), []string{"pricing r41>r42"}) {
			t.Errorf("forward again by name: %s %v", p.Kind, labels(p))
		}
		if u.current.Label != "r41" {
			t.Errorf("planning changed the target: %s", u.current.Label)
		}
	})
}

func TestVerdicts(t *testing.T) {
	type world struct {
		revs   []rollback.Revision // of pricing
		others map[string][]rollback.Revision
		edges  []providers.Edge
		known  []providers.Change
		change *providers.Change
		setup  func(b *bench, u *fakeUnit)
		req    rollback.Request
	}
	good := []rollback.Revision{rev("r42", "bad", 10), rev("r41", "c41", 100), rev("r40", "c40", 1000)}
	store := map[string][]rollback.Revision{"storefront": {rev("s9", "bad", 9), rev("s8", "s8", 90)}}
	oldStore := map[string][]rollback.Revision{"storefront": {rev("s8", "s8", 90), rev("s7", "s7", 900)}}
	stopped := []rollback.Revision{rev("r42", "bad", 10), {Digest: digest("r41"), Label: "r41", Since: t0.Add(-time.Hour), Until: t0.Add(-10 * time.Minute), Good: []string{"well"}}}
	edge := func(kind providers.EdgeKind, from, to string) []providers.Edge {
		return []providers.Edge{{From: from, To: to, Kind: kind, Evidence: "declared in backout.yaml", Source: "config"}}
	}
	cases := map[string]struct {
		world
		verdict rollback.Verdict
		units   []string
		rule    string
		text    string
		allowed bool
	}{
		"independent": {world{others: oldStore}, rollback.Independent, []string{"pricing r42>r41"}, "H", "no other unit serves", true},
		"A: something under way": {
			world{setup: func(_ *bench, u *fakeUnit) { u.inFlight = "deploy 77" }},
			rollback.Blocked,
			[]string{"pricing r42>r41"},
			"A", "deploy 77", false,
		},
		"B: already there": {world{req: rollback.Request{To: "r42"}}, rollback.NoOp, []string{"pricing r42>r42"}, "B", "nothing to do", false},
		"H: the same commit on another unit": {
			world{others: store}, rollback.Coupled, []string{"storefront s9>s8", "pricing r42>r41"}, "H", "neither goes back without the other", true,
		},
		"H: the same change set on another unit": {
			world{
				others: map[string][]rollback.Revision{"storefront": {rev("s9", "other", 9), rev("s8", "s8", 90)}},
				known: []providers.Change{
					{ID: "1", Service: "pricing", Commit: rev("", "bad", 0).Commit, ChangeSet: "PR-7"},
					{ID: "2", Service: "storefront", Commit: rev("", "other", 0).Commit, ChangeSet: "PR-7"},
				},
			}, rollback.Coupled, []string{"storefront s9>s8", "pricing r42>r41"}, "H", "neither goes back without the other", true,
		},
		"H: declared independent": {
			world{others: store, edges: edge(providers.EdgeIndependent, "storefront", "pricing")},
			rollback.Conditional,
			[]string{"pricing r42>r41"},
			"H", "declared to be independent", true,
		},
		"H: the other unit has left the change": {
			world{others: map[string][]rollback.Revision{"storefront": {rev("s8", "s8", 1), rev("s9", "bad", 9), rev("s8", "s8", 90)}}},
			rollback.Independent,
			[]string{"pricing r42>r41"},
			"H", "no other unit serves", true,
		},
		"H: the same commit, but days apart": {
			world{others: map[string][]rollback.Revision{"storefront": {rev("s9", "bad", 9000), rev("s8", "s8", 9900)}}},
			rollback.Independent,
			[]string{"pricing r42>r41"},
			"H", "no other unit serves", true,
		},
		"H: no commit known": {
			world{revs: []rollback.Revision{rev("r42", "", 10), rev("r41", "", 100)}, others: oldStore},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"H", "others were deployed within 24h00m of it", true,
		},
		"H: no commit known, and nothing else was deployed": {
			world{
				revs:   []rollback.Revision{rev("r42", "", 10), rev("r41", "", 100)},
				others: map[string][]rollback.Revision{"storefront": {rev("s8", "s8", 9000), rev("s7", "", 9900)}},
				known:  []providers.Change{{ID: "old", Service: "mailer", Environment: "prod", EffectiveFrom: t0.Add(-48 * time.Hour)}},
			},
			rollback.Independent,
			[]string{"pricing r42>r41"},
			"H", "the change is on no other unit", true,
		},
		"H: no commit known, and another that does not say since when": {
			world{
				revs:   []rollback.Revision{rev("r42", "", 10), rev("r41", "", 100)},
				others: map[string][]rollback.Revision{"storefront": {{Digest: digest("s8"), Label: "s8", Commit: digest("s8")[7:47]}}},
			},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"H", "cannot be told", true,
		},
		"H: no commit known, and a service that is no unit": {
			world{
				revs:  []rollback.Revision{rev("r42", "", 10), rev("r41", "", 100)},
				known: []providers.Change{{ID: "mig", Service: "mailer", Environment: "prod", Kind: providers.KindMigration, EffectiveFrom: t0.Add(-time.Hour)}},
			},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"H", "cannot be told", true,
		},
		"H: no commit known, nor since when": {
			world{revs: []rollback.Revision{{Digest: digest("r42"), Label: "r42"}, rev("r41", "", 100)}},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"H", "nor since when it serves", true,
		},
		"H: another unit cannot be seen": {
			world{others: oldStore, setup: func(b *bench, _ *fakeUnit) {
				b.target.onObserve = func(u *fakeUnit) error {
					if u.unit.Service == "storefront" {
						return errAway
					}
					return nil
				}
			}}, rollback.Unknown, []string{"pricing r42>r41"}, "H", "does not answer", true,
		},
		"H: a part of the change is no unit": {
			world{known: []providers.Change{{ID: "m", Kind: providers.KindMigration, Service: "pricing-db", Commit: rev("", "bad", 0).Commit}}},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"H", "pricing-db (migration)", true,
		},
		"H: a neighbour of the same hour does not say what it carries": {
			world{others: map[string][]rollback.Revision{"storefront": {rev("s9", "", 9), rev("s8", "", 90)}}},
			rollback.Conditional,
			[]string{"pricing r42>r41"},
			"H", "does not say what commit", true,
		},
		"D: the database says that it was migrated just before the target stopped serving": {
			world{revs: stopped, others: oldStore, known: []providers.Change{{
				ID: "row-7", Kind: providers.KindMigration, Service: "pricing", Unit: "migrate:pricing/t", EffectiveFrom: t0.Add(-12 * time.Minute),
			}}}, rollback.Unknown, []string{"pricing r42>r41"}, "D", "a migration lies between the two", true,
		},
		"D: the target has served beside the migration": {
			world{revs: stopped, others: oldStore, known: []providers.Change{{
				ID: "row-7", Kind: providers.KindMigration, Service: "pricing", Unit: "migrate:pricing/t", EffectiveFrom: t0.Add(-50 * time.Minute),
			}}}, rollback.Conditional, []string{"pricing r42>r41"}, "Q age", "old", true, // by the test's clock; nothing is said of the migration
		},
		"D: the unit is itself what was migrated": {
			world{others: oldStore, known: []providers.Change{{
				ID: "7", Kind: providers.KindMigration, Service: "pricing", Unit: "fake:prod/pricing", Commit: rev("", "bad", 0).Commit, Paths: []string{"00007_drop.sql"},
			}}}, rollback.Independent, []string{"pricing r42>r41"}, "B", "differ in content", true,
		},
		"I: later changes would be lost, with their authors": {
			world{
				revs:   []rollback.Revision{rev("r43", "fix", 5), rev("r42", "bad", 10), rev("r41", "c41", 100)},
				change: &providers.Change{ID: "CHG", Unit: "fake:prod/pricing", Commit: rev("", "bad", 0).Commit},
				known: []providers.Change{{
					ID: "2", Service: "pricing", Title: "add coupons", Author: providers.Author{Name: "kim"}, Commit: rev("", "fix", 0).Commit,
				}},
			}, rollback.Conditional, []string{"pricing r43>r41"}, "I", "r43 (kim: add coupons)", true,
		},
		"I: what was never served is not lost, and says nothing of the change": {
			world{revs: []rollback.Revision{rev("r42", "bad", 10), staged("r43"), rev("r41", "c41", 100)}},
			rollback.Independent,
			[]string{"pricing r42>r41"},
			"I", "nothing else was deployed", true,
		},
		"I: nobody knows what carries the change": {
			world{change: &providers.Change{ID: "CHG", Unit: "fake:prod/pricing", Commit: "feedfacefeedface"}},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"I", "cannot be told", true,
		},
		"M: a reconciler owns it": {
			world{setup: func(_ *bench, u *fakeUnit) { u.owners = []string{"argocd/shop"} }},
			rollback.Conditional,
			[]string{"pricing r42>r41"},
			"M", "argocd/shop will undo", true,
		},
		"edge: the consumer needs the change, and goes first": {
			world{
				others: map[string][]rollback.Revision{"storefront": {rev("s9", "other", 9), rev("s8", "s8", 90)}},
				edges:  edge(providers.EdgeRequires, "storefront", "pricing"),
			}, rollback.Coupled, []string{"storefront s9>s8", "pricing r42>r41"}, "edge requires", "cannot serve without", true,
		},
		"edge: the consumer worked with the old one": {
			world{others: oldStore, edges: edge(providers.EdgeContract, "storefront", "pricing")},
			rollback.Independent,
			[]string{"pricing r42>r41"},
			"edge contract", "worked together", true,
		},
		"edge: released minutes apart shows nothing": {
			world{
				others: map[string][]rollback.Revision{"storefront": {rev("s9", "other", 12), rev("s8", "s8", 90)}},
				edges:  edge(providers.EdgeRequires, "storefront", "pricing"),
			}, rollback.Coupled, []string{"storefront s9>s8", "pricing r42>r41"}, "edge requires", "cannot serve without", true,
		},
		"edge: the consumer is no unit": {
			world{edges: edge(providers.EdgeRequires, "mobile app", "pricing")},
			rollback.Unknown,
			[]string{"pricing r42>r41"},
			"edge requires", "no unit here", true,
		},
		"edge: a call alone couples nothing": {
			world{others: map[string][]rollback.Revision{"storefront": {rev("s9", "other", 9)}}, edges: edge(providers.EdgeCalls, "storefront", "pricing")},
			rollback.Independent,
			[]string{"pricing r42>r41"},
			"H", "no other unit serves", true,
		},
		"closure: what comes along brings others, in order": {
			world{
				others: map[string][]rollback.Revision{
					"storefront": {rev("s9", "bad", 9), rev("s8", "s8", 90)}, "orders": {rev("o5", "o5", 8), rev("o4", "o4", 80)},
				},
				edges: append(edge(providers.EdgeRequires, "orders", "storefront"), edge(providers.EdgeCalls, "storefront", "pricing")...),
			}, rollback.Coupled, []string{"orders o5>o4", "storefront s9>s8", "pricing r42>r41"}, "H", "same change", true,
		},
		"closure: a circle is one set": {
			world{others: store, edges: append(edge(providers.EdgeRequires, "storefront", "pricing"), edge(providers.EdgeRequires, "pricing", "storefront")...)},
			rollback.Coupled,
			[]string{"storefront s9>s8", "pricing r42>r41"},
			"edge requires", "cannot serve without", true,
		},
		"closure: too many": {
			world{others: map[string][]rollback.Revision{
				"a": {rev("a2", "bad", 9), rev("a1", "x", 90)}, "b": {rev("b2", "bad", 8), rev("b1", "x", 90)}, "c": {rev("c2", "bad", 7), rev("c1", "x", 90)},
			}}, rollback.Blocked, []string{"b b2>b1", "a a2>a1", "pricing r42>r41"}, "", "", false,
		},
		"closure: the other one has nowhere to go": {
			world{others: map[string][]rollback.Revision{"storefront": {rev("s9", "bad", 9)}}},
			rollback.Blocked,
			[]string{"storefront s9>", "pricing r42>r41"},
			"H", "same change", false,
		},
		"N: something is missing": {
			world{setup: func(b *bench, _ *fakeUnit) {
				b.target.proposal = func(p *rollback.Proposal) { p.Missing = []string{"release r41"} }
			}}, rollback.Blocked, []string{"pricing r42>r41"}, "N", "release r41", false,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			revs := c.revs
			if revs == nil {
				revs = good
			}
			u := b.target.add("pricing", revs...)
			for _, other := range []string{"a", "b", "c", "orders", "storefront"} {
				if r, ok := c.others[other]; ok {
					b.target.add(other, r...)
				}
			}
			if c.setup != nil {
				c.setup(b, u)
			}
			req := c.req
			req.Edges, req.Context, req.Change = c.edges, c.known, c.change
			if req.Change == nil {
				req.Unit = "fake:prod/pricing"
			}
			p := b.plan(t, req)
			if p.Verdict != c.verdict || !slices.Equal(labels(p), c.units) || p.Decision.Allowed != c.allowed {
				t.Errorf("%s %v allowed %v, want %s %v %v\n%+v", p.Verdict, labels(p), p.Decision.Allowed, c.verdict, c.units, c.allowed, p.Units[0].Findings)
			}
			says(t, p, c.rule, c.text)
			if p.Decision.NeedsReason != (c.verdict == rollback.Unknown) || p.Atomic != strings.Contains(name, "circle") {
				t.Errorf("needs a reason: %v, atomic: %v", p.Decision.NeedsReason, p.Atomic)
			}
		})
	}
}

func says(t *testing.T, p rollback.Plan, rule, text string) {
	t.Helper()
	if rule == "" {
		return
	}
	if f := finding(t, p, "pricing", rule); !strings.Contains(f.Text, text) {
		t.Errorf("%s says %q, want %q", f.Rule, f.Text, text)
	}
}

func TestLeavingACoupledUnitOutIsRefused(t *testing.T) {
	b := newBench(t)
	b.pricing()
	b.target.add("storefront", rev("s9", "bad", 9), rev("s8", "s8", 90))
	_, err := b.Plan(t.Context(), rollback.Request{Unit: "fake:prod/pricing", Only: []rollback.UnitID{"fake:prod/pricing"}})
	if !errors.Is(err, rollback.ErrNotAlone) || rollback.ExitCode(err) != 5 || !strings.Contains(err.Error(), "fake:prod/storefront") {
		t.Errorf("got %v", err)
	}
	p := b.plan(t, rollback.Request{Only: []rollback.UnitID{"fake:prod/pricing", "fake:prod/storefront"}})
	if len(p.Units) != 2 || p.Decision.Name != "storefront" {
		t.Errorf("%v, type %q", labels(p), p.Decision.Name)
	}
	p.Units = p.Units[1:]
	if p.Hash, err = rollback.HashPlan(p); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Confirm(t.Context(), p, rollback.Confirmation{PlanHash: p.Hash, By: ana, Typed: "pricing"}); !errors.Is(err, rollback.ErrNotAlone) {
		t.Errorf("a plan that was cut down by hand: %v", err)
	}
}

func TestUnitsOfAChange(t *testing.T) {
	b := newBench(t)
	b.pricing()
	b.target.add("storefront", rev("s9", "bad", 9))
	staging := b.target.add("staging-pricing", rev("r42", "bad", 9))
	staging.unit.Service, staging.unit.Environment = "pricing", "staging"
	bad := rev("", "bad", 0).Commit
	cases := map[string]struct {
		change providers.Change
		want   []rollback.UnitID
	}{
		"the unit that it names":   {providers.Change{Unit: "fake:prod/storefront"}, []rollback.UnitID{"fake:prod/storefront"}},
		"by commit":                {providers.Change{Service: "pricing", Environment: "prod", Commit: bad}, []rollback.UnitID{"fake:prod/pricing"}},
		"by short commit":          {providers.Change{Service: "pricing", Environment: "prod", Commit: bad[:8]}, []rollback.UnitID{"fake:prod/pricing"}},
		"by label":                 {providers.Change{Service: "pricing", Environment: "prod", To: "r41"}, []rollback.UnitID{"fake:prod/pricing"}},
		"by digest":                {providers.Change{Service: "pricing", Environment: "prod", Artifacts: []string{digest("r40")}}, []rollback.UnitID{"fake:prod/pricing"}},
		"another environment":      {providers.Change{Service: "pricing", Environment: "staging", Commit: bad}, []rollback.UnitID{"fake:prod/staging-pricing"}},
		"nothing carries it":       {providers.Change{Service: "pricing", Environment: "prod", Commit: "feedfacefeedface"}, nil},
		"a commit of three digits": {providers.Change{Service: "pricing", Environment: "prod", Commit: bad[:3]}, nil},
		"no service":               {providers.Change{Commit: bad}, nil},
		"a unit that is not there": {providers.Change{Unit: "fake:prod/none"}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			units, err := b.UnitsOf(t.Context(), &c.change)
			var got []rollback.UnitID
			for _, u := range units {
				got = append(got, u.ID)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v %v, want %v", got, err, c.want)
			}
		})
	}
}

// The same world gives the same hash, whatever time it is and whoever asks; every part that decides what happens changes it.
func TestHashIsBoundToWhatDecides(t *testing.T) {
	base := func() *bench {
		b := newBench(t)
		u := b.pricing()
		u.raw = json.RawMessage(`{"note":"token=hunter2secret","n":12345678901234567890}`)
		return b
	}
	req := rollback.Request{Alerts: []rollback.AlertRef{{Provider: "p", ID: "1"}, {Provider: "p", ID: "2"}}}
	one := base().plan(t, req)
	same := map[string]func(b *bench, r *rollback.Request){
		"again":          func(*bench, *rollback.Request) {},
		"an hour later":  func(b *bench, _ *rollback.Request) { b.cfg.Now = func() time.Time { return time.Now().Add(time.Hour) } },
		"another reason": func(_ *bench, r *rollback.Request) { r.Reason = "other words" },
		"another estimate": func(b *bench, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Estimate = time.Minute }
		},
		"another title": func(b *bench, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Steps[0].Title = "x" }
		},
		"other raw output": func(b *bench, _ *rollback.Request) { b.target.units["fake:prod/pricing"].raw = json.RawMessage(`{}`) },
		"alerts in another order": func(_ *bench, r *rollback.Request) {
			r.Alerts = []rollback.AlertRef{{Provider: "p", ID: "2", StartsAt: t0}, {Provider: "p", ID: "1"}}
		},
	}
	for name, change := range same {
		t.Run("same: "+name, func(t *testing.T) {
			b, r := base(), req
			change(b, &r)
			b.Engine = b.another(t)
			if p := b.plan(t, r); p.Hash != one.Hash {
				t.Errorf("another hash")
			}
		})
	}
	other := map[string]func(b *bench, u *fakeUnit, r *rollback.Request){
		"token":     func(_ *bench, u *fakeUnit, _ *rollback.Request) { u.token++ },
		"content":   func(_ *bench, u *fakeUnit, _ *rollback.Request) { u.current.Digest = digest("else") },
		"target":    func(_ *bench, _ *fakeUnit, r *rollback.Request) { r.To = "r40" },
		"owner":     func(_ *bench, u *fakeUnit, _ *rollback.Request) { u.owners = []string{"argocd"} },
		"in flight": func(_ *bench, u *fakeUnit, _ *rollback.Request) { u.inFlight = "x" },
		"cas":       func(_ *bench, u *fakeUnit, _ *rollback.Request) { u.unit.CAS = rollback.CASNone },
		"alert":     func(_ *bench, _ *fakeUnit, r *rollback.Request) { r.Alerts = r.Alerts[:1] },
		"hold":      func(b *bench, _ *fakeUnit, _ *rollback.Request) { b.cfg.Hold++; b.cfg.Hold += time.Second },
		"deadline":  func(b *bench, _ *fakeUnit, _ *rollback.Request) { b.cfg.Deadline += time.Second },
		"diff": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Diff = "x" }
		},
		"destroys": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Destroys = []string{"x"} }
		},
		"not restored": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.NotRestored = []string{"x"} }
		},
		"pace": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Pace = rollback.Pace{Away: 3, Of: 3} }
		},
		"missing": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Missing = []string{"x"} }
		},
		"action": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Steps[0].Action = "x" }
		},
		"argument": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.proposal = func(p *rollback.Proposal) { p.Steps[0].Args = map[string]string{"a": "b"} }
		},
		"coupling": func(b *bench, _ *fakeUnit, _ *rollback.Request) {
			b.target.add("storefront", rev("s9", "bad", 9), rev("s8", "s8", 90))
		},
	}
	seen := map[string]string{one.Hash: "unchanged"}
	for name, change := range other {
		t.Run("other: "+name, func(t *testing.T) {
			b, r := base(), req
			change(b, b.target.units["fake:prod/pricing"], &r)
			b.Engine = b.another(t)
			p := b.plan(t, r)
			if as := seen[p.Hash]; as != "" {
				t.Errorf("the same hash as %s", as)
			}
			seen[p.Hash] = name
		})
	}
}

// A plan that went through JSON, as through a file or another process, is still the same plan.
func TestHashSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.String(), 0, 3)
		p := rollback.Plan{Kind: "incident", Change: rapid.String().Draw(t, "change"), Verdict: rollback.Independent, Hold: time.Second}
		for range rapid.IntRange(0, 3).Draw(t, "units") {
			u := rollback.UnitPlan{Unit: rollback.Unit{ID: rollback.UnitID(rapid.String().Draw(t, "id"))}, Verdict: rollback.Coupled}
			u.Destroys, u.Missing, u.Diff = texts.Draw(t, "destroys"), texts.Draw(t, "missing"), rapid.String().Draw(t, "diff")
			u.Steps = []rollback.Step{{N: 1, Args: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "args")}}
			u.Findings = []rollback.Finding{{Rule: "H", Units: []rollback.UnitID{"b", "a"}}}
			p.Units = append(p.Units, u)
		}
		before, err := rollback.HashPlan(p)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again rollback.Plan
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatal(err)
		}
		if after, err := rollback.HashPlan(again); err != nil || after != before {
			t.Fatalf("%s became %s, %v", before, after, err)
		}
	})
}

func TestPlanSaysWhatItIs(t *testing.T) {
	b := newBench(t)
	u := b.pricing()
	u.unit.CAS = rollback.CASNone
	b.target.proposal = func(p *rollback.Proposal) { p.Diff = "-password: hunter2\n" }
	p := b.plan(t, rollback.Request{Reason: "ask bob, password=hunter2"})
	if got := strings.Join(p.Warnings, "\n"); !strings.Contains(got, "untested") || !strings.Contains(got, "not protected against concurrent change") {
		t.Errorf("warnings are %q", p.Warnings)
	}
	up := p.Units[0]
	if up.Tested != "untested" || up.Estimate != 0 || len(up.Choices) != 1 || up.Choices[0].Label != "r40" {
		t.Errorf("tested %q, estimate %v, choices %v", up.Tested, up.Estimate, up.Choices)
	}
	if strings.Contains(up.Diff+p.Reason, "hunter2") || !strings.Contains(up.Diff, ledger.Redacted) {
		t.Errorf("a secret is in the plan: %q %q", up.Diff, p.Reason)
	}
	if len(b.target.effects()) != 0 {
		t.Error("planning had an effect")
	}
	if _, err := b.Plan(t.Context(), rollback.Request{Unit: "fake:prod/none"}); !errors.Is(err, rollback.ErrNotFound) {
		t.Errorf("a unit that is not there: %v", err)
	}
	if _, err := b.Plan(t.Context(), rollback.Request{Change: &providers.Change{ID: "x", Service: "y"}}); !errors.Is(err, rollback.ErrNotFound) {
		t.Errorf("a change that no unit carries: %v", err)
	}
}
