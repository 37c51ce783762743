package timeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/bits"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// Handle is a short name for screens and command lines: "CHG-" and the first six hex digits of the SHA-256 of provider,
// a zero byte and id. It stays the same as long as the change is reported.
func Handle(c *providers.Change) string { return shortHash("CHG-", 6, c.Provider, c.ID) }

func shortHash(prefix string, digits int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return prefix + hex.EncodeToString(sum[:])[:digits]
}

// Change finds a change by its id, by provider/id, by its handle, or by a prefix of its id that no other has; also by the
// names of any report that was merged into it. A name that fits several changes finds none.
func (s *Snapshot) Change(ref string) (providers.Change, bool) {
	ev, ok := s.find(ref, false)
	if !ok || ev.Change == nil {
		return providers.Change{}, false
	}
	return *ev.Change, true
}

// Alert finds an alert by its id, by provider/id, or by a prefix of its id that no other has.
func (s *Snapshot) Alert(ref string) (providers.Alert, bool) {
	ev, ok := s.find(ref, true)
	if !ok || ev.Alert == nil {
		return providers.Alert{}, false
	}
	return *ev.Alert, true
}

// How well a name fits, worst first.
const (
	fitNone = iota
	fitPrefix
	fitHandle
	fitExact
)

func (s *Snapshot) find(ref string, alert bool) (providers.Event, bool) {
	if ref == "" {
		return providers.Event{}, false
	}
	best, count := fitNone, 0
	var bestChunk *chunk
	var bestRow int
	m := matcher{s: s, ref: ref, handle: !alert && strings.HasPrefix(ref, "CHG-")}
	for _, c := range s.chunks {
		for w, word := range c.alerts {
			if !alert {
				word = ^word
			}
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				if i >= c.len() {
					break
				}
				switch f := m.fit(c, i); {
				case f == fitNone || f < best:
				case f > best:
					best, count, bestChunk, bestRow = f, 1, c, i
				default:
					count++
				}
			}
		}
	}
	if count != 1 {
		return providers.Event{}, false
	}
	ev, err := s.event(bestChunk, bestRow)
	return ev, err == nil
}

type matcher struct {
	s      *Snapshot
	ref    string
	handle bool
}

func (m *matcher) fit(c *chunk, i int) int {
	best := m.fitName(m.s.names[c.provider[i]], c.id(i))
	if it := c.item(i); it != nil && it.event.Change != nil {
		for _, src := range it.event.Change.Sources {
			best = max(best, m.fitName(src.Provider, []byte(src.ID)))
		}
	}
	return best
}

func (m *matcher) fitName(provider string, id []byte) int {
	switch {
	case string(id) == m.ref:
		return fitExact
	case len(m.ref) == len(provider)+1+len(id) && strings.HasPrefix(m.ref, provider) && m.ref[len(provider)] == '/' &&
		m.ref[len(provider)+1:] == string(id):
		return fitExact
	case m.handle && shortHash("CHG-", 6, provider, string(id)) == m.ref:
		return fitHandle
	case len(m.ref) < len(id) && bytes.Equal(id[:len(m.ref)], []byte(m.ref)):
		return fitPrefix
	}
	return fitNone
}
