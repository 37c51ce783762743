package probe

import (
	"context"
	"slices"

	"github.com/backout-dev/backout/providers"
)

const (
	maxOutcomes = 4096 // that are remembered of one check
	maxPoints   = 500  // of one series that is handed out
)

// ring is the last outcomes of a check, oldest first from next on once it is full. The zero value is empty.
type ring struct {
	buf  []point
	next int
}

type point struct{ at, ok, seconds float64 }

func (r *ring) add(o outcome) {
	p := point{at: float64(o.at.UnixNano()) / 1e9, seconds: o.latency.Seconds()}
	if o.ok {
		p.ok = 1
	}
	if len(r.buf) < maxOutcomes {
		r.buf = append(r.buf, p)
		return
	}
	r.buf[r.next] = p
	r.next = (r.next + 1) % maxOutcomes
}

// within copies the points of a window in order of time.
func (r *ring) within(w providers.Window) []point {
	var out []point
	for i := range r.buf {
		p := r.buf[(r.next+i)%len(r.buf)]
		late := !w.Until.IsZero() && p.at >= float64(w.Until.UnixNano())/1e9
		if !late && (w.Since.IsZero() || p.at >= float64(w.Since.UnixNano())/1e9) {
			out = append(out, p)
		}
	}
	return out
}

// Signals implements providers.SignalSource: for each check the share of attempts that succeeded ("probe_success") and the
// time they took ("probe_seconds"), as far as this process asked. Many attempts become at most 500 means.
func (p *Provider) Signals(ctx context.Context, w providers.Window, services []string) ([]providers.Signal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []providers.Signal
	for _, c := range p.checks {
		if len(services) > 0 && !slices.Contains(services, c.set.Service) {
			continue
		}
		points := c.series.within(w)
		if len(points) == 0 {
			continue
		}
		labels := map[string]string{"check": c.set.Name}
		all = append(all,
			providers.Signal{Name: "probe_success", Service: providers.Clean(c.set.Service), Labels: labels, Points: means(points, func(p point) float64 { return p.ok })},
			providers.Signal{Name: "probe_seconds", Service: providers.Clean(c.set.Service), Labels: labels, Points: means(points, func(p point) float64 { return p.seconds })})
	}
	return all, nil
}

// means groups neighbours so that at most maxPoints are left; a group stands at its first point's time.
func means(points []point, value func(point) float64) [][2]float64 {
	size := (len(points) + maxPoints - 1) / maxPoints
	out := make([][2]float64, 0, len(points)/size+1)
	for group := range slices.Chunk(points, size) {
		sum := 0.0
		for _, p := range group {
			sum += value(p)
		}
		out = append(out, [2]float64{group[0].at, sum / float64(len(group))})
	}
	return out
}
