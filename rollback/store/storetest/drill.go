package storetest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// begin writes a drill of a run, with the entry that it begins with.
func begin(t *testing.T, db *store.DB, run, environment string) (store.Drill, error) {
	t.Helper()
	d := store.Drill{Run: run, Unit: "u:a/b", Environment: environment, State: "going back", Doc: json.RawMessage(`{"d":1}`), StartedAt: time.Unix(100, 42).UTC()}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.NameDrill(&d); err != nil {
			return err
		}
		if err := tx.CreateDrill(d); err != nil {
			return err
		}
		return told(tx, d, "began")
	})
	return d, err
}

func told(tx *store.Tx, d store.Drill, event string) error {
	body, err := json.Marshal(ledger.DrillBody{Drill: d.ID, Event: event, State: d.State})
	if err != nil {
		return err
	}
	_, err = tx.Append(ledger.Entry{Kind: ledger.KindDrill, Actor: "ana", Run: d.Run, Unit: d.Unit, Text: event, Body: body}, nil)
	return err
}

func drills(t *testing.T, a, b *store.DB) {
	r := create(t, a, "op1", "u:a/b")
	first, err := begin(t, a, r.ID, "prod")
	if err != nil || first.ID != "DRILL-0001" {
		t.Fatalf("%+v %v", first, err)
	}
	if _, err := begin(t, b, r.ID, "prod"); !errors.Is(err, store.ErrHeld) {
		t.Errorf("a second one in the same environment: %v", err)
	}
	if other, err := begin(t, b, r.ID, "staging"); err != nil || other.ID != "DRILL-0002" {
		t.Errorf("one elsewhere: %+v %v", other, err)
	}
	if _, err := b.Drill(t.Context(), "DRILL-9"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that there is not: %v", err)
	}
	held(t, a, b, first.ID)
	over(t, a, b, first)
}

// over checks that a drill's end reads back.
func over(t *testing.T, a, b *store.DB, first store.Drill) {
	t.Helper()
	first.State, first.Final, first.EndedAt, first.Doc = "passed", true, time.Unix(200, 0).UTC(), json.RawMessage(`{"d":2}`)
	end := func(d store.Drill, event string) error {
		return a.Update(t.Context(), func(tx *store.Tx) error { return errors.Join(tx.SaveDrill(d), told(tx, d, event)) })
	}
	if err := end(first, "ended"); err != nil {
		t.Fatal(err)
	}
	all, err := b.Drills(t.Context())
	if err != nil || len(all) != 2 || all[1].State != "passed" || !all[1].Final || !all[1].EndedAt.Equal(first.EndedAt) || !all[1].StartedAt.Equal(first.StartedAt) || string(all[1].Doc) != `{"d":2}` {
		t.Errorf("%+v %v", all, err)
	}
	if report, err := a.Verify(t.Context()); err != nil || !report.OK {
		t.Errorf("%+v %v", report, err)
	}
	contradicts(t, a, first)
}

// contradicts checks that a journal which says another end than the record is found.
func contradicts(t *testing.T, a *store.DB, first store.Drill) {
	t.Helper()
	first.State = "failed" // the journal alone
	if err := a.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveDrill(first) }); err != nil {
		t.Fatal(err)
	}
	if report, err := a.Verify(t.Context()); err != nil || report.OK || len(report.Problems) != 1 || report.Problems[0].Damage != ledger.Disputed {
		t.Errorf("a journal that says something else: %+v %v", report, err)
	}
}

// held checks that a drill has one holder, and that the one before cannot write any more.
func held(t *testing.T, a, b *store.DB, id string) {
	t.Helper()
	hold := func(db *store.DB, holder string, dead func(string) bool) (token int64, err error) {
		err = db.Update(t.Context(), func(tx *store.Tx) error {
			token, err = tx.HoldDrill(id, holder, time.Now().Add(time.Minute), dead)
			return err
		})
		return token, err
	}
	first, err := hold(a, "here:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold(b, "there:2", nil); !errors.Is(err, store.ErrHeld) {
		t.Errorf("held twice: %v", err)
	}
	second, err := hold(b, "there:2", func(string) bool { return true })
	if err != nil || second <= first {
		t.Errorf("taken over from a dead one: token %d after %d, %v", second, first, err)
	}
	err = a.Update(t.Context(), func(tx *store.Tx) error { return tx.RenewDrill(id, first, time.Now().Add(time.Minute)) })
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("the one before renews: %v", err)
	}
	if err := b.Update(t.Context(), func(tx *store.Tx) error { return tx.RenewDrill(id, second, time.Time{}) }); err != nil {
		t.Error(err)
	}
	if third, err := hold(a, "here:1", nil); err != nil || third <= second {
		t.Errorf("given up: token %d after %d, %v", third, second, err)
	}
}
