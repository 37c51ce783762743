package tui

import (
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// Render implements screen.
func (s *runScreen) Render(w, h int) string {
	p := newPage(w, h)
	p.add(s.top(w, h)...)
	log, rows := s.logLines(w, h), s.logRows(w, h)
	start := max(len(log)-rows, 0)
	if s.held {
		start = min(s.scroll.top, start)
	}
	p.add(log[start:min(start+rows, len(log))]...)
	last := s.survives(w, h)
	for p.left() > len(last) {
		p.add("")
	}
	p.add(last...)
	return p.text()
}

func (s *runScreen) logRows(w, h int) int { return max(h-len(s.top(w, h))-len(s.survives(w, h))-1, 1) }

// shortBody is below how many lines of a body the steps need the room that a long command would take; y copies it whole.
const shortBody = 16

// lowBody is up to how many lines of a body the log has no head of its own.
const lowBody = 22

// logLines are what the run said, whole. Where no head above them has the offset, each time has it.
func (s *runScreen) logLines(w, h int) []string {
	out := make([]string, 0, len(s.run.Log))
	ck := s.c.clock()
	for i := range s.run.Log {
		l := &s.run.Log[i]
		at := " " + ck.row(l.At, time.Hour) + " "
		if h <= lowBody {
			at = " " + ck.stamp(l.At) + " "
		}
		out = append(out, labelled(at, plain(l.Text), w-1)...)
	}
	return out
}

// top is everything above the log.
func (s *runScreen) top(w, h int) []string {
	p := newPage(w, max(h-2-len(s.survives(w, h)), 1))
	s.headline(p)
	p.add(s.bar(w), "")
	s.stepLines(p)
	p.add(s.c.style.rule(w))
	s.verifyLines(p)
	p.add(s.c.style.rule(w))
	if h > lowBody {
		follows := "follows the newest"
		if s.held {
			follows = "held: f follows"
		}
		p.add(between(" "+s.c.style.bold("OUTPUT")+"  "+follows, "times "+s.c.clock().offset()+" ", w))
	}
	return p.lines
}

// headline says which run it is, what is true now, and for how long it has been going.
func (s *runScreen) headline(p *page) {
	r := &s.run
	now := s.c.now()
	span := now.Sub(r.StartedAt)
	if !r.EndedAt.IsZero() {
		span = r.EndedAt.Sub(r.StartedAt)
	}
	clock := "elapsed " + elapsed(span)
	if est := estimate(&r.Plan); est > 0 && !r.State.Final() {
		clock += " of about " + elapsed(est)
	}
	left := " " + s.c.style.bold(plain(r.ID)) + "  " + what(&r.Plan)
	if p.w >= wideWidth {
		left += "   started " + s.c.clock().stamp(r.StartedAt) + " by " + plain(r.By.By.ID)
	}
	p.add(between(left, clock+" ", p.w))
	lines := labelled(" "+s.stateWord()+"  ", plain(r.Detail), p.w-1)
	p.add(lines[:min(len(lines), 2)]...)
	if r.PauseBy != "" && !r.State.Final() {
		p.add(" " + s.c.style.careful(s.pausing()))
	}
	if !r.State.Final() && !r.Alive && r.Executor != "" {
		p.add(" " + s.c.style.careful("no process works on it") + "  " + s.c.command(CommandResume, r.ID))
	}
	if s.err != nil {
		p.add(" " + s.c.style.careful("the journal does not answer: "+plain(s.err.Error())))
	}
}

// pausing is what a run does that somebody asked to wait, and how it goes on.
func (s *runScreen) pausing() string {
	who, at := plain(s.run.PauseBy), s.c.clock().stamp(s.run.PausedAt)
	switch {
	case !s.run.Paused:
		return "it waits after this step, as " + who + " asked at " + at + "; P takes that back"
	case s.run.Alive:
		return "since " + at + ", as " + who + " asked; P goes on, A stops it here"
	default:
		return "since " + at + ", as " + who + " asked"
	}
}

// what is the run's effect in a few words.
func what(p *rollback.Plan) string {
	switch len(p.Units) {
	case 0:
		return "nothing"
	case 1:
		return unitName(p.Units[0].Unit.ID) + " " + revision(p.Units[0].From) + " -> " + revision(p.Units[0].To)
	default:
		var parts []string
		for i := range p.Units {
			parts = append(parts, unitName(p.Units[i].Unit.ID)+" "+name(p.Units[i].From)+" -> "+name(p.Units[i].To))
		}
		return strings.Join(parts, ", ")
	}
}

// estimate is the sum over the units and how long all has to be well, 0 where one of them is not known.
func estimate(p *rollback.Plan) time.Duration {
	sum := p.Hold
	for i := range p.Units {
		if p.Units[i].Estimate == 0 {
			return 0
		}
		sum += p.Units[i].Estimate
	}
	return sum
}

func (s *runScreen) stateWord() string {
	word := string(s.run.State)
	if s.run.Paused && !s.run.State.Final() {
		return s.c.style.careful("PAUSED")
	}
	switch s.run.State {
	case rollback.RunSucceeded, rollback.RunAlreadyGood:
		return s.c.style.good(word)
	case rollback.RunConfirmed, rollback.RunRunning, rollback.RunConverging, rollback.RunVerifying:
		return s.c.style.bold(word)
	case rollback.RunUnknown, rollback.RunNeedsHuman:
		return s.c.style.bad(word)
	default:
		return s.c.style.careful(word)
	}
}

// bar is the share of steps that are over; verification counts as one.
func (s *runScreen) bar(w int) string {
	done, all := s.progressed()
	n := min(max(w-30, 10), 72)
	full := n * done / all
	fill, rest := "█", "░"
	if s.c.style.ascii {
		fill, rest = "#", "-"
	}
	text := "] step " + itoa(min(done+1, all)) + " of " + itoa(all)
	switch {
	case done == all:
		text = "] " + itoa(all) + " of " + itoa(all) + " done"
	case s.run.State.Final():
		text = "] ended at step " + itoa(min(done+1, all)) + " of " + itoa(all)
	}
	return " [" + strings.Repeat(fill, full) + strings.Repeat(rest, n-full) + text
}

func (s *runScreen) progressed() (done, all int) {
	all = len(s.run.Steps) + 1
	for i := range s.run.Steps {
		if st := s.run.Steps[i].State; st != rollback.StepPending && st != rollback.StepIntent {
			done++
		}
	}
	if s.run.State.Final() {
		if s.run.State == rollback.RunSucceeded || s.run.State == rollback.RunAlreadyGood {
			done = all
		}
	}
	return done, all
}

func (s *runScreen) stepLines(p *page) {
	waits := s.run.Paused
	for i := range s.run.Steps {
		st := &s.run.Steps[i]
		next := waits && st.State == rollback.StepPending
		s.stepLine(p, st, next)
		waits = waits && !next
	}
	mark, word := " ", "queued "
	switch {
	case s.run.State == rollback.RunConverging || s.run.State == rollback.RunVerifying:
		mark, word = ">", s.c.style.bold("RUNNING")
	case s.run.State == rollback.RunSucceeded || s.run.State == rollback.RunAlreadyGood:
		word = s.c.style.good("ok     ")
	case s.run.State == rollback.RunUnverified:
		word = s.c.style.careful("OPEN   ")
	case s.run.State.Final():
		word = "not run"
	}
	hold := ""
	if s.run.Plan.Hold > 0 {
		hold = ", well for " + lasted(s.run.Plan.Hold)
	}
	p.add(mark + " " + word + " " + itoa(len(s.run.Steps)+1) + " verify from outside" + hold)
}

// stepLine is one step and how long it took. What came of it stands behind it, or below where there is no room.
func (s *runScreen) stepLine(p *page, st *rollback.StepRun, paused bool) {
	mark, word, took := " ", s.stepWord(st.State), ""
	if paused {
		mark, word = ">", s.c.style.careful("PAUSED ")
	}
	switch {
	case !st.EndedAt.IsZero() && !st.At.IsZero():
		took = lasted(st.EndedAt.Sub(st.At))
	case st.State == rollback.StepIntent:
		took = lasted(s.c.now().Sub(st.At))
	}
	if st.State == rollback.StepIntent {
		mark = ">"
	}
	text := mark + " " + word + " " + itoa(st.N) + " " + stepTitle(&st.Step)
	detail := ""
	if st.Result != nil {
		detail = plain(st.Result.Detail)
	}
	if room := p.w - width(text) - width(took) - 5; detail != "" && width(detail) <= room {
		text, detail = text+"   "+detail, ""
	}
	p.add(between(text, took+" ", p.w))
	if detail != "" && p.w >= wideWidth {
		p.add(labelled(pad(12), detail, p.w-1)...)
	}
}

// stepWord is a step's state in seven columns.
func (s *runScreen) stepWord(st rollback.StepState) string {
	switch st {
	case rollback.StepPending:
		return s.c.style.faint("queued ")
	case rollback.StepIntent:
		return s.c.style.bold("RUNNING")
	case rollback.StepApplied:
		return s.c.style.good("ok     ")
	case rollback.StepNoOp:
		return s.c.style.good("no-op  ")
	case rollback.StepPrecondFailed:
		return s.c.style.bad("CHANGED")
	case rollback.StepFailed:
		return s.c.style.bad("FAILED ")
	default:
		return s.c.style.bad("UNKNOWN")
	}
}

// survives is the promise that lets somebody close the terminal. Its command is there whole, on a line of its own where
// it is long and there is room.
func (s *runScreen) survives(w, h int) []string {
	text, line := " SSH may drop: the run goes on; ", s.c.command(CommandAttach, s.run.ID)
	if s.run.State.Final() {
		text, line = " the record:  ", s.c.command(CommandShow, s.run.ID)
	}
	if width(text)+width(line) <= w || h < shortBody {
		return []string{cut(text+line, w)}
	}
	return append([]string{text}, labelled(" ", line, w)...)
}
