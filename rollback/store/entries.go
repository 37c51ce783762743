package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/backout-dev/backout/rollback/ledger"
)

const page = 500 // lines read at once: bounded memory, and no reader holds the log back for long

// Head is the end of the ledger now.
func (d *DB) Head(ctx context.Context) (ledger.Head, error) {
	return headOf(ctx, d.read)
}

// Entries reads at most limit entries after afterSeq, in order. A limit of 0 or less reads all.
func (d *DB) Entries(ctx context.Context, afterSeq int64, limit int) ([]ledger.Entry, error) {
	if limit <= 0 {
		limit = math.MaxInt64
	}
	lines, err := collect(ctx, d.read, scanBytes, "SELECT line FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?", afterSeq, limit)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	entries := make([]ledger.Entry, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line, &entries[i]); err != nil {
			return nil, fmt.Errorf("read the ledger: an entry after %d is damaged, see backout ledger verify: %w", afterSeq, err)
		}
	}
	return entries, nil
}

// All reads the whole ledger in order. After an error the sequence ends.
func (d *DB) All(ctx context.Context) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		var after int64
		for {
			entries, err := d.Entries(ctx, after, page)
			if err != nil {
				yield(ledger.Entry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(entries) < page {
				return
			}
		}
	}
}

// Payload reads a raw payload by its digest.
func (d *DB) Payload(ctx context.Context, digest string) ([]byte, error) {
	var b []byte
	err := d.read.QueryRowContext(ctx, "SELECT body FROM payload WHERE digest = ?", digest).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("payload %s: %w", digest, ErrNotFound)
	}
	return b, classify(err)
}

// row is a line with what is written beside it.
type row struct {
	seq  int64
	line []byte
	hash string
}

// eachRow walks the ledger in its stored order.
func eachRow(ctx context.Context, q querier, yield func(row) bool) (err error) {
	rows, err := q.QueryContext(ctx, "SELECT seq, line, hash FROM ledger ORDER BY seq")
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.seq, &r.line, &r.hash); err != nil {
			return classify(err)
		}
		if !yield(r) {
			return nil
		}
	}
	return classify(rows.Err())
}

func scanBytes(s scanner) ([]byte, error) {
	var b []byte
	err := s.Scan(&b)
	return b, err
}
