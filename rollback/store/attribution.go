package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Attribute writes what is known of AI assistance in the change that the entry is about, where the record does not say just that already. Version and
// Since of the body are set here; said makes the entry's text of it and of the version before, nil where there is none.
func (t *Tx) Attribute(e ledger.Entry, body ledger.AttributionBody, said func(now, before *ledger.AttributionBody) string) error {
	var line []byte
	var before *ledger.AttributionBody
	body.Version = 1
	err := t.tx.QueryRowContext(t.ctx, `SELECT l.seq, l.line FROM attribution a JOIN ledger l ON l.seq = a.seq
		WHERE a.change_id = ? ORDER BY a.seq DESC LIMIT 1`, e.Change).Scan(&body.Since, &line)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("what is recorded of AI in %s: %w", e.Change, classify(err))
	default:
		var was struct {
			Body ledger.AttributionBody `json:"body"`
		}
		if err := json.Unmarshal(line, &was); err != nil {
			return fmt.Errorf("entry %d is damaged, see backout ledger verify: %w", body.Since, err)
		}
		before, body.Version = &was.Body, was.Body.Version+1
	}
	if before != nil {
		same := body
		same.Version, same.Since = before.Version, before.Since
		if equal, err := sameJSON(same, *before); err != nil || equal {
			return err
		}
	}
	e.Kind, e.Text = ledger.KindAttribution, said(&body, before)
	if e.Body, err = json.Marshal(body); err != nil {
		return err
	}
	if e, err = t.Append(e, nil); err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO attribution (seq, change_id) VALUES (?, ?)", e.Seq, e.Change); err != nil {
		return fmt.Errorf("what is recorded of AI in %s: %w", e.Change, err)
	}
	return nil
}

// sameJSON compares what would be written: scrubbed, as the record has it.
func sameJSON(a, b any) (bool, error) {
	var out [2]string
	for i, v := range []any{a, b} {
		raw, err := json.Marshal(v)
		if err == nil {
			raw, err = ledger.ScrubJSON(raw)
		}
		if err != nil {
			return false, err
		}
		out[i] = string(raw)
	}
	return out[0] == out[1], nil
}
