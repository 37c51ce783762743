package timeline

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Snapshot is the timeline at one moment. It never changes, and any number of goroutines may read it. Snapshots share
// what they have in common, so that keeping one costs little.
type Snapshot struct {
	now      func() time.Time
	version  uint64
	forming  Forming
	chunks   []*chunk
	starts   []int // rows before each chunk, and in all
	names    []string
	kinds    []providers.Kind
	sources  []*source
	services []providers.Service
	edges    []providers.Edge
	ops      []HandOp
	cell     *incidentCell
}

// Version grows with everything that changes what a reader can see. An empty store has version 0.
func (s *Snapshot) Version() uint64 { return s.version }

// Len is the number of lines: changes, each once however many providers reported it, and alerts.
func (s *Snapshot) Len() int {
	if len(s.starts) == 0 {
		return 0
	}
	return s.starts[len(s.chunks)]
}

// Services lists the known services by name. Where several providers know one, the first by provider name that knows a
// field gives it, and the services it depends on are those of all.
func (s *Snapshot) Services() []providers.Service { return s.services }

// Edges lists the known edges, sorted, without repetition.
func (s *Snapshot) Edges() []providers.Edge { return s.edges }

// event is row i of chunk c, decoded.
func (s *Snapshot) event(c *chunk, i int) (providers.Event, error) {
	if it := c.item(i); it != nil {
		return copyEvent(it.event), nil
	}
	ev, err := s.sources[c.src[i]].decode(c.ref[i], string(c.id(i)), s.names[c.provider[i]])
	return copyEvent(ev), err
}

// copyEvent guards what the snapshot holds: a caller may set fields of its copy, but not write into its slices.
func copyEvent(ev providers.Event) providers.Event {
	switch {
	case ev.Change != nil:
		c := *ev.Change
		return providers.Event{Change: &c}
	case ev.Alert != nil:
		a := *ev.Alert
		return providers.Event{Alert: &a}
	}
	return ev
}

// bound is the first row at or after t, as chunk and row. A zero t is the given end.
func (s *Snapshot) bound(t int64) (chunk, row int) {
	j := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].last() >= t })
	if j == len(s.chunks) {
		return j, 0
	}
	i, _ := slices.BinarySearch(s.chunks[j].at, t)
	return j, i
}

// Changes decodes the changes of a window, sorted by time, then id. One that cannot be read any more is left out.
func (s *Snapshot) Changes(w providers.Window) []providers.Change {
	var out []providers.Change
	v := s.Query(Query{Window: w, Changes: true})
	for i := v.Len() - 1; i >= 0; i-- {
		if ev, err := v.Event(i); err == nil && ev.Change != nil {
			out = append(out, *ev.Change)
		}
	}
	return out
}

// Alerts decodes the alerts that were open at some time in a window, sorted by start, then id.
func (s *Snapshot) Alerts(w providers.Window) []providers.Alert {
	var out []providers.Alert
	v := s.Query(Query{Window: w, Alerts: true})
	for i := v.Len() - 1; i >= 0; i-- {
		if ev, err := v.Event(i); err == nil && ev.Alert != nil {
			out = append(out, *ev.Alert)
		}
	}
	return out
}

// gather puts together what the providers know of the world.
func gather(worlds map[string]world) ([]providers.Service, []providers.Edge) {
	providerNames := make([]string, 0, len(worlds))
	for n := range worlds {
		providerNames = append(providerNames, n)
	}
	slices.Sort(providerNames)
	byName := map[string]*providers.Service{}
	var edges []providers.Edge
	for _, n := range providerNames {
		for _, sv := range worlds[n].services {
			mergeService(byName, sv)
		}
		edges = append(edges, worlds[n].edges...)
	}
	services := make([]providers.Service, 0, len(byName))
	for _, sv := range byName {
		services = append(services, *sv)
	}
	slices.SortFunc(services, func(a, b providers.Service) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(edges, compareEdges)
	edges = slices.CompactFunc(edges, func(a, b providers.Edge) bool { return compareEdges(a, b) == 0 })
	return services, edges
}

func mergeService(byName map[string]*providers.Service, sv providers.Service) {
	have := byName[sv.Name]
	if have == nil {
		sv.DependsOn, sv.Emits, sv.Reads = slices.Clone(sv.DependsOn), slices.Clone(sv.Emits), slices.Clone(sv.Reads)
		byName[sv.Name] = &sv
		return
	}
	have.Tier, have.Owner = cmp.Or(have.Tier, sv.Tier), cmp.Or(have.Owner, sv.Owner)
	have.Environment = cmp.Or(have.Environment, sv.Environment)
	have.DependsOn, have.Emits, have.Reads = joined(have.DependsOn, sv.DependsOn), joined(have.Emits, sv.Emits), joined(have.Reads, sv.Reads)
}

// joined adds what is not there yet.
func joined(have, more []string) []string {
	for _, m := range more {
		if !slices.Contains(have, m) {
			have = append(have, m)
		}
	}
	return have
}

func compareEdges(a, b providers.Edge) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.Evidence, b.Evidence), a.SeenAt.Compare(b.SeenAt),
		cmp.Compare(a.FromVersions, b.FromVersions), cmp.Compare(a.ToVersions, b.ToVersions))
}
