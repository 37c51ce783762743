package culprit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline/culprit"
)

// large is an incident of 500 changes and 50 alerts on 100 services, with series.
func large() culprit.Input {
	in := culprit.Input{ID: "large", At: t0.Add(2 * time.Minute)}
	for i := range 100 {
		s := providers.Service{Name: fmt.Sprintf("service-%02d", i), Owner: fmt.Sprint("team-", i%9)}
		for _, d := range []int{i*2 + 1, i*2 + 2, i*3 + 5} {
			if d < 100 {
				s.DependsOn = append(s.DependsOn, fmt.Sprintf("service-%02d", d))
			}
		}
		in.Services = append(in.Services, s)
		in.Signals = append(in.Signals, series(s.Name, "service-00", in.At.Add(-time.Hour), 60, func(time.Time) float64 { return 0.99 }))
	}
	for i := range 50 {
		in.Alerts = append(in.Alerts, providers.Alert{
			ID: fmt.Sprint("a", i), Name: "HighErrorRatio", Service: fmt.Sprintf("service-%02d", i), Summary: "error ratio of checkout calls above 5% in eu-west",
			Labels: map[string]string{"region": "eu-west", "job": "edge"}, StartsAt: t0.Add(time.Duration(i) * time.Second),
		})
	}
	for i := range 500 {
		c := release(fmt.Sprintf("c%03d", i), fmt.Sprintf("service-%02d", i%100), time.Duration(i)*time.Minute)
		c.Title = fmt.Sprintf("Raise the connection limit of checkout number %d in eu-west", i)
		for p := range 8 {
			c.Paths = append(c.Paths, fmt.Sprintf("services/%s/values-%d.yaml", c.Service, p))
		}
		in.Changes = append(in.Changes, c)
	}
	return in
}

// BenchmarkRank must stay below 20 ms for 500 candidates and 50 alerts.
func BenchmarkRank(b *testing.B) {
	in := large()
	b.ReportAllocs()
	for b.Loop() {
		culprit.Rank(in)
	}
}
