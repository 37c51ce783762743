package export

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Markdown writes a post-incident timeline to paste: facts in one table, an empty narrative for people to fill in, what
// the record says of rollbacks, and as appendices the machine's hypothesis, the changes in detail and what was redacted.
func Markdown(w io.Writer, d Data, o Options) error {
	p, err := prepare(d, o)
	if err != nil {
		return err
	}
	m := &page{prepared: p}
	m.head()
	m.facts()
	m.words()
	m.narrative()
	m.rollbacks()
	m.hypothesis()
	m.details()
	m.report()
	if _, err := w.Write(m.b.Bytes()); err != nil {
		return fmt.Errorf("export as Markdown: %w", err)
	}
	return nil
}

// page is a Markdown document in the making.
type page struct {
	*prepared
	b bytes.Buffer
}

func (m *page) line(format string, args ...any) {
	fmt.Fprintf(&m.b, format+"\n", args...)
}

// row writes a row of a table; its cells must be safe already.
func (m *page) row(cells ...string) {
	for i := range cells {
		cells[i] = orDash(cells[i])
	}
	m.line("| %s |", strings.Join(cells, " | "))
}

func (m *page) table(header ...string) {
	m.row(header...)
	m.line("|%s", strings.Repeat(" --- |", len(header)))
}

func (m *page) head() {
	title := md(m.Incident.Title)
	if title == "" {
		title = "without a title"
	}
	m.line("# %s: %s", md(m.Incident.ID), title)
	m.line("")
	m.line("- Written by backout at %s. All times are UTC (+00:00)%s.", stamp(m.GeneratedAt), m.zoneText())
	if m.first.IsZero() {
		m.line("- First alert: none")
	} else {
		m.line("- First alert: %s (T+00:00:00)", stamp(m.first))
	}
	if on := m.doc.Onset; !on.Earliest.IsZero() && !on.Latest.IsZero() {
		m.line("- Symptoms began between %s and %s", stamp(on.Earliest), stamp(on.Latest))
	}
	if last, open := m.lastEnd(); open > 0 {
		m.line("- Alerts not ended by %s: %d of %d", stamp(m.GeneratedAt), open, len(m.Alerts))
	} else if !last.IsZero() {
		m.line("- Last alert ended: %s (%s)", stamp(last), m.since(last))
	}
	var services []string
	seen := map[string]bool{}
	for i := range m.Alerts {
		if s := m.Alerts[i].Service; s != "" && !seen[s] {
			seen[s] = true
			services = append(services, md(s))
		}
	}
	m.line("- Services that alerted: %s", orDash(strings.Join(services, ", ")))
	m.line("- %s%s", strings.ToUpper(m.redaction()[:1]), md(m.redaction()[1:]))
	m.line("")
}

func (m *page) zoneText() string {
	if m.options.Zone == nil {
		return ""
	}
	return ", with " + md(m.options.Zone.String()) + " beside them"
}

// lastEnd is when the last alert ended, and how many had not ended.
func (m *page) lastEnd() (last time.Time, open int) {
	for i := range m.Alerts {
		end := m.Alerts[i].EndsAt
		if end.IsZero() || end.After(m.GeneratedAt) {
			open++
		} else if end.After(last) {
			last = end
		}
	}
	return last, open
}

func (m *page) facts() {
	m.line("## Facts")
	m.line("")
	m.line("From the sources named in each row. Nothing here says why.")
	m.line("")
	header := []string{"time (UTC)"}
	if m.options.Zone != nil {
		header = append(header, "time ("+md(m.options.Zone.String())+")")
	}
	m.table(append(header, "t+", "what", "in the source's words", "service", "who or what", "AI", "approved by", "source", "link")...)
	for _, f := range m.prepared.facts() {
		if f.words {
			continue
		}
		cells := []string{stamp(f.at)}
		if m.options.Zone != nil {
			cells = append(cells, stampIn(f.at, m.options.Zone))
		}
		actor := md(f.actor)
		if f.actorKind != "" {
			actor = strings.TrimSpace(actor + " (" + md(f.actorKind) + ")")
		}
		m.row(append(cells, m.since(f.at), md(f.what), md(f.summary), md(f.service), actor, md(f.ai), md(f.approvedBy), md(f.source), mdLink("open", f.link))...)
	}
	m.line("")
	if none := m.untimed(); len(none) > 0 {
		m.line("Without a known time:")
		m.line("")
		for _, c := range none {
			m.line("- %s (%s)", md(changeText(c)), md(reference(c.Provider, c.ID)))
		}
		m.line("")
	}
}

// words are what people put into the record while it happened: apart from the facts, because it says what they thought.
func (m *page) words() {
	m.line("## What people wrote at the time")
	m.line("")
	n := 0
	for _, f := range m.prepared.facts() {
		if !f.words {
			continue
		}
		if n++; n == 1 {
			m.table("time (UTC)", "t+", "who", "in their words", "source")
		}
		who := md(f.actor)
		if f.actorKind != "" {
			who += " (" + md(f.actorKind) + ")"
		}
		m.row(stamp(f.at), m.since(f.at), who, md(f.summary), md(f.source))
	}
	if n == 0 {
		m.line("Nothing.")
	}
	m.line("")
}

// narrative leaves room for people. The machine writes nothing into it.
func (m *page) narrative() {
	m.line("## Narrative")
	m.line("")
	m.line("_For people to write. Nothing below this line, up to the next part, was generated._")
	m.line("")
	for _, part := range []string{"Summary", "Impact", "Detection", "What people saw, thought and did", "Contributing factors", "What went well, what did not", "Actions"} {
		m.line("### %s\n\n<!-- write here -->\n", part)
	}
}

// rollbacks tells from the record what was planned, done and verified, and when.
func (m *page) rollbacks() {
	m.line("## Rollback and verification, from the record")
	m.line("")
	n := 0
	for i := range m.Record {
		e := &m.Record[i]
		switch e.Kind {
		case ledger.KindNote, ledger.KindSuspect, ledger.KindIncident, ledger.KindAttribution:
			continue
		default:
		}
		if n++; n == 1 {
			m.table("time (UTC)", "t+", "step", "run", "unit", "who or what", "in the record's words", "entry")
		}
		actor := md(e.Actor)
		if e.ActorKind != "" {
			actor += " (" + md(e.ActorKind) + ")"
		}
		m.row(stamp(e.At), m.since(e.At), md(string(e.Kind)), md(e.Run), md(e.Unit), actor, md(e.Text), fmt.Sprintf("record %d", e.Seq))
	}
	if n == 0 {
		m.line("The record holds none.")
	}
	m.line("")
}
