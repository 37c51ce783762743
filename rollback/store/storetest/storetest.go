// Package storetest is the conformance suite of the store: what a journal must do, whichever engine is behind it.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// Open gives a new, empty store each time, or a second connection to the one that it gave for the same name.
type Open func(t *testing.T, name string) *store.DB

// Run runs the whole suite.
func Run(t *testing.T, open Open) {
	t.Run("a run reads back as it was written", func(t *testing.T) { readsBack(t, open(t, "a")) })
	t.Run("a row and its entry commit together", func(t *testing.T) { together(t, open(t, "a")) })
	t.Run("a unit is claimed once", func(t *testing.T) { claims(t, open(t, "a")) })
	t.Run("a lease is taken over with a higher token", func(t *testing.T) { leases(t, open(t, "a")) })
	t.Run("two writers keep one chain", func(t *testing.T) { chain(t, open(t, "a"), open(t, "a")) })
	t.Run("an abort is seen by the other process and the first stays", func(t *testing.T) { aborts(t, open(t, "a"), open(t, "a")) })
	t.Run("a pause is seen by the other process until it is taken back", func(t *testing.T) { pauses(t, open(t, "a"), open(t, "a")) })
	t.Run("a measure reads back as it was written", func(t *testing.T) { measures(t, open(t, "a"), open(t, "a")) })
	t.Run("a proof is written once, with its entry", func(t *testing.T) { proofs(t, open(t, "a"), open(t, "a")) })
	t.Run("what is said of a request is said once", func(t *testing.T) { approvals(t, open(t, "a"), open(t, "a")) })
	t.Run("a probe replaces the one before", func(t *testing.T) { probes(t, open(t, "a"), open(t, "a")) })
	t.Run("signatures lie beside their entries", func(t *testing.T) { signatures(t, open(t, "a"), open(t, "a")) })
	t.Run("what is known of AI is kept in versions", func(t *testing.T) { attributions(t, open(t, "a"), open(t, "a")) })
	t.Run("a drill is held by one process, and one of an environment goes on", func(t *testing.T) { drills(t, open(t, "a"), open(t, "a")) })
	t.Run("a cancelled read ends", func(t *testing.T) { cancelled(t, open(t, "a")) })
	t.Run("entries page and payloads are bound", func(t *testing.T) { entries(t, open(t, "a")) })
}

func sample(op string) store.Run {
	return store.Run{
		Op: op, PlanHash: "h", Plan: json.RawMessage(`{"p":1}`), Confirmation: json.RawMessage(`{"c":1}`), State: "confirmed",
		Detail: "d", StartedAt: time.Unix(100, 42).UTC(),
		Steps: []store.Step{{N: 1, Unit: "u:a/b", State: "pending", Doc: json.RawMessage(`{"s":1}`)}},
	}
}

func create(t *testing.T, db *store.DB, op string, units ...string) store.Run {
	t.Helper()
	r := sample(op)
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.CreateRun(&r); err != nil {
			return err
		}
		return tx.Claim(r.ID, units)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readsBack(t *testing.T, db *store.DB) {
	r := create(t, db, "op1", "u:a/b")
	if r.ID != "RUN-0001" || create(t, db, "op2", "u:a/c").ID != "RUN-0002" {
		t.Errorf("ids do not count: %s", r.ID)
	}
	r.State, r.Final, r.AppliedAt, r.Doc = "succeeded", true, time.Unix(200, 1).UTC(), json.RawMessage(`{"x":1}`)
	r.Steps[0].State, r.Steps[0].Attempt, r.Steps[0].Result = "applied", 2, json.RawMessage(`{"outcome":"applied"}`)
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.SaveRun(r), tx.SaveStep(r.ID, r.Steps[0]), tx.Log(r.ID, "password: hunter2"), tx.Release(r.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	sameRun(t, db, r)
	if all, err := db.Runs(t.Context()); err != nil || len(all) != 2 || all[0].ID != "RUN-0002" {
		t.Errorf("runs: %v %v", all, err)
	}
	if _, err := db.Run(t.Context(), "RUN-9"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a run that is not there gives %v", err)
	}
}

func sameRun(t *testing.T, db *store.DB, r store.Run) {
	t.Helper()
	got, err := db.Run(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != "succeeded" || !got.Final || !got.AppliedAt.Equal(r.AppliedAt) || !got.StartedAt.Equal(r.StartedAt) || string(got.Doc) != `{"x":1}` {
		t.Errorf("run is %+v", got)
	}
	if len(got.Steps) != 1 || got.Steps[0].State != "applied" || got.Steps[0].Attempt != 2 || string(got.Steps[0].Doc) != `{"s":1}` {
		t.Errorf("steps are %+v", got.Steps)
	}
	if len(got.Log) != 1 || got.Log[0].Text != "password: [redacted]" || len(got.Leases) != 0 {
		t.Errorf("log %+v, leases %+v", got.Log, got.Leases)
	}
}

func together(t *testing.T, db *store.DB) {
	broken := errors.New("broken")
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		r := sample("op")
		if err := tx.CreateRun(&r); err != nil {
			return err
		}
		if _, err := tx.Append(ledger.Entry{Kind: ledger.KindPlan, Text: "x"}, []byte("raw")); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	runs, err1 := db.Runs(t.Context())
	head, err2 := db.Head(t.Context())
	if len(runs) != 0 || head.Seq != 0 || err1 != nil || err2 != nil {
		t.Errorf("half of it was written: %v %v %v %v", runs, head, err1, err2)
	}
}

func claims(t *testing.T, db *store.DB) {
	first := create(t, db, "op1", "u:a/b", "u:a/c")
	claim := func(run string, units ...string) error {
		return db.Update(t.Context(), func(tx *store.Tx) error { return tx.Claim(run, units) })
	}
	second := create(t, db, "op2", "u:a/d")
	if err := claim(second.ID, "u:a/e", "u:a/c"); !errors.Is(err, store.ErrHeld) {
		t.Errorf("a claimed unit gives %v", err)
	}
	if all, err := db.Leases(t.Context()); err != nil || len(all) != 3 {
		t.Errorf("a refused claim left something: %v %v", all, err)
	}
	if err := claim(first.ID, "u:a/c"); err != nil {
		t.Errorf("claiming one's own again: %v", err)
	}
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.Release(first.ID) }); err != nil {
		t.Fatal(err)
	}
	if err := claim(second.ID, "u:a/c"); err != nil {
		t.Errorf("a released unit: %v", err)
	}
}

func leases(t *testing.T, db *store.DB) {
	ctx := t.Context()
	r := create(t, db, "op1", "u:a/b", "u:a/c")
	soon := time.Now().Add(time.Hour)
	acquire := func(holder string, dead func(string) bool) (f store.Fence, err error) {
		err = db.Update(ctx, func(tx *store.Tx) error { f, err = tx.Acquire(r.ID, holder, soon, dead); return err })
		return f, err
	}
	one, err := acquire("host:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquire("host:2", nil); !errors.Is(err, store.ErrHeld) {
		t.Errorf("a fresh lease gives %v", err)
	}
	if err := db.Update(ctx, func(tx *store.Tx) error { return tx.Renew(one, time.Now().Add(-time.Second)) }); err != nil {
		t.Fatal(err)
	}
	two, err := acquire("host:2", nil)
	if err != nil {
		t.Fatalf("an expired lease: %v", err)
	}
	for u, token := range two.Tokens {
		if token <= one.Tokens[u] {
			t.Errorf("the token of %s went from %d to %d", u, one.Tokens[u], token)
		}
	}
	if err := db.Update(ctx, func(tx *store.Tx) error { return tx.Check(one) }); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the holder before may still write: %v", err)
	}
	three, err := acquire("host:3", func(h string) bool { return h == "host:2" })
	if err != nil {
		t.Fatalf("a dead holder's lease: %v", err)
	}
	if err := db.Update(ctx, func(tx *store.Tx) error { return tx.Detach(three) }); err != nil {
		t.Fatal(err)
	}
	if _, err := acquire("host:4", nil); err != nil {
		t.Errorf("a run that its holder left: %v", err)
	}
	if err := db.Update(ctx, func(tx *store.Tx) error { return tx.Release(r.ID) }); err != nil {
		t.Fatal(err)
	}
	if _, err := acquire("host:5", nil); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a run that is over can be taken: %v", err)
	}
	again := create(t, db, "op2", "u:a/b")
	got, err := db.Run(ctx, again.ID)
	if err != nil || got.Leases[0].Token <= three.Tokens["u:a/b"] {
		t.Errorf("the token fell: %+v %v", got.Leases, err)
	}
}

func chain(t *testing.T, a, b *store.DB) {
	ctx := t.Context()
	var wg sync.WaitGroup
	errs := make(chan error, 2)
	for i, db := range []*store.DB{a, b} {
		wg.Go(func() {
			for n := range 40 {
				err := db.Update(ctx, func(tx *store.Tx) error {
					_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: fmt.Sprint(i, n)}, nil)
					return err
				})
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if r, err := a.Verify(ctx); err != nil || !r.OK || r.Entries != 80 {
		t.Errorf("%+v %v", r, err)
	}
}

func aborts(t *testing.T, a, b *store.DB) {
	r := create(t, a, "op1", "u:a/b")
	ask := func(db *store.DB, run, by string) error {
		return db.Update(t.Context(), func(tx *store.Tx) error { return tx.RequestAbort(run, by, "why") })
	}
	if err := errors.Join(ask(b, r.ID, "ana"), ask(a, r.ID, "bob")); err != nil {
		t.Fatal(err)
	}
	if by, why, err := a.AbortRequested(t.Context(), r.ID); by != "ana" || why != "why" || err != nil {
		t.Errorf("asked by %q, %q, %v", by, why, err)
	}
	if err := a.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveRun(r) }); err != nil {
		t.Fatal(err)
	}
	if by, _, err := a.AbortRequested(t.Context(), r.ID); by != "ana" || err != nil {
		t.Errorf("saving the run lost the request: %q %v", by, err)
	}
	if err := ask(a, "RUN-9", "ana"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a run that is not there gives %v", err)
	}
}

func pauses(t *testing.T, a, b *store.DB) {
	r := create(t, a, "op1", "u:a/b")
	ask := func(run, by string) error {
		return b.Update(t.Context(), func(tx *store.Tx) error { return tx.RequestPause(run, by) })
	}
	if err := ask(r.ID, "ana"); err != nil {
		t.Fatal(err)
	}
	if err := a.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveRun(r) }); err != nil {
		t.Fatal(err)
	}
	got, readErr := a.Run(t.Context(), r.ID)
	if by, at, err := a.PauseRequested(t.Context(), r.ID); by != "ana" || at.IsZero() || err != nil || readErr != nil || got.PauseBy != by || !got.PausedAt.Equal(at) {
		t.Errorf("paused by %q at %s, %v; the run says %q at %s, %v", by, at, err, got.PauseBy, got.PausedAt, readErr)
	}
	if err := ask(r.ID, ""); err != nil {
		t.Fatal(err)
	}
	if by, at, err := a.PauseRequested(t.Context(), r.ID); by != "" || !at.IsZero() || err != nil {
		t.Errorf("still paused by %q at %s, %v", by, at, err)
	}
	if err := ask("RUN-9", "ana"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a run that is not there gives %v", err)
	}
}

func entries(t *testing.T, db *store.DB) {
	ctx := t.Context()
	const n = 1203 // more than two pages
	var last ledger.Entry
	err := db.Update(ctx, func(tx *store.Tx) error {
		for i := range n {
			var err error
			if last, err = tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: "n"}, []byte(fmt.Sprint("payload ", i))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.Payload(ctx, last.Payload); err != nil || string(got) != "payload 1202" {
		t.Errorf("payload is %q, %v", got, err)
	}
	if got, err := db.Entries(ctx, 10, 5); err != nil || len(got) != 5 || got[0].Seq != 11 {
		t.Errorf("a page is %v, %v", got, err)
	}
	count := int64(0)
	for e, err := range db.All(ctx) {
		if count++; err != nil || e.Seq != count {
			t.Fatalf("entry %d is %d, %v", count, e.Seq, err)
		}
	}
	if r, err := db.Verify(ctx); count != n || err != nil || !r.OK {
		t.Errorf("%d entries, %+v, %v", count, r, err)
	}
}

func cancelled(t *testing.T, db *store.DB) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Entries(gone, 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read gives %v", err)
	}
}
