package file

import (
	"hash/maphash"

	"github.com/backout-dev/backout/providers"
)

// told remembers which ids were handed on because they lay in the window. A later line of such an id is handed on even
// where it lies outside, such as the end of an alert that was open until then: it replaces the earlier one, which would
// stand for what is no longer true. It is a bit set of hashes: that a stranger shares a bit costs one row too many.
type told struct {
	seed maphash.Seed
	bits []uint64
}

const toldBits = 1 << 24

func newTold() *told { return &told{seed: maphash.MakeSeed()} }

// choose keeps the rows of the window, and those that replace one that was handed on, in place.
func (t *told) choose(rows []providers.Row, s span) []providers.Row {
	if s.open() {
		return rows
	}
	if t.bits == nil {
		t.bits = make([]uint64, toldBits/64)
	}
	kept := rows[:0]
	for i := range rows {
		r := &rows[i]
		h := maphash.String(t.seed, r.ID) % toldBits
		in := s.holds(r.At, r.End, r.Alert)
		if in {
			t.bits[h/64] |= 1 << (h % 64)
		}
		if in || t.bits[h/64]&(1<<(h%64)) != 0 {
			kept = append(kept, *r)
		}
	}
	return kept
}
