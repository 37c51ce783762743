package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const runColumns = `n, id, op, plan_hash, plan, confirmation, state, final, detail, doc, started_at, applied_at, ended_at, abort_by, abort_reason, pause_by, paused_at`

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type scanner interface{ Scan(dest ...any) error }

// Run reads one run with its steps, its log and the leases on its units, all of one instant.
func (d *DB) Run(ctx context.Context, id string) (Run, error) {
	var r Run
	err := d.view(ctx, func(tx *sql.Tx) error {
		var err error
		r, err = oneRun(ctx, tx, id)
		return err
	})
	return r, local(r.Leases, d.ahead(), err)
}

// Runs reads all runs, the newest first, as [DB.Run] does.
func (d *DB) Runs(ctx context.Context) ([]Run, error) {
	var runs []Run
	err := d.view(ctx, func(tx *sql.Tx) error {
		var err error
		runs, err = collect(ctx, tx, scanRun, "SELECT "+runColumns+" FROM run ORDER BY n DESC")
		for i := range runs {
			if err == nil {
				err = parts(ctx, tx, &runs[i])
			}
		}
		return err
	})
	for i := range runs {
		err = local(runs[i].Leases, d.ahead(), err)
	}
	return runs, err
}

// Leases reads the claims that are in force.
func (d *DB) Leases(ctx context.Context) ([]Lease, error) {
	leases, err := collect(ctx, d.read, scanLease, "SELECT unit, run, holder, token, expires_at FROM lease WHERE run <> '' ORDER BY unit")
	return leases, local(leases, d.ahead(), err)
}

// AbortRequested reads who asked a run to stop, and why; "" nobody.
func (d *DB) AbortRequested(ctx context.Context, run string) (by, reason string, err error) {
	err = d.read.QueryRowContext(ctx, "SELECT abort_by, abort_reason FROM run WHERE id = ?", run).Scan(&by, &reason)
	return by, reason, classify(err)
}

// PauseRequested reads who asked a run to wait before its next intent, and when; "" nobody.
func (d *DB) PauseRequested(ctx context.Context, run string) (by string, at time.Time, err error) {
	var n int64
	err = d.read.QueryRowContext(ctx, "SELECT pause_by, paused_at FROM run WHERE id = ?", run).Scan(&by, &n)
	return by, unstamp(n), classify(err)
}

// view runs fn on one instant of the store; where its server is lost on the way, again on what can be read then.
func (d *DB) view(ctx context.Context, fn func(*sql.Tx) error) error {
	return d.read.lasting(ctx, func() error { return d.viewOnce(ctx, fn) })
}

func (d *DB) viewOnce(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read: %w", classify(err))
	}
	err = fn(tx)
	if back := tx.Rollback(); err == nil && back != nil && !errors.Is(back, sql.ErrTxDone) {
		err = back
	}
	return classify(err)
}

func oneRun(ctx context.Context, q querier, id string) (Run, error) {
	r, err := scanRun(q.QueryRowContext(ctx, "SELECT "+runColumns+" FROM run WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Run{}, fmt.Errorf("read %s: %w", id, classify(err))
	}
	return r, parts(ctx, q, &r)
}

func parts(ctx context.Context, q querier, r *Run) error {
	var err error
	if r.Steps, err = collect(ctx, q, scanStep, "SELECT n, unit, state, attempt, doc, result, at, ended_at FROM step WHERE run = ? ORDER BY n", r.ID); err != nil {
		return fmt.Errorf("read the steps of %s: %w", r.ID, err)
	}
	if r.Log, err = collect(ctx, q, scanLine, "SELECT at, text FROM run_log WHERE run = ? ORDER BY id", r.ID); err != nil {
		return fmt.Errorf("read the log of %s: %w", r.ID, err)
	}
	if r.Leases, err = leasesOf(ctx, q, r.ID); err != nil {
		return fmt.Errorf("read the leases of %s: %w", r.ID, err)
	}
	r.Measures, err = collect(ctx, q, scanMeasure, "SELECT "+measureColumns+" FROM measure WHERE run = ? ORDER BY step", r.ID)
	if err != nil {
		return fmt.Errorf("read the measures of %s: %w", r.ID, err)
	}
	return nil
}

func leasesOf(ctx context.Context, q querier, run string) ([]Lease, error) {
	return collect(ctx, q, scanLease, "SELECT unit, run, holder, token, expires_at FROM lease WHERE run = ? ORDER BY unit", run)
}

func scanRun(s scanner) (Run, error) {
	var r Run
	var started, applied, ended, paused int64
	var plan, confirmation, document []byte
	err := s.Scan(&r.N, &r.ID, &r.Op, &r.PlanHash, &plan, &confirmation, &r.State, &r.Final, &r.Detail, &document,
		&started, &applied, &ended, &r.AbortBy, &r.AbortReason, &r.PauseBy, &paused)
	r.Plan, r.Confirmation, r.Doc = plan, confirmation, document
	r.StartedAt, r.AppliedAt, r.EndedAt, r.PausedAt = unstamp(started), unstamp(applied), unstamp(ended), unstamp(paused)
	return r, err
}

func scanStep(s scanner) (Step, error) {
	var st Step
	var at, ended int64
	var document, result []byte
	err := s.Scan(&st.N, &st.Unit, &st.State, &st.Attempt, &document, &result, &at, &ended)
	st.Doc, st.Result = document, result
	st.At, st.EndedAt = unstamp(at), unstamp(ended)
	return st, err
}

func scanLine(s scanner) (Line, error) {
	var l Line
	var at int64
	err := s.Scan(&at, &l.Text)
	l.At = unstamp(at)
	return l, err
}

func scanLease(s scanner) (Lease, error) {
	var l Lease
	var expires int64
	err := s.Scan(&l.Unit, &l.Run, &l.Holder, &l.Token, &expires)
	l.Expires = unstamp(expires)
	return l, err
}

func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (all []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, classify(err)
		}
		all = append(all, one)
	}
	return all, classify(rows.Err())
}
