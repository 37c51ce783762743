package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// listRows is how many units are shown at once: about half of the screen, the rest is for the one under the cursor.
func (s *drillsScreen) listRows(h int) int { return max(min(len(s.rows()), h-4-min(h/2, 14)), 3) }

// Render implements screen.
func (s *drillsScreen) Render(w, h int) string {
	if s.whole && s.shown() != nil {
		return strings.Join(s.scroll.window(s.details(w), h), "\n")
	}
	p := newPage(w, h)
	s.coverage(p)
	p.add("", s.c.style.faint("   "+s.columns(w, nil)))
	rows, n := s.rows(), s.listRows(h)
	l := s.list
	l.clamp(len(rows), n)
	for i := l.top; i < min(l.top+n, len(rows)); i++ {
		text := s.columns(w, &s.book.Units[rows[i]])
		if i == l.cursor {
			p.add(s.c.style.reverse(fit(" > "+text, w)))
			continue
		}
		p.add("   " + text)
	}
	switch {
	case len(rows) > 0:
	case s.err != nil:
		for _, line := range wrap(plain(s.err.Error()), w-3) {
			p.add("   " + line)
		}
	case !s.read:
		p.add("   looking at the units ...")
	case s.filter != "":
		p.add("   no unit matches " + plain(s.filter))
	default:
		p.add("   there is no unit that could be taken back: backout doctor says what is missing")
	}
	if u := s.shown(); u != nil {
		p.add(s.c.style.rule(w))
		p.add(s.brief(u, w)...)
	}
	return p.text()
}

// coverage is the first line: how many of how many.
func (s *drillsScreen) coverage(p *page) {
	if !s.read || s.err != nil && len(s.book.Units) == 0 {
		p.add(" " + s.c.style.bold("COVERAGE") + "   not known")
		return
	}
	t := s.book.tally(s.c.now())
	text := fmt.Sprintf("units %d   drilled in 30d %d (%s)   passing %d   failing %d   never tried %d   no way back %d", t.units, t.lately, t.share(), t.passing, t.failing, t.never, t.oneWay)
	if p.w < wideWidth {
		text = fmt.Sprintf("%d units  %s drilled in 30d  %d pass  %d FAIL  %d never  %d no way", t.units, t.share(), t.passing, t.failing, t.never, t.oneWay)
	}
	if s.filter != "" {
		text += "   /" + plain(s.filter)
	}
	p.add(" " + s.c.style.bold("COVERAGE") + "   " + text)
}

// columns is a row of the list, or its heading.
func (s *drillsScreen) columns(w int, u *DrillUnit) string {
	cells := []string{"UNIT", "KIND", "LAST", "RESULT", "TIME", "SLOWEST SEGMENT", "WHERE", "OWNER", "DUE"}
	widths := []int{20, 18, 5, 10, 6, 24, 8, 11, 0}
	if w < wideWidth {
		widths = []int{20, 18, 5, 10, 6, -1, -1, -1, 0}
	}
	result := ""
	if u != nil {
		r := u.record()
		last, slow, where := "-", "-", "-"
		if r != nil {
			last, slow, where = ago(s.c.now().Sub(r.At())), slowest(r), plain(r.Environment)
		}
		result = u.result()
		cells = []string{unitName(u.Unit.ID), plain(u.Unit.Kind), last, result, tookWord(r), slow, where, plain(u.Owner), u.due(s.c.now())}
	}
	var b strings.Builder
	for i, n := range widths {
		switch {
		case n < 0:
		case n == 0:
			b.WriteString(cells[i])
		case i == 3 && u != nil:
			b.WriteString(s.result(result, n) + " ")
		default:
			b.WriteString(fit(cells[i], n) + " ")
		}
	}
	return b.String()
}

// result is the word for how a unit stands, in its colour.
func (s *drillsScreen) result(word string, n int) string {
	switch word {
	case drillPass:
		return s.c.style.good(fit(word, n))
	case drillFail, drillLeft:
		return s.c.style.bad(fit(word, n))
	case drillStale, drillLive:
		return s.c.style.careful(fit(word, n))
	default:
		return fit(word, n)
	}
}

// brief is what stands below the list: the last execution of the unit, and what it means for an incident.
func (s *drillsScreen) brief(u *DrillUnit, w int) []string {
	out := []string{s.heading(u, w)}
	d, r := u.told(), u.record()
	proved := d == nil || r != nil && r.Drill == d.ID
	if !proved {
		out = append(out, labelled("  ", plain(d.Detail), w)...)
	}
	if d != nil && !d.State.Final() && !d.Alive {
		out = append(out, "  "+s.c.style.bad("nobody works on it")+": "+s.c.command(CommandDrillResume, d.ID))
	}
	out = append(out, s.halves(d)...)
	if proved && r != nil && r.Outcome != proof.Pass {
		out = append(out, labelled("  finding: ", plain(r.Detail), w)...)
	}
	words := plain(u.Standing.Words(s.c.now()))
	return append(append(out, ""), labelled(" "+s.c.style.bold("EFFECT ON INCIDENTS")+"   ", "a plan for it says: "+words, w)...)
}

// heading names the last drill or execution, and what the one before it came to.
func (s *drillsScreen) heading(u *DrillUnit, w int) string {
	r, d := u.record(), u.told()
	if d != nil && (r == nil || r.Drill != d.ID) {
		left, right := fmt.Sprintf(" %s  %s  %s  %s", s.c.style.bold(plain(d.ID)), unitName(u.Unit.ID), s.c.clock().stamp(d.StartedAt), plain(string(d.State))), ""
		if r != nil {
			right = fmt.Sprintf("run before: %s %s %s", called(r), r.Outcome, tookWord(r))
		}
		return between(left, right, w)
	}
	if r == nil {
		text := " " + s.c.style.bold(unitName(u.Unit.ID)) + "  was never taken back"
		switch {
		case u.OneWay != "":
			text += ": " + plain(u.OneWay)
		case u.NoTarget:
			text += ": there is no earlier revision that is known to have served well"
		}
		return cut(text, w)
	}
	left := fmt.Sprintf(" %s  %s  %s  %s", s.c.style.bold(called(r)), unitName(u.Unit.ID), s.c.clock().stamp(r.At()), string(r.Outcome))
	if r.Times.Took() > 0 {
		left += " after " + tookWord(r)
	}
	if e := u.earlier(); e != nil {
		return between(left, fmt.Sprintf("run before: %s %s %s", called(e), e.Outcome, tookWord(e)), w)
	}
	return left
}

// halves are the steps of both halves of a drill.
func (s *drillsScreen) halves(d *rollback.Drill) []string {
	if d == nil {
		return nil
	}
	var out []string
	for _, half := range []struct{ word, id string }{{"back", d.Back}, {"forward", d.Forward}} {
		r, ok := s.book.Runs[half.id]
		if !ok {
			continue
		}
		for i := range r.Steps {
			out = append(out, s.step(half.word, &r, i))
		}
		took := "-"
		if !r.EndedAt.IsZero() && !r.ConvergedAt.IsZero() {
			took = roughly(r.EndedAt.Sub(r.ConvergedAt))
		}
		out = append(out, "  "+s.mark(r.State == rollback.RunSucceeded, r.State.Final())+" "+fit(half.word, 8)+" "+fit("verify: "+plain(string(r.State)), 44)+" "+took)
	}
	return out
}

func (s *drillsScreen) step(half string, r *rollback.Run, i int) string {
	st := &r.Steps[i]
	took := "-"
	if !st.EndedAt.IsZero() && !st.At.IsZero() {
		took = roughly(st.EndedAt.Sub(st.At))
	}
	return "  " + s.mark(st.State == rollback.StepApplied, st.State != rollback.StepPending && st.State != rollback.StepIntent) + " " +
		fit(half, 8) + " " + fit(fmt.Sprintf("%d %s", st.N, plain(st.Title)), 44) + " " + took
}

func (s *drillsScreen) mark(ok, over bool) string {
	switch {
	case ok:
		return s.c.style.good(fit("ok", 4))
	case over:
		return s.c.style.bad(fit("FAIL", 4))
	default:
		return fit("...", 4)
	}
}

// details are everything of one unit: what its way back counts for and why not for more, both halves of the last drill, its
// segments beside those of the run before, and all that was ever executed.
func (s *drillsScreen) details(w int) []string {
	u := s.shown()
	out := []string{" " + s.c.style.bold(plain(string(u.Unit.ID))) + "  " + plain(u.Unit.Kind), " now      " + plain(u.Standing.Words(s.c.now()))}
	for _, why := range proof.List(u.Standing.Reasons) {
		out = append(out, labelled(" not more because  ", plain(why), w)...)
	}
	if crew := u.Standing.Crew; crew.Enough {
		out = append(out, labelled(" done by  ", plain(strings.Join(crew.People, ", "))+" within 180 days", w)...)
	} else if crew.Why != "" {
		out = append(out, labelled(" done by  ", plain(crew.Why), w)...)
	}
	out = append(append(out, ""), s.brief(u, w)...)
	if d := u.told(); d != nil && len(d.Before) > 0 {
		out = append(out, "", " "+s.c.style.bold("LOOKED AT BEFORE IT"))
		for _, b := range d.Before {
			out = append(out, cut("  "+fit(plain(string(b.State)), 8)+" "+fit(plain(string(b.Name)), 13)+" "+plain(b.Text), w))
		}
	}
	out = append(append(out, ""), s.compared(u)...)
	out = append(out, "", " "+s.c.style.bold("ALL EXECUTIONS"))
	for i := range u.Records {
		r := &u.Records[i]
		out = append(out, cut(fmt.Sprintf("  %s  %s  %s -> %s  %s  %s  by %s", fit(called(r), 12), s.c.clock().stamp(r.At()), plain(r.From.Label), plain(r.To.Label), r.Outcome, tookWord(r), plain(r.People.Executor)), w))
	}
	for i := range out {
		out[i] = cut(out[i], w)
	}
	return out
}

// compared lays the segments of the last execution beside those of the one before.
func (s *drillsScreen) compared(u *DrillUnit) []string {
	r, e := u.record(), u.earlier()
	if r == nil {
		return nil
	}
	before := ""
	var old []segment
	if e != nil {
		before, old = called(e), segmentsOf(e)
	}
	out := []string{" " + s.c.style.bold(fit("SEGMENT", 24)) + " " + fit(called(r), 14) + " " + before}
	for _, sp := range segmentsOf(r) {
		was := ""
		if at := slices.IndexFunc(old, func(o segment) bool { return o.name == sp.name }); at >= 0 {
			was = roughly(old[at].took)
		} else if e != nil {
			was = "-"
		}
		out = append(out, "  "+fit(sp.name, 23)+" "+fit(roughly(sp.took), 14)+" "+was)
	}
	return out
}
