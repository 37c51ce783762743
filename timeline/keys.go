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

// What two reports may have in common begins with one of these.
const (
	joinCommit   = 'c'
	joinDigest   = 'a'
	joinDelivery = 'd'
)

// join hashes what two reports may have in common.
func (k keyHash) join(sort byte, text string) uint64 {
	return maphash.String(k.seed, text) ^ uint64(sort)*0x9e3779b97f4a7c15
}

// keyTable finds the time of an indexed row by the hash of its key: 16 bytes a slot, linear probing.
type keyTable struct {
	slots []keySlot
	used  int
}

// keySlot holds a hash and what is stored under it. Hash 0 is a free slot.
type keySlot struct {
	hash uint64
	at   int64
}

// home is where the search for a hash begins.
func (t *keyTable) home(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(t.slots)))
	return int(hi)
}

func (t *keyTable) slot(h uint64) *keySlot {
	i := t.home(h)
	for t.slots[i].hash != 0 && t.slots[i].hash != h {
		if i++; i == len(t.slots) {
			i = 0
		}
	}
	return &t.slots[i]
}

func (t *keyTable) get(h uint64) (at int64, ok bool) {
	if t.used == 0 {
		return 0, false
	}
	s := t.slot(h)
	return s.at, s.hash == h
}

// put stores at under h and gives what was there.
func (t *keyTable) put(h uint64, at int64) (old int64, had bool) {
	if t.used*5 >= len(t.slots)*4 {
		t.grow()
	}
	s := t.slot(h)
	old, had = s.at, s.hash == h
	if !had {
		t.used++
	}
	*s = keySlot{h, at}
	return old, had
}

// warm reads the slots of hashes that are about to be put. The reads do not depend on each other, so that the processor
// waits for memory once for many of them and not for each.
func (t *keyTable) warm(hashes []uint64) (sum uint64) {
	if len(t.slots) > 0 {
		for _, h := range hashes {
			sum += t.slots[t.home(h)].hash
		}
	}
	return sum
}

// firstSlots doubled ten times is a table that a million keys just fill: 20 MB.
const firstSlots = 1250

func (t *keyTable) grow() {
	old := t.slots
	t.slots = make([]keySlot, max(firstSlots, 2*len(old)))
	for _, s := range old {
		if s.hash != 0 {
			*t.slot(s.hash) = s
		}
	}
}
