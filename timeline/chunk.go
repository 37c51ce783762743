package timeline

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
)

// A chunk is filled to chunkRows in bulk and split when a late row makes it longer than maxChunkRows. Short chunks make
// a late event cheap, since only the chunk that it falls into is copied.
const (
	chunkRows    = 512
	maxChunkRows = 2 * chunkRows
)

// row is one line of the timeline while it is on its way into a chunk. The id points into some chunk or string.
type row struct {
	at, end                      int64
	ref                          uint64
	service, unit, env, provider uint32
	src                          uint16
	kind, flags                  uint8
	id                           []byte
	item                         *item
}

// chunk holds rows as columns, sorted by (at, id, provider, alert). A sealed chunk never changes.
type chunk struct {
	at, end                      []int64
	ref                          []uint64
	service, unit, env, provider []uint32
	src                          []uint16
	kind, flags                  []uint8
	ids                          []byte
	idEnd                        []uint32
	items                        []*item // nil when no row of the chunk is decoded

	// Summaries, so that queries can pass over a chunk without looking at its rows.
	alerts, open []uint64 // one bit a row: is an alert; is an alert without an end
	maxEnd       int64    // latest end of an alert that has one
	kinds        [256]uint16
}

func newChunk(rows int) *chunk {
	return &chunk{
		at: make([]int64, 0, rows), end: make([]int64, 0, rows), ref: make([]uint64, 0, rows),
		service: make([]uint32, 0, rows), unit: make([]uint32, 0, rows), env: make([]uint32, 0, rows),
		provider: make([]uint32, 0, rows), src: make([]uint16, 0, rows), kind: make([]uint8, 0, rows),
		flags: make([]uint8, 0, rows), idEnd: make([]uint32, 0, rows), ids: make([]byte, 0, rows*12),
	}
}

func (c *chunk) len() int { return len(c.at) }

func (c *chunk) id(i int) []byte {
	if i == 0 {
		return c.ids[:c.idEnd[0]]
	}
	return c.ids[c.idEnd[i-1]:c.idEnd[i]]
}

func (c *chunk) item(i int) *item {
	if c.items == nil {
		return nil
	}
	return c.items[i]
}

func (c *chunk) row(i int) row {
	return row{
		at: c.at[i], end: c.end[i], ref: c.ref[i], service: c.service[i], unit: c.unit[i], env: c.env[i],
		provider: c.provider[i], src: c.src[i], kind: c.kind[i], flags: c.flags[i], id: c.id(i), item: c.item(i),
	}
}

func (c *chunk) append(r *row) {
	if r.item != nil && c.items == nil {
		c.items = make([]*item, len(c.at), cap(c.at))
	}
	c.at = append(c.at, r.at)
	c.end = append(c.end, r.end)
	c.ref = append(c.ref, r.ref)
	c.service = append(c.service, r.service)
	c.unit = append(c.unit, r.unit)
	c.env = append(c.env, r.env)
	c.provider = append(c.provider, r.provider)
	c.src = append(c.src, r.src)
	c.kind = append(c.kind, r.kind)
	c.flags = append(c.flags, r.flags)
	c.ids = append(c.ids, r.id...)
	c.idEnd = append(c.idEnd, uint32(len(c.ids)))
	if c.items != nil {
		c.items = append(c.items, r.item)
	}
}

// reset empties a chunk that nobody else has seen, so that its memory is used again.
func (c *chunk) reset() {
	c.at, c.end, c.ref = c.at[:0], c.end[:0], c.ref[:0]
	c.service, c.unit, c.env, c.provider = c.service[:0], c.unit[:0], c.env[:0], c.provider[:0]
	c.src, c.kind, c.flags = c.src[:0], c.kind[:0], c.flags[:0]
	c.ids, c.idEnd, c.items = c.ids[:0], c.idEnd[:0], nil
}

// seal computes the summaries. After it the chunk never changes.
func (c *chunk) seal() *chunk {
	words := (c.len() + 63) / 64
	both := make([]uint64, 2*words)
	c.alerts, c.open, c.maxEnd, c.kinds = both[:words], both[words:], math.MinInt64, [256]uint16{}
	for i, f := range c.flags {
		if f&flagAlert == 0 {
			c.kinds[c.kind[i]]++
			continue
		}
		c.alerts[i/64] |= 1 << (i % 64)
		if c.end[i] == 0 {
			c.open[i/64] |= 1 << (i % 64)
		} else {
			c.maxEnd = max(c.maxEnd, c.end[i])
		}
	}
	return c
}

func (c *chunk) first() int64 { return c.at[0] }
func (c *chunk) last() int64  { return c.at[len(c.at)-1] }

// compareRows is the one order of a timeline: time, then id, then provider, changes before alerts.
func compareRows(names []string, a, b *row) int {
	if a.at != b.at {
		return cmp.Compare(a.at, b.at)
	}
	if c := bytes.Compare(a.id, b.id); c != 0 {
		return c
	}
	if a.provider != b.provider {
		return cmp.Compare(names[a.provider], names[b.provider])
	}
	return cmp.Compare(a.flags&flagAlert, b.flags&flagAlert)
}

// compareAt compares row i of c with r.
func (c *chunk) compareAt(names []string, i int, r *row) int {
	if c.at[i] != r.at {
		return cmp.Compare(c.at[i], r.at)
	}
	o := row{at: c.at[i], id: c.id(i), provider: c.provider[i], flags: c.flags[i]}
	return compareRows(names, &o, r)
}

func popcount(words []uint64) int {
	n := 0
	for _, w := range words {
		n += bits.OnesCount64(w)
	}
	return n
}
