package session

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/tui"
)

// series are values a second apart, from so many seconds after noon on. One that is no number was not measured.
func series(name, service string, from int, labels map[string]string, values ...float64) providers.Signal {
	s := providers.Signal{Name: name, Service: service, Labels: labels}
	for i, v := range values {
		s.Points = append(s.Points, [2]float64{float64(noon.Unix() + int64(from+i)), v})
	}
	return s
}

func measured(from, until int, v float64) tui.Measure {
	return tui.Measure{From: noon.Add(time.Duration(from) * time.Second), Until: noon.Add(time.Duration(until) * time.Second), Value: v}
}

var (
	pricingAlerts = timeline.Incident{ID: "INC-1", OpenedAt: noon.Add(5 * time.Second), Services: []string{"pricing", "orders"}}
	tenSeconds    = providers.Window{Since: noon, Until: noon.Add(10 * time.Second)}
)

func TestSymptomIsTheWorstThatAlerts(t *testing.T) {
	got := symptomOf([]providers.Signal{
		series("probe_success", "pricing", 0, nil, 1, 1, 1, 0, 0),
		series("error_ratio", "orders", 2, nil, 0, .5),
		series("error_ratio", "search", 0, nil, 1, 1, 1, 1, 1, 1, 1, 1), // does not alert
		series("probe_seconds", "pricing", 0, nil, 9, 9, 9, 9, 9),
		series("rps", "pricing", 0, nil, 120, 120),
	}, &pricingAlerts, tenSeconds)
	want := tui.Symptom{Name: "errors", Unit: tui.UnitRatio, Low: wellRatio, High: 1, Measures: []tui.Measure{measured(0, 3, 0), measured(3, 5, 1)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWasNotMeasuredHasNoMeasure(t *testing.T) {
	gap := series("error_ratio", "pricing", 0, nil, .2, .2, .2, math.NaN(), .2)
	gap.Points = append(gap.Points, [2]float64{float64(noon.Unix() + 9), .2}, [2]float64{float64(noon.Unix() + 10), .2})
	got := symptomOf([]providers.Signal{gap}, &pricingAlerts, tenSeconds)
	if diff := cmp.Diff([]tui.Measure{measured(0, 3, .2), measured(4, 5, .2), measured(9, 10, .2)}, got.Measures); diff != "" {
		t.Errorf("no number, a hole, and what is to come: %s", diff)
	}
	if got := symptomOf(nil, &pricingAlerts, tenSeconds); len(got.Measures) != 0 {
		t.Errorf("nothing was measured: %+v", got)
	}
}

// The instances of a service make one series; where the service has one of its own, that one counts.
func TestInstancesAreAveraged(t *testing.T) {
	a := series("error_ratio", "pricing", 0, map[string]string{"instance": "a"}, 0, 0)
	b := series("error_ratio", "pricing", 0, map[string]string{"instance": "b"}, .5, .5)
	got := symptomOf([]providers.Signal{a, b}, &pricingAlerts, tenSeconds)
	if diff := cmp.Diff([]tui.Measure{measured(0, 2, .25)}, got.Measures); diff != "" {
		t.Error(diff)
	}
	got = symptomOf([]providers.Signal{a, b, series("error_ratio", "pricing", 0, nil, .1, .1)}, &pricingAlerts, tenSeconds)
	if diff := cmp.Diff([]tui.Measure{measured(0, 2, .1)}, got.Measures); diff != "" {
		t.Error(diff)
	}
}

func TestLatencyWhereNothingFailed(t *testing.T) {
	well := series("probe_success", "pricing", 0, nil, 1, 1, 1, 1, 1, 1, 1)
	slow := series("probe_seconds", "pricing", 0, nil, .1, .1, .1, .1, .1, 1, 2)
	got := symptomOf([]providers.Signal{well, slow}, &pricingAlerts, tenSeconds)
	if got.Name != "latency" || got.Unit != tui.UnitSeconds || got.Low != .125 || got.High != 2 {
		t.Errorf("%+v", got)
	}
	late := series("probe_seconds", "pricing", 5, nil, 1, 2) // nobody measured before it began
	if got := symptomOf([]providers.Signal{late}, &pricingAlerts, tenSeconds); got.Low != 0 || got.High != 2 {
		t.Errorf("what is usual is not known, but up to %v counts as usual", got.Low)
	}
	if got := symptomOf([]providers.Signal{well}, &pricingAlerts, tenSeconds); got.Name != "errors" || len(got.Measures) != 1 {
		t.Errorf("without a latency: %+v", got)
	}
}

// When the window goes on, what was there stays as it was: a screen on which nothing happened is not drawn again.
func TestStripStandsStillWhenTimeGoesOn(t *testing.T) {
	var values []float64
	for i := range 7000 {
		values = append(values, float64(i%7)/10)
	}
	sig := []providers.Signal{series("error_ratio", "pricing", -3000, nil, values...)}
	since := noon.Add(-time.Hour)
	early := symptomOf(sig, &pricingAlerts, providers.Window{Since: since, Until: noon.Add(17 * time.Second)})
	late := symptomOf(sig, &pricingAlerts, providers.Window{Since: since, Until: noon.Add(32 * time.Second)})
	n := len(early.Measures) - 1 // the last part was not over
	if n < 500 || n > stripParts {
		t.Fatalf("%d parts", n)
	}
	if diff := cmp.Diff(early.Measures[:n], late.Measures[:n]); diff != "" {
		t.Error(diff)
	}
}
