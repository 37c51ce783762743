package tui

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// lineWith is the first line of the screen that has a text.
func (w *world) lineWith(text string) string {
	for l := range strings.Lines(w.screen()) {
		if strings.Contains(l, text) {
			return strings.TrimRight(l, " \n")
		}
	}
	return ""
}

func toRun(w *world) {
	toConfirm(w)
	w.press("enter")
}

func TestARunIsPausedAndGoesOnWithOneKey(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) {
		f.run.Steps[1].State = rollback.StepPending
	})
	toRun(w)
	w.press("P")
	w.send(pollMsg{w.m.top().(*runScreen)})
	w.press("P")
	if len(w.f.paused) != 2 || !w.f.paused[0] || w.f.paused[1] {
		t.Errorf("P asked for %v, want to wait and then to go on", w.f.paused)
	}
}

func TestARunThatOnlyWatchesCannotBePaused(t *testing.T) {
	w := newWorld(t, nil) // its last step is being applied
	toRun(w)
	w.press("P")
	if got := w.screen(); len(w.f.paused) > 0 || !strings.Contains(got, "P is off: no step is left to wait before") {
		t.Errorf("P asked for %v:\n%s", w.f.paused, got)
	}
}

func TestAPausedRunSaysSo(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.run = pausedRun() })
	toRun(w)
	for _, want := range []string{"PAUSED  paused before step 2", "since 14:20:10 UTC, as bob@bakery asked; P goes on", "PAUSED  2 reload oven", "backout runs resume"} {
		if want == "backout runs resume" {
			w.press("?")
		}
		if !strings.Contains(plain(w.screen()), want) {
			t.Errorf("the screen does not say %q:\n%s", want, w.screen())
		}
	}
}

// Before the first look after the effect, nothing is said to be now what it was before.
func TestNothingIsSaidOfNowBeforeSomebodyLooked(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.run = pausedRun() })
	toRun(w)
	if got := plain(w.lineWith("GET /health")); !strings.Contains(got, "pass 200 in 3ms    not yet") {
		t.Errorf("the row is %q", got)
	}
}

func TestTheTrailShowsUnknownAsItself(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		w := newWorld(t, nil)
		w.size(size[0], size[1])
		toRun(w)
		for name, want := range map[string]string{"error ratio": "#* ?", "GET /health": "#+=.", "storefront": "###="} {
			if got := plain(w.lineWith(name)); !strings.HasSuffix(got, want) {
				t.Errorf("%v: the row of %s is %q, want the trail %q", size, name, got, want)
			}
		}
	}
}

func TestAPlanSaysHowMuchItTouches(t *testing.T) {
	w := newWorld(t, nil)
	w.press("r")
	if got := w.screen(); !strings.Contains(got, "BLAST") || !strings.Contains(got, "12 pods") {
		t.Errorf("the plan:\n%s", got)
	}
	w.f.plan.Units[0].Blast = ""
	w.press("c")
	if got := plain(w.lineWith("releases:bakery/oven")); !strings.Contains(got, "~41s    unknown") {
		t.Errorf("without a word of the provider: %q", got)
	}
	w.f.plan.Units[0].Blast = "20% req"
	w.press("c", "R")
	if got := w.screen(); !strings.Contains(got, "20% req, about 41s") {
		t.Errorf("the confirmation:\n%s", got)
	}
}
