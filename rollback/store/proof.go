package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Proof is the row of a proof: what a run showed of one of its units. Doc is a document of the caller, and the body of the
// entry that was written with it. A proof is written once and never changed.
type Proof struct {
	ID, Run, Unit string
	Doc           json.RawMessage
}

const proofColumns = "id, run, unit, doc"

// Proofs reads all proofs, the oldest first.
func (d *DB) Proofs(ctx context.Context) ([]Proof, error) {
	all, err := collect(ctx, d.read, scanProof, "SELECT "+proofColumns+" FROM proof ORDER BY rowid")
	if err != nil {
		return nil, fmt.Errorf("read the proofs: %w", err)
	}
	return all, nil
}

// Prove writes a proof with its entry, whose body is the proof's document; one of the same id is an error.
func (t *Tx) Prove(p Proof, e ledger.Entry) error {
	e.Kind, e.Run, e.Unit, e.Body = ledger.KindProof, p.Run, p.Unit, p.Doc
	e, err := t.Append(e, nil)
	if err != nil {
		return fmt.Errorf("write the proof %s: %w", p.ID, err)
	}
	// The row is what the record has: scrubbed, and written the same way, so that the two can be compared.
	if _, err := t.exec("INSERT INTO proof ("+proofColumns+") VALUES (?, ?, ?, ?)", p.ID, p.Run, p.Unit, []byte(e.Body)); err != nil {
		return fmt.Errorf("write the proof %s: %w", p.ID, err)
	}
	return nil
}

// Head is the end of the ledger as this transaction has it.
func (t *Tx) Head() (ledger.Head, error) { return headOf(t.ctx, t.tx) }

// verifyProofs compares the proofs with the record: each has one entry that says the same.
func verifyProofs(ctx context.Context, tx *sql.Tx, seen []claim, r *ledger.Report) error {
	rows, err := collect(ctx, tx, scanProof, "SELECT "+proofColumns+" FROM proof ORDER BY rowid")
	if err != nil {
		return err
	}
	told := map[string]claim{}
	for _, c := range seen {
		if c.Kind == ledger.KindProof {
			told[c.Body.ID] = c
		}
	}
	paired(rows, told, "proof", func(p *Proof) string { return p.ID }, func(p *Proof, c claim) string {
		if c.digest == ledger.Hash(p.Doc) && c.Run == p.Run && c.Unit == p.Unit {
			return ""
		}
		return fmt.Sprintf("says something else of the proof %s than the journal", p.ID)
	}, r)
	return nil
}

// digestBody is the digest of what an entry says of a proof, as it stands in the line.
func digestBody(line []byte) string {
	var e struct {
		Body json.RawMessage `json:"body"`
	}
	if json.Unmarshal(line, &e) != nil {
		return ""
	}
	return ledger.Hash(e.Body)
}

func scanProof(s scanner) (Proof, error) {
	var p Proof
	var document []byte
	err := s.Scan(&p.ID, &p.Run, &p.Unit, &document)
	p.Doc = document
	return p, err
}
