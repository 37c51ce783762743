package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/rollback/ledger"
)

// This file is all of searching that only SQLite understands.

// ftsIndexer puts entries into SQLite's full-text index, and takes them out.
type ftsIndexer struct {
	ctx             context.Context
	tx              *sql.Tx
	putIn, take, at *sql.Stmt
}

func newFTSIndexer(t *Tx) (*ftsIndexer, error) {
	ix := &ftsIndexer{ctx: t.ctx, tx: t.tx}
	for _, s := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&ix.putIn, "INSERT INTO search (rowid, words, keys) VALUES (?, ?, ?)"},
		{&ix.take, "INSERT INTO search (search, rowid, words, keys) VALUES ('delete', ?, ?, ?)"},
		{&ix.at, `INSERT INTO search_span (block, first_at, last_at) VALUES (?, ?, ?)
			ON CONFLICT (block) DO UPDATE SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)`},
	} {
		var err error
		if *s.to, err = t.tx.PrepareContext(t.ctx, s.text); err != nil {
			ix.close()
			return nil, fmt.Errorf("the index of the ledger: %w", classify(err))
		}
	}
	return ix, nil
}

func (ix *ftsIndexer) close() {
	for _, s := range []*sql.Stmt{ix.putIn, ix.take, ix.at} {
		if s != nil {
			_ = s.Close() // of a transaction, which ends it in any case
		}
	}
}

func (ix *ftsIndexer) put(e *ledger.Entry) error {
	t := traitsOf(e)
	_, err := ix.putIn.ExecContext(ix.ctx, e.Seq, wordsOf(e), t.keys())
	if err == nil {
		_, err = ix.at.ExecContext(ix.ctx, e.Seq/block, stamp(e.At), stamp(e.At))
	}
	if err != nil {
		return fmt.Errorf("the index of the ledger: %w", classify(err))
	}
	return nil
}

// drop takes out what put wrote of the same entry: the index knows no text, so it has to be told.
func (ix *ftsIndexer) drop(e *ledger.Entry) error {
	t := traitsOf(e)
	if _, err := ix.take.ExecContext(ix.ctx, e.Seq, wordsOf(e), t.keys()); err != nil {
		return fmt.Errorf("the index of the ledger: %w", classify(err))
	}
	return nil
}

// findFTS gives the lines of the entries with a number from lo to hi that hold all terms and all keys, the newest first.
func findFTS(ctx context.Context, q querier, terms []term, keys []string, lo, hi int64, limit int) ([]row, error) {
	// The order of the join is given: the index first, then the lines that it names.
	scan := func(s scanner) (r row, err error) { return r, s.Scan(&r.seq, &r.line) }
	return collect(ctx, q, scan, `SELECT l.seq, l.line FROM search s CROSS JOIN ledger l ON l.seq = s.rowid
		WHERE s.search MATCH ? AND s.rowid BETWEEN ? AND ? ORDER BY s.rowid DESC LIMIT ?`, expression(terms, keys), lo, hi, limit)
}

// expression is a query in which every word stands in quotes, so that none is taken for an operator.
func expression(terms []term, keys []string) string {
	var parts []string
	for _, k := range keys {
		parts = append(parts, `keys : "`+k+`"`)
	}
	for _, t := range terms {
		p := `words : "` + strings.ReplaceAll(t.text, `"`, `""`) + `"`
		if t.prefix {
			p += " *"
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, " AND ")
}
