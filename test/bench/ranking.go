package main

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline/culprit"
)

// The size of the incident that is ranked.
const (
	candidates = 500
	symptoms   = 50
)

// incident is one with many changes and alerts, on a hundred services that call each other and tell how well they are.
func incident() culprit.Input {
	onset := firstEvent.Add(12 * time.Hour)
	in := culprit.Input{ID: "large", At: onset.Add(2 * time.Minute)}
	name := func(i int) string { return fmt.Sprintf("service-%02d", i) }
	for i := range 100 {
		s := providers.Service{Name: name(i), Owner: fmt.Sprint("team-", i%9)}
		for _, d := range []int{i*2 + 1, i*2 + 2, i*3 + 5} {
			if d < 100 {
				s.DependsOn = append(s.DependsOn, name(d))
			}
		}
		sig := providers.Signal{Name: "success_ratio", Service: s.Name, Labels: map[string]string{"peer": name(0)}}
		for m := range 60 {
			sig.Points = append(sig.Points, [2]float64{float64(in.At.Add(time.Duration(m-60) * time.Minute).Unix()), 0.99})
		}
		in.Services, in.Signals = append(in.Services, s), append(in.Signals, sig)
	}
	for i := range symptoms {
		in.Alerts = append(in.Alerts, providers.Alert{
			ID: fmt.Sprint("a", i), Name: "HighErrorRatio", Service: name(i), Summary: "error ratio of checkout calls above 5% in eu-west",
			Labels: map[string]string{"region": "eu-west", "job": "edge"}, StartsAt: onset.Add(time.Duration(i) * time.Second),
		})
	}
	for i := range candidates {
		c := providers.Change{
			ID: fmt.Sprintf("c%03d", i), Kind: providers.KindDeploy, Service: name(i % 100), EffectiveFrom: onset.Add(-time.Duration(i) * time.Minute),
			Title: fmt.Sprintf("Raise the connection limit of checkout number %d in eu-west", i),
		}
		for p := range 8 {
			c.Paths = append(c.Paths, fmt.Sprintf("services/%s/values-%d.yaml", c.Service, p))
		}
		in.Changes = append(in.Changes, c)
	}
	return in
}

func rankingMeasurements() []measurement {
	return []measurement{{fmt.Sprintf("ranking of %d changes for %d alerts", candidates, symptoms), "20 ms", func(context.Context, string) (result, error) {
		in := incident()
		if r := culprit.Rank(in); len(r.Ranking) != candidates {
			return result{}, fmt.Errorf("%d of %d changes were ranked", len(r.Ranking), candidates)
		}
		took := timed(100, func(int) { culprit.Rank(in) })
		d := median(took)
		return result{value: ms(d), within: d <= 20*time.Millisecond, note: fmt.Sprintf("median of %d; p95 %s", len(took), ms(percentile(took, 95)))}, nil
	}}}
}
