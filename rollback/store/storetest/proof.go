package storetest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

func proofs(t *testing.T, a, b *store.DB) {
	r := create(t, a, "op1", "u:a/b")
	prove := func(p store.Proof) error {
		return a.Update(t.Context(), func(tx *store.Tx) error {
			before, err := tx.Head()
			if err != nil {
				return err
			}
			if err := tx.Prove(p, ledger.Entry{Actor: "ana", Text: "RUN-0001 passed"}); err != nil {
				return err
			}
			after, err := tx.Head()
			if after.Seq != before.Seq+1 || after.Hash == before.Hash {
				t.Errorf("the head went from %+v to %+v", before, after)
			}
			return err
		})
	}
	one := store.Proof{ID: r.ID + " u:a/b", Run: r.ID, Unit: "u:a/b", Doc: json.RawMessage(`{"unit":"u:a/b", "id":"` + r.ID + ` u:a/b","detail":"password=hunter2"}`)}
	if err := prove(one); err != nil {
		t.Fatal(err)
	}
	if err := prove(one); err == nil {
		t.Error("the same proof was written twice")
	}
	orphan := one
	orphan.ID, orphan.Run = "RUN-9 u:a/b", "RUN-9"
	if err := prove(orphan); err == nil {
		t.Error("a proof of no run was written")
	}
	readProof(t, b, one)
	if report, err := a.Verify(t.Context()); err != nil || !report.OK {
		t.Fatalf("%+v %v", report, err)
	}
	// An entry beside which there is no row is found.
	err := a.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindProof, Run: r.ID, Unit: "u:a/b", Text: "made up", Body: json.RawMessage(`{"id":"none"}`)}, nil)
		return err
	})
	report, verifyErr := a.Verify(t.Context())
	if err := errors.Join(err, verifyErr); err != nil || report.OK || len(report.Problems) != 1 || report.Problems[0].Damage != ledger.Disputed {
		t.Errorf("a proof that is only in the record: %+v %v", report, err)
	}
}

// readProof reads the one proof from another connection.
func readProof(t *testing.T, b *store.DB, one store.Proof) {
	t.Helper()
	all, err := b.Proofs(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != one.ID || all[0].Run != one.Run || all[0].Unit != one.Unit {
		t.Fatalf("read %+v, %v", all, err)
	}
	var doc struct{ ID, Detail string }
	if err := json.Unmarshal(all[0].Doc, &doc); err != nil || doc.ID != one.ID || doc.Detail == "password=hunter2" {
		t.Errorf("the document reads %s, %v", all[0].Doc, err)
	}
}
