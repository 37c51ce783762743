package storetest

import (
	"crypto/ed25519"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// signatures are kept beside their entries, where every process sees them.
func signatures(t *testing.T, a, b *store.DB) {
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	note(t, a, "first")
	note(t, a, "second")
	todo, err := b.Unsigned(t.Context(), "ana", 9)
	if err != nil || len(todo) != 2 {
		t.Fatalf("unsigned are %+v %v", todo, err)
	}
	origin, err := b.Origin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blob, err := ledger.Sign(key, ledger.EntryNamespace, ledger.Signable(origin, 2, todo[1].Digest))
	if err != nil {
		t.Fatal(err)
	}
	one := ledger.Signature{Seq: 2, Key: ssh.FingerprintSHA256(key.PublicKey()), Blob: blob}
	if err := b.Sign(t.Context(), []ledger.Signature{one, one}); err != nil {
		t.Fatal(err)
	}
	stray := one
	stray.Seq = 9
	if err := b.Sign(t.Context(), []ledger.Signature{stray}); err == nil {
		t.Error("an entry that is not there was signed")
	}
	readSigned(t, a, blob)
}

// readSigned reads the one signature from another connection.
func readSigned(t *testing.T, a *store.DB, blob []byte) {
	t.Helper()
	found, err := a.Signed(t.Context(), 1, 5)
	if err != nil || len(found) != 1 || len(found[0].Signatures) != 1 || string(found[0].Signatures[0].Blob) != string(blob) {
		t.Errorf("%+v %v", found, err)
	}
	if todo, err := a.Unsigned(t.Context(), "ana", 9); err != nil || len(todo) != 1 || todo[0].Entry.Text != "first" {
		t.Errorf("unsigned are %+v %v", todo, err)
	}
	r, err := a.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.VerifySignatures(t.Context(), nil, 0, &r)
	if err != nil || !r.OK || s.Unsigned.Text() != "1" || len(s.By) != 1 || s.By[0].Entries.Text() != "2" {
		t.Errorf("%+v %+v %v", s, r, err)
	}
}

func note(t *testing.T, db *store.DB, text string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: text}, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// attributions are versions: the same twice is one, and another process sees the last.
func attributions(t *testing.T, a, b *store.DB) {
	say := func(db *store.DB, state string) {
		t.Helper()
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Attribute(ledger.Entry{Actor: "ana", Change: "c1"}, ledger.AttributionBody{State: state}, func(now, before *ledger.AttributionBody) string {
				if before == nil {
					return now.State
				}
				return before.State + " to " + now.State
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	say(a, "agent")
	say(b, "agent")
	say(b, "none")
	say(a, "agent")
	entries, err := b.Entries(t.Context(), 0, 0)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%+v %v", entries, err)
	}
	for i, want := range []string{"agent", "agent to none", "none to agent"} {
		if entries[i].Text != want || entries[i].Kind != ledger.KindAttribution {
			t.Errorf("%+v is not %q", entries[i], want)
		}
	}
}
