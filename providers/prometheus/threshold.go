package prometheus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// windowPoints is at how many moments a window is looked at.
const windowPoints = 60

// errGap marks a window that was not measured all the time.
var errGap = errors.New("no data")

// Threshold implements providers.ThresholdSource. The window ends at the server's own now: its clock and ours may differ.
func (p *Provider) Threshold(ctx context.Context, q providers.Threshold) providers.CheckResult {
	t := thresholdSettings{Query: q.Query, Max: q.Max, Min: q.Min}
	r := providers.CheckResult{State: providers.CheckUnknown, Goal: t.goal()}
	now, err := p.samples(ctx, q.Query)
	switch {
	case err != nil:
		r.Observed = providers.Clean(err.Error())
		return r
	case len(now) == 0:
		r.Observed = "the query found no series"
		return r
	}
	values := make([]float64, 0, len(now))
	for _, s := range now {
		values = append(values, s.V)
	}
	var gap error
	if q.Window > 0 {
		then, err := p.window(ctx, q, int64(now[0].At))
		if err != nil && !errors.Is(err, errGap) {
			r.Observed = providers.Clean(err.Error())
			return r
		}
		values, gap = append(values, then...), err
	}
	state, worst := t.judge(values)
	r.State, r.Observed, r.Value, r.Limit = state, number(worst), &worst, t.limit(worst)
	if q.Window > 0 {
		r.Observed += " at worst in " + providers.Span(q.Window)
	}
	if gap != nil && state != providers.CheckFail { // what failed at some moment did not hold, whatever the others were
		r.State, r.Observed = providers.CheckUnknown, gap.Error()+"; "+r.Observed
	}
	return r
}

// window gives every value of the window that ends at end. An error that matches errGap comes with what there is.
func (p *Provider) window(ctx context.Context, q providers.Threshold, end int64) ([]float64, error) {
	g := grid{end: end, step: max(1, int64(q.Window/time.Second)/windowPoints)}
	steps := max(1, int64(q.Window/time.Second)/g.step)
	g.start = end - steps*g.step
	seen := make([]bool, steps+1)
	var values []float64
	err := p.queryRange(ctx, q.Query, g, func(s series) error {
		for _, v := range s.Values {
			if k := (int64(v.At) - g.start) / g.step; k >= 0 && k <= steps {
				seen[k] = true
			}
			values = append(values, v.V)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if first := slices.Index(seen, false); first >= 0 {
		last := len(seen) - 1
		for seen[last] {
			last--
		}
		at := func(k int) string { return time.Unix(g.start+int64(k)*g.step, 0).UTC().Format(time.TimeOnly) }
		when := "between " + at(first) + " and " + at(last)
		if first == last {
			when = at(first)
		}
		return values, fmt.Errorf("%w at %s of the window, %s", errGap, share(seen), when)
	}
	return values, nil
}

// share is how many of the moments were not measured.
func share(seen []bool) string {
	n := 0
	for _, ok := range seen {
		if !ok {
			n++
		}
	}
	return fmt.Sprintf("%d of %d moments", n, len(seen))
}
