package timeline

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// loc is an indexed row that is to be decoded.
type loc struct {
	source       *source
	ref          uint64
	id, provider string
}

func (s *Store) locOf(r *row) loc {
	return loc{s.sources[r.src], r.ref, string(r.id), s.dict.names[r.provider]}
}

// locate finds the indexed row with this time and key hash.
func (s *Store) locate(at int64, h uint64) (row, bool) {
	j := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].last() >= at })
	for ; j < len(s.chunks) && s.chunks[j].first() <= at; j++ {
		c := s.chunks[j]
		i, _ := slices.BinarySearch(c.at, at)
		for ; i < c.len() && c.at[i] == at; i++ {
			if c.item(i) == nil && s.hash.of(c.provider[i], c.id(i), c.flags[i]) == h {
				return c.row(i), true
			}
		}
	}
	return row{}, false
}

// indexedJoins finds the indexed rows of other providers that carry the same commit or digest as e.
func (s *Store) indexedJoins(join string, e *entry) []loc {
	var found []loc
	h := s.hash.join(join[0], join[1:])
	for _, src := range s.sources {
		i := sort.Search(len(src.joins), func(i int) bool { return src.joins[i].join >= h })
		for n := 0; i < len(src.joins) && src.joins[i].join == h && n < maxJoined; i, n = i+1, n+1 {
			if s.dict.names[src.joins[i].provider] == e.key.provider {
				continue
			}
			if r, ok := s.locate(src.joins[i].at, src.joins[i].key); ok {
				found = append(found, s.locOf(&r))
			}
		}
	}
	return found
}

// maxDecoded bounds how many indexed rows are decoded at once because another provider may have reported the same.
const maxDecoded = 50_000

// matches finds the rows of this Indexer that share a commit or digest with a report of another provider, and those
// reports where they are indexed rows too.
func (b *bulk) matches() []loc {
	s := b.s
	b.src.joins = slices.Concat(append(b.joins, b.src.joins)...)
	b.joins = nil
	slices.SortFunc(b.src.joins, compareJoins)
	b.src.joins = slices.Compact(b.src.joins)
	var found []loc
	take := func(j joinRow) {
		if r, ok := s.locate(j.at, j.key); ok && len(found) < maxDecoded {
			found = append(found, s.locOf(&r))
		}
	}
	decoded := make(map[uint64]bool, len(s.joins))
	for j := range s.joins {
		decoded[s.hash.join(j[0], j[1:])] = true
	}
	for group := range groupsOf(b.src.joins) {
		mixed := decoded[group[0].join]
		for _, j := range group[1:] {
			mixed = mixed || j.provider != group[0].provider
		}
		for _, src := range s.sources {
			if src == b.src {
				continue
			}
			i := sort.Search(len(src.joins), func(i int) bool { return src.joins[i].join >= group[0].join })
			for ; i < len(src.joins) && src.joins[i].join == group[0].join; i++ {
				mixed = true
				take(src.joins[i])
			}
		}
		if mixed && len(group) <= maxJoined {
			for _, j := range group {
				take(j)
			}
		}
	}
	return found
}

func compareJoins(x, y joinRow) int {
	if x.join != y.join {
		return cmp.Compare(x.join, y.join)
	}
	return cmp.Compare(x.key, y.key)
}

// groupsOf divides sorted rows into those that share a join.
func groupsOf(rows []joinRow) iter.Seq[[]joinRow] {
	return func(yield func([]joinRow) bool) {
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].join == rows[0].join {
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// decodeCache keeps what was decoded last: a screen asks for the same forty rows again and again.
type decodeCache struct {
	mu     sync.Mutex
	events map[uint64]providers.Event
}

const maxCached = 4096

func newDecodeCache() *decodeCache { return &decodeCache{events: map[uint64]providers.Event{}} }

// decode reads one indexed row again. It is an error when another record stands there by now.
func (src *source) decode(ref uint64, id, provider string) (providers.Event, error) {
	d := src.decoders
	d.mu.Lock()
	ev, ok := d.events[ref]
	d.mu.Unlock()
	if ok {
		return ev, nil
	}
	ev, err := src.load(ref)
	if err != nil {
		return providers.Event{}, fmt.Errorf("read %s of %s: %w", id, src.name, err)
	}
	k, _ := keyOf(provider, &ev)
	if k.id != id {
		return providers.Event{}, fmt.Errorf("read %s of %s: %w: another record is in its place", id, src.name, providers.ErrNotFound)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.events) >= maxCached {
		clear(d.events)
	}
	d.events[ref] = ev
	return ev, nil
}

// load calls the Indexer, and takes a panic of it for an error.
func (src *source) load(ref uint64) (ev providers.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the provider broke down: %s", providers.Clean(strings.TrimSpace(fmt.Sprint(p))))
		}
	}()
	return src.ix.Load(ref)
}
