package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// layout splits the body: lines for the lanes, for the list's head, and for its rows.
func (s *timelineScreen) layout(w, h int) (lanes, head, rows int) {
	lanes = len(s.lanesIn(w, laneRoom(w, h))) + 1
	if hints := len(s.hints()); hints > 0 {
		head += hints
	}
	if s.c.noneFirst() && s.c.st.Incident != nil && w < wideWidth {
		head++
	}
	head += 2 // rule and column names
	return lanes, head, max(h-lanes-head, 1)
}

// laneRoom is how many lines the lanes and their axis may have at most.
func laneRoom(w, h int) int {
	switch {
	case w < 80 || h < 14:
		return 2
	case h < 26:
		return 5
	default:
		return 9
	}
}

// hints are shown while there is no alert source or nothing that could be rolled back.
func (s *timelineScreen) hints() []string { return s.c.opts.Hints }

// Render implements screen.
func (s *timelineScreen) Render(w, h int) string {
	p := newPage(w, h)
	p.add(s.laneLines(w, laneRoom(w, h))...)
	p.add(s.c.style.rule(w))
	for _, hint := range s.hints() {
		p.add(" " + s.c.style.careful(plain(hint)))
	}
	if s.c.st.Incident != nil && s.c.noneFirst() && w < wideWidth {
		p.add(" " + s.c.style.bold(s.c.noneSentence()))
	}
	if w < wideWidth {
		p.add(s.rowLines(w, p.left())...)
		return p.text()
	}
	lw := w * 58 / 100
	left := s.rowLines(lw, p.left())
	right := newPage(w-lw-2, p.left())
	s.c.culpritLines(right, s.shownSuspect(), false)
	bar := s.c.style.bar()
	for i := range left {
		r := ""
		if i < len(right.lines) {
			r = right.lines[i]
		}
		p.add(fit(left[i], lw) + bar + " " + r)
	}
	return p.text()
}

// shownSuspect is the suspect of the pane: the one under the cursor, else the first.
func (s *timelineScreen) shownSuspect() int {
	i, _ := s.c.suspect(s.current().id)
	return i
}

// rowLines are the column names and the visible rows, n lines in all.
func (s *timelineScreen) rowLines(w, n int) []string {
	cols := s.columns(w)
	out := make([]string, 0, n)
	out = append(out, s.c.style.faint(cols.head(s.c.clock())))
	l := s.list
	l.clamp(s.view.len(), n-1)
	ck := s.c.clock()
	for i := l.top; i < min(l.top+n-1, s.view.len()); i++ {
		out = append(out, cols.row(s, s.view.entry(i), i == l.cursor, ck))
	}
	if s.view.len() == 0 && len(out) < n {
		out = append(out, "", " "+s.emptiness())
	}
	for len(out) < n {
		out = append(out, "")
	}
	return out[:n]
}

// emptiness says why the list is empty.
func (s *timelineScreen) emptiness() string {
	switch {
	case s.c.st.Version == 0:
		return "no source has answered yet"
	case s.filter != "" && s.view.hidden() > 0:
		return "nothing matches the filter; / changes it"
	case s.span.d > 0:
		return "nothing happened in the last " + s.span.name + "; t shows more"
	default:
		return "nothing is known"
	}
}

// columns are the widths of one row.
type columns struct {
	w, time, kind, unit, what, ai, p int
	span                             time.Duration
}

func (s *timelineScreen) columns(w int) columns {
	c := columns{w: w, kind: 8, ai: 4, p: 3, span: s.span.d}
	if s.span.d == 0 {
		c.span = 1 << 62
	}
	c.time = s.c.clock().columns(c.span)
	if w < 64 {
		c.ai = 0
	}
	c.unit = min(max(w*2/9, 12), 26)
	c.what = w - 1 - c.time - 1 - c.kind - 1 - c.unit - 1 - c.p - 1
	if c.ai > 0 {
		c.what -= c.ai + 1
	}
	return c
}

func (c columns) head(ck clock) string {
	ai := ""
	if c.ai > 0 {
		ai = fit("AI", c.ai) + " "
	}
	return " " + fit(ck.label(), c.time) + " " + fit("KIND", c.kind) + " " + fit("UNIT", c.unit) + " " + fit("WHAT", c.what) + " " +
		ai + fitRight("P", c.p)
}

func (c columns) row(s *timelineScreen, e entry, here bool, ck clock) string {
	var b strings.Builder
	b.Grow(c.w + 24)
	if here {
		b.WriteByte('>')
	} else {
		b.WriteByte(' ')
	}
	put(&b, ck.row(e.at, c.span), c.time)
	switch kind := e.kindWord(); {
	case e.alert && e.open:
		b.WriteString(s.c.style.bad(fit(kind, c.kind)) + " ")
	case e.alert:
		b.WriteString(s.c.style.faint(fit(kind, c.kind)) + " ")
	default:
		put(&b, plain(kind), c.kind)
	}
	put(&b, plain(e.unit), c.unit)
	c.rest(&b, s.c, &e)
	if here {
		return s.c.style.reverse(b.String())
	}
	return b.String()
}

// rest is what happened, with AI and P for a change. An alert or a note has neither, and takes their place.
func (c columns) rest(b *strings.Builder, con *console, e *entry) {
	tail := c.p
	if c.ai > 0 {
		tail += c.ai + 1
	}
	if e.alert || e.note {
		b.WriteString(fit(plain(e.what), c.what+1+tail))
		return
	}
	put(b, plain(e.what), c.what)
	if c.ai > 0 {
		put(b, e.ai, c.ai)
	}
	p, _ := con.probability(e)
	b.WriteString(fitRight(p, c.p))
}

// probability is the P of a change, as ".62".
func (c *console) probability(e *entry) (string, bool) {
	p, ok := c.board.p[e.id]
	if !ok {
		return "", false
	}
	return share(p), true
}

// share writes a probability in three columns.
func share(p float64) string {
	if p >= 0.995 {
		return "1.0"
	}
	return fmt.Sprintf("%.2f", p)[1:]
}

// laneLines draw when things happened: an axis and one line for each kind, n lines in all.
func (s *timelineScreen) laneLines(w, n int) []string {
	name, cols := laneColumns(w)
	out := make([]string, 0, n)
	out = append(out, pad(name+1)+axis(s.c.clock(), s.laneWindow(), cols))
	for _, l := range s.lanesIn(w, n) {
		if l.levels != nil {
			out = append(out, " "+fit(s.c.symptomName(&l, name), name)+"|"+s.c.symptomText(l.levels)+"|")
			continue
		}
		if l.counts == nil {
			out = append(out, " "+fit(l.name, name)+s.c.style.faint(cut(" "+l.text, cols+1)))
			continue
		}
		out = append(out, " "+fit(l.name, name)+"|"+s.c.laneText(l)+"|")
	}
	return out
}

// laneColumns are how wide the names of the lanes are, and the lanes.
func laneColumns(w int) (name, cols int) {
	name = 9
	if w >= wideWidth {
		name = 15
	}
	return name, w - name - 3
}

// laneWindow is the time that the lanes go over; it has both ends.
func (s *timelineScreen) laneWindow() providers.Window {
	win := providers.Window{Since: s.window().Since, Until: s.end()}
	if win.Since.IsZero() {
		win.Since = s.view.oldest(win.Until)
	}
	return win
}

// lanesIn are the lanes below the axis where there are n lines with it. Where each kind could have a lane of its own,
// those in which nothing happened are named in one line, which leaves room for the list and the evidence.
func (s *timelineScreen) lanesIn(w, n int) []lane {
	_, cols := laneColumns(w)
	win := s.laneWindow()
	all := s.c.board.lanes(win, cols)
	if n >= stripRoom {
		if strip, ok := s.c.symptomLane(win, cols); ok {
			return withStrip(fitLanes(all, n-2), strip)
		}
	}
	return fitLanes(all, n-1)
}

// stripRoom is from how many lines on, the axis among them, the symptom has one: alerts, deploys and the rest have theirs.
const stripRoom = 5

func fitLanes(all []lane, n int) []lane {
	if len(all) <= n {
		return foldQuiet(all)
	}
	return mergeLanes(all, n)
}

// axis writes round times over the columns that they belong to.
func axis(ck clock, w providers.Window, cols int) string {
	b := []byte(strings.Repeat(" ", cols+1))
	span := w.Until.Sub(w.Since)
	if span <= 0 || cols <= 0 {
		return string(b)
	}
	step, layout := tick(span, cols)
	_, offset := ck.in(w.Until).Zone()
	shift := time.Duration(offset) * time.Second
	next := 0
	for t := w.Since.Add(shift).Truncate(step).Add(step - shift); t.Before(w.Until); t = t.Add(step) {
		text := ck.in(t).Format(layout)
		if ck.zone == zoneRelative {
			text = "-" + ago(ck.now.Sub(t))
		}
		x := int(float64(t.Sub(w.Since)) / float64(span) * float64(cols))
		if x >= next && x+len(text) <= len(b) {
			copy(b[x:], text)
			next = x + len(text) + 2
		}
	}
	return string(b)
}

// tick is a round distance between the times of an axis that leaves about 12 columns for each, and how to write them.
func tick(span time.Duration, cols int) (time.Duration, string) {
	const day = 24 * time.Hour
	want := span * 12 / time.Duration(cols)
	for _, t := range []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if want <= t && span <= 36*time.Hour {
			return t, "15:04"
		}
	}
	for _, t := range []time.Duration{day, 2 * day, 7 * day, 14 * day, 30 * day} {
		if want <= t {
			return t, "01-02"
		}
	}
	return max(want.Truncate(day), day), "2006-01"
}

// laneText draws one lane: a dot for nothing, a letter for one, a digit for several.
func (c *console) laneText(l lane) string {
	b := make([]byte, len(l.counts))
	some := false
	for i, n := range l.counts {
		switch {
		case n <= 0:
			b[i] = '.'
		case n == 1:
			b[i] = l.mark
		case n < 10:
			b[i] = byte('0' + n)
		default:
			b[i] = '+'
		}
		some = some || n > 0
	}
	if !some {
		return c.style.faint(string(b))
	}
	return c.marked(b, l.mark == '!')
}

// marked leaves the dots of a lane faint, so that what happened stands out, and a symptom in the colour of bad.
func (c *console) marked(b []byte, bad bool) string {
	var out strings.Builder
	for i := 0; i < len(b); {
		j := i + 1
		for j < len(b) && (b[j] == '.') == (b[i] == '.') {
			j++
		}
		switch run := string(b[i:j]); {
		case b[i] == '.':
			out.WriteString(c.style.faint(run))
		case bad:
			out.WriteString(c.style.bad(run))
		default:
			out.WriteString(run)
		}
		i = j
	}
	return out.String()
}
