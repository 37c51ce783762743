package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// Of many changes those nearest in time are decoded, in their order; of few, all, as a snapshot gives them.
func TestNear(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store := timeline.New(func() time.Time { return start.Add(time.Hour) })
	for i := range 20 {
		store.Put("p", providers.Event{Change: &providers.Change{ID: fmt.Sprintf("c%02d", i), LandedAt: start.Add(time.Duration(i) * time.Minute)}})
		store.Put("p", providers.Event{Alert: &providers.Alert{ID: fmt.Sprintf("a%02d", i), StartsAt: start.Add(time.Duration(i) * time.Minute)}})
	}
	snap := store.Snapshot()
	w := providers.Window{Since: start.Add(2 * time.Minute)}
	ids := func(changes []providers.Change) (out []string) {
		for _, c := range changes {
			out = append(out, c.ID)
		}
		return out
	}
	if diff := cmp.Diff([]string{"c08", "c09", "c10", "c11"}, ids(near(snap, w, start.Add(10*time.Minute), 3, 1))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c02", "c03", "c04", "c05"}, ids(near(snap, w, start.Add(3*time.Minute), 3, 2))); diff != "" {
		t.Errorf("at the edge of the window: %s", diff)
	}
	if diff := cmp.Diff(snap.Changes(w), near(snap, w, start.Add(5*time.Minute), 100, 100)); diff != "" {
		t.Errorf("without a limit: %s", diff)
	}
	if diff := cmp.Diff([]string{"c18", "c19"}, ids(newest(snap, w, 2))); diff != "" {
		t.Error(diff)
	}
	if got := newestAlerts(snap, w, 2); len(got) != 2 || got[0].ID != "a18" {
		t.Errorf("newest alerts: %v", got)
	}
}
