package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Written is an entry as it was written, with the digest of its line.
type Written struct {
	Entry  ledger.Entry
	Digest string
}

// Origin names the ledger of this database.
func (d *DB) Origin(ctx context.Context) (string, error) { return originOf(ctx, d.read) }

// Sign keeps signatures beside their entries. One of the same entry by the same key stays as it is.
func (d *DB) Sign(ctx context.Context, all []ledger.Signature) error {
	return d.Update(ctx, func(tx *Tx) error {
		for _, s := range all {
			if _, err := tx.exec("INSERT INTO signature (seq, key, blob) VALUES (?, ?, ?) ON CONFLICT (seq, key) DO NOTHING", s.Seq, s.Key, s.Blob); err != nil {
				return fmt.Errorf("keep the signature of entry %d: %w", s.Seq, err)
			}
		}
		return nil
	})
}

// Unsigned lists the entries of an actor that nobody signed, the oldest first and at most limit. Redacted ones are among
// them: their digest is that of what was written.
func (d *DB) Unsigned(ctx context.Context, actor string, limit int) ([]Written, error) {
	var out []Written
	err := d.view(ctx, func(tx *sql.Tx) error {
		for w, err := range witnessed(ctx, tx) {
			if err != nil || len(out) == limit {
				return err
			}
			if len(w.Signatures) > 0 {
				continue
			}
			var e ledger.Entry
			if err := json.Unmarshal(w.Line, &e); err != nil {
				return fmt.Errorf("entry %d is damaged, see backout ledger verify: %w", w.Seq, err)
			}
			if e.Actor == actor {
				out = append(out, Written{Entry: e, Digest: w.Digest.String()})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the signatures: %w", err)
	}
	return out, nil
}

// VerifySignatures looks at the signatures beside the entries up to the one that the report ends with, as [ledger.CheckSignatures]
// does, and puts on the report what is wrong.
func (d *DB) VerifySignatures(ctx context.Context, signers *ledger.Signers, require int64, r *ledger.Report) (out ledger.Signatures, err error) {
	err = d.view(ctx, func(tx *sql.Tx) error {
		entries := func(yield func(ledger.Witnessed, error) bool) {
			for w, err := range witnessed(ctx, tx) {
				if err == nil && w.Seq > r.Head.Seq || !yield(w, err) {
					return
				}
			}
		}
		if out, err = ledger.CheckSignatures(entries, r.Origin, signers, require, r); err != nil {
			return err
		}
		var lost sql.NullInt64
		if err := tx.QueryRowContext(ctx, "SELECT min(seq) FROM signature WHERE seq NOT IN (SELECT seq FROM ledger)").Scan(&lost); err != nil {
			return classify(err)
		}
		if lost.Valid {
			r.Add(lost.Int64, ledger.Dropped, "somebody signed an entry %d, and the record does not hold it", lost.Int64)
		}
		return nil
	})
	if err != nil {
		return ledger.Signatures{}, fmt.Errorf("verify the signatures: %w", err)
	}
	return out, nil
}

// Signed reads the entries after afterSeq with their signatures, at most limit of them.
func (d *DB) Signed(ctx context.Context, afterSeq int64, limit int) ([]ledger.Witnessed, error) {
	var out []ledger.Witnessed
	err := d.view(ctx, func(tx *sql.Tx) error {
		for w, err := range witnessedAfter(ctx, tx, afterSeq) {
			if err != nil || len(out) == limit {
				return err
			}
			out = append(out, w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger with its signatures: %w", err)
	}
	return out, nil
}

func witnessed(ctx context.Context, q querier) iter.Seq2[ledger.Witnessed, error] {
	return witnessedAfter(ctx, q, 0)
}

// witnessedAfter walks the entries with their signatures. After an error the sequence ends.
func witnessedAfter(ctx context.Context, q querier, after int64) iter.Seq2[ledger.Witnessed, error] {
	return func(yield func(ledger.Witnessed, error) bool) {
		stopped, err := eachWitnessed(ctx, q, after, func(w ledger.Witnessed) bool { return yield(w, nil) })
		if err != nil && !stopped {
			yield(ledger.Witnessed{}, err)
		}
	}
}

func eachWitnessed(ctx context.Context, q querier, after int64, yield func(ledger.Witnessed) bool) (stopped bool, err error) {
	rows, err := q.QueryContext(ctx, `SELECT l.seq, l.line, s.key, s.blob FROM ledger l LEFT JOIN signature s ON s.seq = l.seq
		WHERE l.seq > ? ORDER BY l.seq, s.key`, after)
	if err != nil {
		return false, classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var one ledger.Witnessed
	for rows.Next() {
		var next ledger.Witnessed
		var key sql.NullString
		var blob []byte
		if err := rows.Scan(&next.Seq, &next.Line, &key, &blob); err != nil {
			return false, classify(err)
		}
		if next.Seq != one.Seq {
			if one.Seq != 0 && !yield(one) {
				return true, nil
			}
			next.Digest = ledger.DigestOf(next.Line)
			one = next
		}
		if key.Valid {
			one.Signatures = append(one.Signatures, ledger.Signature{Seq: one.Seq, Key: key.String, Blob: blob})
		}
	}
	if err := rows.Err(); err != nil {
		return false, classify(err)
	}
	return one.Seq != 0 && !yield(one), nil
}
