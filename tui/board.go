package tui

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// board is the snapshot that is shown, and what was looked up in it. It is used by the program's loop alone.
type board struct {
	snap    *timeline.Snapshot
	p       map[string]float64 // of ranked changes, by id
	changes map[string]found
	decoded map[rowKey]entry
	drawn   drawn
}

// found is the outcome of a search for a change; a search goes through the whole timeline, so misses are kept too, as long as the snapshot is.
type found struct {
	change providers.Change
	ok     bool
}

// Sizes of what is kept. Up to smallSnapshot lines a search is so cheap that every new snapshot is searched again.
const (
	smallSnapshot = 20_000
	keepChanges   = 256
	keepDecoded   = 4096
)

// use makes s the snapshot that is shown.
func (b *board) use(s *timeline.Snapshot, r *culprit.Ranking) {
	if b.snap != s && (s == nil || s.Len() <= smallSnapshot || len(b.changes) > keepChanges) {
		b.changes = nil
	}
	if b.snap != s {
		for id, f := range b.changes {
			if !f.ok {
				delete(b.changes, id) // it may have come meanwhile
			}
		}
	}
	if len(b.decoded) > keepDecoded {
		b.decoded = nil
	}
	b.snap = s
	b.p = make(map[string]float64, len(r.Ranking))
	for i := range r.Ranking {
		b.p[r.Ranking[i].Change] = r.Ranking[i].P
	}
}

// change finds a change by its id.
func (b *board) change(id string) (providers.Change, bool) {
	if b.snap == nil || id == "" {
		return providers.Change{}, false
	}
	f, ok := b.changes[id]
	if !ok {
		f.change, f.ok = b.snap.Change(id)
		if b.changes == nil {
			b.changes = map[string]found{}
		}
		b.changes[id] = f
	}
	return f.change, f.ok
}

// fresh finds a change by its id in the snapshot itself, for an act that follows from it.
func (b *board) fresh(id string) (providers.Change, bool) {
	delete(b.changes, id)
	return b.change(id)
}

// edges are the known edges of the topology.
func (b *board) edges() []providers.Edge {
	if b.snap == nil {
		return nil
	}
	return b.snap.Edges()
}

// around decodes the changes from a day before c on, for the rules of a plan. It reads records, so it runs in a command.
func around(ctx context.Context, s *timeline.Snapshot, c *providers.Change) ([]providers.Change, error) {
	if s == nil || c == nil {
		return nil, ctx.Err()
	}
	w := providers.Window{}
	if at := c.At(); !at.IsZero() {
		w.Since = at.Add(-24 * time.Hour)
	}
	v := s.Query(timeline.Query{Window: w, Changes: true})
	out := make([]providers.Change, 0, min(v.Len(), 5000))
	for i := 0; i < min(v.Len(), 5000) && ctx.Err() == nil; i++ {
		if ev, err := v.Event(i); err == nil && ev.Change != nil {
			out = append(out, *ev.Change)
		}
	}
	return out, ctx.Err()
}

// query asks the snapshot for the lines of a window that a filter lets through.
func (b *board) query(filter string, w providers.Window) *view {
	v := &view{b: b}
	if b.snap != nil {
		q := parseFilter(filter)
		q.Window = w
		v.of = b.snap.Query(q)
	}
	return v
}

// parseFilter reads "kind:deploy,flag service:cart env:prod is:alert some words".
func parseFilter(text string) timeline.Query {
	var q timeline.Query
	var words []string
	for _, w := range strings.Fields(text) {
		name, arg, ok := strings.Cut(w, ":")
		switch {
		case !ok || arg == "":
			words = append(words, w)
		case name == "kind":
			for _, k := range strings.Split(arg, ",") {
				q.Kinds = append(q.Kinds, providers.Kind(k))
			}
		case name == "service":
			q.Services = append(q.Services, strings.Split(arg, ",")...)
		case name == "env":
			q.Environment = arg
		case name == "is" && strings.HasPrefix("alerts", arg):
			q.Alerts = true
		case name == "is" && strings.HasPrefix("changes", arg):
			q.Changes = true
		case name == "unit":
			words = append(words, arg)
		default:
			words = append(words, w)
		}
	}
	q.Text = strings.Join(words, " ")
	return q
}

// filterOffers completes the last word of a filter from kinds and known services.
func (b *board) filterOffers(text string) []string {
	head, last := "", text
	if i := strings.LastIndex(text, " "); i >= 0 {
		head, last = text[:i+1], text[i+1:]
	}
	if last == "" {
		return nil
	}
	var all []string
	for _, k := range providers.Kinds() {
		all = append(all, "kind:"+string(k))
	}
	all = append(all, "is:alert", "is:change")
	if b.snap != nil {
		for _, s := range b.snap.Services() {
			all = append(all, "service:"+plain(s.Name))
		}
	}
	var out []string
	for _, o := range all {
		if o != last && strings.HasPrefix(o, last) {
			out = append(out, head+o)
		}
	}
	sort.Strings(out)
	return out
}

// drawn remembers the lanes of the last frame, which change more seldom than the frame.
type drawn struct {
	snap  *timeline.Snapshot
	w     providers.Window
	cols  int
	lanes []lane
}

// lanes are the density strip of a window, in cols columns.
func (b *board) lanes(w providers.Window, cols int) []lane {
	if b.snap == nil {
		return nil
	}
	if d := &b.drawn; d.snap == b.snap && d.w == w && d.cols == cols {
		return d.lanes
	}
	all := b.snap.Lanes(w, cols)
	out := make([]lane, len(all))
	for i, l := range all {
		out[i] = lane{name: l.Name, mark: laneMark(l.Name), counts: l.Counts}
	}
	b.drawn = drawn{b.snap, w, cols, out}
	return out
}

// find is the row of an entry by its time, which falls with the row, and its id.
func (v *view) find(id string, at time.Time) (int, bool) {
	n := v.len()
	i := sort.Search(n, func(i int) bool { return !v.of.Row(i).At.After(at) })
	for ; i < n; i++ {
		r := v.of.Row(i)
		if r.ID == id {
			return i, true
		}
		if r.At.Before(at) {
			break
		}
	}
	return 0, false
}
