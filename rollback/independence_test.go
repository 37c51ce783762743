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

func standingOf(t *testing.T, all []rollback.Standing, service string) rollback.Standing {
	t.Helper()
	for _, s := range all {
		if s.Unit.Service == service {
			return s
		}
	}
	t.Fatalf("no standing of %s among %d", service, len(all))
	return rollback.Standing{}
}

// agreesWithPlans checks that each standing is what a plan says, and that each of its findings can be traced.
func agreesWithPlans(t *testing.T, b *bench, req rollback.Request, all []rollback.Standing) {
	t.Helper()
	for _, s := range all {
		for _, f := range s.Findings {
			if f.Rule == "" || f.Source == "" || f.SeenAt.IsZero() {
				t.Errorf("%s: a finding without its rule, source or time: %+v", s.Unit.ID, f)
			}
		}
		req.Unit = s.Unit.ID
		p, err := b.Plan(t.Context(), req)
		if err != nil && (s.Alone == rollback.AloneYes || s.Alone == rollback.AloneConditions) {
			t.Errorf("%s: %s, and there is no plan of it: %v", s.Unit.ID, s.Alone, err)
		}
		for _, u := range p.Units {
			if u.Unit.ID == s.Unit.ID && u.Verdict != s.Verdict {
				t.Errorf("%s: %s, and its plan says %s", s.Unit.ID, s.Verdict, u.Verdict)
			}
		}
	}
}

func didNothing(t *testing.T, b *bench) {
	t.Helper()
	if runs, err := b.Runs(t.Context()); err != nil || len(runs) != 0 || len(b.target.effects()) != 0 {
		t.Errorf("looking did something: %d runs, %v (%v)", len(runs), b.target.effects(), err)
	}
}

// Every unit gets the answer that a plan of it gives, with what broke it and since when.
func TestStandingsSayWhatAPlanWouldSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.target.add("cart", rev("c2", "both", 10), rev("c1", "cart", 900))
		b.target.add("shop", rev("s2", "both", 8), rev("s1", "shop", 900))
		b.target.add("lone", rev("l2", "lone2", 700), rev("l1", "lone1", 900))
		b.target.add("new", rev("n1", "new", 600))
		b.target.add("dark", rev("d2", "dark2", 10), rev("d1", "dark1", 900))
		req := rollback.Request{Context: []providers.Change{{
			ID: "chg-7", Kind: providers.KindDeploy, Service: "shop", Environment: "prod", Title: "prices in cents",
			Author: providers.Author{Name: "Bo"}, Commit: rev("", "both", 0).Commit, EffectiveFrom: t0.Add(-8 * time.Minute),
		}}}
		all, err := b.Standings(t.Context(), req, "prod")
		if err != nil || len(all) != 5 {
			t.Fatalf("%d standings: %v", len(all), err)
		}
		agreesWithPlans(t, b, req, all)
		shop := standingOf(t, all, "shop")
		coupled := shop.Because[0]
		if coupled.Change != "chg-7" || !strings.Contains(coupled.Broke, "s2 of fake:prod/shop (Bo: prices in cents)") || !coupled.Since.Equal(t0.Add(-8*time.Minute)) {
			t.Errorf("what broke it: %q, %q since %s", coupled.Broke, coupled.Change, coupled.Since)
		}
		if len(shop.With) != 2 {
			t.Errorf("it goes back with %v", shop.With)
		}
		if s := standingOf(t, all, "new"); s.Alone != rollback.AloneNo || s.Because[0].Rule != "target" || !s.Since.IsZero() {
			t.Errorf("with nowhere to go: %+v", s)
		}
		b.target.onObserve = func(u *fakeUnit) error {
			if u.unit.Service == "dark" {
				return errors.New("the host is off")
			}
			return nil
		}
		if all, err = b.Standings(t.Context(), req, "prod"); err != nil {
			t.Fatal(err)
		}
		agreesWithPlans(t, b, req, all)
		if s := standingOf(t, all, "dark"); s.Alone != rollback.AloneUnknown || !strings.Contains(s.Because[0].Text, "the host is off") {
			t.Errorf("a unit that cannot be seen: %+v", s)
		}
		didNothing(t, b)
	})
}

func TestStandingsOfWhatCanGoBackAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.add("elsewhere", rev("e2", "e2", 10), rev("e1", "e1", 900)).unit.Environment = "staging"
		all, err := b.Standings(t.Context(), rollback.Request{}, "prod")
		if err != nil || len(all) != 1 {
			t.Fatalf("%d standings: %v", len(all), err)
		}
		if s := all[0]; s.Alone != rollback.AloneYes || s.Verdict != rollback.Independent || len(s.Because) != 0 || s.To.Label != "r41" {
			t.Errorf("%+v", s)
		}
		b.target.listErr = errors.New("no answer")
		all, err = b.Standings(t.Context(), rollback.Request{}, "")
		if err == nil || len(all) != 2 {
			t.Fatalf("%d standings: %v", len(all), err)
		}
		if s := standingOf(t, all, "pricing"); s.Alone != rollback.AloneUnknown {
			t.Errorf("where not all units can be listed: %s", s.Alone)
		}
	})
}

// Units are looked at once, not once for each unit; and a caller's deadline leaves what was not reached unknown.
func TestStandingsLookOnceAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		looks := 0
		for _, name := range []string{"a", "b", "c", "d"} {
			b.target.add(name, rev(name+"2", name+"2", 10), rev(name+"1", name+"1", 900))
		}
		b.target.onObserve = func(*fakeUnit) error { looks++; return nil }
		if _, err := b.Standings(t.Context(), rollback.Request{}, ""); err != nil || looks != 4 {
			t.Errorf("%d looks at 4 units (%v)", looks, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.cfg.Reversers = map[string]rollback.Reverser{"fake": hanging{b.target}}
		all, err := b.another(t).Standings(ctx, rollback.Request{}, "")
		if len(all) != 4 {
			t.Fatalf("%d standings: %v", len(all), err)
		}
		for _, s := range all {
			if s.Alone != rollback.AloneUnknown {
				t.Errorf("%s was not seen and is %s", s.Unit.ID, s.Alone)
			}
		}
	})
}

// hanging answers no look before its caller gives up.
type hanging struct{ *fake }

func (hanging) Observe(ctx context.Context, _ rollback.UnitID) (rollback.Observation, error) {
	<-ctx.Done()
	return rollback.Observation{}, ctx.Err()
}

// Which run put a content there says nothing of the commit that it is from.
func TestARunDoesNotSayWhatTheContentCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.target.add("shop", rev("s2", "", 60), rev("s1", "", 900))
		b.target.add("cart", rev("c2", "x", 58), rev("c1", "y", 900))
		p := b.plan(t, rollback.Request{Unit: "fake:prod/shop", Context: []providers.Change{{
			ID: "its entry", Kind: providers.KindRollback, Unit: "fake:prod/shop", Service: "shop", Environment: "prod", To: "s2", ChangeSet: "RUN-0001",
			EffectiveFrom: t0.Add(-time.Hour),
		}}})
		if f := finding(t, p, "shop", "H"); f.Verdict != rollback.Unknown {
			t.Errorf("%+v", f)
		}
	})
}
