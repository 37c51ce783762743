package file

import (
	"bytes"
	"math"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

// A ref names a line of a feed: the number of the generation and the offset; or, with the highest bit, an event of an
// incident file.
const (
	offsetBits = 40
	maxOffset  = 1<<offsetBits - 1
	docRef     = 1 << 63
)

func refOf(g *generation, off int64) uint64 { return uint64(g.n)<<offsetBits | uint64(off) }

// maxLine is the longest line of a feed; one event is never that large.
const maxLine = 1 << 20

// rowOf makes the row of a decoded event.
func rowOf(ev providers.Event) providers.Row {
	if a := ev.Alert; a != nil {
		return providers.Row{
			At: nanos(a.StartsAt), End: nanos(a.EndsAt), Alert: true, State: a.State, Service: a.Service,
			Environment: a.Environment, ID: a.ID, Provider: a.Provider,
		}
	}
	c := ev.Change
	r := providers.Row{
		At: nanos(c.At()), End: nanos(c.EffectiveTo), Kind: c.Kind, Service: c.Service, Environment: c.Environment,
		Unit: c.Unit, ID: c.ID, Provider: c.Provider, Commit: c.Commit,
	}
	if len(c.Artifacts) > 0 {
		r.Artifact = c.Artifacts[0]
	}
	return r
}

var (
	firstNano = time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC)
	lastNano  = time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)
)

// nanos is t in unix nanoseconds, 0 for the zero time, and the nearest time that fits for others.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(firstNano):
		return firstNano.UnixNano()
	case t.After(lastNano):
		return lastNano.UnixNano()
	}
	return t.UnixNano()
}

// span is a window in unix nanoseconds.
type span struct{ since, until int64 }

func spanOf(w providers.Window) span {
	s := span{math.MinInt64, math.MaxInt64}
	if !w.Since.IsZero() {
		s.since = nanos(w.Since)
	}
	if !w.Until.IsZero() {
		s.until = nanos(w.Until)
	}
	return s
}

// open reports whether the window holds everything.
func (s span) open() bool { return s.since == math.MinInt64 && s.until == math.MaxInt64 }

// holds reports whether a change happened in the window, or an alert was open at some time in it. What has no time is
// before everything.
func (s span) holds(at, end int64, alert bool) bool {
	if at == 0 && s.since > math.MinInt64 && !alert {
		return false
	}
	if at >= s.until && at != 0 {
		return false
	}
	if alert {
		return end == 0 || end > s.since
	}
	return at == 0 || at >= s.since
}

// decodeLine decodes a line of a feed in full.
func (p *Provider) decodeLine(line []byte) (providers.Event, error) {
	ev, err := incident.DecodeEvent(line)
	if err != nil {
		return ev, err
	}
	switch {
	case ev.Change != nil && ev.Change.Environment == "":
		ev.Change.Environment = p.env.Environment
	case ev.Alert != nil && ev.Alert.Environment == "":
		ev.Alert.Environment = p.env.Environment
	}
	return ev, nil
}

// parser makes rows of lines. Each goroutine has its own.
type parser struct {
	p      *Provider
	names  map[string]string
	f      fields
	rows   []providers.Row
	texts  []byte     // ids, commits and digests of the rows, one after the other
	spans  [][3]int32 // where each of them ends, by row
	docs   []int64    // offsets of lines that hold whole documents
	failed badLines
}

// maxNames bounds the strings that a parser keeps to use again.
const maxNames = 1 << 16

// name gives a string that is shared by all rows that have it.
func (q *parser) name(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := q.names[string(b)]; ok {
		return s
	}
	if len(q.names) >= maxNames {
		clear(q.names)
	}
	s := string(b)
	q.names[s] = s
	return s
}

// block parses every line of a block.
func (q *parser) block(b *block) {
	q.rows, q.texts, q.spans, q.docs, q.failed = q.rows[:0], q.texts[:0], q.spans[:0], q.docs[:0], badLines{}
	for off, line := range b.lines() {
		if off > maxOffset {
			q.failed.add(off, errTooLarge)
			return
		}
		if scan(line, &q.f) {
			q.fast(refOf(b.g, off))
			continue
		}
		ev, err := q.p.decodeLine(line)
		switch {
		case err == nil && len(line) > maxLine:
			q.failed.add(off, errLongLine)
		case err == nil:
			r := rowOf(ev)
			r.Ref = refOf(b.g, off)
			q.add(&r, r.ID, r.Commit, r.Artifact)
		case bytes.Contains(line, []byte(incident.Format)):
			q.docs = append(q.docs, off)
		default:
			q.failed.add(off, err)
		}
	}
	q.share()
}

// fast makes the row of a line that was scanned.
func (q *parser) fast(ref uint64) {
	f := &q.f
	r := providers.Row{
		Ref: ref, Service: q.name(f.service), Environment: q.name(f.environment), Provider: q.name(f.provider),
	}
	if r.Environment == "" {
		r.Environment = q.p.env.Environment
	}
	if len(f.typ) == len("alert") {
		r.Alert, r.At, r.End, r.State = true, f.starts, f.ends, providers.AlertState(q.name(f.state))
		addRow(q, &r, f.id, nil, nil)
		return
	}
	r.At, r.End, r.Kind, r.Unit = f.from, f.to, providers.Kind(q.name(f.kind)), q.name(f.unit)
	if r.At == 0 {
		r.At = f.landed
	}
	addRow(q, &r, f.id, f.commit, f.artifact)
}

func (q *parser) add(r *providers.Row, id, commit, artifact string) {
	r.ID, r.Commit, r.Artifact = "", "", ""
	addRow(q, r, id, commit, artifact)
}

// addRow keeps a row whose texts are given as strings or as bytes.
func addRow[T string | []byte](q *parser, r *providers.Row, id, commit, artifact T) {
	var ends [3]int32
	for i, t := range [3]T{id, commit, artifact} {
		q.texts = append(q.texts, t...)
		ends[i] = int32(len(q.texts))
	}
	q.rows = append(q.rows, *r)
	q.spans = append(q.spans, ends)
}

// share gives the rows their texts: one string for a whole block is one allocation, not three a row.
func (q *parser) share() {
	all := string(q.texts)
	from := int32(0)
	for i, ends := range q.spans {
		r := &q.rows[i]
		r.ID, r.Commit, r.Artifact = all[from:ends[0]], all[ends[0]:ends[1]], all[ends[1]:ends[2]]
		from = ends[2]
	}
}
