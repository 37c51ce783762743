package tui

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline"
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
	s.Evidence = append([]culprit.Evidence{{Term: "T7", Weight: .1, Text: "a small diff"}, {Term: "T8", Text: "unknown: who calls whom"}, {Term: "T9", Text: "unknown: who calls whom"}}, s.Evidence...)
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
	if n := strings.Count(text, "? who calls whom"); n != 1 {
		t.Errorf("what two terms had no answer for is there %d times:\n%s", n, text)
	}
}

// Every key does something or says why it does not.
func TestKeyThatIsNotThereSaysSo(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"R", "R works on a plan"}, {"U", "U works on a run"}, {"A", "A works on a run"}, {"z", "z is no key of this screen"},
	} {
		w := newWorld(t, nil)
		w.press(c.key)
		if !strings.Contains(w.screen(), c.want) {
			t.Errorf("%s on the timeline does not say %q", c.key, c.want)
		}
	}
	w := newWorld(t, nil)
	w.press("j", "k", "g", "G")
	if s := w.screen(); strings.Contains(s, "is no key") {
		t.Errorf("moving is said to be no key:\n%s", s)
	}
}

func TestStepNamesItsUnitOnce(t *testing.T) {
	for title, want := range map[string]string{"switch current to r40": "oven: switch current to r40", "reload oven": "reload oven"} {
		if got := stepTitle(&rollback.Step{Unit: "releases:bakery/oven", Title: title}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A closed incident stays on the screen, so that what is noted and judged lands in it, until another one opens.
func TestClosedIncidentStays(t *testing.T) {
	w := newWorld(t, nil)
	inc := *w.f.st.Incident
	closed := inc
	closed.ClosedAt = w.time
	w.f.st.Incidents = []timeline.Incident{closed}
	w.f.st.Incident, w.f.st.Ranking = nil, culprit.Ranking{}
	w.send(stateMsg{w.f.st})
	if head := first(w.screen()); !strings.Contains(head, "INC-1") || !strings.Contains(head, "closed 0s ago") {
		t.Errorf("the incident is gone: %s", head)
	}
	if got := *w.m.shown.Load(); got != "INC-1" {
		t.Errorf("the source is asked for %q", got)
	}
	if !strings.Contains(w.screen(), "LIKELY CULPRIT") {
		t.Errorf("its ranking is gone:\n%s", w.screen())
	}
	other := inc
	other.ID, other.Title = "INC-2", "mixer stands still"
	w.f.st.Incidents = []timeline.Incident{other, closed}
	w.f.st.Incident = &closed // as it was asked for
	w.send(stateMsg{w.f.st})
	if got := *w.m.shown.Load(); got != "" {
		t.Errorf("a new incident is open and the source is still asked for %q", got)
	}
}

// What a person asked for stays, whatever opens.
func TestChosenIncidentStays(t *testing.T) {
	w := newWorld(t, nil)
	closed := *w.f.st.Incident
	closed.ClosedAt = w.time
	other := *w.f.st.Incident
	other.ID = "INC-2"
	w.press(":")
	for _, k := range strings.Split("incident show INC-1", "") {
		if k == " " {
			k = "space"
		}
		w.press(k)
	}
	w.press("enter")
	w.f.st.Incidents, w.f.st.Incident = []timeline.Incident{other, closed}, &closed
	w.send(stateMsg{w.f.st})
	if got := *w.m.shown.Load(); got != "INC-1" {
		t.Errorf("the source is asked for %q", got)
	}
}

// A person's word stands on the suspect; the machine's own never says more than suspect.
func TestConfirmedCulpritIsNamedWithWhoSaidSo(t *testing.T) {
	w := newWorld(t, nil)
	w.f.st.Confirmed = Judgement{Change: "c08", By: "ana@bakery", Reason: "the column is gone"}
	w.send(stateMsg{w.f.st})
	w.press("enter")
	if s := w.screen(); !strings.Contains(s, "LIKELY CULPRIT  1 of 4") || strings.Contains(s, "CONFIRMED") {
		t.Errorf("the first suspect:\n%s", s)
	}
	w.press("n")
	if s := w.screen(); !strings.Contains(s, "CONFIRMED CULPRIT  2 of 4") || !strings.Contains(s, "confirmed by ana@bakery: the column is gone") {
		t.Errorf("the confirmed one:\n%s", s)
	}
	w.press("n")
	if s := w.screen(); !strings.Contains(s, "SUSPECT  3 of 4") || strings.Contains(s, "CONFIRMED") {
		t.Errorf("another one:\n%s", s)
	}
}

// A note stands on the timeline by its author, and is nothing that could be taken back or be to blame.
func TestNoteIsNoChange(t *testing.T) {
	e := changeEntry(&providers.Change{Kind: providers.KindOperation, Status: providers.StatusNote, Title: "calling Mira", Author: providers.Author{Name: "ana"}})
	if e.kindWord() != "note" || e.unit != "ana" || e.what != "calling Mira" {
		t.Errorf("%+v", e)
	}
	if e := changeEntry(&providers.Change{Kind: providers.KindOperation, Title: "restart", Service: "oven"}); e.note || e.kindWord() != "operate" {
		t.Errorf("%+v", e)
	}
}

func TestIncidentIsShownByItsIDOrItsBeginning(t *testing.T) {
	w := newWorld(t, nil)
	other := *w.f.st.Incident
	other.ID = "INC-22"
	w.f.st.Incidents = append(w.f.st.Incidents, other)
	w.send(stateMsg{w.f.st})
	for _, c := range []struct{ typed, want, said string }{
		{"incident show INC-2", "INC-22", "showing INC-22"},
		{"incident show INC-", "", "could be INC-1 or INC-22"},
		{"incident show INC-9", "", "there is no incident INC-9"},
		{"incident show", "", "which?"},
	} {
		w.m.show("")
		execute(w.m.console, c.typed)
		if got := *w.m.shown.Load(); got != c.want || !strings.Contains(w.m.notice, c.said) {
			t.Errorf("%q shows %q and says %q", c.typed, got, w.m.notice)
		}
	}
}

func TestWrapBreaksAtSpacesOnly(t *testing.T) {
	for _, c := range []struct {
		text string
		w    int
		want []string
	}{
		{"run --plan-hash 9c1e", 12, []string{"run", "--plan-hash", "9c1e"}},
		{"short", 12, []string{"short"}},
		{"", 5, []string{""}},
		{"abcdefgh ij", 3, []string{"abc", "def", "gh", "ij"}},
		{"全粒粉パン is bread", 5, []string{"全粒", "粉パ", "ン is", "bread"}},
		{"two  spaces", 6, []string{"two ", "spaces"}},
	} {
		got := wrap(c.text, c.w)
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q in %d: %q, want %q", c.text, c.w, got, c.want)
		}
		for _, l := range got {
			if width(l) > c.w {
				t.Errorf("%q is wider than %d", l, c.w)
			}
		}
	}
}
