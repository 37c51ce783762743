package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Merging says when two reports are of the same change. Reports of one provider are never merged: it knows its own.
type Merging struct {
	// Near is how far apart two reports of the same moment may lie; 0 means 10 minutes.
	Near time.Duration
	// Lag is how long after it landed a change may take effect and still be the same; 0 means 7 days.
	Lag time.Duration
}

// maxJoined is how many reports may share one commit or digest before it stops to tell anything.
const maxJoined = 2000

func (m Merging) orDefaults() Merging {
	if m.Near <= 0 {
		m.Near = 10 * time.Minute
	}
	if m.Lag <= 0 {
		m.Lag = 7 * 24 * time.Hour
	}
	return m
}

// joinsOf lists what identifies the change across providers.
func joinsOf(ev providers.Event) []string {
	c := ev.Change
	if c == nil {
		return nil
	}
	var joins []string
	if c.Commit != "" {
		joins = append(joins, string(joinCommit)+c.Commit)
	}
	for _, a := range c.Artifacts {
		if a != "" {
			joins = append(joins, string(joinDigest)+a)
		}
	}
	for _, by := range append([]string{c.Delivers}, c.Within...) {
		if by != "" {
			joins = append(joins, string(joinDelivery)+by)
		}
	}
	slices.Sort(joins)
	return slices.Compact(joins)
}

// clusters divides reports that hang together by commit, digest or delivery into changes. It goes through them by time, provider
// and id and puts each into the first change that it fits, so that the order of arrival does not matter.
func (m Merging) clusters(entries []*entry) [][]*entry {
	slices.SortFunc(entries, compareEntries)
	var out [][]*entry
next:
	for _, e := range entries {
		for i, cl := range out {
			if m.fits(cl, e) {
				out[i] = append(cl, e)
				continue next
			}
		}
		out = append(out, []*entry{e})
	}
	return delivered(out)
}

// compareEntries is the order in which the fields of merged reports win: who knew of the change first.
func compareEntries(a, b *entry) int {
	fa, _ := span(a.event.Change)
	fb, _ := span(b.event.Change)
	return cmp.Or(fa.Compare(fb), cmp.Compare(a.key.provider, b.key.provider), cmp.Compare(a.key.id, b.key.id))
}

func (m Merging) fits(cluster []*entry, e *entry) bool {
	shared := false
	for _, o := range cluster {
		if o.key.provider == e.key.provider || !m.compatible(o.event.Change, e.event.Change) {
			return false
		}
		shared = shared || slices.ContainsFunc(o.joins, func(j string) bool { return j[0] != joinDelivery && slices.Contains(e.joins, j) })
	}
	return shared
}

func (m Merging) compatible(a, b *providers.Change) bool {
	return agree(a.Unit, b.Unit) && agree(a.Service, b.Service) && agree(a.Environment, b.Environment) &&
		(acts(a.Kind) == acts(b.Kind) || drilled(a, b)) && m.near(a, b)
}

// drillSlack is how much the clocks of a source and of the record may differ: the unit was switched just before and after as well.
const drillSlack = 2 * time.Second

// drilled reports that one of two reports of the same unit is a half of a drill and the other is of the same switch, whatever
// its source takes that for: a way forward looks like a deployment. It took effect between the yes to that half and its effect.
func drilled(a, b *providers.Change) bool {
	if b.Kind == providers.KindDrill {
		a, b = b, a
	}
	return a.Kind == providers.KindDrill && b.Kind != providers.KindDrill && a.Unit != "" && a.Unit == b.Unit && !a.EffectiveFrom.IsZero() &&
		!b.EffectiveFrom.Before(a.LandedAt.Add(-drillSlack)) && !b.EffectiveFrom.After(a.EffectiveFrom.Add(drillSlack))
}

func agree(a, b string) bool { return a == "" || b == "" || a == b }

// acts sets going back, and what is done on purpose to try it, apart from going forward: both name the same commit.
func acts(k providers.Kind) providers.Kind {
	switch k {
	case providers.KindRollback, providers.KindDrill, providers.KindOperation:
		return k
	default:
		return ""
	}
}

// near compares like with like: landing with landing, taking effect with taking effect. Where one report knows only
// when the change landed and the other only when it took effect, the second may follow the first by up to Lag.
func (m Merging) near(a, b *providers.Change) bool {
	if a.EffectiveFrom.IsZero() != b.EffectiveFrom.IsZero() {
		landed, live := a, b
		if b.EffectiveFrom.IsZero() {
			landed, live = b, a
		}
		if landed.LandedAt.IsZero() {
			return true
		}
		d := live.EffectiveFrom.Sub(landed.LandedAt)
		return d >= -m.Near && d <= m.Lag
	}
	af, al := span(a)
	bf, bl := span(b)
	if !a.EffectiveFrom.IsZero() {
		af, bf = a.EffectiveFrom, b.EffectiveFrom
	}
	return !af.After(bl.Add(m.Near)) && !bf.After(al.Add(m.Near))
}

// span is the first and the last moment that a report gives.
func span(c *providers.Change) (first, last time.Time) {
	for _, t := range []time.Time{c.LandedAt, c.EffectiveFrom, c.EffectiveTo} {
		if t.IsZero() {
			continue
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	return first, last
}
