package tui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// entry is one line of the list as it is drawn. Its text is not cleaned yet.
type entry struct {
	id, provider   string
	at, end        time.Time
	alert, open    bool
	note           bool // what a person wrote down
	kind           string
	unit, what, ai string
	went           string // from what to what, where a change says so
	loaded         bool   // what and ai are known
	change         *providers.Change
}

// rowKey names a line whatever its place.
type rowKey struct {
	provider, id string
	alert        bool
}

// view is the part of the timeline that is listed, newest first. A view of nothing is empty.
type view struct {
	b  *board
	of *timeline.View
}

func (v *view) len() int {
	if v.of == nil {
		return 0
	}
	return v.of.Len()
}

func (v *view) hidden() int {
	if v.of == nil {
		return 0
	}
	return v.of.Hidden()
}

// oldest is the time of the last line, a day before until where there is none.
func (v *view) oldest(until time.Time) time.Time {
	for i := v.len() - 1; i >= 0 && i >= v.len()-64; i-- {
		if at := v.of.Row(i).At; !at.IsZero() {
			return at
		}
	}
	return until.Add(-24 * time.Hour)
}

// entry is line i; the zero entry where there is none. It reads nothing: of a line that is not in memory only the index
// is known until load brought the rest.
func (v *view) entry(i int) entry {
	if i < 0 || i >= v.len() {
		return entry{}
	}
	r := v.of.Row(i)
	k := rowKey{r.Provider, r.ID, r.Alert}
	e := entry{id: r.ID, provider: r.Provider, at: r.At, end: r.End, alert: r.Alert, kind: string(r.Kind), unit: r.Unit}
	if e.unit == "" {
		e.unit = r.Service
	}
	if r.Decoded {
		if ev, err := v.of.Event(i); err == nil {
			e = eventEntry(ev)
		}
	} else if d, ok := v.b.decoded[k]; ok {
		e = d
	}
	if r.Alert {
		e.setState(r.State)
	}
	return e
}

func (e *entry) setState(s providers.AlertState) {
	e.open = s == providers.AlertFiring || s == ""
	switch s {
	case providers.AlertResolved:
		e.kind = "resolved"
	case providers.AlertSuppressed:
		e.kind = "silenced"
	case providers.AlertUnknown:
		e.kind = "alert ?"
	default:
		e.kind = "ALERT"
	}
}

// handle is the short name that commands take.
func (e *entry) handle() string {
	if e.change != nil {
		return timeline.Handle(e.change)
	}
	return e.id
}

// kindWord is the kind in at most eight columns.
func (e *entry) kindWord() string {
	switch e.kind {
	case string(providers.KindMigration):
		return "migrate"
	case string(providers.KindOperation):
		return "operate"
	case "":
		return "change"
	default:
		return e.kind
	}
}

func eventEntry(ev providers.Event) entry {
	switch {
	case ev.Change != nil:
		return changeEntry(ev.Change)
	case ev.Alert != nil:
		a := ev.Alert
		e := entry{id: a.ID, provider: a.Provider, at: a.StartsAt, end: a.EndsAt, alert: true, unit: a.Service, what: alertName(a.Service, a.Name), loaded: true}
		if a.Summary != "" && a.Summary != a.Name {
			e.what += ": " + a.Summary
		}
		return e
	default:
		return entry{}
	}
}

// alertName leaves out of an alert's name the service that stands beside it.
func alertName(service, name string) string {
	if rest, ok := strings.CutPrefix(name, service+" "); ok && service != "" && rest != "" {
		return rest
	}
	return name
}

// changeEntry is a change as a line: where it says from what to what, that; else its title.
func changeEntry(c *providers.Change) entry {
	e := entry{
		id: c.ID, provider: c.Provider, at: c.At(), kind: string(c.Kind), unit: c.Service, what: c.Title,
		ai: assistanceMark(c.Assistance.State), loaded: true, change: c,
	}
	if e.unit == "" {
		e.unit = c.Unit
	}
	if c.IsNote() {
		e.kind, e.unit, e.note = providers.StatusNote, c.Author.Name, true
	}
	from, to := shortRevision(c.From), shortRevision(c.To)
	switch {
	case from != "" && to != "":
		e.went = to + " <- " + from
		e.what = strings.TrimRight(e.went+"  "+c.Title, " ")
	case e.what != "":
	case to != "":
		e.what = to
	default:
		e.what = c.ID
	}
	return e
}

// shortRevision leaves a name as it is and shortens a digest.
func shortRevision(r string) string {
	hex := strings.TrimPrefix(r, "sha256:")
	if len(hex) >= 40 && strings.Trim(hex, "0123456789abcdef") == "" {
		return hex[:8]
	}
	return r
}

// assistanceMark is what is known of AI in four columns. A dash is "none found", empty is "not looked at".
func assistanceMark(s providers.AssistanceState) string {
	switch s {
	case providers.AssistanceAgent, providers.AssistanceAssisted:
		return "ai"
	case providers.AssistancePossible:
		return "ai?"
	case providers.AssistanceAutomation:
		return "bot"
	case providers.AssistanceNone:
		return "-"
	default:
		return ""
	}
}

// loadedMsg brings lines that were not in memory.
type loadedMsg struct{ entries map[rowKey]entry }

// load reads the lines from lo to hi that are not in memory, outside of the loop; nil when there are none.
func (c *console) load(v *view, lo, hi int) tea.Cmd {
	var rows []int
	for i := max(lo, 0); i < min(hi, v.len()); i++ {
		r := v.of.Row(i)
		if _, ok := c.board.decoded[rowKey{r.Provider, r.ID, r.Alert}]; !ok && !r.Decoded {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	of := v.of
	return c.call(func(ctx context.Context) tea.Msg {
		m := loadedMsg{entries: make(map[rowKey]entry, len(rows))}
		for _, i := range rows {
			if ctx.Err() != nil {
				break
			}
			r := of.Row(i)
			ev, err := of.Event(i)
			e := eventEntry(ev)
			if err != nil {
				e = entry{id: r.ID, provider: r.Provider, at: r.At, kind: string(r.Kind), unit: r.Service, what: "cannot be read: " + err.Error(), loaded: true}
			}
			m.entries[rowKey{r.Provider, r.ID, r.Alert}] = e
		}
		return m
	})
}

// keep remembers lines that were read.
func (b *board) keep(entries map[rowKey]entry) {
	if b.decoded == nil {
		b.decoded = make(map[rowKey]entry, len(entries))
	}
	for k, e := range entries {
		b.decoded[k] = e
	}
}

// handle is the short name of a change, its id where the change is not known.
func (c *console) handle(id string) string {
	if ch, ok := c.change(id); ok {
		return timeline.Handle(&ch)
	}
	return plain(id)
}
