package timeline

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Store merges what providers report. All its methods may be called from several goroutines; readers never wait for
// writers. Make one with New.
type Store struct {
	// Merging says when two reports are of the same change, Forming when alerts make one incident. Set them before the
	// first event; the zero values are the defaults.
	Merging Merging
	Forming Forming

	now     func() time.Time
	current atomic.Pointer[Snapshot]

	mu      sync.Mutex // for everything below
	dict    *dict
	kinds   *kindDict
	hash    keyHash
	seq     uint64
	chunks  []*chunk
	entries map[key]*entry
	byHash  map[uint64]*entry
	joins   map[string]*joint

	sources []*source // of indexed rows
	table   keyTable
	newest  map[uint64]rowVersion // of keys that were indexed more than once
	pending int                   // calls of Index that are under way

	world map[string]world
	ops   []HandOp
	cell  *incidentCell
}

// world is one provider's topology.
type world struct {
	services []providers.Service
	edges    []providers.Edge
}

// New makes an empty store. now is the clock; it is asked for what is open and what is over, never for what happened.
func New(now func() time.Time) *Store {
	s := &Store{
		now: now, dict: newDict(), kinds: newKindDict(), hash: newKeyHash(), entries: map[key]*entry{},
		byHash: map[uint64]*entry{}, joins: map[string]*joint{}, newest: map[uint64]rowVersion{},
		world: map[string]world{}, cell: &incidentCell{},
	}
	s.current.Store(&Snapshot{now: now, names: s.dict.names, kinds: s.kinds.names, cell: s.cell})
	return s
}

// Snapshot is the newest state. It takes no lock and never waits.
func (s *Store) Snapshot() *Snapshot { return s.current.Load() }

// Put takes reports of a provider: new ones, late ones, the same once more, and ones that replace what was said earlier
// under the same provider and id. An event that names its own provider keeps it. An event without an id cannot be told
// from others and is left out. The store keeps what the event points to: the caller must not change it afterwards.
func (s *Store) Put(provider string, events ...providers.Event) {
	for len(events) > 0 {
		s.mu.Lock()
		hits := s.put(provider, events)
		s.mu.Unlock()
		events = s.load(hits)
	}
}

// Retract takes back what a provider said of changes and alerts with these ids. Reports of other providers stay.
func (s *Store) Retract(provider string, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := batch{s: s}
	for _, id := range ids {
		for _, k := range []key{{provider, id, false}, {provider, id, true}} {
			b.retract(k)
		}
	}
	b.commit()
}

// retractAll takes back reports by key.
func (s *Store) retractAll(keys []key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := batch{s: s}
	for _, k := range keys {
		b.retract(k)
	}
	b.commit()
}

// put stores events under the lock and gives the indexed rows that may be reports of the same changes.
func (s *Store) put(provider string, events []providers.Event) []loc {
	s.seq++
	b := batch{s: s}
	for _, ev := range events {
		if k, ok := keyOf(provider, &ev); ok {
			b.put(k, ev)
		}
	}
	b.commit()
	return b.hits
}

// load decodes indexed rows so that they can be merged. It runs without the lock: reading may take its time. A row that
// cannot be read stays a line of its own.
func (s *Store) load(hits []loc) []providers.Event {
	var events []providers.Event
	for _, h := range hits {
		if ev, err := h.source.decode(h.ref, h.id, h.provider); err == nil {
			events = append(events, ev)
		}
	}
	return events
}

// SetTopology replaces what a provider knows of services and edges.
func (s *Store) SetTopology(provider string, services []providers.Service, edges []providers.Edge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, old := world{services, edges}, s.world[provider]
	if len(w.services)+len(w.edges)+len(old.services)+len(old.edges) == 0 || reflect.DeepEqual(old, w) {
		return
	}
	s.world[provider] = w
	s.cell = &incidentCell{}
	s.publish()
}

// Hand applies what people did to incidents, in this order, after what was done before. Operations are remembered for
// the life of the store; the caller keeps them for longer.
func (s *Store) Hand(ops ...HandOp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops[:len(s.ops):len(s.ops)], ops...)
	s.cell = &incidentCell{}
	s.publish()
}

// Index takes the rows of a window from a provider that is too large to be decoded whole. Where it breaks off, what came
// until then stays, and the error is returned. A report that was put while this call ran stands against an indexed one of the
// same id.
func (s *Store) Index(ctx context.Context, provider string, ix providers.Indexer, w providers.Window) error {
	b := newBulk(s, provider, ix)
	var failed error
	for rows, err := range ix.Rows(ctx, w) {
		if err != nil {
			failed = err
			break
		}
		b.add(rows)
	}
	hits := b.finish()
	s.Put(provider, s.unsaid(provider, b.seq, s.load(hits))...)
	return failed
}

// unsaid leaves out the events of which somebody told more since.
func (s *Store) unsaid(provider string, seq uint64, events []providers.Event) []providers.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(events, func(ev providers.Event) bool {
		k, _ := keyOf(provider, &ev)
		e := s.entries[k]
		return e != nil && e.said > seq
	})
}

// publish makes the current state the newest snapshot.
func (s *Store) publish() {
	old := s.current.Load()
	snap := &Snapshot{
		now: s.now, version: old.version + 1, forming: s.Forming.orDefaults(), chunks: s.chunks, names: s.dict.names,
		kinds: s.kinds.names, sources: s.sources, ops: s.ops, cell: s.cell,
	}
	snap.starts = make([]int, len(s.chunks)+1)
	for i, c := range s.chunks {
		snap.starts[i+1] = snap.starts[i] + c.len()
	}
	snap.services, snap.edges = gather(s.world)
	s.current.Store(snap)
}
