package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
)

// toConfirm goes to the point where enter runs the plan.
func toConfirm(w *world) {
	w.press("r", "R")
	w.wait(defaultGrace)
	w.press("o", "v", "e", "n")
}

func TestChangedPlanIsShownAgainAndNotRun(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.refusal = fmt.Errorf("oven moved: %w", rollback.ErrPlanChanged) })
	toConfirm(w)
	w.f.plan.Hash = "77777777777777777777"
	w.f.plan.Units = append([]rollback.UnitPlan(nil), w.f.plan.Units...)
	w.f.plan.Units[0].From = rollback.Revision{Digest: "sha256:42cc", Label: "r42"}
	w.press("enter")
	if len(w.f.started) > 0 || w.f.plans != 2 {
		t.Errorf("started %v, planned %d times", w.f.started, w.f.plans)
	}
	if got := w.screen(); !strings.Contains(got, "THE PLAN CHANGED") || !strings.Contains(got, "9c1e44d0aa17") || !strings.Contains(got, "777777777777") || !strings.Contains(got, "oven now serves r42 42cc, it was r41 41aa0f3") {
		t.Errorf("the difference is not shown:\n%s", got)
	}
}

func TestEngineRefusalIsShown(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.refusal = fmt.Errorf("RUN-7: %w", rollback.ErrLocked) })
	toConfirm(w)
	w.press("enter")
	if len(w.f.started) > 0 || !strings.Contains(w.screen(), "another run holds the unit") {
		t.Errorf("started %v:\n%s", w.f.started, w.screen())
	}
}

func TestRunThatDidNotStartSaysHowToGoOn(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.startErr = errBoom })
	toConfirm(w)
	w.press("enter")
	if got := w.screen(); !strings.Contains(got, "backout runs resume RUN-0192") {
		t.Errorf("no way on:\n%s", got)
	}
}

func TestPlanErrorIsShown(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.planErr = rollback.ErrNoTarget })
	w.press("r", "R")
	if got := w.screen(); w.m.modal != nil || !strings.Contains(got, "no known good revision") || !strings.Contains(got, "R is off: there is no plan") {
		t.Errorf("screen:\n%s", got)
	}
}

func TestUnitsCanBeLeftOut(t *testing.T) {
	w := newWorld(t, nil)
	w.press("r", "j", "space")
	s := w.m.top().(*planScreen)
	if len(s.request.Only) != 2 || w.f.plans != 2 {
		t.Errorf("only %v, planned %d times", s.request.Only, w.f.plans)
	}
	if got := s.line(); !strings.Contains(got, "--only migrations:bakery/oven-db") {
		t.Errorf("the command line leaves the selection out: %s", got)
	}
}

func TestReasonIsAskedForWhereThePolicyWantsOne(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.plan.Decision.NeedsReason = true })
	w.press("r", "R")
	if w.m.modal != nil || w.m.prompt == nil {
		t.Fatalf("R opened %v and %v", w.m.modal, w.m.prompt)
	}
	w.press("enter")
	if w.m.modal != nil {
		t.Fatal("no reason was one")
	}
	w.press("R")
	for _, r := range "it burns" {
		w.press(map[bool]string{true: "space", false: string(r)}[r == ' '])
	}
	w.press("enter")
	w.wait(defaultGrace)
	w.press("o", "v", "e", "n", "enter")
	if len(w.f.yes) != 1 || w.f.yes[0].Reason != "it burns" {
		t.Errorf("confirmed %+v", w.f.yes)
	}
}

func TestAbortAsksAndStops(t *testing.T) {
	w := newWorld(t, nil)
	toConfirm(w)
	w.press("enter", "A", "y")
	if len(w.f.aborted) > 0 {
		t.Fatal("y counted just after the question opened")
	}
	w.wait(defaultGrace)
	w.press("enter", "y")
	if len(w.f.aborted) != 1 {
		t.Errorf("aborted %v", w.f.aborted)
	}
}

func TestForwardIsAPlanOfItsOwn(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.run = run(rollback.RunSucceeded) })
	toConfirm(w)
	w.f.plan.Kind = "forward"
	w.press("enter", "U")
	s, ok := w.m.top().(*planScreen)
	if !ok || s.request.Run != "RUN-0192" || s.request.Change != nil {
		t.Fatalf("U opened %T", w.m.top())
	}
	if len(w.f.yes) != 1 {
		t.Errorf("U confirmed by itself: %v", w.f.yes)
	}
	w.press("R")
	if got := w.screen(); !strings.Contains(got, "BRING FORWARD IN PRODUCTION") || !strings.Contains(got, "backout rollback RUN-0192 --plan-hash 9c1e44d0aa17") {
		t.Errorf("confirmation:\n%s", got)
	}
}

// What cannot go alone stays in the plan, which says why; nothing has to be planned anew to go on.
func TestUnitThatCannotBeLeftOutStaysIn(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.plan = together() })
	w.press("r")
	w.f.planErr = fmt.Errorf("releases:bakery/oven: the same change is live on both: %w", rollback.ErrNotAlone)
	w.press("space")
	s := w.screen()
	for _, want := range []string{"[x] releases:bakery/mixer", "[x] releases:bakery/oven", "not without the others", "cannot go back alone", "  R run (asks)"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q:\n%s", want, s)
		}
	}
	if strings.Contains(s, "--only") {
		t.Errorf("the command line leaves a unit out:\n%s", s)
	}
}

func TestEndOfARunRingsOnce(t *testing.T) {
	w := newWorld(t, nil)
	send := func(state rollback.RunState) {
		w.f.st.Runs, w.f.st.Version = []rollback.Run{run(state)}, w.f.st.Version+1
		w.send(stateMsg{w.f.st})
	}
	rung := func() (n int) {
		for _, m := range w.out {
			if raw, ok := m.(tea.RawMsg); ok && raw.Msg == "\a" {
				n++
			}
		}
		return n
	}
	send(rollback.RunVerifying)
	if rung() != 0 || w.m.View().WindowTitle != "[PROD] backout INC-1" {
		t.Errorf("live: rung %d times, title %q", rung(), w.m.View().WindowTitle)
	}
	send(rollback.RunSucceeded)
	send(rollback.RunSucceeded)
	if rung() != 1 || !strings.Contains(w.m.View().WindowTitle, "RUN-0192 SUCCEEDED") {
		t.Errorf("ended: rung %d times, title %q", rung(), w.m.View().WindowTitle)
	}
}

func TestLeavingALiveRunAsks(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.st.Runs = []rollback.Run{run(rollback.RunRunning)} })
	w.press("q")
	if !strings.Contains(w.screen(), "backout runs attach RUN-0192") {
		t.Fatalf("q did not say how to come back:\n%s", w.screen())
	}
	w.wait(defaultGrace)
	w.press("y")
	if len(w.out) == 0 || w.out[len(w.out)-1] != (tea.QuitMsg{}) {
		t.Errorf("y did not quit: %v", w.out)
	}
}

func TestPalette(t *testing.T) {
	for command, want := range map[string]string{
		"note the oven is off":           "the oven is off",
		"suspect confirm it was cured":   "c09 true it was cured",
		"suspect dismiss only a restart": "c09 false only a restart",
		"incident close all well":        "close [all well]",
	} {
		w := newWorld(t, nil)
		w.m.prompt = newPalette(w.m.console)
		w.do(w.m.prompt.send(command))
		if len(w.f.noted) != 1 || w.f.noted[0] != want {
			t.Errorf(":%s wrote %q, want %q", command, w.f.noted, want)
		}
	}
	for command, want := range map[string]string{
		"suspect confirm": "why?", "note": "needs its text", "zzz": "no command zzz", "s": "could be", "window 3h": "windows:", "incident eat": "no such thing",
	} {
		w := newWorld(t, nil)
		w.do(execute(w.m.console, command))
		if !strings.Contains(w.m.notice, want) || len(w.f.noted) > 0 {
			t.Errorf(":%s says %q, want %q", command, w.m.notice, want)
		}
	}
	w := newWorld(t, nil)
	w.press(":", "w", "tab", "2", "h", "enter")
	if got := w.m.home().span.name; got != "2h" {
		t.Errorf("the window is %s", got)
	}
}

// Every key of every screen has its help, and every key that alters the world has its command line.
func TestKeysAreExplained(t *testing.T) {
	for name, way := range shots() {
		w := newWorld(t, nil)
		way(w)
		w.wait(time.Second)
		for _, s := range append(w.m.stack, w.m.modal) {
			if s == nil {
				continue
			}
			explained(t, name, s)
		}
	}
}

func explained(t *testing.T, name string, s screen) {
	for _, b := range s.FullHelp()[0] {
		if b.Help().Key == "" || b.Help().Desc == "" || len(b.Keys()) == 0 {
			t.Errorf("%s: key %v has the help %+v", name, b.Keys(), b.Help())
		}
	}
	if len(s.ShortHelp()) == 0 {
		t.Errorf("%s: nothing on the key line of %s", name, s.Title())
	}
	for _, a := range s.keys() {
		if _, modal := s.(*confirmScreen); a.acts && !modal && a.off() == "" && (a.line == nil || a.line() == "") {
			t.Errorf("%s: %s has no command line", name, a.label)
		}
		if a.acts && !strings.Contains("RDUPSWAyenter", a.label) {
			t.Errorf("%s: %s acts but is not an uppercase key", name, a.label)
		}
	}
}
