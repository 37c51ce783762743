package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/backout-dev/backout/rollback/ledger"
)

// ProveEntry makes the proof that an entry is in the ledger of a checkpoint. A proof that would not hold is an error.
func (d *DB) ProveEntry(ctx context.Context, c ledger.Checkpoint, seq int64) (ledger.Proof, error) {
	return d.proof(ctx, c, func(tx *sql.Tx, p *ledger.Proof) (err error) {
		if p.Hashes, err = ledger.ProveEntry(digests(ctx, tx), c, seq); err != nil {
			return err
		}
		var line []byte
		if err := tx.QueryRowContext(ctx, "SELECT line FROM ledger WHERE seq = ?", seq).Scan(&line); err != nil {
			return err
		}
		p.Entry, p.Digest = seq, ledger.DigestOf(line).String()
		if p.Digest == ledger.Hash(line) {
			p.Line = string(line) // what stands in for it is not what was written
		}
		return nil
	})
}

// ProveGrowth makes the proof that the ledger of a checkpoint begins with that of an earlier one. A proof that would not
// hold is an error.
func (d *DB) ProveGrowth(ctx context.Context, from, c ledger.Checkpoint) (ledger.Proof, error) {
	return d.proof(ctx, c, func(tx *sql.Tx, p *ledger.Proof) (err error) {
		p.From = from.Text()
		p.Hashes, err = ledger.ProveGrowth(digests(ctx, tx), from, c)
		return err
	})
}

func (d *DB) proof(ctx context.Context, c ledger.Checkpoint, fill func(*sql.Tx, *ledger.Proof) error) (ledger.Proof, error) {
	p := ledger.Proof{Checkpoint: c.Text()}
	err := d.view(ctx, func(tx *sql.Tx) error {
		origin, err := originOf(ctx, tx)
		if err != nil {
			return err
		}
		if c.Origin != origin {
			return fmt.Errorf("the checkpoint is of the ledger %s, and this is %s", c.Origin, origin)
		}
		return fill(tx, &p)
	})
	if err == nil {
		_, err = p.Check()
	}
	if err != nil {
		return ledger.Proof{}, fmt.Errorf("prove: %w", err)
	}
	return p, nil
}

func originOf(ctx context.Context, q querier) (origin string, err error) {
	if err := q.QueryRowContext(ctx, "SELECT origin FROM ledger_id WHERE id = 1").Scan(&origin); err != nil {
		return "", fmt.Errorf("which ledger this is: %w", classify(err))
	}
	return origin, nil
}

// digests reckons the digest of every line, in order: what is written beside a line is not believed.
func digests(ctx context.Context, q querier) iter.Seq2[ledger.Digest, error] {
	return func(yield func(ledger.Digest, error) bool) {
		stopped := false
		err := eachRow(ctx, q, func(r row) bool {
			stopped = !yield(ledger.DigestOf(r.line), nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(ledger.Digest{}, err)
		}
	}
}

// verifyOrigin compares which ledger this is with what the checkpoints say, and leaves those that are about this one.
func verifyOrigin(ctx context.Context, tx *sql.Tx, held []ledger.Checkpoint) (heads []ledger.Head, foreign []ledger.Checkpoint, origin string, err error) {
	origin, err = originOf(ctx, tx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, "", err
	}
	told := map[ledger.Head]bool{} // several anchors keep the same one
	for _, c := range held {
		if c.Origin != "" && c.Origin != origin {
			foreign = append(foreign, c)
			continue
		}
		if !told[c.Head] {
			told[c.Head] = true
			heads = append(heads, c.Head)
		}
	}
	return heads, foreign, origin, nil
}
