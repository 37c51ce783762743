package culprit_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

func encode(t interface{ Fatal(...any) }, in culprit.Input) string {
	var b bytes.Buffer
	if err := culprit.Encode(&b, culprit.Rank(in)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// measured is the shop with a bad release, an onset, edges and series, so that every term has something to say.
func measured() culprit.Input {
	in := shop()
	bad := release("bad", "pricing", 90*time.Second)
	bad.Rollout = []providers.RolloutStep{{At: bad.EffectiveFrom, Share: 0.3}}
	bad.EffectiveTo = time.Time{}
	bad.Paths, bad.Lines, bad.Files = []string{"pricing/answer.go", "pricing/probe.go"}, 40, 2
	in.Changes = append(in.Changes, bad)
	in.At = t0.Add(3 * time.Minute)
	for _, peer := range []string{"storefront", "orders"} {
		in.Signals = append(in.Signals, series("pricing", peer, in.At.Add(-time.Hour), 60, func(at time.Time) float64 {
			if at.After(bad.EffectiveFrom) {
				return 0.5
			}
			return 1
		}))
	}
	return in
}

// series is a success ratio, one point a minute, of calls from peer to service.
func series(service, peer string, from time.Time, n int, value func(time.Time) float64) providers.Signal {
	s := providers.Signal{Name: "success_rate", Service: service, Labels: map[string]string{"direction": "in", "peer": peer}}
	for i := range n {
		at := from.Add(time.Duration(i) * time.Minute)
		s.Points = append(s.Points, [2]float64{float64(at.Unix()), value(at)})
	}
	return s
}

// addFuture puts fifty later changes, later ends and later points into the input.
func addFuture(in culprit.Input) culprit.Input {
	out := in
	out.Changes, out.Alerts, out.Signals = slices.Clone(in.Changes), slices.Clone(in.Alerts), slices.Clone(in.Signals)
	later := func(i int) time.Time { return in.At.Add(time.Duration(i+1) * time.Second) }
	for i := range 50 {
		c := in.Changes[i%len(in.Changes)]
		c.ID, c.LandedAt, c.EffectiveFrom, c.EffectiveTo = fmt.Sprintf("future/%02d", i), later(i), later(i), later(i+1)
		c.Reverts = []string{"bad"}
		out.Changes = append(out.Changes, c)
		out.Alerts = append(out.Alerts, providers.Alert{ID: fmt.Sprint("late", i), Service: "login", Summary: "bad release", StartsAt: later(i)})
		s := in.Alerts[i%len(in.Alerts)].Service
		out.Signals = append(out.Signals, series(s, "batch", later(i), 10, func(time.Time) float64 { return 0 }))
		out.Edges = append(out.Edges, providers.Edge{From: "login", To: "pricing", Kind: providers.EdgeCalls, SeenAt: later(i)})
	}
	for i := range out.Alerts {
		if out.Alerts[i].EndsAt.IsZero() {
			out.Alerts[i].EndsAt, out.Alerts[i].State = later(i), providers.AlertResolved
		}
	}
	for i := range in.Changes {
		c := &out.Changes[i]
		c.Rollout = append(slices.Clone(c.Rollout), providers.RolloutStep{At: later(i), Share: 1})
		c.Status = "rolled back"
		if c.EffectiveTo.IsZero() {
			c.EffectiveTo = later(i)
		}
	}
	for i := range in.Signals {
		s := &out.Signals[i]
		s.Points = append(slices.Clone(s.Points), [2]float64{float64(later(i).Unix()) + 1, 0})
	}
	return out
}

func TestNothingLaterThanAtChangesAByte(t *testing.T) {
	for name, in := range map[string]culprit.Input{"shop": shop(), "measured": measured()} {
		if a, b := encode(t, in), encode(t, addFuture(in)); a != b {
			t.Errorf("%s: later rows changed the ranking:\n%s\n%s", name, a, b)
		}
	}
}

func TestWhatIsNotLaterDoesChangeTheRanking(t *testing.T) {
	in := measured()
	later := in
	later.At = in.At.Add(time.Hour)
	if encode(t, addFuture(later)) == encode(t, in) {
		t.Error("an hour later the ranking should differ: otherwise the test of later rows shows nothing")
	}
	cut := in
	cut.Signals = nil
	if encode(t, cut) == encode(t, in) {
		t.Error("the series should count")
	}
}

func TestOrderOfTheInputDoesNotMatter(t *testing.T) {
	in := measured()
	want := encode(t, in)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		mixed := in
		mixed.Changes, mixed.Alerts = slices.Clone(in.Changes), slices.Clone(in.Alerts)
		mixed.Services, mixed.Signals = slices.Clone(in.Services), slices.Clone(in.Signals)
		r.Shuffle(len(mixed.Changes), func(i, j int) { mixed.Changes[i], mixed.Changes[j] = mixed.Changes[j], mixed.Changes[i] })
		r.Shuffle(len(mixed.Alerts), func(i, j int) { mixed.Alerts[i], mixed.Alerts[j] = mixed.Alerts[j], mixed.Alerts[i] })
		r.Shuffle(len(mixed.Services), func(i, j int) { mixed.Services[i], mixed.Services[j] = mixed.Services[j], mixed.Services[i] })
		r.Shuffle(len(mixed.Signals), func(i, j int) { mixed.Signals[i], mixed.Signals[j] = mixed.Signals[j], mixed.Signals[i] })
		if got := encode(t, mixed); got != want {
			t.Fatalf("order %d gave other bytes:\n%s\n%s", seed, got, want)
		}
	}
}

// drawInput makes an incident with any mixture of known and unknown facts.
func drawInput(t *rapid.T) culprit.Input {
	names := []string{"a", "b", "c", "d", ""}
	name := rapid.SampledFrom(names)
	when := func(label string) time.Time {
		m := rapid.IntRange(-600, 10).Draw(t, label)
		if m%7 == 0 {
			return time.Time{}
		}
		return t0.Add(time.Duration(m) * time.Minute)
	}
	in := culprit.Input{ID: "R", At: t0.Add(5 * time.Minute), Dismissed: map[string]string{"c1": "seen healthy"}}
	for _, n := range names[:4] {
		in.Services = append(in.Services, providers.Service{Name: n, DependsOn: rapid.SliceOfN(name, 0, 2).Draw(t, "deps")})
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "alerts") {
		in.Alerts = append(in.Alerts, providers.Alert{
			ID: fmt.Sprint(i), Service: name.Draw(t, "service"), Summary: rapid.SampledFrom([]string{"", "disk full", "Ünïcode \x00"}).Draw(t, "summary"),
			StartsAt: when("starts"), EndsAt: when("ends"), Labels: map[string]string{"region": rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "region")},
		})
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "changes") {
		c := providers.Change{
			ID: fmt.Sprint("c", rapid.IntRange(0, 20).Draw(t, "id")), Kind: rapid.SampledFrom(append(providers.Kinds(), "", "odd")).Draw(t, "kind"),
			Service: name.Draw(t, "place"), LandedAt: when("landed"), EffectiveFrom: when("from"), EffectiveTo: when("to"),
			Title: rapid.SampledFrom([]string{"", "disk", "restart a in eu", "group0 wikis to 1.2"}).Draw(t, "title"), Lines: rapid.IntRange(-1, 1e9).Draw(t, "lines"),
			To: rapid.SampledFrom([]string{"", "v2"}).Draw(t, "to version"), Unit: rapid.SampledFrom([]string{"", "k8s:prod/a"}).Draw(t, "unit"),
		}
		if i%3 == 0 {
			c.Rollout = []providers.RolloutStep{{At: when("step"), Share: rapid.Float64().Draw(t, "share")}, {At: when("step"), Share: 1}}
			c.Reverts = []string{"c2"}
		}
		in.Changes = append(in.Changes, c)
	}
	for range rapid.IntRange(0, 3).Draw(t, "signals") {
		v := rapid.OneOf(rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), 2})).Draw(t, "value")
		s := series(name.Draw(t, "of"), name.Draw(t, "peer"), t0.Add(-20*time.Minute), 30, func(time.Time) float64 { return v })
		s.Labels["version"] = rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(t, "version")
		s.Labels["instance"] = rapid.SampledFrom([]string{"", "i1"}).Draw(t, "instance")
		in.Signals = append(in.Signals, s)
	}
	in.Onset = timeline.Onset{Earliest: when("earliest"), Latest: when("latest")}
	return in
}

func TestPromisesHoldOnAnyInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		r := culprit.Rank(in)
		sum := r.None
		visible := map[string]bool{}
		for i := range in.Changes {
			if in.Changes[i].VisibleAt(in.At) {
				visible[in.Changes[i].ID] = true
			}
		}
		if len(r.Ranking) != len(visible) {
			t.Fatalf("%d visible changes, %d ranked", len(visible), len(r.Ranking))
		}
		for i, s := range r.Ranking {
			sum += s.P
			if !visible[s.Change] || s.P < 0 || s.P > 1 || i > 0 && s.P > r.Ranking[i-1].P {
				t.Fatalf("suspect %d is out of place: %+v", i, s)
			}
			checkSuspect(t, s)
		}
		if math.Abs(sum-1) > 1e-9 || r.None < 0 {
			t.Fatalf("probabilities sum to %v, none %v", sum, r.None)
		}
		if len(in.Changes) > 0 && len(in.Alerts) > 0 {
			in.Alerts[0].EndsAt = time.Time{}
			if a, b := encode(t, in), encode(t, addFuture(in)); a != b {
				t.Fatalf("later rows changed the ranking:\n%s\n%s", a, b)
			}
		}
	})
}

// checkSuspect: weights sum to the score, what is unknown weighs nothing, and nothing near certainty without measurement.
func checkSuspect(t *rapid.T, s culprit.Suspect) {
	total, corroborated := 0.0, false
	for _, e := range s.Evidence {
		total += e.Weight
		if e.Text == "" || math.IsNaN(e.Weight) || len(e.Text) > 6 && e.Text[:7] == "unknown" && e.Weight != 0 {
			t.Fatalf("odd evidence %+v", e)
		}
		corroborated = corroborated || e.Weight > 0 && (e.Term == "scope" || e.Term == "contrast" || e.Term == "rollout")
	}
	if math.Abs(total-s.Score) > 1e-9 {
		t.Fatalf("weights sum to %v, score %v", total, s.Score)
	}
	if s.P > 0.9 && !corroborated {
		t.Fatalf("p %v with nothing measured: %+v", s.P, s)
	}
}
