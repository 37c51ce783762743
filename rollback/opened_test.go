package rollback_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// newcomers are alerts of which some open while a run is at work; real sources cannot be made to do that at one instant.
type newcomers struct {
	*alerts
	open  func(since time.Time) ([]rollback.AlertRef, error)
	asked []string
}

func (n *newcomers) Opened(_ context.Context, services []string, since time.Time) ([]rollback.AlertRef, error) {
	n.asked = append(n.asked, strings.Join(services, " "))
	return n.open(since)
}

// An alert of the service that opens after the effect has to clear like those of the plan; one from before the change does not.
func TestAlertsThatOpenSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &newcomers{}
		b := newBench(t, func(c *rollback.Config) { c.Symptoms = n })
		n.alerts = b.alerts
		b.pricing()
		began, from := time.Now(), time.Time{}
		n.open = func(since time.Time) ([]rollback.AlertRef, error) {
			from = since
			if at := time.Since(began); at >= 3*time.Second && at < 20*time.Second {
				return []rollback.AlertRef{{Provider: "alerts", ID: "new", Name: "CartLatency"}}, nil
			}
			return nil, nil
		}
		b.alerts.set("new", providers.AlertFiring)
		time.AfterFunc(25*time.Second, func() { b.alerts.set("new", providers.AlertResolved) })
		b.cfg.Hold = 15 * time.Second
		b.Engine = b.another(t)
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		took := time.Since(began)
		if err != nil || run.State != rollback.RunSucceeded || took < 40*time.Second || !strings.Contains(run.Detail, "1 alert resolved") {
			t.Errorf("%v %s after %s: %s", err, run.State, took, run.Detail)
		}
		if !strings.Contains(strings.Join(logOf(run), "\n"), "alert CartLatency: firing") || len(run.Symptoms) != 1 {
			t.Errorf("the record: %q %+v", logOf(run), run.Symptoms)
		}
		if want := t0.Add(-10 * time.Minute); !from.Equal(want) || !slices.Contains(n.asked, "pricing") {
			t.Errorf("asked for %q since %s, want since %s", n.asked, from, want)
		}
	})
}

func TestNobodyCanTellWhatOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &newcomers{open: func(time.Time) ([]rollback.AlertRef, error) { return nil, errAway }}
		b := newBench(t, func(c *rollback.Config) { c.Symptoms = n })
		n.alerts = b.alerts
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunUnverified || !strings.Contains(run.Detail, "alerts that opened since: unknown (the host does not answer)") {
			t.Errorf("%v %s: %s", err, run.State, run.Detail)
		}
	})
}
