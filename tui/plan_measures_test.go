package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/backout-dev/backout/rollback"
)

// held gives the plan of the tests a step that suspends something first.
func held(p *rollback.Plan) {
	u := &p.Units[0]
	u.Steps = append([]rollback.Step{{N: 1, Unit: u.Unit.ID, Action: "suspend", Title: "pause auto-sync of argo/bakery", Measure: "sync"}}, u.Steps...)
	u.Measures = []rollback.Measure{{
		ID: "sync", Unit: u.Unit.ID, What: "auto-sync of argo/bakery is off\x1b[2J", Exit: "its source holds r40", Undo: "turn auto-sync of argo/bakery on", TTL: 24 * time.Hour,
	}}
	u.LastingFix = "revert 81f2ab in bakery.git"
}

// What is left behind is told before it is confirmed: beside its step where there is room, and below it where there is not.
func TestThePlanTellsWhatHasToBeLifted(t *testing.T) {
	for _, w := range []int{80, 120, 160} {
		wd := newWorld(t, func(_ *Options, f *fake) { held(&f.plan) })
		wd.press("r")
		s := wd.m.top().(*planScreen)
		text := ansi.Strip(strings.Join(s.lines(w), "\n"))
		for _, want := range []string{
			"pause auto-sync of argo/bakery", "turn auto-sync of argo/bakery on", "STAYS", "its source holds r40", "LASTING FIX", "revert 81f2ab in bakery.git",
		} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("at %d columns there is no %q:\n%s", w, want, text)
			}
		}
		if beside := strings.Contains(text, measureColumn); beside != (w >= wideWidth) {
			t.Errorf("at %d columns the measures stand beside the steps: %v", w, beside)
		}
		for _, l := range s.lines(w) {
			if ansi.StringWidth(l) > w || strings.Contains(l, "\x1b[2J") {
				t.Errorf("at %d columns a line is %d wide: %q", w, ansi.StringWidth(l), l)
			}
		}
		wd.press("R")
		if got := wd.screen(); !strings.Contains(got, "auto-sync of argo/bakery is off") {
			t.Errorf("the confirmation does not say it:\n%s", got)
		}
	}
}
