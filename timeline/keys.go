package timeline

import (
	"hash/maphash"
	"math/bits"
)

// key names one report: an id is unique within its provider, and among changes or among alerts.
type key struct {
	provider, id string
	alert        bool
}

// keyHash hashes keys with a seed of its own, so that nobody can make ids that collide. Two different keys of a million
// share a hash once in some ten million stores; the later then takes the earlier one's place.
type keyHash struct{ seed maphash.Seed }

func newKeyHash() keyHash { return keyHash{seed: maphash.MakeSeed()} }

func (k keyHash) of(provider uint32, id []byte, flags uint8) uint64 {
	h := maphash.Bytes(k.seed, id) ^ (uint64(provider)<<1|uint64(flags&flagAlert))*0x9e3779b97f4a7c15
	if h == 0 {
		return 1 // 0 marks a free slot
	}
	return h
}

func (k keyHash) text(s string) uint64 { return maphash.String(k.seed, s) }

// keyTable finds the time of an indexed row by the hash of its key: 16 bytes a slot, linear probing.
type keyTable struct {
	hash []uint64
	at   []int64
	used int
}

func (t *keyTable) slot(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(t.hash)))
	i := int(hi)
	for t.hash[i] != 0 && t.hash[i] != h {
		if i++; i == len(t.hash) {
			i = 0
		}
	}
	return i
}

func (t *keyTable) get(h uint64) (at int64, ok bool) {
	if t.used == 0 {
		return 0, false
	}
	i := t.slot(h)
	return t.at[i], t.hash[i] == h
}

// put stores at under h and gives what was there.
func (t *keyTable) put(h uint64, at int64) (old int64, had bool) {
	if t.used*5 >= len(t.hash)*4 {
		t.grow()
	}
	i := t.slot(h)
	if old, had = t.at[i], t.hash[i] == h; !had {
		t.used++
	}
	t.hash[i], t.at[i] = h, at
	return old, had
}

func (t *keyTable) grow() {
	old := *t
	n := max(1024, len(old.hash)*8/5)
	t.hash, t.at = make([]uint64, n), make([]int64, n)
	for i, h := range old.hash {
		if h != 0 {
			j := t.slot(h)
			t.hash[j], t.at[j] = h, old.at[i]
		}
	}
}
