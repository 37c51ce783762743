//go:build unix

package faults

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// Our own clock that was set back, or forward, by ten minutes leaves a record whose times run backwards. Its order is that
// of its numbers, and nothing about it is broken.
func TestOurOwnClockJumps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	now := time.Now()
	for _, at := range []time.Time{now.Add(10 * time.Minute), now.Add(-10 * time.Minute), now.Add(-20 * time.Minute)} {
		db, err := store.Open(t.Context(), w.path("state/backout.db"), store.Options{Now: func() time.Time { return at }})
		w.must(err)
		w.must(db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: "written at " + at.UTC().Format(time.TimeOnly)}, nil)
			return err
		}))
		w.must(db.Close())
	}
	w.run("note", "written now").ends(fine)
	w.run("ledger", "verify").ends(fine).shows("^4 entries, the chain holds")
	r := w.run("ledger", "list", "--output", "json").ends(fine)
	var list struct {
		Items []struct {
			Seq int
			At  time.Time
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list.Items) != 4 {
		t.Fatalf("%v in %s", err, r)
	}
	for i, e := range list.Items {
		if e.Seq != i+1 {
			t.Errorf("entry %d stands at %d", e.Seq, i+1)
		}
	}
	if !list.Items[1].At.Before(list.Items[0].At) {
		t.Error("the times do not run backwards: the test tests nothing")
	}
	w.rollBack("shop", "--to", "r1").ends(fine).shows("succeeded")
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
	w.run("timeline").ends(fine).shows("written now", "rollback +shop")
}

// A lease that was taken by a clock ahead of ours holds nobody up once its process is gone.
func TestALeaseFromTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	w.hold("1s")
	w.rollBack("shop", "--to", "r1", "--detach").ends(fine)
	w.until("verifying", func() bool { return w.contains("runs", "verifying") })
	w.kill("RUN-0001")
	w.alter("UPDATE lease SET expires_at = ?", time.Now().Add(10*time.Minute).UnixNano())
	w.until("interrupted", func() bool { return !w.busy("RUN-0001") })
	w.run("runs", "resume").ends(fine).shows("succeeded")
	if got := w.serves("shop"); got != "r1" {
		t.Errorf("shop serves %s", got)
	}
}
