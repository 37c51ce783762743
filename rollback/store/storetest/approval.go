package storetest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/store"
)

func approvals(t *testing.T, a, b *store.DB) {
	at := time.Unix(100, 7000).UTC()
	request := store.Request{ID: "REQ1", PlanHash: "9c1e", State: "waiting", Doc: json.RawMessage(`{"n":1}`), AskedAt: at}
	said := store.Approval{Nonce: "01", Request: "REQ1", Decision: "yes", State: "given", Statement: []byte("{}"), Signature: []byte{0, 255}, RecordedAt: at}
	err := a.Update(t.Context(), func(tx *store.Tx) error {
		later := request
		later.ID, later.AskedAt = "REQ2", at.Add(time.Second)
		return errors.Join(tx.SaveRequest(request), tx.SaveRequest(later), tx.AddApproval(said))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Update(t.Context(), func(tx *store.Tx) error { return tx.AddApproval(said) }); !errors.Is(err, store.ErrHeld) {
		t.Errorf("said twice: %v", err)
	}
	if err := b.Update(t.Context(), func(tx *store.Tx) error { return tx.MarkApproval("none", "used") }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that there is not: %v", err)
	}
	err = b.Update(t.Context(), func(tx *store.Tx) error {
		request.State, request.Run, request.Doc = "used", "RUN-0001", json.RawMessage(`{"n":2}`)
		return errors.Join(tx.SaveRequest(request), tx.MarkApproval("01", "used"))
	})
	if err != nil {
		t.Fatal(err)
	}
	approvalsRead(t, a, at)
}

func approvalsRead(t *testing.T, a *store.DB, at time.Time) {
	t.Helper()
	if open, err := a.Requests(t.Context(), "waiting"); err != nil || len(open) != 1 || open[0].ID != "REQ2" {
		t.Errorf("%+v %v", open, err)
	}
	all, err := a.Requests(t.Context(), "")
	if err != nil || len(all) != 2 || all[0].ID != "REQ2" || all[1].State != "used" || all[1].Run != "RUN-0001" || string(all[1].Doc) != `{"n":1}` || !all[1].AskedAt.Equal(at) {
		t.Errorf("%+v %v", all, err)
	}
	wordsRead(t, a, at)
}

func wordsRead(t *testing.T, a *store.DB, at time.Time) {
	t.Helper()
	words, err := a.Approvals(t.Context(), "REQ1")
	if err != nil || len(words) != 1 || words[0].State != "used" || string(words[0].Signature) != "\x00\xff" || !words[0].RecordedAt.Equal(at) {
		t.Errorf("%+v %v", words, err)
	}
	if none, err := a.Approvals(t.Context(), "REQ2"); err != nil || len(none) != 0 {
		t.Errorf("%+v %v", none, err)
	}
}
