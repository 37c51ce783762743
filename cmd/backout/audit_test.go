package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// TestTheScreenVerifiesSignaturesToo: what the command calls damaged is not called well on the screen.
func TestTheScreenVerifiesSignaturesToo(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), filepath.Join(dir, "b.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: "nobody signed it"}, nil)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	o := &opened{Session: &session.Session{DB: db}, settings: &settings{Config: &config.Config{}}}
	if r, err := (audit{o}).Verify(t.Context(), func(int64) {}); err != nil || !r.OK {
		t.Fatalf("where nobody asks for signatures: %+v, %v", r, err)
	}
	o.settings.Ledger.Require, o.settings.Ledger.AllowedSigners = 1, filepath.Join(dir, "signers")
	if err := os.WriteFile(o.settings.Ledger.AllowedSigners, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := (audit{o}).Verify(t.Context(), func(int64) {}); err != nil || r.OK {
		t.Fatalf("an entry is unsigned that has to be signed: %+v, %v", r, err)
	}
}
