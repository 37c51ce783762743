package timeline

import (
	"time"
	"unsafe"

	"github.com/backout-dev/backout/providers"
)

// entry is one provider's latest report of one thing, decoded.
type entry struct {
	key   key
	event providers.Event
	seq   uint64 // which call of Put or Index told of it first; of a silenced alert, that it fires
	said  uint64 // which call of Put told of it last
	fired bool   // an alert that fired, as far as is known, when nobody had silenced it
	joins []string
	item  *item
}

// fires notes the state of an alert that the call seq told of. A silenced alert that is over, or lost to a restart, has woken
// nobody; one that fires when its silence ends is as new as one that was not known, so that it renames no incident.
func (e *entry) fires(state providers.AlertState, known bool, seq uint64) {
	switch {
	case e.fired, state == providers.AlertSuppressed:
	case !known:
		e.fired = true
	case state != providers.AlertResolved && state != providers.AlertUnknown:
		e.fired, e.seq = true, seq
	}
}

// item is what stands on one line: one report, or several of the same change. It never changes once it is published.
type item struct {
	event   providers.Event
	members []*entry // more than one when merged; in the order in which fields win
	title   string
	seq     uint64
	fired   bool
}

// unixNano is t as a column holds it: 0 is unknown. Times that do not fit are the nearest that do.
func unixNano(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	case t.Year() > 2261:
		return time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC).UnixNano()
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// RowOf is the row of an event as an Indexer should report it.
func RowOf(ev providers.Event) providers.Row {
	if a := ev.Alert; a != nil {
		return providers.Row{
			At: unixNano(a.StartsAt), End: unixNano(a.EndsAt), Alert: true, State: a.State, Service: a.Service,
			Environment: a.Environment, ID: a.ID, Provider: a.Provider,
		}
	}
	c := ev.Change
	r := providers.Row{
		At: unixNano(c.At()), End: unixNano(c.EffectiveTo), Kind: c.Kind, Service: c.Service, Environment: c.Environment,
		Unit: c.Unit, ID: c.ID, Provider: c.Provider, Commit: c.Commit,
	}
	if len(c.Artifacts) > 0 {
		r.Artifact = c.Artifacts[0]
	}
	return r
}

// keyOf names the report and fills in the provider where the event does not say.
func keyOf(provider string, ev *providers.Event) (key, bool) {
	switch {
	case ev.Change != nil:
		c := *ev.Change
		if c.Provider == "" {
			c.Provider = provider
		}
		*ev = providers.Event{Change: &c}
		return key{provider: c.Provider, id: c.ID}, c.ID != ""
	case ev.Alert != nil:
		a := *ev.Alert
		if a.Provider == "" {
			a.Provider = provider
		}
		*ev = providers.Event{Alert: &a}
		return key{provider: a.Provider, id: a.ID, alert: true}, a.ID != ""
	}
	return key{}, false
}

// encode makes the row of a decoded item.
func (s *Store) encode(it *item) row {
	p := RowOf(it.event)
	r := s.encodeRow(&p, p.Provider)
	r.item = it
	return r
}

func (s *Store) encodeRow(p *providers.Row, provider string) row {
	if p.Provider != "" {
		provider = p.Provider
	}
	r := row{
		at: p.At, end: p.End, ref: p.Ref, service: s.dict.code(p.Service), unit: s.dict.code(p.Unit),
		env: s.dict.code(p.Environment), provider: s.dict.code(provider), kind: s.kinds.code(p.Kind), id: bytesOf(p.ID),
	}
	if p.Alert {
		r.flags = stateFlags(p.State)
	}
	return r
}

// bytesOf is s without a copy. Nobody writes into the id of a row; a chunk copies it.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
