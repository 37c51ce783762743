package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// copyEpoch is what the time of a copy is counted from: its field is small.
var copyEpoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// mirrored are the tables of which a copy of the store is not brought up row by row, but written anew: they are small.
func mirrored() []table {
	return slices.DeleteFunc(slices.Clone(tables), func(t table) bool {
		return slices.Contains([]string{"ledger", "payload", "run", "step", "run_log"}, t.name)
	})
}

// Refresh brings the copy of a shared store up to what its server holds now.
func (d *DB) Refresh(ctx context.Context) error {
	if d.copy == nil {
		return nil
	}
	err := d.viewOnce(ctx, func(src *sql.Tx) error {
		if since, _ := d.server.away(); !since.IsZero() {
			return ErrAway // what is read is the copy itself
		}
		return d.copy.bulk(ctx, func(dst *sql.Tx) error {
			if err := bringUp(ctx, src, dst); err != nil {
				return err
			}
			at := d.now()
			_, err := dst.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", int64(at.Sub(copyEpoch).Seconds())))
			d.server.copied(at)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("copy the shared store to %s: %w", d.copy.path, err)
	}
	return nil
}

func bringUp(ctx context.Context, src, dst *sql.Tx) error {
	after, err := common(ctx, src, dst)
	if err == nil && after == 0 {
		err = errors.Join(clearTables(ctx, dst, tables, ""), forget(ctx, dst))
	}
	if err != nil {
		return err
	}
	var from int64 // runs that are over do not change any more
	if err := dst.QueryRowContext(ctx, "SELECT coalesce(min(CASE WHEN final THEN NULL ELSE n END), coalesce(max(n), 0) + 1) FROM run").Scan(&from); err != nil {
		return err
	}
	if err := clearTables(ctx, dst, mirrored(), ""); err != nil {
		return err
	}
	const runs = " WHERE run IN (SELECT id FROM run WHERE n >= ?)"
	for _, q := range []string{"DELETE FROM run_log" + runs, "DELETE FROM step" + runs, "DELETE FROM run WHERE n >= ?"} {
		if _, err := dst.ExecContext(ctx, q, from); err != nil {
			return err
		}
	}
	newer := map[string]part{
		"ledger": {" WHERE seq > ?", []any{after}}, "run": {" WHERE n >= ?", []any{from}}, "step": {runs, []any{from}}, "run_log": {runs, []any{from}},
	}
	for _, t := range tables {
		if t.name == "payload" && after > 0 {
			err = payloads(ctx, src, dst, after)
		} else {
			_, err = t.move(ctx, false, src, dst, newer[t.name].where, newer[t.name].args...)
		}
		if err != nil {
			return err
		}
	}
	if after == 0 {
		return unindexed(ctx, dst)
	}
	return indexNewer(ctx, dst, after)
}

// part are the rows of a table that a copy may not have yet.
type part struct {
	where string
	args  []any
}

// common is up to which entry the copy holds the same as the store, 0 where it is to be made anew.
func common(ctx context.Context, src, dst *sql.Tx) (int64, error) {
	mine, err := originOf(ctx, dst)
	if err != nil {
		return 0, nil //nolint:nilerr // a copy without a name is none
	}
	theirs, err := originOf(ctx, src)
	if err != nil || mine != theirs {
		return 0, err
	}
	head, err := headOf(ctx, dst)
	if err != nil {
		return 0, nil //nolint:nilerr // as above
	}
	var hash string
	err = src.QueryRowContext(ctx, "SELECT hash FROM ledger WHERE seq = ?", head.Seq).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) || err == nil && hash != head.Hash {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	redacted, err := redactedSince(ctx, src, head.Seq) // what was taken out of a line is in none of the newer ones
	if redacted {
		return 0, err
	}
	return head.Seq, err
}

func redactedSince(ctx context.Context, src *sql.Tx, after int64) (found bool, err error) {
	lines, err := collect(ctx, src, scanBytes, "SELECT line FROM ledger WHERE seq > ? ORDER BY seq", after)
	for _, line := range lines {
		var e struct{ Kind ledger.Kind }
		found = found || json.Unmarshal(line, &e) != nil || e.Kind == ledger.KindRedaction
	}
	return found, err
}

// payloads copies those of the entries after one.
func payloads(ctx context.Context, src, dst *sql.Tx, after int64) error {
	lines, err := collect(ctx, dst, scanBytes, "SELECT line FROM ledger WHERE seq > ? ORDER BY seq", after)
	if err != nil {
		return err
	}
	for _, line := range lines {
		var e struct{ Payload string }
		if json.Unmarshal(line, &e) != nil || e.Payload == "" {
			continue
		}
		var body []byte
		err := src.QueryRowContext(ctx, "SELECT body FROM payload WHERE digest = ?", e.Payload).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			continue // its redaction comes after it
		}
		if err != nil {
			return err
		}
		if _, err := dst.ExecContext(ctx, "INSERT INTO payload (digest, body) VALUES (?, ?) ON CONFLICT DO NOTHING", e.Payload, body); err != nil {
			return err
		}
	}
	return nil
}

// copiedAt is of when a copy is; zero: nothing was ever copied.
func (d *DB) copiedAt(ctx context.Context) time.Time {
	var seconds int64
	if err := d.read.QueryRowContext(ctx, "PRAGMA user_version").Scan(&seconds); err != nil || seconds == 0 {
		return time.Time{}
	}
	return copyEpoch.Add(time.Duration(seconds) * time.Second)
}
