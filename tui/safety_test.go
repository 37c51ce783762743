package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/policy"
)

// chaos does anything that a person, a paste or a terminal can do, except for the keys in without.
func chaos(rt *rapid.T, w *world, without string) (modals int) {
	keys := []string{
		"r", "r", "R", "R", "R", "enter", "enter", "esc", "tab", "space", "up", "down", "backspace", "ctrl+u", "ctrl+d", "G", "g", ":", "/", "?",
		"1", "2", "3", "4", "5", "6", "7", "A", "U", "P", "D", "S", "W", "T", "c", "d", "f", "h", "j", "k", "n", "p", "q", "t", "s", "x", "y", "y", "y", "y", "y", "y", "o", "v", "e", "Y",
	}
	n := rapid.IntRange(1, 60).Draw(rt, "steps")
	for range n {
		switch rapid.IntRange(0, 11).Draw(rt, "what") {
		case 0:
			w.send(tea.PasteMsg{Content: "oven\n"})
		case 1: // a paste that the terminal does not mark
			for _, k := range []string{"o", "v", "e", "n", "enter", "y"} {
				w.wait(time.Millisecond)
				w.send(keyMsg(k))
			}
		case 2:
			w.send(tea.FocusMsg{})
		case 3:
			w.send(stateMsg{w.f.st})
		case 4:
			w.wait(time.Duration(rapid.IntRange(0, 400).Draw(rt, "ms")) * time.Millisecond)
		default:
			k := rapid.SampledFrom(keys).Draw(rt, "key")
			if !strings.Contains(without, k) {
				w.press(k)
			}
		}
		if _, ok := w.m.modal.(*confirmScreen); ok {
			modals++
		}
	}
	return modals
}

// In production nothing reaches the engine's confirmation unless the name was typed: here one of its letters never is.
func TestNoKeysRunAnythingInProductionWithoutTheName(t *testing.T) {
	modals := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, nil)
		modals += chaos(rt, w, "v")
		if len(w.f.yes)+len(w.f.started) > 0 {
			rt.Fatalf("confirmed %v, started %v", w.f.yes, w.f.started)
		}
	})
	if modals == 0 {
		t.Error("the confirmation never opened, so nothing was tried")
	}
}

// Production holds also where the policy itself asks for less.
func TestProductionAsksForTheNameWhateverThePolicySays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, func(_ *Options, f *fake) {
			f.plan.Decision = policy.Decision{Allowed: true, Confirm: policy.ConfirmYes}
		})
		chaos(rt, w, "v")
		if len(w.f.yes)+len(w.f.started) > 0 {
			rt.Fatalf("confirmed %v, started %v", w.f.yes, w.f.started)
		}
	})
}

func TestOneKeyIsNotEnoughInProduction(t *testing.T) {
	for _, env := range []string{"prod", "Production", "prod-eu", "", "live"} {
		w := newWorld(t, func(o *Options, f *fake) {
			o.Environment = env
			f.plan.Decision = policy.Decision{Allowed: true, Confirm: policy.ConfirmYes}
		})
		w.press("r", "R")
		w.wait(defaultGrace)
		w.press("y", "enter")
		if len(w.f.yes) > 0 {
			t.Errorf("y was enough in %q", env)
		}
	}
}

func TestNoKeysDoAnythingInReadOnlyMode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, func(o *Options, _ *fake) { o.ReadOnly = "read-only mode" })
		chaos(rt, w, "")
		w.press("esc", "esc", "esc", "1", "r", "R")
		w.wait(time.Second)
		w.press("o", "v", "e", "n", "enter", "y")
		if len(w.f.yes)+len(w.f.started)+len(w.f.aborted)+len(w.f.paused) > 0 {
			rt.Fatalf("confirmed %v, started %v, aborted %v, paused %v", w.f.yes, w.f.started, w.f.aborted, w.f.paused)
		}
	})
}

func TestStagingNeedsItsOwnKey(t *testing.T) {
	staging := func(o *Options, f *fake) {
		o.Environment = "staging"
		f.plan.Decision = policy.Decision{Allowed: true, Confirm: policy.ConfirmYes}
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, staging)
		chaos(rt, w, "y")
		if len(w.f.yes)+len(w.f.started) > 0 {
			rt.Fatalf("without y: confirmed %v, started %v", w.f.yes, w.f.started)
		}
	})
	w := newWorld(t, staging)
	w.press("r", "R")
	w.wait(defaultGrace)
	w.press("enter", "y")
	if len(w.f.yes) != 1 || len(w.f.started) != 1 {
		t.Errorf("with y: confirmed %v, started %v", w.f.yes, w.f.started)
	}
}

// From the open console to a run that has started: with a name of seven letters that makes ten keys.
func TestTypedNameRuns(t *testing.T) {
	w := newWorld(t, nil)
	w.press("r", "R")
	w.wait(defaultGrace)
	w.press("enter", "o", "v", "x", "backspace", "e", "n")
	if len(w.f.yes) > 0 {
		t.Fatal("confirmed before enter")
	}
	w.press("enter")
	if len(w.f.yes) != 1 || w.f.yes[0].Typed != "oven" || w.f.yes[0].PlanHash != w.f.plan.Hash || w.f.yes[0].By.ID != "ana@bakery" || w.f.yes[0].Via != "console" {
		t.Fatalf("confirmation: %+v", w.f.yes)
	}
	if len(w.f.started) != 1 || w.f.started[0] != "RUN-0192" {
		t.Errorf("started: %v", w.f.started)
	}
	if !strings.Contains(w.screen(), "backout runs attach RUN-0192") {
		t.Errorf("the run's screen does not say how to come back:\n%s", w.screen())
	}
}

// What is destroyed is typed thing by thing, after the name, and also where y alone would be enough.
func TestWhatIsDestroyedIsTyped(t *testing.T) {
	for _, environment := range []string{"prod", "dev"} {
		w := newWorld(t, func(o *Options, f *fake) {
			o.Environment = environment
			f.plan.Units[0].Destroys = []string{"pvc/a, with its data", "pod b"}
			if environment == "dev" {
				f.plan.Decision.Confirm = policy.ConfirmYes
			}
		})
		w.press("r", "R")
		w.wait(defaultGrace)
		if environment == "prod" {
			w.press("o", "v", "e", "n", "enter")
		} else {
			w.press("y", "enter", "ctrl+u")
		}
		w.press("p", "v", "c", "/", "b", "enter", "backspace", "a", "enter")
		w.send(tea.PasteMsg{Content: "pod/b"})
		w.press("enter")
		if len(w.f.yes) > 0 {
			t.Fatalf("%s: confirmed before the last thing was typed: %+v", environment, w.f.yes)
		}
		w.press("p", "o", "d", "/", "b", "enter")
		if len(w.f.yes) != 1 || !slices.Equal(w.f.yes[0].Destroys, []string{"pvc/a", "pod/b"}) || w.f.yes[0].Typed != map[string]string{"prod": "oven", "dev": "y"}[environment] {
			t.Errorf("%s: %+v\n%s", environment, w.f.yes, w.screen())
		}
	}
}

func TestKeysMeantForWhatWasThereBeforeAreDropped(t *testing.T) {
	w := newWorld(t, nil)
	w.press("r", "R")
	w.press("o", "v") // within 300 ms of the modal
	w.wait(defaultGrace)
	w.press("o", "v", "e", "n")
	if s, ok := w.m.modal.(*confirmScreen); !ok || s.text != "oven" {
		t.Fatalf("the field holds %+v", w.m.modal)
	}
	w.send(tea.FocusMsg{})
	w.press("enter")
	if len(w.f.yes) > 0 {
		t.Fatal("enter counted although the terminal only just got the focus")
	}
	w.wait(defaultGrace)
	w.press("enter")
	if len(w.f.yes) != 1 {
		t.Error("enter does not count any more")
	}
}

func TestUppercaseKeysWaitForTheFocus(t *testing.T) {
	w := newWorld(t, nil)
	w.press("r")
	w.send(tea.FocusMsg{})
	w.press("R")
	if w.m.modal != nil {
		t.Error("R counted although the terminal only just got the focus")
	}
}

func TestPasteNeitherActsNorTypesAName(t *testing.T) {
	w := newWorld(t, nil)
	w.send(tea.PasteMsg{Content: "rRq"})
	if len(w.m.stack) != 1 || w.m.modal != nil {
		t.Fatal("a paste pressed keys")
	}
	w.press("r", "R")
	w.wait(defaultGrace)
	w.send(tea.PasteMsg{Content: "oven"})
	w.press("enter")
	if s := w.m.modal.(*confirmScreen); s.text != "" || len(w.f.yes) > 0 {
		t.Fatalf("a paste typed %q", s.text)
	}
	w.wait(time.Second)
	for _, k := range []string{"o", "v", "e", "n", "enter"} {
		w.wait(2 * time.Millisecond)
		w.send(keyMsg(k))
	}
	if len(w.f.yes) > 0 {
		t.Error("a paste that the terminal does not mark confirmed the run")
	}
	w.press("esc", ":")
	w.send(tea.PasteMsg{Content: "no\nte one\ntwo"})
	if got := w.m.prompt.text; got != "no te one two" {
		t.Errorf("the command line took %q", got)
	}
}

// A held key over a slow line arrives in clumps: that is no paste.
func TestHeldKeyIsNoPaste(t *testing.T) {
	w := newWorld(t, nil)
	for range 5 {
		w.send(keyMsg("j"))
	}
	if got := w.m.home().list.cursor; got != 8 {
		t.Errorf("cursor on row %d, want 8", got)
	}
}

// A plan of many units must not push the question off a small screen.
func TestQuestionIsAlwaysSeen(t *testing.T) {
	for _, h := range []int{15, 18, 24} {
		w := newWorld(t, func(_ *Options, f *fake) {
			u := f.plan.Units[0]
			u.Destroys = []string{"one", "two", "three"}
			f.plan.Units = append(f.plan.Units, u, u, u, u)
		})
		w.size(60, h)
		w.press("r", "R")
		got := ansiFree(w.screen())
		for _, want := range []string{"ROLL BACK IN PRODUCTION", "Type oven to run:", "esc cancel"} {
			if !strings.Contains(got, want) {
				t.Errorf("at 60x%d no %q:\n%s", h, want, got)
			}
		}
		check(t, w.screen(), 60, h)
	}
}
