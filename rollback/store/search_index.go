package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/backout-dev/backout/rollback/ledger"
)

// block is how many entries share one row of the times between which they lie.
const block = 256

// piece is how many entries are put into the index in one transaction: others write in between.
const piece = 2000

// indexer puts entries into the full-text index of a transaction's engine, and takes them out: with the words that were put in.
type indexer interface {
	put(e *ledger.Entry) error
	drop(e *ledger.Entry) error
	close()
}

func (t *Tx) indexer() (indexer, error) {
	if t.shared {
		return &tsIndexer{t}, nil
	}
	return newFTSIndexer(t)
}

// finder gives the lines of the entries with a number from lo to hi that hold all terms and all keys, the newest first.
type finder func(ctx context.Context, q querier, terms []term, keys []string, lo, hi int64, limit int) ([]row, error)

// searching reads one instant, with what finds in its engine: of a shared store that is away, the copy beside is read. Where the
// server is lost on the way, fn runs again.
func (d *DB) searching(ctx context.Context, fn func(tx *sql.Tx, find finder) error) error {
	if d.server == nil {
		return d.view(ctx, func(tx *sql.Tx) error { return fn(tx, findFTS) })
	}
	return d.read.lasting(ctx, func() error { return d.searchingOnce(ctx, fn) })
}

func (d *DB) searchingOnce(ctx context.Context, fn func(tx *sql.Tx, find finder) error) error {
	conn, err := d.read.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close()
	find := findTS
	if err := conn.Raw(func(c any) error {
		if _, is := c.(*copyWire); is {
			find = findFTS
		}
		return nil
	}); err != nil {
		return classify(err)
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return classify(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return classify(fn(tx, find))
}

// Unindexed is how many of the oldest entries the index does not hold yet.
func (d *DB) Unindexed(ctx context.Context) (int64, error) {
	return below(ctx, d.read)
}

func below(ctx context.Context, q querier) (n int64, err error) {
	if err := q.QueryRowContext(ctx, "SELECT below FROM search_state WHERE id = 1").Scan(&n); err != nil {
		return 0, fmt.Errorf("the index of the ledger: %w", classify(err))
	}
	return n, nil
}

// Index puts what is missing into the index, the newest first, in pieces between which others can write. It tells how many
// are left after each, and goes on where it was when it was cut short.
func (d *DB) Index(ctx context.Context, told func(left int64)) error {
	for {
		left, err := d.IndexPiece(ctx)
		if err != nil {
			return err
		}
		if told != nil {
			told(left)
		}
		if left == 0 {
			return nil
		}
	}
}

// IndexPiece puts one piece of what is missing into the index, and tells how many entries are left.
func (d *DB) IndexPiece(ctx context.Context) (int64, error) {
	left, err := d.Unindexed(ctx)
	if err != nil || left == 0 {
		return 0, err
	}
	err = d.Update(ctx, func(tx *Tx) (err error) {
		left, err = tx.indexPiece()
		return err
	})
	if err != nil {
		return left, fmt.Errorf("index the ledger: %w", err)
	}
	return left, nil
}

// indexPiece indexes the newest entries that are missing, in the order of their numbers, and returns how many are left.
func (t *Tx) indexPiece() (int64, error) {
	upTo, err := below(t.ctx, t.tx)
	if err != nil || upTo == 0 {
		return 0, err
	}
	lines, err := collect(t.ctx, t.tx, scanBytes, "SELECT line FROM ledger WHERE seq <= ? ORDER BY seq DESC LIMIT ?", upTo, piece)
	if err != nil {
		return 0, err
	}
	slices.Reverse(lines)
	ix, err := t.indexer()
	if err != nil {
		return 0, err
	}
	defer ix.close()
	from := max(upTo-piece, 0)
	for _, line := range lines {
		e, err := entryOf(line)
		if err != nil || e.Seq <= from || e.Seq > upTo {
			continue // it is damaged: verify says so, and it is no reason to find nothing else
		}
		if err := ix.put(&e); err != nil {
			return 0, err
		}
	}
	_, err = t.exec("UPDATE search_state SET below = ? WHERE id = 1", from)
	return from, err
}

// index puts a new entry into the index, in the transaction that writes it.
func (t *Tx) index(e *ledger.Entry) error {
	ix, err := t.indexer()
	if err != nil {
		return err
	}
	defer ix.close()
	return ix.put(e)
}

// reindex replaces what the index holds of a line that was written anew.
func (t *Tx) reindex(was, is []byte) error {
	old, err := entryOf(was)
	if err != nil {
		return err
	}
	e, err := entryOf(is)
	if err != nil {
		return err
	}
	if upTo, err := below(t.ctx, t.tx); err != nil || e.Seq <= upTo {
		return err
	}
	ix, err := t.indexer()
	if err != nil {
		return err
	}
	defer ix.close()
	if err := ix.drop(&old); err != nil {
		return err
	}
	return ix.put(&e)
}

// spans gives the numbers between which all entries of a time lie; others lie there too.
func spans(ctx context.Context, q querier, s *ledger.Query) (lo, hi int64, err error) {
	since, until := int64(-1<<63), int64(1<<63-1)
	if !s.Since.IsZero() {
		since = stamp(s.Since)
	}
	if !s.Until.IsZero() {
		until = stamp(s.Until)
	}
	err = q.QueryRowContext(ctx, `SELECT coalesce(min(block), 0), coalesce(max(block), -1) FROM search_span
		WHERE last_at >= ? AND first_at <= ?`, since, until).Scan(&lo, &hi)
	return lo * block, (hi+1)*block - 1, classify(err)
}
