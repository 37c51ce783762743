package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/backout-dev/backout/providers"
)

// A source that answers but whose clock is off is well and misleads: both are said.
func TestAClockThatIsOffIsOnTheHealthLine(t *testing.T) {
	for skew, want := range map[time.Duration]string{10 * time.Minute: "CLOCK +10m00s", -40 * time.Second: "CLOCK -40s", time.Second: ""} {
		w := newWorld(t, func(_ *Options, f *fake) {
			f.st.Health = []providers.Health{{Provider: "alerts", State: providers.HealthOK, LastOK: at("14:21:00"), Skew: skew}}
		})
		line := ansi.Strip(strings.Join(w.m.header(120, 36), "\n"))
		if got := strings.Contains(line, "CLOCK"); got != (want != "") || !strings.Contains(line, want) {
			t.Errorf("skew %s: %s", skew, line)
		}
	}
}

// Before a source has answered, what is known from an earlier process has its age.
func TestWhatIsKnownFromEarlierHasItsAge(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) {
		f.st.Health = []providers.Health{{Provider: "alerts", State: providers.HealthUnknown, LastOK: at("14:08:31")}}
	})
	if line := ansi.Strip(strings.Join(w.m.header(120, 36), "\n")); !strings.Contains(line, "alerts asking, known 12m") {
		t.Error(line)
	}
}

// Why a source fails may be a long sentence: it gets the room that the others leave.
func TestWhyASourceFailsGetsTheRoomThatThereIs(t *testing.T) {
	const reason = "answered 401 Unauthorized; check basic_auth or bearer_token"
	w := newWorld(t, func(_ *Options, f *fake) {
		f.st.Health = []providers.Health{
			{Provider: "git", State: providers.HealthOK, LastOK: at("14:21:00")},
			{Provider: "alerts", State: providers.HealthFailing, Detail: reason},
		}
	})
	for cols, want := range map[int]string{120: reason + " ", 80: reason[:leastWhy-1]} {
		if line := ansi.Strip(w.m.healthLine(cols)); !strings.Contains(line, "alerts FAIL never: "+want) || width(line) != cols {
			t.Errorf("%d columns: %q", cols, line)
		}
	}
}

// A source may be well and still have something to say of its answer.
func TestWhatAWellSourceSaysIsThereWhereThereIsRoom(t *testing.T) {
	const said = "a rebase is in progress: showing main"
	w := newWorld(t, func(_ *Options, f *fake) {
		f.st.Health = []providers.Health{
			{Provider: "git", State: providers.HealthOK, LastOK: at("14:21:00"), Detail: said},
			{Provider: "alerts", State: providers.HealthOK, LastOK: at("14:21:00")},
		}
	})
	for cols, want := range map[int]string{120: ": " + said + "   alerts ok", 80: ": a rebase is in", 40: "   alerts ok"} {
		if line := ansi.Strip(w.m.healthLine(cols)); !strings.Contains(line, want) || width(line) != cols {
			t.Errorf("%d columns: %q", cols, line)
		}
	}
}

// Where the record is a copy, every screen that shows it says so: at 80 columns there is no line of the sources.
func TestARecordThatIsACopySaysSoOnItsScreens(t *testing.T) {
	w := newWorld(t, func(_ *Options, f *fake) {
		f.run = pausedRun()
		f.st.Health = []providers.Health{{
			Provider: "backout", State: providers.HealthStale, LastOK: at("14:08:31"), Detail: "the shared store is away since 14:08:40: nothing can be recorded or begun",
		}}
	})
	says := func(screen string) {
		t.Helper()
		if want := "backout stale, showing its data from 14:08:31 UTC: the shared"; !strings.Contains(plain(w.screen()), want) {
			t.Errorf("%s does not say that it is a copy:\n%s", screen, w.screen())
		}
	}
	toRun(w)
	w.size(80, 24)
	says("the run")
	w.press("4")
	says("the list of runs")
}
