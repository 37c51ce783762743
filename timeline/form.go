package timeline

import (
	"math"
	"math/bits"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Forming says when alerts make one incident.
type Forming struct {
	// Gap is how far apart the starts of two alerts may lie; 0 means 10 minutes. Alerts of the same service, or of
	// services that topology joins, also belong together when one begins while the other is open.
	Gap time.Duration
	// Detection is how long symptoms may have lasted before the first alert told; 0 means 5 minutes.
	Detection time.Duration
}

func (f Forming) orDefaults() Forming {
	if f.Gap <= 0 {
		f.Gap = 10 * time.Minute
	}
	if f.Detection <= 0 {
		f.Detection = 5 * time.Minute
	}
	return f
}

// symptom is an alert as forming sees it. There may be hundreds of thousands at a time: what its row has is left there.
type symptom struct {
	at, until  int64 // until is math.MaxInt64 while it is open
	c          *chunk
	i          uint16 // a chunk has at most maxChunkRows
	suppressed bool
}

func (m *symptom) row() int { return int(m.i) }

// since is the number of the call of Put or Index that the alert came with.
func (s *Snapshot) since(m *symptom) uint64 {
	if it := m.c.item(m.row()); it != nil {
		return it.seq
	}
	return s.sources[m.c.src[m.i]].seq
}

// symptoms lists every alert by start.
func (s *Snapshot) symptoms(now int64) []symptom {
	n := 0
	for _, c := range s.chunks {
		n += popcount(c.alerts)
	}
	out := make([]symptom, 0, n)
	for _, c := range s.chunks {
		for w, word := range c.alerts {
			for ; word != 0; word &= word - 1 {
				out = append(out, s.symptom(c, w*64+bits.TrailingZeros64(word), now))
			}
		}
	}
	return out
}

func (s *Snapshot) symptom(c *chunk, i int, now int64) symptom {
	state := flagState(c.flags[i])
	m := symptom{at: c.at[i], until: c.end[i], c: c, i: uint16(i), suppressed: state == providers.AlertSuppressed}
	if it := c.item(i); it != nil {
		m.suppressed = !it.fired
	}
	if m.until == 0 || m.until > now || state == providers.AlertUnknown {
		m.until = math.MaxInt64
	}
	return m
}

// former joins alerts. It walks them by start and remembers, for each service of each environment, which alert began
// last and which stays open longest: an alert that fits neither fits none of the others either.
type former struct {
	gap    int64
	near   map[uint32][]uint32 // services that topology joins with this one; nil: not in the topology
	parent []int
	all    []symptom
	last   map[place]latest
	envs   []uint32
	cures  []cure // by time
}

// place is a service in an environment. Some places stand for every service, or for those that topology does not know.
type place struct {
	env, service uint32
	sort         uint8
}

const (
	oneService = iota
	anyService
	unknownService
)

type latest struct{ started, longest int }

// form puts together the alerts that belong to one incident: close in time, and of the same service or joined by
// topology. Close in time is enough where topology does not know one of the two services. Alerts of two different known
// environments never belong together, nor does one that began after a rollback had cured what the other told of. A
// suppressed alert joins an incident but makes none. It gives a root for each.
func form(all []symptom, gap time.Duration, near map[uint32][]uint32, cures []cure) []int {
	f := &former{gap: int64(gap), near: near, cures: cures, all: all, parent: make([]int, len(all)), last: map[place]latest{}}
	for i := range all {
		f.parent[i] = i
		f.place(i)
	}
	for i := range all {
		f.root(i)
	}
	return f.parent
}

func (f *former) root(i int) int {
	for f.parent[i] != i {
		f.parent[i] = f.parent[f.parent[i]]
		i = f.parent[i]
	}
	return i
}

func (f *former) join(a, b int) {
	a, b = f.root(a), f.root(b)
	f.parent[max(a, b)] = min(a, b)
}

func (f *former) place(i int) {
	a := &f.all[i]
	service, own := a.c.service[a.i], a.c.env[a.i]
	near, known := f.near[service]
	known = known && service != 0
	for _, env := range f.envsFor(own) {
		if service != 0 {
			f.meet(i, place{env, service, oneService}, true)
		}
		for _, n := range near {
			f.meet(i, place{env, n, oneService}, true)
		}
		if known {
			f.meet(i, place{env, 0, unknownService}, false)
		} else {
			f.meet(i, place{env, 0, anyService}, false)
		}
	}
	if a.suppressed {
		return
	}
	f.remember(i, place{own, service, oneService})
	f.remember(i, place{own, 0, anyService})
	if !known {
		f.remember(i, place{own, 0, unknownService})
	}
}

// envsFor lists the environments whose alerts may belong to one of env: itself and unknown, or all for unknown.
func (f *former) envsFor(env uint32) []uint32 {
	seen := false
	for _, e := range f.envs {
		seen = seen || e == env
	}
	if !seen {
		f.envs = append(f.envs, env)
	}
	if env == 0 {
		return f.envs
	}
	return []uint32{env, 0}
}

// meet joins alert i with what is remembered of a place.
func (f *former) meet(i int, p place, whileOpen bool) {
	l, ok := f.last[p]
	if !ok {
		return
	}
	for _, j := range []int{l.started, l.longest} {
		if f.all[i].at-f.all[j].at <= f.gap && !f.apart(&f.all[j], &f.all[i]) {
			f.join(i, j)
		}
	}
	if whileOpen && f.all[l.longest].until > f.all[i].at {
		f.join(i, l.longest)
	}
}

func (f *former) remember(i int, p place) {
	l, ok := f.last[p]
	if !ok {
		l.longest = i
	}
	l.started = i
	if f.all[i].until > f.all[l.longest].until {
		l.longest = i
	}
	f.last[p] = l
}

// neighbours lists for each service of the topology those that it calls, that call it, and that call what it calls.
func (s *Snapshot) neighbours() map[uint32][]uint32 {
	codes := make(map[string]uint32, len(s.names))
	for i, n := range s.names {
		codes[n] = uint32(i)
	}
	calls := map[string]map[string]bool{}
	link := func(a, b string) {
		if calls[a] == nil {
			calls[a] = map[string]bool{}
		}
		if b != "" && a != b {
			calls[a][b] = true
		}
	}
	callers := map[string][]string{}
	depends := func(from, to string) {
		link(from, to)
		link(to, from)
		for _, other := range callers[to] {
			link(from, other)
			link(other, from)
		}
		callers[to] = append(callers[to], from)
	}
	for _, sv := range s.services {
		link(sv.Name, "")
		for _, d := range sv.DependsOn {
			depends(sv.Name, d)
		}
	}
	for _, e := range s.edges {
		if e.Kind != providers.EdgeOwner && e.Kind != providers.EdgeIndependent {
			depends(e.From, e.To)
		}
	}
	near := map[uint32][]uint32{}
	for name, others := range calls {
		code, ok := codes[name]
		if !ok {
			continue // no event names it
		}
		near[code] = []uint32{}
		for o := range others {
			if oc, ok := codes[o]; ok {
				near[code] = append(near[code], oc)
			}
		}
	}
	return near
}
