package tui

import (
	"github.com/backout-dev/backout/rollback"
)

// measureColumn is what heads the right half of the steps where one of them sets a temporary measure.
const measureColumn = "MEASURE TO LIFT IF A LATER STEP FAILS"

// measured reports whether the plan leaves something behind that has to be lifted.
func (s *planScreen) measured() bool {
	for i := range s.plan.Units {
		if len(s.plan.Units[i].Measures) > 0 {
			return true
		}
	}
	return false
}

// stepColumn is how wide the steps are where their measures stand beside them; 0 where these go below, for lack of room.
func (s *planScreen) stepColumn(w int) int {
	if !s.measured() || w < wideWidth {
		return 0
	}
	return w - width(measureColumn) - 2
}

func (s *planScreen) stepsHead(p *page) {
	text := s.c.style.bold("STEPS") + "  each only if the target is still what this plan saw"
	if col := s.stepColumn(p.w); col > 0 {
		p.add(fit(" "+text, col) + " " + s.c.style.faint(measureColumn))
		return
	}
	p.add(" " + text)
}

// addStep adds a step, with how the measure that it sets is lifted: beside it, or below it.
func (s *planScreen) addStep(p *page, label, title, undo string) {
	if col := s.stepColumn(p.w); col > 0 {
		if undo == "" {
			undo = "-"
		}
		right := wrap(undo, p.w-col-2)
		p.add(fit(label+title, col) + " " + right[0])
		for _, l := range right[1:] {
			p.add(pad(col+1) + l)
		}
		return
	}
	p.add(label + title)
	if undo != "" {
		p.add(labelled(pad(width(label))+"to lift if a later step fails: ", undo, p.w-1)...)
	}
}

// undoOf is how the measure is lifted that a step sets, "" where it sets none.
func undoOf(u *rollback.UnitPlan, st *rollback.Step) string {
	for _, m := range u.Measures {
		if st.Measure != "" && m.ID == st.Measure {
			return plain(m.Undo)
		}
	}
	return ""
}

// stays is a measure as the plan tells of it: what is so, until when, and for how long at most.
func stays(m *rollback.Measure) string {
	return unitName(m.Unit) + ": " + plain(m.What) + " until somebody lifts it: when " + plain(m.Exit) + ", and within " + lasted(m.TTL)
}
