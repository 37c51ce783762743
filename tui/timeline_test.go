package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// arrive puts more changes on the timeline, a second apart, from a time on.
func arrive(w *world, from string, n int) {
	events := bakery()
	for i := range n {
		events = append(events, providers.Event{Change: &providers.Change{
			ID: fmt.Sprintf("new%d", i), Kind: providers.KindDeploy, Service: "till", EffectiveFrom: at(from).Add(time.Duration(i) * time.Second),
		}})
	}
	store := timeline.New(w.m.opts.Now)
	store.Put("deploys", events...)
	w.f.st.Snapshot, w.f.st.Version = store.Snapshot(), w.f.st.Version+1
	w.send(stateMsg{w.f.st})
}

func TestReaderIsNotMovedByWhatIsNew(t *testing.T) {
	w := newWorld(t, nil)
	w.press("j", "j")
	s := w.m.home()
	was := s.current().id
	arrive(w, "14:15:00", 12)
	if got := s.current().id; got != was {
		t.Errorf("the cursor went from %s to %s", was, got)
	}
	if !strings.Contains(w.screen(), "12 new above, f/g follow") {
		t.Errorf("the screen does not say what is new:\n%s", w.screen())
	}
	w.press("f")
	arrive(w, "14:15:00", 20)
	if got := s.current().id; got != "new19" {
		t.Errorf("following, the cursor is on %s", got)
	}
}

func TestCursorStartsOnTheTopSuspectAndStaysOnceAKeyWasPressed(t *testing.T) {
	w := newWorld(t, nil)
	s := w.m.home()
	if got := s.current().id; got != "c09" {
		t.Fatalf("starts on %s", got)
	}
	swap := func(first, second float64) {
		w.f.st.Ranking = ranking()
		w.f.st.Ranking.Ranking[0].P, w.f.st.Ranking.Ranking[1].P = first, second
		if second > first {
			r := w.f.st.Ranking.Ranking
			r[0], r[1] = r[1], r[0]
		}
		w.f.st.Version++
		w.send(stateMsg{w.f.st})
	}
	swap(.1, .6)
	if got := s.current().id; got != "c08" {
		t.Fatalf("the ranking moved, but the cursor is on %s", got)
	}
	w.send(keyMsg("r")) // at once: this r was meant for the other one
	if len(w.m.stack) > 1 || !strings.Contains(w.screen(), "press again") {
		t.Errorf("r planned a suspect that had only just taken the other's place:\n%s", w.screen())
	}
	swap(.6, .1)
	if got := s.current().id; got != "c08" {
		t.Errorf("a key was pressed, but the cursor moved to %s", got)
	}
}

func TestNothingIsSuggestedWhenNoneIsFirst(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) {
		f.st.Ranking = culprit.Ranking{None: .8, Ranking: ranking().Ranking}
		for i := range f.st.Ranking.Ranking {
			f.st.Ranking.Ranking[i].P = .05
		}
	})
	if got := w.m.home().list.cursor; got != 0 {
		t.Errorf("the cursor stands on row %d, as if it was to be rolled back", got)
	}
	if got := strings.Join(strings.Fields(ansiFree(w.screen())), " "); !strings.Contains(got, "none of these .80") && !strings.Contains(got, "these .80, first suspect .05") {
		t.Errorf("the screen does not say so:\n%s", w.screen())
	}
}

func TestTieIsSaid(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.st.Ranking.Tie = true })
	if !strings.Contains(w.screen(), "TIE") {
		t.Error("no TIE on the screen")
	}
}

func TestWindowsAndZones(t *testing.T) {
	w := newWorld(t, nil)
	for _, want := range []string{"in 2h", "in 6h", "in 12h", "in 24h", "in 7d", "in 30d", "in 1y", "in all", "in 15m", "in 1h"} {
		w.press("t", "k")
		if !strings.Contains(w.screen(), want) {
			t.Errorf("no %q on\n%s", want, w.screen())
		}
	}
	w.press("T")
	if got := w.screen(); !strings.Contains(got, "UTC+02:00") || !strings.Contains(got, "16:02:31") {
		t.Errorf("local times:\n%s", got)
	}
	w.press("T")
	if got := w.screen(); !strings.Contains(got, "AGO") || !strings.Contains(got, "18m") {
		t.Errorf("relative times:\n%s", got)
	}
}

func TestFilterWords(t *testing.T) {
	q := parseFilter("kind:deploy,flag service:oven env:prod is:change heat r41")
	if len(q.Kinds) != 2 || q.Kinds[1] != providers.KindFlag || q.Services[0] != "oven" || q.Environment != "prod" || !q.Changes || q.Alerts || q.Text != "heat r41" {
		t.Errorf("%+v", q)
	}
	w := newWorld(t, nil)
	w.press("/")
	for _, r := range "kind:fl" {
		w.press(string(r))
	}
	w.press("tab", "enter")
	if got := w.m.home(); strings.TrimSpace(got.filter) != "kind:flag" || got.view.len() != 2 {
		t.Errorf("filter %q shows %d", got.filter, got.view.len())
	}
	w.press("/", "x", "esc")
	if got := w.m.home().filter; strings.TrimSpace(got) != "kind:flag" {
		t.Errorf("esc left the filter %q", got)
	}
}

func TestCachedDataShowsItsAge(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) { f.st.CachedAt = at("13:50:00") })
	if !strings.Contains(w.screen(), "CACHED 30m AGO") {
		t.Errorf("no age on\n%s", w.screen())
	}
}

func TestSuspectKeysGoThroughTheRanking(t *testing.T) {
	w := newWorld(t, nil)
	w.press("n")
	if got := w.m.home().current().id; got != "c08" {
		t.Errorf("n stands on %s", got)
	}
	w.press("r")
	if got := w.m.notice; !strings.Contains(got, "no unit is known") {
		t.Errorf("r on a change without a unit says %q", got)
	}
	w.press("p", "p")
	if got := w.m.home().current().id; got != "c06" {
		t.Errorf("p stands on %s", got)
	}
}

func TestEscTakesTheFilterAwayAndQuitsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.press("/", "o", "v", "e", "n", "enter")
	if s := w.screen(); !strings.Contains(s, "hidden by filter: oven") {
		t.Fatalf("no filter:\n%s", s)
	}
	w.press("esc")
	if s := w.screen(); strings.Contains(s, "hidden by filter") || !strings.Contains(s, "promo-banner") {
		t.Errorf("the filter is still there:\n%s", s)
	}
	w.press("esc")
	for _, m := range w.out {
		if _, quit := m.(tea.QuitMsg); quit {
			t.Error("esc quit the console")
		}
	}
}
