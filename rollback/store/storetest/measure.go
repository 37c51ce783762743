package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

func measures(t *testing.T, a, b *store.DB) {
	r := create(t, a, "op1", "u:a/b")
	one := store.Measure{
		ID: r.ID + ".1", Run: r.ID, Step: 1, Unit: "u:a/b", State: "being set", Expires: time.Unix(300, 7).UTC(), Doc: json.RawMessage(`{"m":1}`),
	}
	two := one
	two.ID, two.Step = r.ID+".2", 2
	save := func(m store.Measure) error {
		return a.Update(t.Context(), func(tx *store.Tx) error {
			entry := ledger.Entry{Kind: ledger.KindMeasure, Run: m.Run, Text: m.State}
			var err error
			if entry.Body, err = json.Marshal(ledger.MeasureBody{Measure: m.ID, State: m.State}); err != nil {
				return err
			}
			_, err = tx.Append(entry, nil)
			return errors.Join(tx.SaveMeasure(m), err)
		})
	}
	if err := errors.Join(save(one), save(two)); err != nil {
		t.Fatal(err)
	}
	one.State, one.Closed, one.Doc = "lifted", true, json.RawMessage(`{"m":2}`)
	if err := save(one); err != nil {
		t.Fatal(err)
	}
	readMeasures(t, b, one, two)
	orphan := one
	orphan.ID, orphan.Run = "RUN-9.1", "RUN-9"
	if err := save(orphan); err == nil {
		t.Error("a measure of no run was written")
	}
	err := a.Update(t.Context(), func(tx *store.Tx) error {
		mine, err := tx.Claims("u:a/b")
		other, otherErr := tx.Claims("u:a/other")
		if mine != r.ID || other != "" {
			t.Errorf("claimed by %q, and what nobody claimed by %q", mine, other)
		}
		return errors.Join(err, otherErr)
	})
	if err != nil {
		t.Error(err)
	}
	disputed(t, a, two)
}

// readMeasures reads the two measures of a run from another connection, in every way.
func readMeasures(t *testing.T, b *store.DB, one, two store.Measure) {
	t.Helper()
	same := func(got, want store.Measure) bool {
		return got.ID == want.ID && got.Run == want.Run && got.Step == want.Step && got.Unit == want.Unit && got.State == want.State &&
			got.Closed == want.Closed && got.Expires.Equal(want.Expires) && string(got.Doc) == string(want.Doc)
	}
	if got, err := b.Measure(t.Context(), one.ID); err != nil || !same(got, one) {
		t.Errorf("read %+v, want %+v, %v", got, one, err)
	}
	if all, err := b.Measures(t.Context()); err != nil || !slices.EqualFunc(all, []store.Measure{one, two}, same) {
		t.Errorf("all are %+v, %v", all, err)
	}
	if run, err := b.Run(t.Context(), one.Run); err != nil || !slices.EqualFunc(run.Measures, []store.Measure{one, two}, same) {
		t.Errorf("the run has %+v, %v", run.Measures, err)
	}
	if _, err := b.Measure(t.Context(), "RUN-9.1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a measure that is not there gives %v", err)
	}
}

// disputed is a row that was altered without its entry in the record.
func disputed(t *testing.T, db *store.DB, m store.Measure) {
	t.Helper()
	if r, err := db.Verify(t.Context()); err != nil || !r.OK {
		t.Fatalf("%+v %v", r, err)
	}
	m.State, m.Closed = "lifted", true
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveMeasure(m) }); err != nil {
		t.Fatal(err)
	}
	r, err := db.Verify(t.Context())
	if err != nil || r.OK || len(r.Problems) != 1 || r.Problems[0].Damage != ledger.Disputed {
		t.Errorf("a measure that was lifted only in the journal: %+v %v", r, err)
	}
}
