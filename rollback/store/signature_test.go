package store

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/rollback/ledger"
)

// signer is a key of somebody, the same for the same name.
func signer(t *testing.T, name string) ssh.Signer {
	t.Helper()
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed([]byte(name + strings.Repeat(".", ed25519.SeedSize-len(name)))))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signedRecord is a record of six notes by ana, of which she signed the first three and bob the third and the fourth.
func signedRecord(t *testing.T) *DB {
	t.Helper()
	var all []Written
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{Appended: func(w []Written) { all = append(all, w...) }})
	write(t, db, 3, "one")
	write(t, db, 3, "two")
	if len(all) != 6 || all[5].Entry.Seq != 6 {
		t.Fatalf("told of %+v", all)
	}
	origin, err := db.Origin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for who, seqs := range map[string][]int64{"ana": {1, 2, 3}, "bob": {3, 4}} {
		key := signer(t, who)
		for _, seq := range seqs {
			blob, err := ledger.Sign(key, ledger.EntryNamespace, ledger.Signable(origin, seq, all[seq-1].Digest))
			if err != nil {
				t.Fatal(err)
			}
			s := ledger.Signature{Seq: seq, Key: ssh.FingerprintSHA256(key.PublicKey()), Blob: blob}
			if err := db.Sign(t.Context(), []ledger.Signature{s, s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return db
}

func known(t *testing.T, lines ...string) *ledger.Signers {
	t.Helper()
	s, err := ledger.ParseSigners(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func line(t *testing.T, principal, name string) string {
	t.Helper()
	return principal + " " + string(ssh.MarshalAuthorizedKey(signer(t, name).PublicKey()))
}

// signedAs verifies the record and says who signed what, in one text.
func signedAs(t *testing.T, db *DB, signers *ledger.Signers, require int64) (string, ledger.Report) {
	t.Helper()
	r, err := db.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := db.VerifySignatures(t.Context(), signers, require, &r)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, by := range s.By {
		out = append(out, fmt.Sprintf("%v:%s/%s", by.Principals, by.Entries.Text(), by.Others.Text()))
	}
	slices.Sort(out)
	return fmt.Sprintf("%s unsigned %s false %s of %d", strings.Join(out, " "), s.Unsigned.Text(), s.False.Text(), s.Entries), r
}

func TestWhoSignedWhat(t *testing.T) {
	db := signedRecord(t)
	ana, bob := line(t, "ana", "ana"), line(t, "bob", "bob")
	for name, c := range map[string]struct {
		signers *ledger.Signers
		require int64
		want    string
		missing string // entries that nobody known signed
	}{
		"nobody asks":       {nil, 0, "[]:1-3/ []:3-4/ unsigned 5-6 false  of 6", ""},
		"both are known":    {known(t, ana, bob), 0, "[ana]:1-3/ [bob]:3-4/3-4 unsigned 5-6 false  of 6", ""},
		"one is known":      {known(t, ana), 0, "[]:3-4/ [ana]:1-3/ unsigned 5-6 false  of 6", ""},
		"all have to":       {known(t, ana), 1, "[]:3-4/ [ana]:1-3/ unsigned 5-6 false  of 6", "4-6"},
		"from the fifth on": {known(t, ana, bob), 5, "[ana]:1-3/ [bob]:3-4/3-4 unsigned 5-6 false  of 6", "5-6"},
		"not valid then":    {known(t, strings.Replace(ana, "ana ", `ana valid-after="29990101Z" `, 1)), 1, "[]:1-3/ []:3-4/ unsigned 5-6 false  of 6", "1-6"},
	} {
		t.Run(name, func(t *testing.T) {
			got, r := signedAs(t, db, c.signers, c.require)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if r.OK != (c.missing == "") || (!r.OK && (r.Problems[0].Damage != ledger.Nameless || !strings.Contains(r.Problems[0].Text, c.missing+" are"))) {
				t.Errorf("%+v", r.Problems)
			}
		})
	}
}

// Whoever can write the database cannot sign: what they do to entries and signatures shows.
func TestForgedSignaturesAreFound(t *testing.T) {
	for name, c := range map[string]struct{ tamper, falsified string }{
		"put to another entry": {"UPDATE signature SET seq = 5 WHERE seq = 4", "5"},
		"copied":               {"INSERT INTO signature SELECT 6, key, blob FROM signature WHERE seq = 1", "6"},
		"of another key":       {"UPDATE signature SET key = 'SHA256:abc' WHERE seq = 1", "1"},
		"cut":                  {"UPDATE signature SET blob = substr(blob, 1, 40) WHERE seq = 2", "2"},
		"another ledger":       {"UPDATE ledger_id SET origin = 'abababababababababababababababab'", "1-4"},
	} {
		t.Run(name, func(t *testing.T) {
			db := signedRecord(t)
			alter(t, db, c.tamper)
			got, r := signedAs(t, db, known(t, line(t, "ana", "ana"), line(t, "bob", "bob")), 0)
			if !strings.Contains(got, "false "+c.falsified+" of") || r.OK || r.Problems[0].Damage != ledger.Forged {
				t.Errorf("%s: %+v", got, r.Problems)
			}
		})
	}
	db := signedRecord(t)
	alter(t, db, "UPDATE ledger SET line = replace(line, 'one', 'two') WHERE seq = 2")
	if got, _ := signedAs(t, db, nil, 0); !strings.Contains(got, "false 2 of") {
		t.Errorf("an entry that was altered is signed still: %s", got)
	}
	alter(t, db, "DELETE FROM signature WHERE seq = 3")
	if got, r := signedAs(t, db, known(t, line(t, "ana", "ana")), 3); !strings.Contains(got, "unsigned 3, 5-6") || r.OK {
		t.Errorf("a signature that was taken away: %s %+v", got, r.Problems)
	}
}

// What is taken out of an entry leaves its signature: it is over what was written.
func TestARedactedEntryIsStillSigned(t *testing.T) {
	db := signedRecord(t)
	if _, err := db.Redact(t.Context(), 2, []string{"text"}, "why", ledger.Entry{Actor: "bob", Text: "redacted"}); err != nil {
		t.Fatal(err)
	}
	if got, r := signedAs(t, db, known(t, line(t, "ana", "ana")), 0); !strings.Contains(got, "[ana]:1-3/ ") || !r.OK {
		t.Errorf("%s %+v", got, r.Problems)
	}
}

func TestUnsignedAreThoseOfTheActor(t *testing.T) {
	db := signedRecord(t)
	put(t, db, ledger.Entry{Kind: ledger.KindNote, Actor: "bob", Text: "mine"}, "")
	for _, c := range []struct {
		actor string
		limit int
		want  string
	}{{"ana", 9, "[5 6]"}, {"ana", 1, "[5]"}, {"bob", 9, "[7]"}, {"eve", 9, "[]"}} {
		found, err := db.Unsigned(t.Context(), c.actor, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		seqs := []int64{}
		for _, w := range found {
			seqs = append(seqs, w.Entry.Seq)
		}
		if fmt.Sprint(seqs) != c.want {
			t.Errorf("%+v: %v", c, seqs)
		}
	}
}
