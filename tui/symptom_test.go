package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/backout-dev/backout/providers"
)

// laneOf is what stands in the lane whose name begins so, "" where there is none.
func laneOf(screen, name string) string {
	for _, l := range strings.Split(ansi.Strip(screen), "\n") {
		head, rest, ok := strings.Cut(l, "|")
		if ok && strings.HasPrefix(strings.TrimSpace(head), name) {
			return strings.TrimSuffix(rest, "|")
		}
	}
	return ""
}

func TestSymptomIsBelowTheAlertsWhereThereIsRoom(t *testing.T) {
	w := newWorld(t, nil)
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		w.size(size[0], size[1])
		screen := w.screen()
		strip := []rune(laneOf(screen, "errors"))
		if len(strip) == 0 || strip[len(strip)/4] != '▁' || !strings.Contains(string(strip), "█") || !strings.Contains(string(strip), "   ") {
			t.Errorf("at %v: %q", size, string(strip))
		}
		if alerts, errors := strings.Index(screen, " alerts "), strings.Index(screen, " errors "); errors < alerts || laneOf(screen, "deploys") == "" {
			t.Errorf("at %v the strip is not between alerts and deploys:\n%s", size, screen)
		}
	}
	w.size(60, 15)
	if got := laneOf(w.screen(), "errors"); got != "" {
		t.Errorf("at 60x15, where all events share a lane, the strip takes it: %q", got)
	}
}

// A window in which nothing was measured has no strip, rather than an empty one that reads as well.
func TestWindowWithoutMeasuresHasNoStrip(t *testing.T) {
	w := newWorld(t, nil)
	w.f.st.Symptom = Symptom{}
	w.send(stateMsg{w.f.st})
	if strings.Contains(w.screen(), "errors ") {
		t.Errorf("nothing was measured:\n%s", w.screen())
	}
	w.f.st.Symptom = Symptom{Name: "errors", Unit: UnitRatio, High: 1, Measures: []Measure{{From: at("09:00:00"), Until: at("09:01:00"), Value: 1}}}
	w.send(stateMsg{w.f.st})
	if strings.Contains(w.screen(), "errors ") {
		t.Errorf("nothing was measured in this window:\n%s", w.screen())
	}
}

func TestLevelsOfColumns(t *testing.T) {
	minute := func(i int, v float64) Measure {
		from := at("14:00:00").Add(time.Duration(i) * time.Minute)
		return Measure{From: from, Until: from.Add(time.Minute), Value: v}
	}
	s := Symptom{Low: .001, High: 1, Measures: []Measure{minute(-1, 1), minute(1, 0), minute(2, .001), minute(3, .002), minute(5, .6), minute(6, 1), minute(7, 3)}}
	w := providers.Window{Since: at("14:00:00"), Until: at("14:10:00")}
	const no = unknownLevel
	if got, want := s.levels(w, 10), []int{no, 0, 0, 1, no, 4, 7, 7, no, no}; !slices.Equal(got, want) {
		t.Errorf("a column for each minute: %v, want %v", got, want)
	}
	if got, want := s.levels(w, 5), []int{0, 1, 4, 7, no}; !slices.Equal(got, want) {
		t.Errorf("a column for two, the mean of what is known: %v, want %v", got, want)
	}
	if got := s.levels(w, 20); got[2] != 0 || got[3] != 0 || got[6] != 1 || got[0] != no || got[13] != 7 {
		t.Errorf("two columns for a minute: %v", got)
	}
}

func TestFullHeightIsNamed(t *testing.T) {
	for want, s := range map[string]Symptom{
		"8.2%": {Unit: UnitRatio, High: .082}, "100%": {Unit: UnitRatio, High: 1}, "850ms": {Unit: UnitSeconds, High: .85}, "2.1s": {Unit: UnitSeconds, High: 2.1},
		"140ms": {Unit: UnitMilliseconds, High: 140}, "0.85": {High: .85},
	} {
		if got := s.full(); got != want {
			t.Errorf("%+v is full at %q, want %q", s, got, want)
		}
	}
	w := newWorld(t, func(o *Options, _ *fake) { o.ASCII, o.NoColor = true, true })
	if got := w.screen(); !strings.Contains(got, " errors #=8.2%  |") {
		t.Errorf("the scale is not named:\n%s", got)
	}
	for _, r := range laneOf(w.screen(), "errors") {
		if !strings.ContainsRune(" "+asciiStrips, r) {
			t.Errorf("%q is not plain ASCII", r)
		}
	}
}
