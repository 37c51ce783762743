package probe

import (
	"cmp"
	"context"
	"slices"
	"time"

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

// point is one outcome: when it began in Unix milliseconds, 1 for a success or 0, and the microseconds it took.
type point struct{ at, ok, took int64 }

func (a point) compare(b point) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.ok, b.ok), cmp.Compare(a.took, b.took))
}

func (r *ring) add(o outcome) {
	p := point{at: o.at.UnixMilli(), took: max(0, o.latency.Microseconds())}
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

// merge takes over what another process measured; two calls within the same millisecond count as one.
func (r *ring) merge(theirs []point) {
	if len(theirs) == 0 {
		return
	}
	all := slices.Concat(r.buf, theirs)
	slices.SortFunc(all, point.compare)
	all = slices.CompactFunc(all, func(a, b point) bool { return a.at == b.at })
	r.buf, r.next = all[max(0, len(all)-maxOutcomes):], 0
}

// within copies the points of a window in order of time.
func (r *ring) within(w providers.Window) []point {
	var out []point
	for i := range r.buf {
		if p := r.buf[(r.next+i)%len(r.buf)]; w.Contains(time.UnixMilli(p.at)) {
			out = append(out, p)
		}
	}
	return out
}

// Signals implements providers.SignalSource: for each check the share of attempts that succeeded ("probe_success") and the
// time they took ("probe_seconds"), as far as this process asked, or another one that shares its archive. Many attempts
// become at most 500 means.
func (p *Provider) Signals(ctx context.Context, w providers.Window, services []string) ([]providers.Signal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.syncCalls(ctx)
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
			providers.Signal{Name: "probe_success", Service: providers.Clean(c.set.Service), Labels: labels, Points: means(points, func(p point) float64 { return float64(p.ok) })},
			providers.Signal{Name: "probe_seconds", Service: providers.Clean(c.set.Service), Labels: labels, Points: means(points, func(p point) float64 { return float64(p.took) / 1e6 })})
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
		out = append(out, [2]float64{float64(group[0].at) / 1e3, sum / float64(len(group))})
	}
	return out
}
