package rollback_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/store"
)

// The disk fills up at every point that a run can reach. It says so, and with room again the run is finished: nothing is
// lost, nothing is done twice, and nothing was done that is not in the journal.
func TestAFullDiskAtAnyPoint(t *testing.T) {
	interrupted := 0
	for pages := int64(10); !t.Failed(); pages++ {
		ended := false
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.db")
			b, run, err := runInRoomFor(t, path, pages)
			switch effects := len(b.target.effects()); {
			case err == nil:
				ended = true
			case !errors.Is(err, store.ErrFull):
				t.Errorf("with %d pages: %v", pages, err)
			case run.ID == "" && effects != 0:
				t.Error("an effect without a run in the journal")
			case run.ID != "":
				interrupted++
				goOnWithRoom(t, b, path, run.ID)
			}
		})
		if ended {
			break
		}
	}
	if interrupted == 0 {
		t.Error("no run was interrupted: the test shows nothing")
	}
	t.Logf("%d runs were interrupted by a full disk", interrupted)
}

// runInRoomFor makes a whole run in a database of so many pages.
func runInRoomFor(t *testing.T, path string, pages int64) (b *bench, run rollback.Run, err error) {
	t.Helper()
	db, err := store.Open(t.Context(), path, store.Options{MaxPages: pages})
	if err != nil {
		return newBench(t), run, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	b = newBench(t, func(c *rollback.Config) { c.Store = db })
	b.pricing()
	p := b.plan(t, rollback.Request{})
	if run, err = b.Confirm(t.Context(), p, yes(p)); err != nil {
		return b, run, err
	}
	after, err := b.Execute(t.Context(), run.ID)
	if err == nil && after.State != rollback.RunSucceeded {
		t.Errorf("ended %q", after.State)
	}
	return b, run, err
}

func goOnWithRoom(t *testing.T, b *bench, path, id string) {
	t.Helper()
	db, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	again := b.another(t, func(c *rollback.Config) { c.Store, c.HolderDead = db, func(string) bool { return true } })
	run, err := again.Execute(t.Context(), id)
	if err != nil || run.State != rollback.RunSucceeded || len(b.target.effects()) != 1 {
		t.Errorf("with room again: %q %s, %d effects, %v", run.State, run.Detail, len(b.target.effects()), err)
	}
}
