package ledger_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	record "github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/rollback/ledger"
)

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// word is an entry about the measure of the story.
func word(t *testing.T, at int, event, state, inForce, exit string) ledger.Entry {
	t.Helper()
	return ledger.Entry{
		At: minute(at), Kind: ledger.KindMeasure, Actor: "ana", ActorKind: "human", Run: "RUN-0001", Unit: "k8s:shop/checkout",
		Body: body(t, ledger.MeasureBody{
			Measure: "RUN-0001.1", Event: event, State: state, Closed: state == "lifted", What: "auto-sync is off", Service: "checkout", Environment: "prod",
			Owner: "ana", Reason: "errors", Exit: "the source is clean", Expires: minute(20), InForce: inForce, ExitHolds: exit, Detail: "seen\x1b[2J",
		}),
	}
}

// measureStory: set; lifted by somebody else; suspended anew by hand; not to be seen for a while; outlives its exit
// condition; and is lifted, five minutes after it expired.
func measureStory(t *testing.T) []ledger.Entry {
	t.Helper()
	return []ledger.Entry{
		word(t, 0, "setting", "being set", "", ""),
		word(t, 1, "set", "in force", "", ""),
		word(t, 2, "looked at", "lifted by somebody else", "no", "no"),
		word(t, 4, "looked at", "in force", "yes", "no"),
		word(t, 6, "looked at", "in force", "unknown", "unknown"),
		word(t, 8, "looked at", "in force", "yes", "no"),
		word(t, 10, "looked at", "in force", "yes", "yes"),
		word(t, 24, "lifting", "being lifted", "yes", "yes"),
		word(t, 25, "lifted", "lifted", "no", "yes"),
	}
}

func alertsAt(t *testing.T, p *record.Provider, w providers.Window) []providers.Alert {
	t.Helper()
	var out []providers.Alert
	for a, err := range p.Alerts(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func TestMeasuresAsAlerts(t *testing.T) {
	db := open(t)
	write(t, db, measureStory(t)...)
	now := minute(30)
	p := record.New("ledger", db, func() time.Time { return now })
	want := []struct {
		name     string
		from, to int
	}{
		{"measure lifted by somebody else", 2, 4},
		{"measure cannot be seen", 6, 8},
		{"measure outlived its exit condition", 10, 24},
		{"measure expired", 20, 25},
	}
	got := alertsAt(t, p, providers.Window{})
	if len(got) != len(want) {
		t.Fatalf("%d alerts: %+v", len(got), got)
	}
	var asked []providers.AlertQuery
	for i, w := range want {
		a := got[i]
		if !a.StartsAt.Equal(minute(w.from)) || !a.EndsAt.Equal(minute(w.to)) || a.State != providers.AlertResolved || strings.Contains(a.Summary, "\x1b") {
			t.Errorf("alert %d is %+v, want %+v", i, a, w)
		}
		if got := strings.Join([]string{a.Name, a.Service, a.Environment, a.Labels["measure"]}, ","); got != w.name+",checkout,prod,RUN-0001.1" {
			t.Errorf("alert %d is of %s", i, got)
		}
		asked = append(asked, providers.AlertQuery{ID: a.ID})
	}
	states, err := p.AlertStates(t.Context(), append(asked, providers.AlertQuery{ID: "measure-RUN-9"}))
	if err != nil || states[got[0].ID].State != providers.AlertResolved || states["measure-RUN-9"].State != providers.AlertUnknown {
		t.Errorf("%+v %v", states, err)
	}
	if in := alertsAt(t, p, providers.Window{Since: minute(9), Until: minute(15)}); len(in) != 1 || in[0].Name != "measure outlived its exit condition" {
		t.Errorf("in the window: %+v", in)
	}
}

func TestMeasuresAsChanges(t *testing.T) {
	db := open(t)
	write(t, db, measureStory(t)...)
	var got []string
	for _, c := range collect(t, record.New("ledger", db, time.Now), providers.Window{}) {
		if c.Kind != providers.KindOperation || c.IsNote() || c.Unit != "k8s:shop/checkout" || c.Service != "checkout" {
			t.Errorf("%+v", c)
		}
		got = append(got, c.At().Format("15:04 ")+c.Title+" by "+c.Author.Name)
	}
	want := "12:01 RUN-0001.1: auto-sync is off by ana\n12:02 RUN-0001.1: lifted by somebody else: auto-sync is off by \n12:25 RUN-0001.1: lifted: auto-sync is off by ana"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// The step that sets a measure leaves the content as it is: the rollback is not in effect with it, and brought nothing.
func TestAMeasureIsNotTheRollback(t *testing.T) {
	db := open(t)
	entries := story(t)[:2] // the note and the confirmation
	set := ledger.Entry{At: minute(3), Kind: ledger.KindResult, Run: "RUN-0001", Unit: "releases:prod/pricing", Body: body(t, ledger.StepBody{Step: 1, State: "applied", From: "sha256:b", To: "sha256:b"})}
	write(t, db, append(entries, set)...)
	for _, c := range collect(t, record.New("ledger", db, time.Now), providers.Window{}) {
		if c.Kind == providers.KindRollback && (!c.EffectiveFrom.IsZero() || len(c.Artifacts) > 0 || c.Status != "confirmed") {
			t.Errorf("%+v", c)
		}
	}
}

// An expiry is told when its time has come, without any entry.
func TestWatchTellsOfAnExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t)
		began := time.Now()
		set := word(t, 0, "set", "in force", "yes", "no")
		set.Body = body(t, ledger.MeasureBody{Measure: "RUN-0001.1", Event: "set", State: "in force", InForce: "yes", What: "auto-sync is off", Expires: began.Add(time.Hour)})
		write(t, db, set)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		alerts := make(chan providers.Alert)
		go func() {
			defer close(alerts)
			for e, err := range record.New("ledger", db, time.Now).Watch(ctx) {
				if err != nil {
					t.Error(err)
				} else if e.Alert != nil {
					alerts <- *e.Alert
				}
			}
		}()
		a := <-alerts
		if a.Name != "measure expired" || a.State != providers.AlertFiring || !a.StartsAt.Equal(began.Add(time.Hour)) || time.Since(began) > time.Hour+2*poll {
			t.Errorf("%s later: %+v", time.Since(began), a)
		}
		lifted := word(t, 0, "lifted", "lifted", "no", "yes")
		lifted.At = time.Now()
		lifted.Body = body(t, ledger.MeasureBody{Measure: "RUN-0001.1", Event: "lifted", State: "lifted", Closed: true, Expires: began.Add(time.Hour)})
		write(t, db, lifted)
		if a := <-alerts; a.Name != "measure expired" || a.State != providers.AlertResolved || a.EndsAt.IsZero() {
			t.Errorf("%+v", a)
		}
		cancel()
		for range alerts {
			t.Error("one more alert")
		}
	})
}
