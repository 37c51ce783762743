package tui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline/culprit"
)

// However long the evidence for a suspect is, the pane beside the list shows what speaks against it, and counts the rest.
func TestPaneShowsWhatSpeaksAgainst(t *testing.T) {
	w := newWorld(t, nil)
	s := &w.f.st.Ranking.Ranking[0]
	for i := range 12 {
		s.Evidence = append(s.Evidence, culprit.Evidence{Term: "T", Weight: .5, Text: fmt.Sprintf("reason number %d, which takes more than one line of the pane", i)})
	}
	w.send(stateMsg{w.f.st})
	text := ansi.Strip(w.screen())
	for _, want := range []string{"WHY", "+2.3", "AGAINST", "new-tax-engine changed in the", "-0.4", "lines more"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is out of sight:\n%s", want, text)
		}
	}
}

// A kind of change that did not happen is named without a line of its own.
func TestQuietLanesShareALine(t *testing.T) {
	w := newWorld(t, nil)
	w.press(":", "w", "i", "n", "d", "o", "w", " ", "1", "5", "m", "enter")
	text := ansi.Strip(w.screen())
	if !strings.Contains(text, "nothing in      flags, config, migrations, other") {
		t.Errorf("quiet lanes are not named:\n%s", text)
	}
	if strings.Contains(text, "flags          |") || !strings.Contains(text, "alerts         |") || !strings.Contains(text, "deploys        |") {
		t.Errorf("alerts and deploys have a line, and nothing quiet has:\n%s", text)
	}
}

// Where not all keys fit, those that are off give way to those that work.
func TestKeysThatAreOffGiveWay(t *testing.T) {
	own := []action{
		{label: "a", desc: "is off", brief: true, why: func() string { return "because" }},
		{label: "b", desc: "works", brief: true},
		{label: "C", desc: "acts", brief: true, acts: true, why: func() string { return "because" }},
	}
	want := " b works  " + style{}.strike("(C acts)")
	if got := keyLine(style{noColor: true}, own, nil, 19); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// No choice of times or window leaves a time without its offset.
func TestOffsetIsOnEveryScreen(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 15}} {
		w := newWorld(t, nil)
		w.size(size[0], size[1])
		for range int(zones) {
			for range spans() {
				w.press("t")
				w.m.notice = "" // what t said is gone with the next key
				w.m.dirty = true
				if s := ansi.Strip(w.screen()); !strings.Contains(s, "UTC") {
					t.Fatalf("no offset at %v:\n%s", size, s)
				}
			}
			w.press("T")
		}
	}
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 15}} {
		w := newWorld(t, nil)
		toConfirm(w)
		w.press("enter")
		w.size(size[0], size[1])
		if s := ansi.Strip(w.screen()); !strings.Contains(s, "RUN-0192") || !strings.Contains(s, "UTC") {
			t.Errorf("no offset on the run at %v:\n%s", size, s)
		}
	}
}

// What a run said is there whole, and so is the command that comes back to it.
func TestRunIsReadWhole(t *testing.T) {
	long := "switch current to r40: applied: current now points to r40, before to r41, made at a quarter past two in the afternoon LASTWORD"
	w := newWorld(t, func(o *Options, f *fake) {
		f.run.Log = append(f.run.Log, rollback.LogLine{At: at("14:20:02"), Text: long})
		o.Command = func(kind string, args ...string) string {
			return CommandLine(kind, args...) + " --config /srv/bakery/prod/configuration/backout.yaml"
		}
	})
	w.size(80, 24)
	toConfirm(w)
	w.press("enter")
	text := ansi.Strip(w.screen())
	for _, want := range []string{"LASTWORD", "backout runs attach RUN-0192", "configuration/backout.yaml"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not there:\n%s", want, text)
		}
	}
	w.size(60, 15)
	if low := ansi.Strip(w.screen()); !strings.Contains(low, "RUNNING 2 reload oven") {
		t.Errorf("the command takes the room of the steps:\n%s", low)
	}
	w.size(120, 36)
	if tall := ansi.Strip(w.screen()); !strings.Contains(tall, "OUTPUT  follows the newest") {
		t.Errorf("it does not say whether the output follows:\n%s", tall)
	}
	if head := first(text); strings.Count(head, "RUN-0192") != 1 {
		t.Errorf("the run is named once in the header: %s", head)
	}
	w.f.run.State = rollback.RunSucceeded
	w.send(pollMsg{w.m.top().(*runScreen)})
	if text = ansi.Strip(w.screen()); !strings.Contains(text, "backout runs show RUN-0192 --config") {
		t.Errorf("the record's command does not find it:\n%s", text)
	}
}

// On a low terminal what has to be known and what will be done stand before what is well.
func TestLowPlanShowsItsStepsFirst(t *testing.T) {
	w := newWorld(t, nil)
	w.size(80, 24)
	w.press("r")
	text := ansi.Strip(w.screen())
	warn, steps, stays, well := strings.Index(text, "WARN"), strings.Index(text, "STEPS"), strings.Index(text, "NOT RESTORED"), strings.Index(text, "  ok      ")
	if warn < 0 || steps < warn || stays < steps || well < stays {
		t.Errorf("WARN at %d, STEPS at %d, NOT RESTORED at %d, ok at %d:\n%s", warn, steps, stays, well, text)
	}
}

func TestSmallHeaderKeepsHowTheIncidentStands(t *testing.T) {
	w := newWorld(t, nil)
	w.press("enter")
	w.size(60, 15)
	if head := ansi.Strip(first(w.screen())); !strings.Contains(head, "open 14m") {
		t.Errorf("%s", head)
	}
}

func TestCompletionPassesOverBlanks(t *testing.T) {
	w := newWorld(t, nil)
	for _, k := range strings.Split(":incident  sp", "") {
		w.press(k)
	}
	w.press("tab")
	if got := w.m.prompt.text; got != "incident split " {
		t.Errorf("completed to %q", got)
	}
}
