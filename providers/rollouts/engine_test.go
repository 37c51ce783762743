package rollouts_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// engine: a canary that cannot be pulled is taken back by a whole run, and the timeline tells what happened.
func engine(t *testing.T, w *world) {
	s := w.shop(t, "engine")
	s.apply("cart:1", at("progressDeadlineSeconds", 3))
	s.until("Healthy")
	s.apply("cart:broken", at("progressDeadlineSeconds", 3))
	s.until("Degraded")
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	e, err := rollback.New(rollback.Config{
		Store: db, Reversers: map[string]rollback.Reverser{"rollouts": s.p}, Hold: time.Second, Deadline: 50 * time.Second, Poll: 200 * time.Millisecond,
		Tier: func(string) string { return "dev" },
	})
	if err != nil {
		t.Fatal(err)
	}
	var culprit *providers.Change
	for c, err := range s.p.Changes(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.To == "rev2" {
			culprit = &c
		}
	}
	alerts := alertsOf(t, s)
	if culprit == nil || culprit.Status != "ProgressDeadlineExceeded" || len(alerts) != 1 || alerts[0].Name != "ProgressDeadlineExceeded" {
		t.Fatalf("the culprit is %+v, the alerts are %+v", culprit, alerts)
	}
	plan, err := e.Plan(t.Context(), rollback.Request{Change: culprit})
	if err != nil {
		t.Fatal(err)
	}
	if u := plan.Units[0]; u.To.Label != "rev1" || len(u.Steps) != 1 || u.Steps[0].Action != "abort" {
		t.Fatalf("planned %+v", u)
	}
	by := policy.Principal{ID: "mei", Kind: policy.Human}
	run, err := e.Confirm(t.Context(), plan, rollback.Confirmation{PlanHash: plan.Hash, By: by, Typed: "cart", Reason: "cannot be pulled", Via: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if run, err = e.Execute(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	if run.State != rollback.RunSucceeded {
		t.Errorf("it ended as %s: %s; %+v", run.State, run.Detail, run.Checks)
	}
	status, err := s.p.AlertStates(t.Context(), []providers.AlertQuery{{ID: alerts[0].ID}})
	if err != nil || status[alerts[0].ID].State != providers.AlertResolved {
		t.Errorf("the alert is %+v %v", status, err)
	}
	if again := alertsOf(t, s); len(again) != 2 || again[1].Name != "RolloutAborted" || again[0].EndsAt.IsZero() {
		t.Errorf("afterwards the alerts are %+v", again)
	}
}

func alertsOf(t *testing.T, s *shop) (out []providers.Alert) {
	t.Helper()
	for a, err := range s.p.Alerts(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}
