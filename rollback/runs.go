package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// runDoc is the part of a run that has no column of its own.
type runDoc struct {
	Executor     string    `json:"executor,omitempty"`
	Before       []Symptom `json:"before,omitempty"`
	BeforeChecks []Check   `json:"before_checks,omitempty"`
	Trail        *Trail    `json:"trail,omitempty"`
	Checks       []Check   `json:"checks,omitempty"`
	Symptoms     []Symptom `json:"symptoms,omitempty"`
	ConvergedAt  time.Time `json:"converged_at,omitzero"`
}

// Run reads one run as the journal has it now.
func (e *Engine) Run(ctx context.Context, id string) (Run, error) {
	row, err := e.cfg.Store.Run(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Run{}, fmt.Errorf("run %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Run{}, err
	}
	return e.decode(row)
}

// Runs reads all runs, the newest first.
func (e *Engine) Runs(ctx context.Context) ([]Run, error) {
	rows, err := e.cfg.Store.Runs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the runs: %w", err)
	}
	runs := make([]Run, len(rows))
	for i, row := range rows {
		if runs[i], err = e.decode(row); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

func (e *Engine) decode(row store.Run) (Run, error) {
	r := Run{
		ID: row.ID, State: RunState(row.State), Detail: row.Detail, StartedAt: row.StartedAt, AppliedAt: row.AppliedAt,
		EndedAt: row.EndedAt, AbortBy: row.AbortBy, PauseBy: row.PauseBy, PausedAt: row.PausedAt,
	}
	var doc runDoc
	for _, d := range []struct {
		raw  json.RawMessage
		into any
	}{{row.Plan, &r.Plan}, {row.Confirmation, &r.By}, {row.Doc, &doc}} {
		if err := json.Unmarshal(d.raw, d.into); err != nil {
			return Run{}, fmt.Errorf("read %s: %w", row.ID, err)
		}
	}
	r.Executor, r.Before, r.Checks, r.Symptoms = doc.Executor, doc.Before, doc.Checks, doc.Symptoms
	r.BeforeChecks, r.Trail, r.ConvergedAt = doc.BeforeChecks, doc.Trail, doc.ConvergedAt
	for _, s := range row.Steps {
		step := StepRun{State: StepState(s.State), Attempt: s.Attempt, At: s.At, EndedAt: s.EndedAt}
		if err := json.Unmarshal(s.Doc, &step.Step); err != nil {
			return Run{}, fmt.Errorf("read step %d of %s: %w", s.N, row.ID, err)
		}
		if len(s.Result) > 0 {
			step.Result = &Result{}
			if err := json.Unmarshal(s.Result, step.Result); err != nil {
				return Run{}, fmt.Errorf("read the result of step %d of %s: %w", s.N, row.ID, err)
			}
		}
		r.Steps = append(r.Steps, step)
	}
	for _, l := range row.Log {
		r.Log = append(r.Log, LogLine{At: l.At, Text: l.Text})
	}
	for _, m := range row.Measures {
		measure, err := decodeMeasure(m)
		if err != nil {
			return Run{}, err
		}
		r.Measures = append(r.Measures, measure)
	}
	r.Alive = !row.Final && e.alive(row.Leases)
	r.Paused = r.pausing()
	return r, nil
}

// alive reports whether some executor's lease is fresh.
func (e *Engine) alive(leases []store.Lease) bool {
	return slices.ContainsFunc(leases, func(l store.Lease) bool {
		return l.Holder != "" && l.Expires.After(e.cfg.Now()) && (e.cfg.HolderDead == nil || !e.cfg.HolderDead(l.Holder))
	})
}

// Abort asks a run to stop before its next intent; it never takes an effect back. It works from any process that shares
// the store. A run that nobody works on and that never tried an effect is over at once; one that was interrupted after
// an intent has to be resumed to find out what is true, and will stop there.
func (e *Engine) Abort(ctx context.Context, runID string, by policy.Principal, reason string) error {
	if e.cfg.ReadOnly {
		return ErrReadOnly
	}
	if by.Kind == policy.Agent {
		return fmt.Errorf("%w: an AI agent may not stop a run: a person has to, in a terminal of their own", ErrRefused)
	}
	reason = ledger.Scrub(providers.Clean(reason))
	err := e.journal(ctx, "abort", func(tx *store.Tx) error {
		row, err := tx.Run(runID)
		if err != nil {
			return err
		}
		if row.Final {
			return fmt.Errorf("%s is over: %s", runID, row.State)
		}
		if err := tx.RequestAbort(runID, by.ID, reason); err != nil {
			return err
		}
		run, err := e.decode(row)
		if err != nil {
			return err
		}
		text := strings.TrimSuffix(fmt.Sprintf("%s asked %s to stop: %s", by.ID, runID, reason), ": ")
		entry := e.entry(ledger.KindAbort, runID, run.Plan, Confirmation{By: by}, text)
		if _, err := tx.Append(entry, nil); err != nil {
			return err
		}
		if err := tx.Log(runID, text); err != nil {
			return err
		}
		untouched := !slices.ContainsFunc(row.Steps, func(s store.Step) bool { return s.Attempt > 0 })
		if !untouched || e.alive(row.Leases) {
			return nil
		}
		return e.conclude(tx, row, run, RunAborted, "stopped by "+by.ID+" before anything was done")
	})
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("run %s: %w", runID, ErrNotFound)
	}
	return err
}

// conclude writes the end of a run: its state, its outcome and what it proved on the record, and the release of its units.
func (e *Engine) conclude(tx *store.Tx, row store.Run, run Run, state RunState, detail string) error {
	row.State, row.Final, row.Detail, row.EndedAt = string(state), true, providers.Clean(detail), e.cfg.Now().UTC()
	if err := tx.SaveRun(row); err != nil {
		return err
	}
	body := confirmationBody(run.Plan, run.By, row.StartedAt)
	body.State, body.Detail, body.AppliedAt, body.EndedAt = row.State, row.Detail, row.AppliedAt, row.EndedAt
	entry := e.entry(ledger.KindOutcome, row.ID, run.Plan, run.By, row.ID+" "+row.State+": "+row.Detail)
	var err error
	if entry.Body, err = json.Marshal(body); err != nil {
		return err
	}
	if _, err := tx.Append(entry, nil); err != nil {
		return err
	}
	if err := e.prove(tx, row, run); err != nil {
		return err
	}
	if err := tx.Log(row.ID, row.State+": "+row.Detail); err != nil {
		return err
	}
	return tx.Release(row.ID)
}

// Record puts a note, a word on a suspect, an operation on an incident or an event of a game day on the record, and returns it with
// its number. Secrets in its text are scrubbed; entries of runs are written by the engine alone. What is known of AI assistance in
// the change that it names, where that is given, is kept with it.
func (e *Engine) Record(ctx context.Context, entry ledger.Entry, about *providers.Change) (ledger.Entry, error) {
	if !slices.Contains([]ledger.Kind{ledger.KindNote, ledger.KindSuspect, ledger.KindIncident, ledger.KindGameDay}, entry.Kind) {
		return ledger.Entry{}, fmt.Errorf("record %q: only notes, suspects, incidents and game days are recorded by hand", entry.Kind)
	}
	if entry.At.IsZero() {
		entry.At = e.cfg.Now().UTC()
	}
	for _, s := range []*string{&entry.Actor, &entry.ActorKind, &entry.Text, &entry.Unit, &entry.Change, &entry.Incident, &entry.Run} {
		*s = providers.Clean(*s)
	}
	var written ledger.Entry
	err := e.journal(ctx, "record", func(tx *store.Tx) error {
		var err error
		if written, err = tx.Append(entry, nil); err != nil {
			return err
		}
		return attribute(tx, entry, about)
	})
	return written, err
}
