package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Probe is the row of what looking at a unit's plan said last. Doc is a document of the caller. It is no part of the record: what
// is so now replaces what was.
type Probe struct {
	Unit  string
	Tried time.Time
	Doc   json.RawMessage
}

const probeColumns = "unit, tried_at, doc"

// Probes reads the probe of each unit that was ever looked at, by its name.
func (d *DB) Probes(ctx context.Context) ([]Probe, error) {
	all, err := collect(ctx, d.read, scanProbe, "SELECT "+probeColumns+" FROM probe ORDER BY unit")
	if err != nil {
		return nil, fmt.Errorf("read the probes: %w", err)
	}
	return all, nil
}

// Probe reads the probe of one unit, the zero value where it was never looked at.
func (t *Tx) Probe(unit string) (Probe, error) {
	p, err := scanProbe(t.tx.QueryRowContext(t.ctx, "SELECT "+probeColumns+" FROM probe WHERE unit = ?", unit))
	if errors.Is(err, sql.ErrNoRows) {
		return Probe{}, nil
	}
	if err != nil {
		return Probe{}, fmt.Errorf("read the probe of %s: %w", unit, classify(err))
	}
	return p, nil
}

// SaveProbe writes a probe in the place of the unit's last one.
func (t *Tx) SaveProbe(p Probe) error {
	_, err := t.exec("INSERT INTO probe ("+probeColumns+`) VALUES (?, ?, ?)
		ON CONFLICT (unit) DO UPDATE SET tried_at = excluded.tried_at, doc = excluded.doc`, p.Unit, stamp(p.Tried), doc(p.Doc))
	if err != nil {
		return fmt.Errorf("write the probe of %s: %w", p.Unit, err)
	}
	return nil
}

func scanProbe(s scanner) (Probe, error) {
	var p Probe
	var tried int64
	var document []byte
	err := s.Scan(&p.Unit, &tried, &document)
	p.Tried, p.Doc = unstamp(tried), document
	return p, err
}
