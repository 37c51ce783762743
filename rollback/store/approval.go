package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Request is the row of a plan that waits for approval, or waited. Run is the one that it became. Doc is a document of the caller.
type Request struct {
	ID, PlanHash, State, Run string
	Doc                      json.RawMessage
	AskedAt                  time.Time
}

// Approval is the row of what somebody said of a request: the statement as it was signed, and its signature. State is a word of the
// caller: what became of it.
type Approval struct {
	Nonce, Request, Decision, State string
	Statement, Signature            []byte
	RecordedAt                      time.Time
}

const (
	requestColumns  = "id, plan_hash, state, run, doc, asked_at"
	approvalColumns = "nonce, request, decision, state, statement, signature, recorded_at"
)

// Requests reads the plans that wait or waited and are in a state ("": all), the newest first.
func (d *DB) Requests(ctx context.Context, state string) ([]Request, error) {
	return requests(ctx, d.read, state)
}

// Requests reads the same inside the transaction.
func (t *Tx) Requests(state string) ([]Request, error) { return requests(t.ctx, t.tx, state) }

// Approvals reads what was said of a request, in the order in which it was recorded.
func (d *DB) Approvals(ctx context.Context, request string) ([]Approval, error) {
	return approvals(ctx, d.read, request)
}

// Approvals reads the same inside the transaction.
func (t *Tx) Approvals(request string) ([]Approval, error) { return approvals(t.ctx, t.tx, request) }

// SaveRequest writes a request, new or changed. Its plan and its document never change.
func (t *Tx) SaveRequest(r Request) error {
	_, err := t.exec("INSERT INTO approval_request ("+requestColumns+`) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, run = excluded.run`,
		r.ID, r.PlanHash, r.State, r.Run, doc(r.Doc), stamp(r.AskedAt))
	if err != nil {
		return fmt.Errorf("write the request %s: %w", r.ID, err)
	}
	return nil
}

// AddApproval writes what was said. One that is there already gives [ErrHeld]: nothing is said twice.
func (t *Tx) AddApproval(a Approval) error {
	var n int
	err := t.tx.QueryRowContext(t.ctx, "SELECT 1 FROM approval WHERE nonce = ?", a.Nonce).Scan(&n)
	switch {
	case err == nil:
		return fmt.Errorf("approval %s: %w: it is recorded already", a.Nonce, ErrHeld)
	case !errors.Is(err, sql.ErrNoRows):
		return classify(err)
	}
	_, err = t.exec("INSERT INTO approval ("+approvalColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
		a.Nonce, a.Request, a.Decision, a.State, a.Statement, a.Signature, stamp(a.RecordedAt))
	if err != nil {
		return fmt.Errorf("write the approval %s: %w", a.Nonce, err)
	}
	return nil
}

// MarkApproval says what became of what was said.
func (t *Tx) MarkApproval(nonce, state string) error {
	n, err := t.exec("UPDATE approval SET state = ? WHERE nonce = ?", state, nonce)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("approval %s: %w", nonce, err)
	}
	return nil
}

func requests(ctx context.Context, q querier, state string) ([]Request, error) {
	where, args := "", []any{}
	if state != "" {
		where, args = " WHERE state = ?", []any{state}
	}
	all, err := collect(ctx, q, func(s scanner) (r Request, err error) {
		var asked int64
		var document []byte
		err = s.Scan(&r.ID, &r.PlanHash, &r.State, &r.Run, &document, &asked)
		r.Doc, r.AskedAt = document, unstamp(asked)
		return r, err
	}, "SELECT "+requestColumns+" FROM approval_request"+where+" ORDER BY asked_at DESC, id DESC", args...)
	if err != nil {
		return nil, fmt.Errorf("read what waits for approval: %w", err)
	}
	return all, nil
}

func approvals(ctx context.Context, q querier, request string) ([]Approval, error) {
	all, err := collect(ctx, q, func(s scanner) (a Approval, err error) {
		var recorded int64
		err = s.Scan(&a.Nonce, &a.Request, &a.Decision, &a.State, &a.Statement, &a.Signature, &recorded)
		a.RecordedAt = unstamp(recorded)
		return a, err
	}, "SELECT "+approvalColumns+" FROM approval WHERE request = ? ORDER BY recorded_at, nonce", request)
	if err != nil {
		return nil, fmt.Errorf("read what was said of %s: %w", request, err)
	}
	return all, nil
}
