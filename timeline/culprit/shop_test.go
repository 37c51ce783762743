package culprit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline/culprit"
)

// t0 is the first alert of every incident that these tests make up.
var t0 = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

// shop is a small shop: storefront calls login, pricing and orders; orders calls pricing. Probes alert on pricing, orders
// and storefront within seconds, and a dozen harmless changes lie in the hours before.
func shop() culprit.Input {
	in := culprit.Input{
		ID: "INC-1", At: t0.Add(20 * time.Second),
		Services: []providers.Service{
			{Name: "storefront", DependsOn: []string{"login", "pricing", "orders"}},
			{Name: "login"},
			{Name: "pricing"},
			{Name: "orders", DependsOn: []string{"pricing"}},
		},
	}
	for i, s := range []string{"pricing", "orders", "storefront"} {
		in.Alerts = append(in.Alerts, providers.Alert{
			ID: "probe/" + s, Provider: "probe", Name: "ProbeFailing", Service: s, Environment: "prod", Severity: "critical",
			Summary: "GET / of " + s + " answers 500", StartsAt: t0.Add(time.Duration(2*i) * time.Second),
		})
	}
	for i, age := range []time.Duration{55, 62, 75, 90, 110, 130, 150, 170, 200, 230, 260, 290} {
		s := []string{"login", "storefront", "pricing", "orders"}[i%4]
		in.Changes = append(in.Changes, release(fmt.Sprintf("h%02d", i), s, age*time.Minute))
	}
	return in
}

// release is a release of a service, live at once, age before the first alert.
func release(id, service string, age time.Duration) providers.Change {
	at := t0.Add(-age)
	return providers.Change{
		ID: id, Provider: "releases", Kind: providers.KindDeploy, Service: service, Environment: "prod",
		Title: "release " + id + " of " + service, Unit: "releases:shop/" + service, From: "r" + id, To: "s" + id,
		LandedAt: at.Add(-time.Minute), EffectiveFrom: at, EffectiveTo: at,
	}
}

func top(t *testing.T, r culprit.Ranking) culprit.Suspect {
	t.Helper()
	if len(r.Ranking) == 0 {
		t.Fatal("nothing was ranked")
	}
	return r.Ranking[0]
}

func dump(r culprit.Ranking) string {
	s := fmt.Sprintf("none %.3f tie %v\n", r.None, r.Tie)
	for _, x := range r.Ranking {
		s += fmt.Sprintf("%-8s p %.3f score %.2f", x.Change, x.P, x.Score)
		for _, e := range x.Evidence {
			s += fmt.Sprintf("  %s %+.2f", e.Term, e.Weight)
		}
		s += "\n"
	}
	return s
}

func TestABadReleaseComesFirst(t *testing.T) {
	in := shop()
	in.Changes = append(in.Changes, release("bad", "pricing", 3*time.Second))
	r := culprit.Rank(in)
	if s := top(t, r); s.Change != "bad" || s.P < 0.7 || r.Tie {
		t.Errorf("the release 3 s before the first alert should lead clearly:\n%s", dump(r))
	}
}

func TestWithoutARecentChangeNoneComesFirst(t *testing.T) {
	cases := map[string]func(*culprit.Input){
		"a backing process died": func(*culprit.Input) {},
		"a harmless release elsewhere 20 min ago": func(in *culprit.Input) {
			in.Changes = append(in.Changes, release("late", "login", 20*time.Minute))
		},
		"only the latest hour is known": func(in *culprit.Input) { in.Changes = in.Changes[:4] },
		"when releases were complete is unknown": func(in *culprit.Input) {
			for i := range in.Changes {
				in.Changes[i].EffectiveTo = time.Time{}
			}
		},
		"one alert only":     func(in *culprit.Input) { in.Alerts = in.Alerts[:1] },
		"five minutes later": func(in *culprit.Input) { in.At = in.At.Add(5 * time.Minute) },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			in := shop()
			change(&in)
			r := culprit.Rank(in)
			if s := top(t, r); r.None <= s.P || r.None < 0.4 {
				t.Errorf("no change is to blame:\n%s", dump(r))
			}
		})
	}
}
