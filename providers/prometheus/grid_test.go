package prometheus

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAGridLiesInItsWindowAndHasFewPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "start"), 0)
		end := start.Add(time.Duration(rapid.Int64Range(0, 5*365*24*3600).Draw(t, "span")) * time.Second)
		limit := rapid.SampledFrom([]int64{signalPoints, alertPoints}).Draw(t, "points")
		g := spread(start, end, limit)
		if g.step < 1 || g.start%g.step != 0 || g.end%g.step != 0 || g.start < start.Unix() || g.end > end.Unix() {
			t.Fatalf("grid %+v of %d to %d", g, start.Unix(), end.Unix())
		}
		if n := (g.end-g.start)/g.step + 1; n > limit {
			t.Fatalf("%d points, limit %d", n, limit)
		}
	})
}

func TestOccurrences(t *testing.T) {
	at := func(times ...float64) []sample {
		var all []sample
		for _, s := range times {
			all = append(all, sample{At: s, V: 1})
		}
		return all
	}
	cases := map[string]struct {
		values []sample
		spans  []span
		want   []occurrence
	}{
		"onset known": {at(20, 30, 40), []span{{7, 10, 40}}, []occurrence{{7, 20, 40, true}}},
		"began anew without a gap": {
			at(20, 30, 40, 50), []span{{7, 10, 30}, {35, 40, 50}}, []occurrence{{7, 20, 30, true}, {35, 40, 50, true}},
		},
		"a missed point of the same onset": {at(20, 50), []span{{7, 10, 50}}, []occurrence{{7, 20, 50, true}}},
		"onset unknown":                    {at(20, 30, 60, 70), nil, []occurrence{{20, 20, 30, false}, {60, 60, 70, false}}},
		"never":                            {nil, []span{{7, 10, 40}}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, occurrences(c.values, c.spans, 10), cmp.AllowUnexported(occurrence{})); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestTheFingerprintIsThatOfPrometheus(t *testing.T) {
	// Computed with github.com/prometheus/common/model, LabelSet.Fingerprint.
	got := fingerprint(map[string]string{
		"__name__": "ALERTS", "alertstate": "firing", "alertname": "HighErrorRatio", "service": "pricing", "env": "prod", "severity": "page",
	})
	if got != "c1abafcf3ff08b60" {
		t.Fatalf("fingerprint %s", got)
	}
}
