package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Measure is the row of a temporary measure: what a step of a run left behind and somebody has to lift. Doc is a document
// of the caller. Closed: nothing of it is left.
type Measure struct {
	ID, Run, Unit, State string
	Step                 int
	Closed               bool
	Expires              time.Time
	Doc                  json.RawMessage
}

const measureColumns = "id, run, step, unit, state, closed, expires_at, doc"

// Measures reads all measures that ever were, the oldest first.
func (d *DB) Measures(ctx context.Context) ([]Measure, error) {
	all, err := collect(ctx, d.read, scanMeasure, "SELECT "+measureColumns+" FROM measure ORDER BY rowid")
	if err != nil {
		return nil, fmt.Errorf("read the measures: %w", err)
	}
	return all, nil
}

// Measure reads one measure; one that is not there gives [ErrNotFound].
func (d *DB) Measure(ctx context.Context, id string) (Measure, error) {
	return oneMeasure(ctx, d.read, id)
}

// Measure reads a measure inside the transaction.
func (t *Tx) Measure(id string) (Measure, error) { return oneMeasure(t.ctx, t.tx, id) }

// SaveMeasure writes a measure, new or changed. What belongs to it, run, step and unit, never changes.
func (t *Tx) SaveMeasure(m Measure) error {
	_, err := t.exec("INSERT INTO measure ("+measureColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, closed = excluded.closed, expires_at = excluded.expires_at, doc = excluded.doc`,
		m.ID, m.Run, m.Step, m.Unit, m.State, m.Closed, stamp(m.Expires), doc(m.Doc))
	if err != nil {
		return fmt.Errorf("write the measure %s: %w", m.ID, err)
	}
	return nil
}

// Claims reads who has claimed a unit, "" nobody.
func (t *Tx) Claims(unit string) (run string, err error) {
	l, err := t.lease(unit)
	return l.Run, err
}

func oneMeasure(ctx context.Context, q querier, id string) (Measure, error) {
	m, err := scanMeasure(q.QueryRowContext(ctx, "SELECT "+measureColumns+" FROM measure WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Measure{}, fmt.Errorf("measure %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Measure{}, fmt.Errorf("read the measure %s: %w", id, classify(err))
	}
	return m, nil
}

func scanMeasure(s scanner) (Measure, error) {
	var m Measure
	var expires int64
	var document []byte
	err := s.Scan(&m.ID, &m.Run, &m.Step, &m.Unit, &m.State, &m.Closed, &expires, &document)
	m.Doc, m.Expires = document, unstamp(expires)
	return m, err
}
