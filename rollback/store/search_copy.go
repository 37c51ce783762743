package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// unindexed says of a ledger that was copied whole that none of it is in the index.
func unindexed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE search_state SET below = (SELECT seq FROM head WHERE id = 1) WHERE id = 1")
	return err
}

// forget empties the index of a copy, which SQLite holds.
func forget(ctx context.Context, tx *sql.Tx) error {
	_, words := tx.ExecContext(ctx, "INSERT INTO search (search) VALUES ('delete-all')")
	_, times := tx.ExecContext(ctx, "DELETE FROM search_span")
	return errors.Join(words, times)
}

// indexNewer puts what was copied after an entry into the index of a copy.
func indexNewer(ctx context.Context, tx *sql.Tx, after int64) error {
	lines, err := collect(ctx, tx, scanBytes, "SELECT line FROM ledger WHERE seq > ? ORDER BY seq", after)
	if err != nil || len(lines) == 0 {
		return err
	}
	ix, err := newFTSIndexer(&Tx{ctx: ctx, tx: tx})
	if err != nil {
		return err
	}
	defer ix.close()
	for _, line := range lines {
		e, err := entryOf(line)
		if err != nil {
			continue // it is damaged: verify says so
		}
		if err := ix.put(&e); err != nil {
			return fmt.Errorf("the copy: %w", err)
		}
	}
	return nil
}
