package timeline

import (
	"cmp"
	"slices"
	"sort"

	"github.com/backout-dev/backout/providers"
)

// maxReadCures bounds how many rollbacks are read for whether they cured; the newest are.
const maxReadCures = 500

// cure is a rollback that was verified from outside: what alerts after it, when the earlier alerts had ended, is another
// incident, however soon it comes.
type cure struct {
	at           int64 // when it was verified
	service, env uint32
}

// cures lists the rollbacks that cured, by time.
func (s *Snapshot) cures() []cure {
	var out []cure
	read := 0
	for i := len(s.chunks) - 1; i >= 0 && read < maxReadCures; i-- {
		c := s.chunks[i]
		if !s.holds(c, providers.KindRollback) {
			continue
		}
		for j := c.len() - 1; j >= 0 && read < maxReadCures; j-- {
			if c.flags[j]&flagAlert != 0 || s.kindOf(c, j) != providers.KindRollback {
				continue
			}
			read++
			if ev, err := s.event(c, j); err == nil && ev.Change != nil && ev.Change.Cured() {
				out = append(out, cure{at: unixNano(ev.Change.VerifiedAt), service: c.service[j], env: c.env[j]})
			}
		}
	}
	slices.SortFunc(out, func(a, b cure) int { return cmp.Compare(a.at, b.at) })
	return out
}

func (s *Snapshot) holds(c *chunk, k providers.Kind) bool {
	code := slices.Index(s.kinds, k)
	return code >= 0 && c.kinds[code] > 0
}

// apart reports whether a rollback cured what alert a tells of before alert b began.
func (f *former) apart(a, b *symptom) bool {
	if a.until > b.at {
		return false
	}
	from := sort.Search(len(f.cures), func(i int) bool { return f.cures[i].at > a.at })
	for _, c := range f.cures[from:] {
		if c.at >= b.at {
			return false
		}
		if c.concerns(a, f.near) {
			return true
		}
	}
	return false
}

// concerns reports whether what a rollback cured may be what an alert told of.
func (c cure) concerns(a *symptom, nearby map[uint32][]uint32) bool {
	env, service := a.c.env[a.i], a.c.service[a.i]
	if c.env != 0 && env != 0 && c.env != env {
		return false
	}
	near, known := nearby[service]
	return c.service == 0 || service == 0 || !known || service == c.service || slices.Contains(near, c.service)
}

// curedBefore is when the last rollback that concerns an alert had cured what was there before it; 0 where none had.
func (b *builder) curedBefore(a *symptom) int64 {
	for _, c := range slices.Backward(b.cures) {
		if c.at < a.at && c.concerns(a, b.near) {
			return c.at
		}
	}
	return 0
}
