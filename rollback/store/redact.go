package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/backout-dev/backout/rollback/ledger"
)

// remains is where else than in the ledger's entry a text may lie.
var remains = []string{
	"SELECT 'entry ' || seq FROM ledger WHERE instr(line, ?1) > 0 ORDER BY seq",
	"SELECT 'payload ' || digest FROM payload WHERE instr(body, ?1) > 0",
	"SELECT 'the journal of ' || id FROM run WHERE instr(CAST(plan || confirmation || doc || detail || abort_reason AS BLOB), ?1) > 0 ORDER BY n",
	"SELECT DISTINCT 'the steps of ' || run FROM step WHERE instr(CAST(doc || coalesce(result, '') AS BLOB), ?1) > 0",
	"SELECT DISTINCT 'the log of ' || run FROM run_log WHERE instr(CAST(text AS BLOB), ?1) > 0",
	"SELECT 'the journal of the measure ' || id FROM measure WHERE instr(doc, ?1) > 0",
}

// Redacted is what became of a redaction.
type Redacted struct {
	Entry ledger.Entry // the entry that says so
	Runs  []string     // whose journal held it too, and does not any more
	Still []string     // where what was taken out still lies, or may lie
}

// Redact takes fields out of an entry for good, and what they held out of the journal of the run that it is about (of every run, where it is
// about none), where that is over; and appends the entry that says so: by has its actor, its text and its time.
// The database file holds what was taken out no longer; where else it is found, Still says.
func (d *DB) Redact(ctx context.Context, seq int64, fields []string, reason string, by ledger.Entry) (Redacted, error) {
	if d.readOnly {
		return Redacted{}, d.unwritable()
	}
	var out Redacted
	var removed []string
	err := d.Update(ctx, func(tx *Tx) (err error) {
		if out.Entry, removed, err = tx.redact(seq, fields, reason, by); err != nil {
			return err
		}
		var said ledger.RedactionBody
		err = json.Unmarshal(out.Entry.Body, &said)
		out.Runs = said.Journal
		return err
	})
	if err != nil {
		return Redacted{}, fmt.Errorf("redact entry %d: %w", seq, err)
	}
	out.Still = d.overwrite(ctx)
	if out.Still, err = d.still(ctx, removed, out.Still); err != nil {
		return out, fmt.Errorf("entry %d is redacted; look where else it is: %w", seq, err)
	}
	if d.server != nil {
		return out, nil
	}
	backups, err := filepath.Glob(d.path + ".*.bak")
	if err == nil {
		out.Still = append(out.Still, backups...)
	}
	return out, nil
}

// overwrite has the database let go of what is no row any more, and says where it still lies.
func (d *DB) overwrite(ctx context.Context) []string {
	if d.server != nil {
		return d.vacuum(ctx)
	}
	var busy, frames, done int64
	err := d.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	if err != nil || busy != 0 {
		return []string{filepath.Base(d.path) + "-wal, until no other backout has the database open"}
	}
	return nil
}

func (t *Tx) redact(seq int64, fields []string, reason string, by ledger.Entry) (ledger.Entry, []string, error) {
	var line []byte
	var hash string
	err := t.tx.QueryRowContext(t.ctx, "SELECT line, hash FROM ledger WHERE seq = ?", seq).Scan(&line, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return ledger.Entry{}, nil, err
	}
	if ledger.DigestOf(line).String() != hash {
		return ledger.Entry{}, nil, errors.New("it is damaged: see backout ledger verify")
	}
	r, err := ledger.Redact(line, fields)
	if err != nil {
		return ledger.Entry{}, nil, err
	}
	r.Body.Reason = reason
	if r.Body.Journal, err = t.redactJournal(r.Run, r.Removed); err != nil {
		return ledger.Entry{}, nil, err
	}
	if by.Body, err = json.Marshal(r.Body); err != nil {
		return ledger.Entry{}, nil, err
	}
	by.Kind = ledger.KindRedaction
	if _, err := t.exec("UPDATE ledger SET line = ? WHERE seq = ?", r.Line, seq); err != nil {
		return ledger.Entry{}, nil, err
	}
	if !bytes.Equal(line, r.Line) {
		if err := t.reindex(line, r.Line); err != nil {
			return ledger.Entry{}, nil, err
		}
	}
	if r.Body.Payload != "" {
		n, err := t.exec("DELETE FROM payload WHERE digest = ?", r.Body.Payload)
		if err != nil {
			return ledger.Entry{}, nil, err
		}
		if n == 0 {
			return ledger.Entry{}, nil, fmt.Errorf("its payload: %w", ErrNotFound)
		}
	}
	written, err := t.Append(by, nil)
	return written, r.Removed, err
}

// still looks for what was taken out, as it was and as JSON has it. A short text is found everywhere and says nothing.
func (d *DB) still(ctx context.Context, removed, found []string) ([]string, error) {
	seen := map[string]bool{}
	for _, text := range removed {
		quoted, err := json.Marshal(text)
		if err != nil {
			return found, err
		}
		canonical, err := ledger.Canonical(quoted)
		if err != nil || len(text) < shortest {
			continue
		}
		for _, form := range [][]byte{[]byte(text), canonical[1 : len(canonical)-1], quoted[1 : len(quoted)-1]} {
			queries := remains
			if d.server != nil {
				queries = remainsShared
			}
			for _, query := range queries {
				places, err := collect(ctx, d.read, scanText, query, form)
				if err != nil {
					return found, err
				}
				for _, p := range places {
					if !seen[p] {
						found = append(found, p)
					}
					seen[p] = true
				}
			}
		}
	}
	return found, nil
}

func scanText(s scanner) (text string, err error) { return text, s.Scan(&text) }
