package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

// lived writes a run that is over, with all that belongs to one.
func lived(t *testing.T, db *store.DB, op string) store.Run {
	t.Helper()
	r := store.Run{
		Op: op, PlanHash: "h", Plan: json.RawMessage(`{"p":1}`), Confirmation: json.RawMessage(`{"c":1}`), State: "confirmed", StartedAt: time.Unix(100, 42).UTC(),
		Steps: []store.Step{{N: 1, Unit: "u:" + op, State: "applied", Doc: json.RawMessage(`{"s":1}`), Result: json.RawMessage(`{"r":1}`)}},
	}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.CreateRun(&r); err != nil {
			return err
		}
		if err := tx.Claim(r.ID, []string{"u:" + op}); err != nil {
			return err
		}
		if _, err := tx.Acquire(r.ID, "here:1", time.Now().Add(time.Minute), nil); err != nil {
			return err
		}
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindPlan, Run: r.ID, Text: "plan"}, []byte("raw of "+op))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func over(t *testing.T, db *store.DB, r store.Run) {
	t.Helper()
	r.State, r.Final, r.EndedAt = "succeeded", true, time.Unix(200, 1).UTC()
	m := store.Measure{ID: r.ID + ".1", Run: r.ID, Step: 1, Unit: "u:m", State: "in force", Expires: time.Unix(300, 7).UTC(), Doc: json.RawMessage(`{"m":1}`)}
	body := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err1 := tx.Append(ledger.Entry{Kind: ledger.KindMeasure, Run: r.ID, Body: body(ledger.MeasureBody{Measure: m.ID, State: m.State})}, nil)
		_, err2 := tx.Append(ledger.Entry{Kind: ledger.KindOutcome, Run: r.ID, Body: body(map[string]string{"state": r.State})}, nil)
		proof := store.Proof{ID: r.ID + " u", Run: r.ID, Unit: "u:p", Doc: body(map[string]string{"id": r.ID + " u"})}
		return errors.Join(err1, err2, tx.SaveRun(r), tx.Log(r.ID, "done"), tx.SaveMeasure(m), tx.Release(r.ID), tx.Prove(proof, ledger.Entry{Text: "passed"}))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// full is a record with something of everything, and its checkpoint.
func full(t *testing.T, path string) (*store.DB, ledger.Checkpoint) {
	t.Helper()
	first := openAt(t, path, store.Options{})
	for n := range 3 {
		over(t, first, lived(t, first, fmt.Sprint("op", n)))
	}
	notes := make([]string, 250) // more than a batch
	for i := range notes {
		notes[i] = fmt.Sprint("note ", i)
	}
	err := first.Update(t.Context(), func(tx *store.Tx) error {
		for _, n := range notes {
			if _, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: n}, []byte(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Redact(t.Context(), 20, []string{"text"}, "a secret", ledger.Entry{Actor: "ana"}); err != nil {
		t.Fatal(err)
	}
	report, err := first.Verify(t.Context())
	if err != nil || !report.OK {
		t.Fatalf("%+v %v", report, err)
	}
	return first, ledger.Checkpoint{Origin: report.Origin, Head: report.Head}
}

// A record is moved from a file to a server and back: a checkpoint that was kept of the first holds in the last, so do runs, measures, proofs
// and the tokens of the leases.
func TestCopyBetweenTheTwo(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	dir := t.TempDir()
	first, kept := full(t, filepath.Join(dir, "first.db"))
	shared, last := openAt(t, g.Create(t, "b"), store.Options{}), openAt(t, filepath.Join(dir, "last.db"), store.Options{})
	for i, way := range [][2]*store.DB{{first, shared}, {shared, last}} {
		out, err := store.Copy(t.Context(), way[0], way[1])
		if err != nil || !out.Report.OK || out.Rows["ledger"] < kept.Head.Seq || out.Rows["lease"] != int64(3+i) || out.Rows["proof"] != int64(3+i) {
			t.Fatalf("%+v %v", out, err)
		}
		same(t, way[0], way[1])
		if r, err := way[1].Verify(t.Context(), kept); err != nil || !r.OK {
			t.Errorf("the checkpoint that was kept: %+v %v", r, err)
		}
		if _, err := store.Copy(t.Context(), way[0], way[1]); !errors.Is(err, store.ErrNotEmpty) {
			t.Errorf("copied over a record: %v", err)
		}
		over(t, way[1], lived(t, way[1], fmt.Sprint("later", i))) // it goes on
	}
	if _, err := store.Copy(t.Context(), shared, openAt(t, g.Create(t, "c"), store.Options{})); err != nil {
		t.Errorf("from server to server: %v", err)
	}
	lived(t, shared, "open")
	if _, err := store.Copy(t.Context(), shared, openAt(t, g.Create(t, "d"), store.Options{})); !errors.Is(err, store.ErrUnfinished) {
		t.Errorf("a run is not over: %v", err)
	}
}

// same compares what two stores tell of everything.
func same(t *testing.T, a, b *store.DB) {
	t.Helper()
	told := func(db *store.DB) string {
		runs, err1 := db.Runs(t.Context())
		measures, err2 := db.Measures(t.Context())
		proofs, err3 := db.Proofs(t.Context())
		entries, err4 := db.Entries(t.Context(), 0, 0)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal([]any{runs, measures, proofs, entries})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if x, y := told(a), told(b); x != y {
		t.Errorf("one tells\n%s\nand the other one\n%s", x, y)
	}
}

// follow has a store followed, and gives what waits until something arrived, looking only when it is told of news.
func follow(t *testing.T, db *store.DB) (news func(what string, arrived func() bool)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		db.Follow(ctx, func(err error) { t.Log(err) })
	}()
	t.Cleanup(func() { stop(); <-followed })
	return func(what string, arrived func() bool) {
		t.Helper()
		limit := time.After(time.Minute)
		for {
			told := db.News()
			if arrived() {
				return
			}
			select {
			case <-told:
			case <-limit:
				t.Fatalf("%s: it was not told", what)
			}
		}
	}
}

func readWhileAway(t *testing.T, db *store.DB, head ledger.Head) {
	t.Helper()
	if h, err := db.Head(t.Context()); err != nil || h != head {
		t.Errorf("read %+v, %v", h, err)
	}
	away, is := db.Away()
	if !is || away.Copy.IsZero() || time.Since(away.Copy) > time.Minute || !errors.Is(away.Why, store.ErrAway) {
		t.Errorf("%+v %v", away, is)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := append1(short, db, "lost"); !errors.Is(err, store.ErrAway) {
		t.Errorf("written while it is away: %v", err)
	}
}

// While the server is away its copy is read, of which it is known how old it is; nothing is written. When it is back it is read again.
func TestTheCopyIsReadWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place, beside := g.Create(t, "b"), filepath.Join(t.TempDir(), "copy.db")
	if _, err := store.Open(t.Context(), "postgres://nobody@127.0.0.1:1/b", store.Options{Copy: filepath.Join(t.TempDir(), "none.db")}); !errors.Is(err, store.ErrAway) {
		t.Errorf("away, and never copied: %v", err)
	}
	db, other := openAt(t, place, store.Options{Copy: beside}), openAt(t, place, store.Options{})
	news := follow(t, db)
	copyHas := func(seq int64) func() bool {
		return func() bool {
			if err := db.Refresh(t.Context()); err != nil {
				t.Log(err)
			}
			c := openAt(t, beside, store.Options{ReadOnly: true})
			head, err := c.Head(t.Context())
			return err == nil && head.Seq >= seq
		}
	}
	open := lived(t, other, "one")
	news("another console's run", func() bool { all, err := db.Runs(t.Context()); return err == nil && len(all) == 1 })
	news("the copy", copyHas(1))
	over(t, other, open)
	over(t, other, lived(t, other, "two"))
	if _, err := other.Redact(t.Context(), 1, []string{"text"}, "a secret", ledger.Entry{Actor: "ana"}); err != nil {
		t.Fatal(err)
	}
	head, err := other.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	news("the copy", copyHas(head.Seq))
	copied := openAt(t, beside, store.Options{ReadOnly: true})
	same(t, other, copied)
	if r, err := copied.Verify(t.Context()); err != nil || !r.OK || !slices.Equal(r.Redacted, []int64{1}) {
		t.Errorf("%+v %v", r, err)
	}
	g.Kill()
	news("that it is away", func() bool { _, is := db.Away(); return is })
	late := openAt(t, place, store.Options{Copy: beside}) // a console that is started now
	readWhileAway(t, db, head)
	readWhileAway(t, late, head)
	g.Start(t)
	news("that it is back", func() bool { _, is := db.Away(); return !is })
	if err := append1(t.Context(), late, "back"); err != nil {
		t.Error(err)
	}
	if h, err := late.Head(t.Context()); err != nil || h.Seq != head.Seq+1 {
		t.Errorf("read %+v, %v", h, err)
	}
}
