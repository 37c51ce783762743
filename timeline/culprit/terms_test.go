package culprit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// evidence finds what a term says of a change.
func evidence(t *testing.T, r culprit.Ranking, change, term string) culprit.Evidence {
	t.Helper()
	for _, s := range r.Ranking {
		if s.Change != change {
			continue
		}
		for _, e := range s.Evidence {
			if e.Term == term {
				return e
			}
		}
		return culprit.Evidence{}
	}
	t.Fatalf("%s is not ranked:\n%s", change, dump(r))
	return culprit.Evidence{}
}

// two is an incident with one alert on pricing and two releases of pricing's callers and callees.
func two(change func(in *culprit.Input, x *providers.Change)) culprit.Ranking {
	in := shop()
	in.Alerts = in.Alerts[:1]
	in.Changes = []providers.Change{release("x", "pricing", 10*time.Minute), release("y", "login", 10*time.Minute)}
	change(&in, &in.Changes[0])
	return culprit.Rank(in)
}

func TestTerms(t *testing.T) {
	cases := []struct {
		name, term string
		change     func(in *culprit.Input, x *providers.Change)
		low, high  float64
		text       string
	}{
		{"took effect", "time", func(*culprit.Input, *providers.Change) {}, 2, 2.6, "took effect 10 min before the first symptom"},
		{"landed only", "time", func(_ *culprit.Input, x *providers.Change) {
			x.EffectiveFrom, x.EffectiveTo = time.Time{}, time.Time{}
		}, 2, 2.3, "landed 11 min before the first symptom (when it took effect is unknown)"},
		{"no time", "time", func(_ *culprit.Input, x *providers.Change) {
			x.LandedAt, x.EffectiveFrom, x.EffectiveTo = time.Time{}, time.Time{}, time.Time{}
		}, 0, 0, "unknown: no time of landing or of taking effect"},
		{"very old", "time", func(_ *culprit.Input, x *providers.Change) {
			*x = release("x", "pricing", 400*24*time.Hour)
		}, -4, -2, "took effect 400 d before the first symptom"},
		{"a migration bites later", "time", func(_ *culprit.Input, x *providers.Change) {
			*x = release("x", "pricing", 40*time.Minute)
			x.Kind = providers.KindMigration
		}, 1.5, 1.7, "took effect 40 min before"},
		{"inside the known interval", "time", func(in *culprit.Input, x *providers.Change) {
			in.Onset = timeline.Onset{Earliest: t0.Add(-30 * time.Minute), Latest: t0}
		}, 3.2, 3.2, "took effect while the symptoms began, 10 min before they were seen"},
		{"after the first symptom", "after-onset", func(_ *culprit.Input, x *providers.Change) {
			*x = release("x", "pricing", -10*time.Second)
		}, -1.5, -1, "began 10 s after the first symptom"},
		{"latest on its target", "recency", func(*culprit.Input, *providers.Change) {}, 1, 1, "the latest change to pricing before the first symptom"},
		{"superseded", "superseded", func(in *culprit.Input, _ *providers.Change) {
			in.Changes = append(in.Changes, release("z", "pricing", 5*time.Minute))
		}, -0.6, -0.6, "a newer change to releases:shop/pricing was there before the first symptom: z"},
		{"alerts itself", "target", func(*culprit.Input, *providers.Change) {}, 1, 1.5, "pricing itself alerts"},
		{"alerts have no service", "target", func(in *culprit.Input, _ *providers.Change) { in.Alerts[0].Service = "" }, 0, 0, "unknown: no alert names a service"},
		{"is in nobody's way", "topology", func(_ *culprit.Input, x *providers.Change) { x.Service = "login" }, -1, -1, "nothing that alerts depends on login"},
		{"a caller", "topology", func(_ *culprit.Input, x *providers.Change) { x.Service = "storefront" }, -0.5, -0.5, "storefront depends on pricing, 1 hop away: faults seldom travel that way"},
		{"no topology", "topology", func(in *culprit.Input, _ *providers.Change) { in.Services = nil }, 0, 0, "unknown: who calls whom"},
		{"explains all", "covers", func(*culprit.Input, *providers.Change) {}, 1, 1, "a fault in pricing would explain 1 of 1 alerts"},
		{"other environment", "scope", func(_ *culprit.Input, x *providers.Change) { x.Environment = "staging" }, -2, -2, "the alerts are in prod, the change in staging"},
		{"the version that alerts", "scope", func(in *culprit.Input, _ *providers.Change) {
			in.Alerts[0].Labels = map[string]string{"version": "sx"}
		}, 1.5, 1.5, "only what runs sx alerts"},
		{"the old version alerts", "scope", func(in *culprit.Input, _ *providers.Change) {
			in.Alerts[0].Labels = map[string]string{"version": "rx"}
		}, -2, -2, "what alerts runs rx, not sx"},
		{"the region that alerts", "scope", func(in *culprit.Input, x *providers.Change) {
			in.Alerts[0].Labels = map[string]string{"region": "eu-west"}
			x.Title = "raise limits in eu-west"
		}, 1.5, 1.5, "is about region eu-west, where the alerts are"},
		{"shares rare words", "symptom-text", func(in *culprit.Input, x *providers.Change) {
			in.Alerts[0].Summary, x.Title = "Certificates rejected", "rotate the certificate of the proxy"
		}, 0.5, 5, "shares words with the alerts: certificat"},
		{"configuration", "kind", func(_ *culprit.Input, x *providers.Change) { x.Kind = providers.KindConfig }, 0.25, 0.25, "configuration: taken back more often than most"},
		{"documents", "kind", func(_ *culprit.Input, x *providers.Change) { x.Paths = []string{"docs/a.md", "README.md"} }, -1.5, -1.5, "tests or documents only"},
		{"documents and code", "kind", func(_ *culprit.Input, x *providers.Change) { x.Paths = []string{"docs/a.md", "main.go"} }, 0, 0, ""},
		{"routine work elsewhere", "maintenance", func(_ *culprit.Input, x *providers.Change) {
			x.Service, x.Title = "login", "Depool login for the upgrade"
		}, -1.5, -1.5, "depool"},
		{"routine work at the place", "maintenance", func(_ *culprit.Input, x *providers.Change) { x.Title = "restart pricing" }, 0, 0, "but at the place of the symptoms"},
		{"a rollback", "revert", func(_ *culprit.Input, x *providers.Change) { x.Kind = providers.KindRollback }, -1.5, -1.5, "takes a change back"},
		{"a rollback under its dependants", "revert", func(in *culprit.Input, x *providers.Change) {
			x.Kind, x.Reverts = providers.KindRollback, []string{"old"}
			in.Changes = append(in.Changes, release("old", "pricing", 3*time.Hour), release("user", "orders", time.Hour))
		}, -0.5, -0.5, "takes back old, on which user has come to depend"},
		{"size", "size", func(_ *culprit.Input, x *providers.Change) { x.Lines, x.Files = 1e6, 900 }, 0.4, 0.4, "1000000 lines in 900 files"},
		{"AI is shown", "assistance", func(_ *culprit.Input, x *providers.Change) {
			x.Assistance = providers.Assistance{State: providers.AssistanceAgent, Tools: []string{"Claude"}}
		}, 0, 0, "AI assistance: agent (Claude), shown and not counted"},
		{"AI was not found", "assistance", func(_ *culprit.Input, x *providers.Change) {
			x.Assistance.State = providers.AssistanceNone
		}, 0, 0, "AI assistance: none found"},
		{"still rolling out", "ongoing", func(_ *culprit.Input, x *providers.Change) {
			x.EffectiveTo, x.Rollout = time.Time{}, []providers.RolloutStep{{At: x.EffectiveFrom, Share: 0.25}}
		}, 0.7, 0.7, "was still rolling out at the first symptom (25% exposed)"},
		{"long healthy", "rollout", func(_ *culprit.Input, x *providers.Change) { *x = release("x", "pricing", 3*time.Hour) }, -1.5, -1.5, "fully exposed and without symptoms for 3 h"},
		{"dismissed", "dismissed", func(in *culprit.Input, _ *providers.Change) {
			in.Dismissed = map[string]string{"x": "canary was healthy\x1b[31m"}
		}, -6, -6, "dismissed by a person: canary was healthy"},
		{"a drill", "drill", func(_ *culprit.Input, x *providers.Change) { x.Kind = providers.KindDrill }, -8, -8, "a drill: made on purpose, and put back"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := two(c.change)
			e := evidence(t, r, "x", c.term)
			if e.Weight < c.low-1e-9 || e.Weight > c.high+1e-9 || !strings.Contains(e.Text, c.text) || (c.text == "") != (e.Text == "") {
				t.Errorf("%s is %+.3f %q, want %v to %v and %q", c.term, e.Weight, e.Text, c.low, c.high, c.text)
			}
		})
	}
}

func TestContrastComparesBeforeAndAfter(t *testing.T) {
	r := culprit.Rank(measured())
	if e := evidence(t, r, "bad", "contrast"); e.Weight < 2 || !strings.Contains(e.Text, "calls to pricing: 50% failed since it took effect, 0% before") {
		t.Errorf("contrast: %+v", e)
	}
	if s := top(t, r); s.Change != "bad" || s.P < 0.9 {
		t.Errorf("measured, a suspect may be near certain:\n%s", dump(r))
	}
}

func TestHealthyCallsSpeakAgainstAChange(t *testing.T) {
	in := measured()
	for i := range in.Signals {
		for j := range in.Signals[i].Points {
			in.Signals[i].Points[j][1] = 1
		}
	}
	if e := evidence(t, culprit.Rank(in), "bad", "contrast"); e.Weight >= 0 || e.Weight < -2 {
		t.Errorf("contrast: %+v", e)
	}
}

func TestNewInstancesAgainstOldOnes(t *testing.T) {
	instances := func(fresh, old float64) culprit.Evidence {
		in := measured()
		in.Signals = nil
		for version, v := range map[string]float64{"sbad": fresh, "r1": old} {
			s := series("pricing", "storefront", in.At.Add(-time.Hour), 61, func(at time.Time) float64 {
				if at.After(t0.Add(-90 * time.Second)) {
					return v
				}
				return 1
			})
			s.Labels["version"], s.Labels["instance"] = version, version+"-a"
			in.Signals = append(in.Signals, s)
		}
		return evidence(t, culprit.Rank(in), "bad", "contrast")
	}
	worse, alike := instances(0.3, 1), instances(0.6, 0.6)
	if worse.Weight <= 2 || !strings.Contains(worse.Text, "new instances failed 70%, old ones 0%") {
		t.Errorf("only new instances fail: %+v", worse)
	}
	if alike.Weight >= worse.Weight {
		t.Errorf("old and new fail alike: %+v, only new ones: %+v", alike, worse)
	}
}

func TestAVictimHandsItsCalleesFailuresOn(t *testing.T) {
	in := measured()
	in.Changes = append(in.Changes, release("victim", "orders", 90*time.Second))
	fails := func(at time.Time) float64 {
		if at.After(t0.Add(-90 * time.Second)) {
			return 0.5
		}
		return 1
	}
	in.Signals = append(in.Signals, series("orders", "storefront", in.At.Add(-time.Hour), 61, fails))
	alone := evidence(t, culprit.Rank(in), "victim", "contrast")
	out := series("orders", "pricing", in.At.Add(-time.Hour), 61, fails)
	out.Labels["direction"] = "out"
	in.Signals = append(in.Signals, out)
	r := culprit.Rank(in)
	if e := evidence(t, r, "victim", "contrast"); alone.Weight < 2 || e.Weight > 0.1 || !strings.Contains(e.Text, "mostly while what it calls failed too") {
		t.Errorf("without its own calls %+v, with them %+v", alone, e)
	}
	if s := top(t, r); s.Change != "bad" {
		t.Errorf("the callee should lead:\n%s", dump(r))
	}
}

func TestASymptomThatMovedBeforeTheChange(t *testing.T) {
	in := measured()
	moved := t0.Add(-6 * time.Minute)
	for i := range in.Signals {
		for j, p := range in.Signals[i].Points {
			if p[0] >= float64(moved.Unix()) {
				in.Signals[i].Points[j][1] = 0.5
			}
		}
	}
	if e := evidence(t, culprit.Rank(in), "bad", "precursor"); e.Weight != -2.5 {
		t.Errorf("precursor: %+v", e)
	}
	if e := evidence(t, culprit.Rank(measured()), "bad", "precursor"); e.Weight != 0 {
		t.Errorf("precursor of a symptom that followed: %+v", e)
	}
}

func TestSymptomsThatFollowTheExposedShare(t *testing.T) {
	in := measured()
	bad := &in.Changes[len(in.Changes)-1]
	bad.EffectiveFrom = t0.Add(-9 * time.Minute)
	bad.Rollout = nil
	for i := range 3 {
		bad.Rollout = append(bad.Rollout, providers.RolloutStep{At: bad.EffectiveFrom.Add(time.Duration(3*i) * time.Minute), Share: float64(i+1) / 10})
	}
	for i := range in.Signals {
		for j, p := range in.Signals[i].Points {
			in.Signals[i].Points[j][1] = 1 - math.Max(0, math.Min(3, math.Floor((p[0]-float64(bad.EffectiveFrom.Unix()))/180)+1))/10
		}
	}
	if e := evidence(t, culprit.Rank(in), "bad", "rollout"); e.Weight < 1.5 {
		t.Errorf("rollout: %+v", e)
	}
}

// What a person wrote down while looking for the culprit is no candidate.
func TestNotesAreNoCandidates(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	in := culprit.Input{
		At: at, Alerts: []providers.Alert{{ID: "a", Provider: "p", Service: "pricing", StartsAt: at.Add(-time.Minute)}},
		Changes: []providers.Change{
			{ID: "note-1", Kind: providers.KindOperation, Status: providers.StatusNote, Title: "pricing looks broken", EffectiveFrom: at.Add(-2 * time.Minute)},
			{ID: "restart", Kind: providers.KindOperation, Service: "pricing", EffectiveFrom: at.Add(-2 * time.Minute)},
		},
	}
	r := culprit.Rank(in)
	if len(r.Ranking) != 1 || r.Ranking[0].Change != "restart" {
		t.Errorf("%+v", r.Ranking)
	}
}
