package timeline

import (
	"math"
	"math/bits"
	"sort"

	"github.com/backout-dev/backout/providers"
)

// Query chooses lines of a timeline. The zero value chooses all.
type Query struct {
	// Window holds the changes whose time lies in it and the alerts that were open at some time in it.
	Window providers.Window
	// Text is words that must all occur, in any letter case, in a line's id, kind, service, environment, unit, provider
	// or title. Titles of indexed events that were not decoded are looked at only in small windows: see View.Partial.
	Text string
	// Kinds keeps the changes of these kinds; alerts go too, unless Alerts is set.
	Kinds []providers.Kind
	// Services keeps the lines of these services.
	Services []string
	// Environment keeps the lines of an environment, and those that do not know theirs.
	Environment string
	// Alerts and Changes keep one sort of lines. Neither or both: both sorts.
	Alerts, Changes bool
}

// View is the answer to a Query, newest first. It never changes.
type View struct {
	s       *Snapshot
	parts   []part // newest first
	n       int
	total   int
	partial int
}

// part is the rows [lo, hi) of a chunk, or those of its rows whose bit is set.
type part struct {
	c      *chunk
	lo, hi int
	bits   []uint64 // nil: all
	before int      // rows of the view that are newer
}

// Len is the number of lines.
func (v *View) Len() int { return v.n }

// Hidden is the number of lines that lie in the window but were not chosen.
func (v *View) Hidden() int { return v.total - v.n }

// Partial is the number of lines of which the title was not looked at for Text, because it was not in memory.
func (v *View) Partial() int { return v.partial }

// Query chooses lines. It takes no lock.
func (s *Snapshot) Query(q Query) *View {
	v := &View{s: s}
	from, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.Window.Since.IsZero() {
		from = unixNano(q.Window.Since)
	}
	if !q.Window.Until.IsZero() {
		until = unixNano(q.Window.Until)
	}
	if until <= from || len(s.chunks) == 0 {
		return v
	}
	loC, loR := s.bound(from)
	hiC, hiR := s.bound(until)
	f := s.compile(q, rowsBetween(s, loC, loR, hiC, hiR))
	v.parts = make([]part, 0, min(hiC, len(s.chunks)-1)-loC+2)
	for j := min(hiC, len(s.chunks)-1); j >= loC && j < len(s.chunks); j-- {
		lo, hi := 0, s.chunks[j].len()
		if j == loC {
			lo = loR
		}
		if j == hiC {
			hi = hiR
		}
		if lo < hi {
			v.add(f, s.chunks[j], lo, hi, nil)
		}
	}
	for j := min(loC, len(s.chunks)-1); j >= 0; j-- {
		hi := s.chunks[j].len()
		if j == loC {
			hi = loR
		}
		if open := openAt(s.chunks[j], hi, from); open != nil {
			v.add(f, s.chunks[j], 0, hi, open)
		}
	}
	v.partial = f.unseen
	return v
}

func rowsBetween(s *Snapshot, loC, loR, hiC, hiR int) int {
	return s.starts[hiC] + hiR - s.starts[loC] - loR
}

// openAt marks the alerts among the first hi rows that began before from and were still open then.
func openAt(c *chunk, hi int, from int64) []uint64 {
	if hi == 0 || (c.maxEnd <= from && popcount(c.open) == 0) {
		return nil
	}
	set := make([]uint64, len(c.open))
	copy(set, c.open)
	if c.maxEnd > from {
		for w, word := range c.alerts {
			for word &^= c.open[w]; word != 0; word &= word - 1 {
				if i := w*64 + bits.TrailingZeros64(word); c.end[i] > from {
					set[w] |= 1 << (i % 64)
				}
			}
		}
	}
	clip(set, 0, hi)
	return set
}

// clip clears the bits outside [lo, hi).
func clip(set []uint64, lo, hi int) {
	for w := range set {
		base := w * 64
		if base+64 > hi {
			set[w] &= 1<<max(hi-base, 0) - 1
		}
		if base < lo {
			set[w] &^= 1<<min(lo-base, 64) - 1
		}
	}
}

// add puts the chosen rows of a chunk into the view. among limits them to some rows; nil means all of [lo, hi).
func (v *View) add(f *filter, c *chunk, lo, hi int, among []uint64) {
	p := part{c: c, lo: lo, hi: hi, bits: among, before: v.n}
	total, n := hi-lo, hi-lo
	if among != nil {
		total = popcount(among)
		n = total
	}
	if !f.all {
		p.bits = f.apply(c, lo, hi, among)
		n = popcount(p.bits)
	}
	v.total += total
	if n > 0 {
		v.n += n
		v.parts = append(v.parts, p)
	}
}

// find is the chunk and row of line i; 0 is the newest.
func (v *View) find(i int) (*chunk, int) {
	j := sort.Search(len(v.parts), func(j int) bool { return v.parts[j].before > i }) - 1
	p := &v.parts[j]
	i -= p.before
	if p.bits == nil {
		return p.c, p.hi - 1 - i
	}
	for w := len(p.bits) - 1; ; w-- {
		word := p.bits[w]
		if n := bits.OnesCount64(word); i >= n {
			i -= n
			continue
		}
		for ; i > 0; i-- {
			word &^= 1 << (63 - bits.LeadingZeros64(word))
		}
		return p.c, w*64 + 63 - bits.LeadingZeros64(word)
	}
}
