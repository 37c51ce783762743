package timeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

func ended(a providers.Alert, minute int) providers.Alert {
	a.EndsAt, a.State = noon.Add(time.Duration(minute)*time.Minute), providers.AlertResolved
	return a
}

// wentBack is a rollback that was verified at a minute; -1: never.
func wentBack(service string, minute int) providers.Change {
	c := providers.Change{ID: "RUN-1", Provider: "ledger", Kind: providers.KindRollback, Service: service, Environment: "prod", EffectiveFrom: noon.Add(2 * time.Minute), Status: "succeeded"}
	if minute >= 0 {
		c.VerifiedAt = noon.Add(time.Duration(minute) * time.Minute)
	}
	return c
}

func TestACureEndsAnIncident(t *testing.T) {
	first, again := firing("first", "orders", 0), firing("again", "orders", 7)
	apart, together := [][]string{{"again"}, {"first"}}, [][]string{{"first", "again"}}
	tests := map[string]struct {
		topology bool
		alerts   []providers.Alert
		back     providers.Change
		want     [][]string
	}{
		"cured in between":                    {false, []providers.Alert{ended(first, 4), again}, wentBack("orders", 5), apart},
		"went back, and nobody verified it":   {false, []providers.Alert{ended(first, 4), again}, wentBack("orders", -1), together},
		"cured after it was there again":      {false, []providers.Alert{ended(first, 4), again}, wentBack("orders", 8), together},
		"the first one is still there":        {false, []providers.Alert{first, again}, wentBack("orders", 5), together},
		"something else was cured":            {true, []providers.Alert{ended(first, 4), again}, wentBack("mailer", 5), together},
		"what it calls was cured":             {true, []providers.Alert{ended(first, 4), again}, wentBack("pricing", 5), apart},
		"cured, and one of three stays":       {false, []providers.Alert{firing("stays", "orders", -2), ended(first, 4), again}, wentBack("orders", 5), [][]string{{"stays", "first", "again"}}},
		"cured, and what stays is of another": {true, []providers.Alert{firing("stays", "mailer", -2), ended(first, 4), again}, wentBack("orders", 5), [][]string{{"again"}, {"first"}, {"stays"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := timeline.New(clock)
			if tt.topology {
				shop(s)
			}
			putAlerts(s, tt.alerts...)
			s.Snapshot().Incidents() // computed before the rollback is known
			s.Put("ledger", providers.Event{Change: &tt.back})
			if d := cmp.Diff(tt.want, groups(s.Snapshot())); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSymptomsAfterACureBeganAfterIt(t *testing.T) {
	s := timeline.New(clock)
	back := wentBack("orders", 5)
	putAlerts(s, ended(firing("first", "orders", 0), 4), firing("again", "orders", 7))
	s.Put("ledger", providers.Event{Change: &back})
	got := s.Snapshot().Incidents()[0].Onset
	if want := (timeline.Onset{Earliest: noon.Add(5 * time.Minute), Latest: noon.Add(7 * time.Minute)}); got != want {
		t.Errorf("onset %v, want %v: what is wrong now was not there when the rollback was verified", got, want)
	}
}
