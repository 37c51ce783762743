package alertmanager_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/alertmanager"
)

type report struct {
	alert *providers.Alert
	err   error
}

// watch gives what a watch reports, one at a time, until the test ends.
func watch(t *testing.T, p providers.Watcher) func() report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	reports, ended := make(chan report), make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range p.Watch(ctx) {
			select {
			case reports <- report{e.Alert, err}:
			case <-ctx.Done():
				return
			}
		}
		close(reports)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return func() report {
		t.Helper()
		select {
		case r, ok := <-reports:
			if !ok {
				t.Fatal("the watch ended")
			}
			return r
		case <-ctx.Done():
			t.Fatal("nothing was reported within 30 s")
		}
		return report{}
	}
}

func want(t *testing.T, r report, id string, state providers.AlertState) providers.Alert {
	t.Helper()
	if r.err != nil || r.alert.ID != id || r.alert.State != state {
		t.Fatalf("reported %+v (error %v), want %s %s", r.alert, r.err, id, state)
	}
	return *r.alert
}

func TestWatchReportsEachChangeOfState(t *testing.T) {
	f := &fake{started: noon, alerts: []map[string]any{firing("a1", noon.Add(time.Hour))}}
	next := watch(t, serve(t, f, "poll: 5ms"))
	a := want(t, next(), "a1", providers.AlertFiring)
	if a.Name != "HighErrorRatio" || a.Service != "pricing" || a.Environment != "prod" || a.Severity != "page" || a.Summary != "too many errors" {
		t.Fatalf("fields are wrong: %+v", a)
	}
	f.set(func(f *fake) {
		f.silences = []map[string]any{{"id": "s1", "createdBy": "ana", "comment": "rolling back"}}
		f.alerts = []map[string]any{silenced("a1", noon.Add(time.Hour), "s1")}
	})
	if a = want(t, next(), "a1", providers.AlertSuppressed); !slices.Equal(a.SilencedBy, []string{"ana: rolling back"}) {
		t.Fatalf("silenced by %q", a.SilencedBy)
	}
	f.set(func(f *fake) { f.alerts = nil })
	if a = want(t, next(), "a1", providers.AlertResolved); a.EndsAt.IsZero() || a.SilencedBy != nil {
		t.Fatalf("resolved without an end, or still silenced: %+v", a)
	}
	f.set(func(f *fake) { f.alerts = []map[string]any{firing("a1", noon.Add(2*time.Hour))} })
	if a = want(t, next(), "a1", providers.AlertFiring); !a.EndsAt.IsZero() {
		t.Fatalf("firing again with an end: %+v", a)
	}
}

func TestAnAlertLostToARestartIsUnknownUntilItIsSeenAgain(t *testing.T) {
	f := &fake{started: noon, alerts: []map[string]any{firing("a1", noon.Add(time.Hour))}}
	next := watch(t, serve(t, f, "poll: 5ms"))
	want(t, next(), "a1", providers.AlertFiring)
	f.set(func(f *fake) { f.started, f.alerts = noon.Add(2*time.Hour), nil })
	if a := want(t, next(), "a1", providers.AlertUnknown); !a.EndsAt.IsZero() {
		t.Fatalf("unknown with an end: %+v", a)
	}
	f.set(func(f *fake) { f.alerts = []map[string]any{firing("a1", noon.Add(time.Hour))} })
	want(t, next(), "a1", providers.AlertFiring)
	f.set(func(f *fake) { f.alerts = nil })
	want(t, next(), "a1", providers.AlertResolved)
}

func TestARestartBetweenTheTwoQuestionsOfAPollIsNoticed(t *testing.T) {
	// The alerts are still answered by the old instance, the status right after by the new one.
	f := &fake{started: noon, alerts: []map[string]any{firing("a1", noon.Add(time.Hour))}}
	f.afterGet = func() {
		f.set(func(f *fake) { f.started, f.alerts, f.afterGet = noon.Add(2*time.Hour), nil, nil })
	}
	p := serve(t, f)
	states := ask(t, p, "a1", noon.Add(time.Hour))
	if states.State != providers.AlertUnknown {
		t.Fatalf("state %q (%s), want unknown", states.State, states.Detail)
	}
}

func TestAFailedPollChangesNothing(t *testing.T) {
	f := &fake{started: noon, alerts: []map[string]any{firing("a1", noon.Add(time.Hour))}}
	p := serve(t, f, "poll: 5ms")
	next := watch(t, p)
	want(t, next(), "a1", providers.AlertFiring)
	broken := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, // a proxy, for once
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[{")) },
	}
	for _, b := range broken {
		f.set(func(f *fake) { f.answer = b })
		r := next()
		for r.err == nil || r.alert != nil {
			t.Fatalf("reported %+v while the answers were broken", r.alert)
		}
		if p.Health().State != providers.HealthFailing {
			t.Fatalf("health is %q while answers are broken", p.Health().State)
		}
	}
	f.set(func(f *fake) { f.answer, f.alerts = nil, append(f.alerts, firing("a2", noon)) })
	r := next()
	for r.err != nil { // a poll that was under way may still have failed
		r = next()
	}
	want(t, r, "a2", providers.AlertFiring)
}

func TestAWrongAddressEndsTheWatch(t *testing.T) {
	var last error
	for _, err := range serve(t, http.NotFoundHandler()).Watch(t.Context()) {
		last = err
	}
	if providers.ClassOf(last) != providers.ClassPermanent {
		t.Fatalf("the last error was %v", last)
	}
}

func TestAnAlertWhoseSenderDiedIsUnknown(t *testing.T) {
	start := time.Now().UTC().Truncate(time.Second)
	a := firing("a1", start)
	a["endsAt"] = start.Add(4 * time.Minute)
	f := &fake{started: noon, date: start, alerts: []map[string]any{a}}
	p := serve(t, f)
	if st := ask(t, p, "a1", start); st.State != providers.AlertFiring {
		t.Fatalf("state %q, want firing", st.State)
	}
	f.set(func(f *fake) { f.date = start.Add(3*time.Minute + 58*time.Second) }) // not sent again, still listed
	ask(t, p, "a1", start)
	f.set(func(f *fake) { f.date, f.alerts = start.Add(4*time.Minute+2*time.Second), nil })
	if st := ask(t, p, "a1", start); st.State != providers.AlertUnknown {
		t.Fatalf("state %q (%s), want unknown", st.State, st.Detail)
	}
}

func ask(t *testing.T, p *alertmanager.Provider, id string, starts time.Time) providers.AlertStatus {
	t.Helper()
	got, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: id, StartsAt: starts}})
	if err != nil {
		t.Fatal(err)
	}
	st, ok := got[id]
	if !ok || (st.State == providers.AlertUnknown && st.Detail == "") {
		t.Fatalf("answer without the alert, or without a reason: %+v", got)
	}
	return st
}

func TestStatesInAFreshProcess(t *testing.T) {
	began := time.Now().Add(-10 * time.Minute)
	cases := map[string]struct {
		fake *fake
		want providers.AlertState
	}{
		"gone, up since before":         {&fake{started: began.Add(-time.Hour)}, providers.AlertResolved},
		"gone, restarted since":         {&fake{started: began.Add(time.Minute)}, providers.AlertUnknown},
		"gone, started at about then":   {&fake{started: began.Add(-10 * time.Second)}, providers.AlertUnknown},
		"gone, server without a status": {&fake{noStatus: true}, providers.AlertUnknown},
		"gone, server's clock is behind the alert": {
			&fake{started: began.Add(-time.Hour), date: began.Add(-5 * time.Minute)}, providers.AlertUnknown,
		},
		"listed":   {&fake{started: began, alerts: []map[string]any{firing("a1", began)}}, providers.AlertFiring},
		"silenced": {&fake{started: began, alerts: []map[string]any{silenced("a1", began, "s9")}}, providers.AlertSuppressed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if st := ask(t, serve(t, c.fake), "a1", began); st.State != c.want {
				t.Fatalf("state %q (%s), want %q", st.State, st.Detail, c.want)
			}
		})
	}
}

func TestStatesOfABrokenSourceAreAnError(t *testing.T) {
	p := serve(t, &fake{started: noon, answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }})
	got, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: "a1", StartsAt: noon}})
	if err == nil || got != nil {
		t.Fatalf("got %v, %v; want an error and nothing else", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = p.AlertStates(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("after a cancel: %v", err)
	}
}

func TestAClockTenMinutesOffIsSeenAndBreaksNothing(t *testing.T) {
	server := time.Now().Add(-10 * time.Minute)
	f := &fake{started: server.Add(-time.Hour), date: server, alerts: []map[string]any{firing("a1", server.Add(-time.Minute))}}
	p := serve(t, f, "poll: 5ms")
	next := watch(t, p)
	want(t, next(), "a1", providers.AlertFiring)
	if skew := p.Health().Skew; skew > -9*time.Minute || skew < -11*time.Minute {
		t.Fatalf("skew %s, want about -10m", skew)
	}
	f.set(func(f *fake) { f.alerts = nil })
	a := want(t, next(), "a1", providers.AlertResolved)
	if d := a.EndsAt.Sub(a.StartsAt); d < 0 || d > 2*time.Minute {
		t.Fatalf("by two clocks the alert lasted %s", d)
	}
}
