package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// Signals implements providers.SignalSource by range queries of at most 500 points. A query that fails does not take the
// others with it: what could be read is returned together with the error.
func (p *Provider) Signals(ctx context.Context, w providers.Window, services []string) ([]providers.Signal, error) {
	end := p.env.Now()
	if !w.Until.IsZero() && w.Until.Before(end) {
		end = w.Until
	}
	start := w.Since
	if start.IsZero() {
		start = end.Add(-signalLookback)
	}
	g := spread(start, end, signalPoints)
	if !w.Until.IsZero() && g.end >= w.Until.Unix() {
		g.end -= g.step // the window is half open
	}
	var all []providers.Signal
	var failed []error
	for _, s := range p.set.Signals {
		if s.Service != "" && len(services) > 0 && !slices.Contains(services, s.Service) {
			continue
		}
		got, err := p.signal(ctx, s, g, services)
		all = append(all, got...)
		if err != nil {
			failed = append(failed, fmt.Errorf("signal %s: %w", s.Name, err))
		}
	}
	return all, errors.Join(failed...)
}

func (p *Provider) signal(ctx context.Context, set signalSettings, g grid, services []string) ([]providers.Signal, error) {
	var all []providers.Signal
	err := p.queryRange(ctx, set.Query, g, func(s series) error {
		service := set.Service
		if set.ServiceLabel != "" {
			service = s.Metric[set.ServiceLabel]
		}
		if len(services) > 0 && !slices.Contains(services, service) {
			return nil
		}
		if len(all) == maxSignals {
			return providers.Permanent(fmt.Errorf("more than %d series; aggregate them in the query", maxSignals))
		}
		labels := make(map[string]string, len(s.Metric))
		for k, v := range s.Metric {
			if k != "__name__" && len(labels) < 64 {
				labels[providers.Clean(k)] = providers.Clean(v)
			}
		}
		all = append(all, providers.Signal{Name: providers.Clean(set.Name), Service: providers.Clean(service), Labels: labels, Points: points(s.Values)})
		return nil
	})
	return all, err
}

// Checks implements providers.CheckSource: the configured thresholds, asked now. No series and no number are unknown.
func (p *Provider) Checks(ctx context.Context, services []string) ([]providers.CheckResult, error) {
	picked := p.picked(services)
	results, failed := make([]providers.CheckResult, len(picked)), make([]error, len(picked))
	var wg sync.WaitGroup
	for i, t := range picked {
		wg.Go(func() { results[i], failed[i] = p.threshold(ctx, t) })
	}
	wg.Wait()
	if len(picked) > 0 && !slices.Contains(failed, nil) {
		return nil, errors.Join(failed...)
	}
	return results, nil
}

// CheckNames implements providers.CheckLister.
func (p *Provider) CheckNames(services []string) []string {
	var names []string
	for _, t := range p.picked(services) {
		names = append(names, t.Name)
	}
	return names
}

func (p *Provider) picked(services []string) []thresholdSettings {
	var picked []thresholdSettings
	for _, t := range p.set.Thresholds {
		if len(services) == 0 || slices.Contains(services, t.Service) {
			picked = append(picked, t)
		}
	}
	return picked
}

func (p *Provider) threshold(ctx context.Context, t thresholdSettings) (providers.CheckResult, error) {
	r := providers.CheckResult{Name: t.Name, Service: t.Service, State: providers.CheckUnknown, Goal: t.goal()}
	values, err := p.query(ctx, t.Query)
	switch {
	case err != nil:
		r.Observed = providers.Clean(err.Error())
	case len(values) == 0:
		r.Observed = "the query found no series"
	default:
		var worst float64
		r.State, worst = t.judge(values)
		r.Observed, r.Value, r.Limit = number(worst), &worst, t.limit(worst)
	}
	return r, err
}

// judge looks at the worst value. One that is no number makes the whole unknown, unless another one fails already.
func (t thresholdSettings) judge(values []float64) (providers.CheckState, float64) {
	state, seen := providers.CheckPass, values[0]
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			if state == providers.CheckPass {
				state, seen = providers.CheckUnknown, v
			}
		case t.excess(v) > 0:
			if state != providers.CheckFail || t.excess(v) > t.excess(seen) {
				state, seen = providers.CheckFail, v
			}
		case state == providers.CheckPass && t.excess(v) > t.excess(seen):
			seen = v
		}
	}
	return state, seen
}

// limit is the one of the threshold's two that v passed, or would pass first.
func (t thresholdSettings) limit(v float64) *float64 {
	if t.Max == nil || (t.Min != nil && *t.Min-v > v-*t.Max) {
		return t.Min
	}
	return t.Max
}

// excess is how far v is beyond the threshold; not positive for a good value.
func (t thresholdSettings) excess(v float64) float64 {
	over := math.Inf(-1)
	if t.Max != nil {
		over = v - *t.Max
	}
	if t.Min != nil {
		over = max(over, *t.Min-v)
	}
	return over
}

func (t thresholdSettings) goal() string {
	switch {
	case t.Max == nil:
		return "at least " + number(*t.Min)
	case t.Min == nil:
		return "at most " + number(*t.Max)
	}
	return "from " + number(*t.Min) + " to " + number(*t.Max)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
