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

// Tx is one writing transaction: all of it is written or nothing.
type Tx struct {
	ctx context.Context
	tx  *sql.Tx
	now func() time.Time
	// ahead is by how much the clock that leases go by is ahead of now: that of a shared store's server, which is the same for
	// all who write there, however wrong their own are.
	ahead   time.Duration
	shared  bool // on a PostgreSQL server
	written []Written
}

// Update runs fn in a transaction that holds the write lock from its beginning, and commits if fn returns nil. An error
// of the commit itself means that the transaction may or may not be there; look before you write again. Where the connection to
// a shared store is lost at the commit, what became of it is looked up: an error then means that it is not there, but for
// [ErrUncertain], where the server did not come back in time.
func (d *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	if d.readOnly {
		return d.unwritable()
	}
	if d.server != nil {
		return d.updateShared(ctx, fn)
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	in := Tx{ctx: ctx, tx: tx, now: d.now}
	if err := fn(&in); err != nil {
		if back := tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
			err = errors.Join(err, back)
		}
		return classify(err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", classify(err))
	}
	d.told(&in)
	return nil
}

// told says what a transaction that is there has appended.
func (d *DB) told(t *Tx) {
	if d.appended != nil && len(t.written) > 0 {
		d.appended(t.written)
	}
}

func (t *Tx) exec(query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, classify(err)
	}
	return res.RowsAffected()
}

// Append writes a ledger entry at the end, with its raw payload beside it (nil: none). It returns the entry as it was
// written: with its number, link and payload digest.
func (t *Tx) Append(e ledger.Entry, payload []byte) (ledger.Entry, error) {
	var head ledger.Head
	if err := t.tx.QueryRowContext(t.ctx, "SELECT seq, hash FROM head WHERE id = 1").Scan(&head.Seq, &head.Hash); err != nil {
		return ledger.Entry{}, fmt.Errorf("ledger head: %w", classify(err))
	}
	e.Payload = ""
	if payload != nil {
		e.Payload = ledger.Hash(payload)
		if _, err := t.exec("INSERT INTO payload (digest, body) VALUES (?, ?) ON CONFLICT DO NOTHING", e.Payload, payload); err != nil {
			return ledger.Entry{}, fmt.Errorf("ledger payload: %w", err)
		}
	}
	e, line, next, err := ledger.Next(head, e, t.now())
	if err != nil {
		return ledger.Entry{}, err
	}
	if _, err := t.exec("INSERT INTO ledger (seq, line, hash) VALUES (?, ?, ?)", next.Seq, line, next.Hash); err != nil {
		return ledger.Entry{}, fmt.Errorf("ledger entry %d: %w", next.Seq, err)
	}
	if _, err := t.exec("UPDATE head SET seq = ?, hash = ? WHERE id = 1", next.Seq, next.Hash); err != nil {
		return ledger.Entry{}, fmt.Errorf("ledger head: %w", err)
	}
	if err := t.index(&e); err != nil {
		return ledger.Entry{}, fmt.Errorf("ledger entry %d: %w", next.Seq, err)
	}
	t.written = append(t.written, Written{Entry: e, Digest: next.Hash})
	return e, nil
}

// CreateRun writes a new run with its steps; N and ID are set here, "RUN-0001" and on.
func (t *Tx) CreateRun(r *Run) error {
	if err := t.tx.QueryRowContext(t.ctx, "SELECT coalesce(max(n), 0) + 1 FROM run").Scan(&r.N); err != nil {
		return classify(err)
	}
	r.ID = fmt.Sprintf("RUN-%04d", r.N)
	_, err := t.exec(`INSERT INTO run (n, id, op, plan_hash, plan, confirmation, state, final, detail, doc, started_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.N, r.ID, r.Op, r.PlanHash, []byte(r.Plan), []byte(r.Confirmation), r.State, r.Final, r.Detail, doc(r.Doc), stamp(r.StartedAt))
	if err != nil {
		return fmt.Errorf("write %s: %w", r.ID, err)
	}
	for _, s := range r.Steps {
		if err := t.SaveStep(r.ID, s); err != nil {
			return err
		}
	}
	return nil
}

// SaveRun writes what changes while a run goes on: state, detail, document and times. It leaves the requests to stop and
// to pause alone, which other processes write.
func (t *Tx) SaveRun(r Run) error {
	n, err := t.exec("UPDATE run SET state = ?, final = ?, detail = ?, doc = ?, applied_at = ?, ended_at = ? WHERE id = ?",
		r.State, r.Final, r.Detail, doc(r.Doc), stamp(r.AppliedAt), stamp(r.EndedAt), r.ID)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", r.ID, err)
	}
	return nil
}

// SaveStep writes a step, new or changed.
func (t *Tx) SaveStep(run string, s Step) error {
	_, err := t.exec(`INSERT INTO step (run, n, unit, state, attempt, doc, result, at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, n) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, doc = excluded.doc, result = excluded.result,
			at = excluded.at, ended_at = excluded.ended_at`,
		run, s.N, s.Unit, s.State, s.Attempt, []byte(s.Doc), []byte(s.Result), stamp(s.At), stamp(s.EndedAt))
	if err != nil {
		return fmt.Errorf("write step %d of %s: %w", s.N, run, err)
	}
	return nil
}

// Log adds a line to a run's log.
func (t *Tx) Log(run, text string) error {
	if _, err := t.exec("INSERT INTO run_log (run, at, text) VALUES (?, ?, ?)", run, stamp(t.now()), ledger.Scrub(text)); err != nil {
		return fmt.Errorf("write the log of %s: %w", run, err)
	}
	return nil
}

// RequestAbort notes who asks a run to stop. The first request stays.
func (t *Tx) RequestAbort(run, by, reason string) error {
	n, err := t.exec("UPDATE run SET abort_by = ?, abort_reason = ? WHERE id = ? AND abort_by = ''", by, ledger.Scrub(reason), run)
	if err == nil && n == 0 {
		if _, err = t.Run(run); err == nil {
			return nil
		}
	}
	return err
}

// RequestPause notes who asks a run to wait before its next intent, since now; an empty name takes that back.
func (t *Tx) RequestPause(run, by string) error {
	at := int64(0)
	if by != "" {
		at = stamp(t.now())
	}
	n, err := t.exec("UPDATE run SET pause_by = ?, paused_at = ? WHERE id = ?", by, at, run)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", run, ErrNotFound)
	}
	return err
}

// Run reads a run inside the transaction.
func (t *Tx) Run(id string) (Run, error) {
	r, err := oneRun(t.ctx, t.tx, id)
	return r, local(r.Leases, t.ahead, err)
}

func doc(b json.RawMessage) []byte {
	if len(b) == 0 {
		return []byte("{}")
	}
	return b
}
