package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// auditAround is how many lines of the audit screen are no rows.
const auditAround = 5

func (s *auditScreen) visible(w, h int) int { return max(h-auditAround-len(s.prepared(w)), 1) }

// Render implements screen.
func (s *auditScreen) Render(w, h int) string {
	p := newPage(w, h)
	p.add(s.prepared(w)...)
	p.add(between(s.heading(), s.standing(), w))
	p.add(s.c.style.rule(w))
	cols := s.columns(w)
	p.add(s.c.style.faint(cols.line(" ", s.c.clock().label(), "WHO", "ACTION", "UNIT", "DETAIL", "RESULT", "CHAIN")))
	rows := s.visible(w, h)
	l := s.list
	l.clamp(s.rows.n(), rows)
	for i := l.top; i < min(l.top+rows, s.rows.n()); i++ {
		p.add(s.row(cols, i, i == l.cursor, w))
	}
	if s.rows.known && s.rows.n() == 0 {
		p.add(" no entry found")
	}
	for len(p.lines) < h-2 {
		p.add("")
	}
	text := ""
	if row, ok := s.rows.row(l.cursor); ok {
		text = " " + count(int(row.entry.Seq)) + "  " + plain(row.entry.Text)
	}
	p.add(s.c.style.rule(w), text)
	return p.text()
}

// heading is what is listed.
func (s *auditScreen) heading() string {
	switch {
	case s.err != nil:
		return " " + s.c.style.bad("cannot be read: "+plain(s.err.Error()))
	case !s.rows.known:
		return " reading the record ..."
	}
	what := " " + plural(s.rows.n(), "record")
	if !s.rows.all {
		if s.rows.more {
			what += " and more"
		}
		what += " for " + plain(s.text)
	}
	switch {
	case s.rows.behind == 0:
	case s.indexErr != nil:
		what += s.c.style.careful("  the oldest " + count(int(s.rows.behind)) + " were not searched: " + plain(s.indexErr.Error()))
	default:
		what += s.c.style.careful("  the index is made: the oldest " + count(int(s.rows.behind)) + " are not searched yet")
	}
	return what
}

// standing is what the last verification found.
func (s *auditScreen) standing() string {
	st := s.c.style
	switch {
	case s.stop != nil:
		far := "verifying"
		if n := s.read.Load(); n > 0 {
			far = "verifying, " + count(int(n)) + " read"
		}
		return far + " for " + elapsed(s.c.now().Sub(s.began)) + ", v ends it"
	case errors.Is(s.checkErr, context.Canceled):
		return st.careful("not verified: it was ended before it was through")
	case s.checkErr != nil:
		return st.careful("not verified: " + plain(s.checkErr.Error()))
	case s.report == nil:
		return "chain not verified: v"
	case s.report.OK:
		text := "chain of " + count(int(s.report.Entries)) + " verified " + s.c.clock().stamp(s.ended)
		if n := len(s.report.Redacted); n > 0 {
			text += ", " + count(n) + " redacted"
		}
		return st.good(text)
	default:
		return st.bad(plural(len(s.report.Problems), "problem") + ", the first at " + count(int(s.report.Problems[0].Seq)) + ": " + plain(string(s.report.Problems[0].Damage)))
	}
}

// auditColumns are the widths of the list.
type auditColumns struct {
	span                                           time.Duration
	time, who, action, unit, detail, result, chain int
}

func (s *auditScreen) columns(w int) auditColumns {
	c := auditColumns{span: 1 << 62, who: 16, action: 12, unit: 16, result: 12, chain: 8}
	if w < wideWidth {
		c = auditColumns{span: 100 * 24 * time.Hour, who: 10, action: 12, unit: 14, result: 10, chain: 8}
	}
	c.time = s.c.clock().columns(c.span)
	c.detail = max(w-(c.time+c.who+c.action+c.unit+c.result+c.chain+8), 0)
	if c.detail < 12 { // the line below the list has it
		c.unit, c.detail = max(c.unit+c.detail+1, 0), 0
	}
	return c
}

func (c *auditColumns) line(mark string, cells ...string) string {
	var b strings.Builder
	b.WriteString(mark)
	for i, n := range []int{c.time, c.who, c.action, c.unit, c.detail, c.result, c.chain} {
		if n > 0 {
			put(&b, cells[i], n)
		}
	}
	return b.String()
}

func (s *auditScreen) row(cols auditColumns, i int, here bool, w int) string {
	row, ok := s.rows.row(i)
	if !ok {
		if here {
			return s.c.style.reverse(fit(">...", w))
		}
		return " ..."
	}
	e := &row.entry
	cells := []string{
		s.c.clock().row(e.At, cols.span), plain(e.Actor), plain(string(e.Kind)), plain(shortUnit(e.Unit)), plain(e.Text), plain(orDash(row.result)), s.chain(&row),
	}
	if here {
		return s.c.style.reverse(fit(cols.line(">", cells...), w))
	}
	return cols.line(" ", cells...)
}

// chain is what the last verification says of an entry. Without one nothing is known.
func (s *auditScreen) chain(row *auditRow) string {
	switch {
	case s.report == nil || row.entry.Seq > s.report.Head.Seq:
		return "-"
	case slices.ContainsFunc(s.report.Problems, func(p ledger.Problem) bool { return p.Seq == row.entry.Seq }):
		return "BAD"
	case slices.Contains(s.report.Redacted, row.entry.Seq):
		return "redacted"
	case s.report.OK:
		return "ok"
	default:
		return "unknown"
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shortUnit is a unit without the provider and the place, which are the same in most rows.
func shortUnit(id string) string {
	if id == "" {
		return "-"
	}
	return id[strings.LastIndexAny(id, "/:")+1:]
}
