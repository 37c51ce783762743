package tui

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline/culprit"
)

func first(screen string) string { return strings.SplitN(screen, "\n", 2)[0] }

func TestTitleGivesWayToStateAndFreshness(t *testing.T) {
	w := newWorld(t, nil)
	inc := *w.f.st.Incident
	inc.Title = strings.Repeat("oven answers 500 ", 20)
	w.f.st.Incident = &inc
	w.send(stateMsg{w.f.st})
	w.press("r")
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		w.size(size[0], size[1])
		head := first(w.screen())
		for _, want := range []string{"PLAN CHG-", "INC-1", "open 14m", "3/5"} {
			if !strings.Contains(head, want) {
				t.Errorf("at %v the header lost %q: %s", size, want, head)
			}
		}
	}
}

func TestAlertIsNamedWithoutItsService(t *testing.T) {
	for name, want := range map[string]string{"oven heat": "heat", "oven": "oven", "ovenheat": "ovenheat", "heat of oven": "heat of oven"} {
		if got := alertName("oven", name); got != want {
			t.Errorf("%q of oven is shown as %q, want %q", name, got, want)
		}
	}
	e := eventEntry(providers.Event{Alert: &providers.Alert{Service: "oven", Name: "oven heat", Summary: "too cold"}})
	if e.what != "heat: too cold" {
		t.Errorf("the row says %q", e.what)
	}
}

// What alerts without a change to it is where to look when no change is to blame.
func TestNoChangeToBlameNamesWhatWasNotChanged(t *testing.T) {
	w := newWorld(t, nil)
	w.f.st.Ranking = culprit.Ranking{None: .8, Ranking: w.f.st.Ranking.Ranking[:1]}
	w.f.st.Ranking.Ranking[0].P = .2
	w.send(stateMsg{w.f.st})
	w.press("enter")
	if s := w.screen(); !strings.Contains(s, "storefront alerts, and no earlier change to it is known: look there first") {
		t.Error(s)
	}
}

func TestEvidenceIsHeaviestFirst(t *testing.T) {
	w := newWorld(t, nil)
	s := &w.f.st.Ranking.Ranking[0]
	s.Evidence = append([]culprit.Evidence{{Term: "T7", Weight: .1, Text: "a small diff"}}, s.Evidence...)
	w.send(stateMsg{w.f.st})
	w.press("enter")
	text := w.screen()
	last := 0
	for _, want := range []string{"WHY", "+2.3", "+1.5", "+1.1", "+0.1", "AGAINST", "-0.4", "NOT KNOWN", "? no signal", "DOES NOT COUNT", "AI assistance"} {
		i := strings.Index(text, want)
		if i < last {
			t.Fatalf("%q is missing or stands above what weighs more:\n%s", want, text)
		}
		last = i
	}
}
