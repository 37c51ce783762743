package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Drill is the row of a drill: a run back, made on purpose, and the way forward again. Run is the run that goes back, Doc a
// document of the caller. Holder is the process that drives it until Expires; Token rises with every change of holder.
type Drill struct {
	N                          int64
	ID, Run, Unit, Environment string
	State                      string
	Final                      bool
	Doc                        json.RawMessage
	StartedAt, EndedAt         time.Time
	Holder                     string
	Token                      int64
	Expires                    time.Time
}

const drillColumns = "n, id, run, unit, environment, state, final, doc, started_at, ended_at, holder, token, expires_at"

// Drills reads all drills, the newest first.
func (d *DB) Drills(ctx context.Context) ([]Drill, error) {
	all, err := collect(ctx, d.read, scanDrill, "SELECT "+drillColumns+" FROM drill ORDER BY n DESC")
	if err != nil {
		return nil, fmt.Errorf("read the drills: %w", err)
	}
	for i := range all {
		all[i].Expires = onClock(all[i].Expires, -d.ahead())
	}
	return all, nil
}

// Drill reads one drill; one that is not there gives [ErrNotFound].
func (d *DB) Drill(ctx context.Context, id string) (Drill, error) {
	return oneDrill(ctx, d.read, id, d.ahead())
}

// Drill reads a drill inside the transaction.
func (t *Tx) Drill(id string) (Drill, error) { return oneDrill(t.ctx, t.tx, id, t.ahead) }

// NameDrill gives a drill that is about to be written its number and id, "DRILL-0001" and on. While another one of the same
// environment is not over it gives [ErrHeld] with that one's id.
func (t *Tx) NameDrill(d *Drill) error {
	var other string
	err := t.tx.QueryRowContext(t.ctx, "SELECT id FROM drill WHERE NOT final AND environment = ? ORDER BY n LIMIT 1", d.Environment).Scan(&other)
	switch {
	case err == nil:
		return fmt.Errorf("%s: %w: %s", d.Unit, ErrHeld, other)
	case !errors.Is(err, sql.ErrNoRows):
		return classify(err)
	}
	if err := t.tx.QueryRowContext(t.ctx, "SELECT coalesce(max(n), 0) + 1 FROM drill").Scan(&d.N); err != nil {
		return classify(err)
	}
	d.ID = fmt.Sprintf("DRILL-%04d", d.N)
	return nil
}

// CreateDrill writes a new drill that was named in the same transaction.
func (t *Tx) CreateDrill(d Drill) error {
	_, err := t.exec("INSERT INTO drill (n, id, run, unit, environment, state, final, doc, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		d.N, d.ID, d.Run, d.Unit, d.Environment, d.State, d.Final, doc(d.Doc), stamp(d.StartedAt))
	if err != nil {
		return fmt.Errorf("write %s: %w", d.ID, err)
	}
	return nil
}

// SaveDrill writes what changes while a drill goes on: state, document and end.
func (t *Tx) SaveDrill(d Drill) error {
	n, err := t.exec("UPDATE drill SET state = ?, final = ?, doc = ?, ended_at = ? WHERE id = ?", d.State, d.Final, doc(d.Doc), stamp(d.EndedAt), d.ID)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", d.ID, err)
	}
	return nil
}

// HoldDrill makes holder the process that drives a drill until expires, and gives the token that it writes with. It gives
// [ErrHeld] while another process holds it freshly, unless dead says that this one is no more (nil: nobody can tell).
func (t *Tx) HoldDrill(id, holder string, expires time.Time, dead func(holder string) bool) (token int64, err error) {
	d, err := t.Drill(id)
	if err != nil {
		return 0, err
	}
	if d.Holder != "" && d.Holder != holder && d.Expires.After(t.now()) && (dead == nil || !dead(d.Holder)) {
		return 0, fmt.Errorf("%s: %w: %s, until %s", id, ErrHeld, d.Holder, d.Expires.Format(time.TimeOnly+"Z07:00"))
	}
	token = d.Token + 1
	_, err = t.exec("UPDATE drill SET holder = ?, token = ?, expires_at = ? WHERE id = ?", holder, token, t.ends(expires), id)
	return token, err
}

// CheckDrill refuses with [ErrFenced] unless the token is the newest of the drill.
func (t *Tx) CheckDrill(id string, token int64) error {
	d, err := t.Drill(id)
	if err == nil && d.Token != token {
		err = fmt.Errorf("%s: %w", id, ErrFenced)
	}
	return err
}

// RenewDrill moves the end of a hold; the zero time gives the drill up, so that another process may take it at once.
func (t *Tx) RenewDrill(id string, token int64, expires time.Time) error {
	if err := t.CheckDrill(id, token); err != nil {
		return err
	}
	if expires.IsZero() {
		_, err := t.exec("UPDATE drill SET holder = '', expires_at = 0 WHERE id = ?", id)
		return err
	}
	_, err := t.exec("UPDATE drill SET expires_at = ? WHERE id = ?", t.ends(expires), id)
	return err
}

func oneDrill(ctx context.Context, q querier, id string, ahead time.Duration) (Drill, error) {
	d, err := scanDrill(q.QueryRowContext(ctx, "SELECT "+drillColumns+" FROM drill WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Drill{}, fmt.Errorf("drill %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Drill{}, fmt.Errorf("read the drill %s: %w", id, classify(err))
	}
	d.Expires = onClock(d.Expires, -ahead)
	return d, nil
}

func scanDrill(s scanner) (Drill, error) {
	var d Drill
	var started, ended, expires int64
	var document []byte
	err := s.Scan(&d.N, &d.ID, &d.Run, &d.Unit, &d.Environment, &d.State, &d.Final, &document, &started, &ended, &d.Holder, &d.Token, &expires)
	d.Doc, d.StartedAt, d.EndedAt, d.Expires = document, unstamp(started), unstamp(ended), unstamp(expires)
	return d, err
}

// drillEnded is the event of the entry that a drill's end is written with.
const drillEnded = "ended"

// verifyDrills compares the drills with the record: each has begun there, and ended as the journal says.
func verifyDrills(ctx context.Context, tx *sql.Tx, seen []claim, r *ledger.Report) error {
	rows, err := collect(ctx, tx, scanDrill, "SELECT "+drillColumns+" FROM drill ORDER BY n")
	if err != nil {
		return err
	}
	told := map[string]claim{}
	for _, c := range seen {
		if c.Kind == ledger.KindDrill {
			told[c.Body.Drill] = c // the last word
		}
	}
	paired(rows, told, "drill", func(d *Drill) string { return d.ID }, func(d *Drill, c claim) string {
		switch over := c.Body.Event == drillEnded; {
		case over != d.Final, over && c.Body.State != d.State:
			return fmt.Sprintf("says that the drill %s is %q, the journal says %q", d.ID, c.Body.State, d.State)
		default:
			return ""
		}
	}, r)
	return nil
}
