package timeline

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// maxTitleRows is the longest window in which titles are decoded to look for words in them.
const maxTitleRows = 500

// filter is a Query made ready: what it asks of codes is looked up once, not per row.
type filter struct {
	s               *Snapshot
	all             bool // everything in the window is chosen
	alerts, changes bool
	kinds           *[256]bool
	services, envs  []bool // by code; nil: any
	words           []word
	titles          bool // decode titles that are not in memory
	unseen          int
}

// word is one word of Query.Text and the codes of the strings that hold it.
type word struct {
	text  []byte
	names []bool
	kinds [256]bool
}

func (s *Snapshot) compile(q Query, rows int) *filter {
	f := &filter{s: s, alerts: q.Alerts || !q.Changes, changes: q.Changes || !q.Alerts, titles: rows <= maxTitleRows}
	if len(q.Kinds) > 0 {
		f.alerts, f.changes = q.Alerts, true
		f.kinds = new([256]bool)
		for i, k := range s.kinds {
			f.kinds[i] = slices.Contains(q.Kinds, k)
		}
	}
	if len(q.Services) > 0 {
		f.services = s.codesOf(q.Services...)
	}
	if q.Environment != "" {
		f.envs = s.codesOf(q.Environment)
		f.envs[0] = true
	}
	for _, text := range strings.Fields(strings.ToLower(q.Text)) {
		f.words = append(f.words, s.word(text))
	}
	f.all = f.alerts && f.changes && f.kinds == nil && f.services == nil && f.envs == nil && f.words == nil
	return f
}

func (s *Snapshot) word(text string) word {
	w := word{text: []byte(text), names: make([]bool, len(s.names))}
	for i, n := range s.names {
		w.names[i] = strings.Contains(strings.ToLower(n), text)
	}
	for i, k := range s.kinds {
		w.kinds[i] = strings.Contains(strings.ToLower(string(k)), text)
	}
	return w
}

func (s *Snapshot) codesOf(wanted ...string) []bool {
	codes := make([]bool, len(s.names))
	for i, n := range s.names {
		codes[i] = slices.Contains(wanted, n)
	}
	return codes
}

// apply marks the rows of [lo, hi) that are chosen.
func (f *filter) apply(c *chunk, lo, hi int, among []uint64) []uint64 {
	set := make([]uint64, len(c.alerts))
	for w := range set {
		set[w] = ^uint64(0)
		if among != nil {
			set[w] = among[w]
		}
		if !f.alerts {
			set[w] &^= c.alerts[w]
		}
		if !f.changes {
			set[w] &= c.alerts[w]
		}
	}
	clip(set, lo, hi)
	if f.kinds != nil {
		each(set, func(i int) bool { return c.flags[i]&flagAlert != 0 || f.kinds[c.kind[i]] })
	}
	if f.services != nil {
		each(set, func(i int) bool { return f.services[c.service[i]] })
	}
	if f.envs != nil {
		each(set, func(i int) bool { return f.envs[c.env[i]] })
	}
	if f.words != nil {
		f.applyWords(c, set)
	}
	return set
}

// each clears the bits of the rows that keep refuses.
func each(set []uint64, keep func(i int) bool) {
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			b := bits.TrailingZeros64(word)
			if !keep(w*64 + b) {
				set[w] &^= 1 << b
			}
		}
	}
}

func (f *filter) applyWords(c *chunk, set []uint64) {
	lower := c
	ids := bytes.ToLower(c.ids)
	if len(ids) == len(c.ids) { // else a letter changed its length, and the ids must be lowered one by one
		lower = &chunk{ids: ids, idEnd: c.idEnd}
	}
	inIDs := make([]bool, len(f.words))
	for i, w := range f.words {
		inIDs[i] = lower == c || bytes.Contains(ids, w.text)
	}
	each(set, func(i int) bool { return f.hasWords(c, lower, inIDs, i) })
}

func (f *filter) hasWords(c, lower *chunk, inIDs []bool, i int) bool {
	title, looked, known := "", false, true
	for n := range f.words {
		w := &f.words[n]
		if w.names[c.service[i]] || w.names[c.unit[i]] || w.names[c.env[i]] || w.names[c.provider[i]] ||
			(c.flags[i]&flagAlert == 0 && w.kinds[c.kind[i]]) ||
			(inIDs[n] && bytes.Contains(bytes.ToLower(lower.id(i)), w.text)) {
			continue
		}
		if !looked {
			title, known = f.title(c, i)
			title, looked = strings.ToLower(title), true
		}
		if !known {
			f.unseen++
			return false
		}
		if !strings.Contains(title, string(w.text)) {
			return false
		}
	}
	return true
}

// title is a row's title, and whether it could be had.
func (f *filter) title(c *chunk, i int) (string, bool) {
	if it := c.item(i); it != nil {
		return searchText(it), true
	}
	if !f.titles {
		return "", false
	}
	ev, err := f.s.event(c, i)
	if err != nil {
		return "", false
	}
	return searchText(&item{event: ev, title: titleOf(ev)}), true
}

// searchText is the title and what else of a decoded event people look for.
func searchText(it *item) string {
	text := it.title
	if c := it.event.Change; c != nil {
		text += " " + c.Author.Name + " " + c.Commit + " " + c.To
		for _, src := range c.Sources {
			text += " " + src.Provider + " " + src.ID
		}
	} else if a := it.event.Alert; a != nil {
		text += " alert " + a.Severity + " " + string(a.State)
	}
	return text
}

// kindOf is the kind of row i of c; empty for an alert.
func (s *Snapshot) kindOf(c *chunk, i int) providers.Kind { return s.kinds[c.kind[i]] }
