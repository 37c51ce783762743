package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

func append1(ctx context.Context, db *store.DB, text string) error {
	return db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: text}, nil)
		return err
	})
}

// The connection is lost as the commit is sent: the server did it, or not, and nobody says so. What became of it is looked up, so that what
// is reported as written is there once, and what is reported as not written is not there.
func TestALostCommitIsLookedUp(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	wire := servers.NewWire(t, g.Addr)
	direct, db := openAt(t, place, store.Options{}), openAt(t, wire.Through(place), store.Options{})
	want := map[string]bool{}
	lost := 0
	for n := range 20 {
		text := fmt.Sprint("entry ", n)
		var once sync.Once
		wire.OnCommit(func(commit bool) (is servers.Fate) {
			if commit {
				once.Do(func() { is, lost = []servers.Fate{servers.CutAfter, servers.CutBefore}[n%2], lost+1 })
			}
			return is
		})
		if err := append1(t.Context(), db, text); err == nil {
			want[text] = true
		} else if errors.Is(err, store.ErrUncertain) {
			t.Errorf("%s: the server is there, and it was not looked up: %v", text, err)
		}
	}
	wire.OnCommit(nil)
	if lost != 20 || len(want) == 0 || len(want) == 20 {
		t.Errorf("%d commits were lost, %d entries acknowledged: not both were put to the test", lost, len(want))
	}
	var have []string
	for e, err := range direct.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, e.Text)
		if !want[e.Text] {
			t.Errorf("%q is there, and was reported as not written", e.Text)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d are there, %d were acknowledged: %v", len(have), len(want), have)
	}
	if r, err := direct.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("%+v %v", r, err)
	}
}

// A server that is ended and comes back is waited for where nothing was begun; one that falls silent is not waited for for ever, and
// neither is its turn that a silent client holds.
func TestAServerThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	db := openAt(t, place, store.Options{})
	if err := append1(t.Context(), db, "before"); err != nil {
		t.Fatal(err)
	}
	g.Kill()
	began := make(chan struct{})
	done := make(chan error)
	go func() {
		close(began)
		done <- append1(t.Context(), db, "while it is away")
	}()
	<-began
	g.Start(t)
	if err := <-done; err != nil {
		t.Errorf("it came back in time: %v", err)
	}
	wire := servers.NewWire(t, g.Addr)
	far := openAt(t, wire.Through(place), store.Options{})
	if err := append1(t.Context(), far, "through the wire"); err != nil {
		t.Fatal(err)
	}
	err := far.Update(t.Context(), func(tx *store.Tx) error { // it has the turn, and is cut off
		wire.Hush(true)
		started := time.Now()
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: "lost"}, nil)
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("waited %s for an answer", took)
		}
		return err
	})
	if !errors.Is(err, store.ErrAway) {
		t.Errorf("a server that fell silent: %v", err)
	}
	if err := append1(t.Context(), db, "after"); err != nil {
		t.Errorf("the turn of a client that is cut off was not given on: %v", err)
	}
	wire.Hush(false)
	if err := append1(t.Context(), far, "healed"); err != nil {
		t.Errorf("the partition is over: %v", err)
	}
	if r, err := db.Verify(t.Context()); err != nil || !r.OK || r.Entries != 5 {
		t.Errorf("%+v %v", r, err)
	}
}

// Two consoles, one of which is two minutes ahead, see one lease alike, and none takes it before it ends.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	const off = 2 * time.Minute
	right := openAt(t, place, store.Options{})
	for name, skew := range map[string]time.Duration{"ahead": off, "behind": -off} {
		now := func() time.Time { return time.Now().Add(skew) }
		wrong := openAt(t, place, store.Options{Now: now})
		for _, c := range []struct {
			a, b       *store.DB
			aNow, bNow func() time.Time
		}{{right, wrong, time.Now, now}, {wrong, right, now, time.Now}} {
			r := claimed(t, right)
			if err := acquire(t.Context(), c.a, r, "a:1", c.aNow().Add(30*time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := acquire(t.Context(), c.b, r, "b:1", c.bNow().Add(30*time.Second)); !errors.Is(err, store.ErrHeld) {
				t.Errorf("%s: a lease of 30 s was taken at once: %v", name, err)
			}
			seen, err := c.b.Run(t.Context(), r)
			if err != nil || len(seen.Leases) != 1 {
				t.Fatalf("%+v %v", seen.Leases, err)
			}
			if left := seen.Leases[0].Expires.Sub(c.bNow()); left < 20*time.Second || left > 40*time.Second {
				t.Errorf("%s: seen to last %s more", name, left)
			}
			if err := acquire(t.Context(), c.a, r, "a:1", c.aNow().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := acquire(t.Context(), c.b, r, "b:1", c.bNow().Add(30*time.Second)); err != nil {
				t.Errorf("%s: an expired lease: %v", name, err)
			}
		}
	}
}

func claimed(t *testing.T, db *store.DB) string {
	t.Helper()
	var r store.Run
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		head, err := tx.Head()
		if err != nil {
			return err
		}
		r = store.Run{Op: fmt.Sprint("op", time.Now().UnixNano(), head.Seq), PlanHash: "h", Plan: []byte("{}"), Confirmation: []byte("{}"), State: "confirmed", StartedAt: time.Now()}
		if err := tx.CreateRun(&r); err != nil {
			return err
		}
		return tx.Claim(r.ID, []string{"u:" + r.ID})
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func acquire(ctx context.Context, db *store.DB, run, holder string, until time.Time) error {
	return db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Acquire(run, holder, until, nil)
		return err
	})
}
