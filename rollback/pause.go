package rollback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

var errPauseAsked = errors.New("asked to wait")

// Pause asks a run to wait before its next intent (on), or to go on (off). It works from any process that shares the store.
// What is being applied is finished first. The run keeps its lease and its units while it waits, until it is let go on,
// [Engine.Abort] stops it, or it has waited for as long as its plan's deadline; then it ends there. Asking for what holds
// already is no error and leaves no trace. A run that has no step before it, or is over, cannot be paused.
func (e *Engine) Pause(ctx context.Context, runID string, by policy.Principal, on bool) error {
	if e.cfg.ReadOnly {
		return ErrReadOnly
	}
	if by.Kind == policy.Agent {
		return fmt.Errorf("%w: an AI agent may not hold back a run: a person has to, in a terminal of their own", ErrRefused)
	}
	err := e.journal(ctx, "pause", func(tx *store.Tx) error {
		row, err := tx.Run(runID)
		if err != nil {
			return err
		}
		run, err := e.decode(row)
		switch {
		case err != nil:
			return err
		case row.Final:
			return fmt.Errorf("%s is over: %s", runID, row.State)
		case on == (row.PauseBy != ""):
			return nil
		case on && row.AbortBy != "":
			return fmt.Errorf("%s is being stopped already, as %s asked", runID, row.AbortBy)
		case on && !run.Pausable():
			return fmt.Errorf("%s has no step left to wait before: it only watches (runs abort %s ends that)", runID, runID)
		}
		who, text := by.ID, by.ID+" asked "+runID+" to wait before its next step"
		if !on {
			who, text = "", by.ID+" lets "+runID+" go on"
		}
		if err := tx.RequestPause(runID, who); err != nil {
			return err
		}
		if _, err := tx.Append(e.entry(ledger.KindPause, runID, run.Plan, Confirmation{By: by}, text), nil); err != nil {
			return err
		}
		return tx.Log(runID, text)
	})
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("run %s: %w", runID, ErrNotFound)
	}
	return err
}

// Pausable reports whether the run has an intent before it: only there can it wait.
func (r *Run) Pausable() bool {
	return !r.State.Final() && slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.State == StepPending })
}

// pausing reports whether a run that was asked to wait begins nothing any more.
func (r *Run) pausing() bool {
	return r.PauseBy != "" && !r.State.Final() && !slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.State == StepIntent })
}

// pause waits before an intent, for as long as somebody wants it and the plan's deadline allows. It only looks into the
// journal; the target is looked at anew afterwards.
func (x *execution) pause(ctx context.Context, s *StepRun, attempted bool) (ending, error) {
	started, limit := time.Now(), x.run.Plan.Deadline
	before := x.waited
	defer func() { x.waited = before + time.Since(started) }()
	for told := false; ; told = true {
		by, at, err := x.e.cfg.Store.PauseRequested(ctx, x.run.ID)
		if err != nil {
			return ending{}, fmt.Errorf("read %s: %w", x.run.ID, err)
		}
		stop, err := x.stopAsked(ctx)
		switch {
		case err != nil:
			return ending{}, err
		case stop != "":
			return x.stopped(s, attempted, "stopped while it was paused, as "+stop+" asked"), nil
		case by == "":
			return ending{}, nil
		case before+time.Since(started) >= limit, x.e.cfg.Now().Sub(at) >= limit:
			return x.stopped(s, attempted, fmt.Sprintf("%s paused it, and nobody let it go on within %s", by, limit)), nil
		}
		if !told {
			state := x.run.State
			if state == RunConverging { // the unit before has arrived
				state = RunRunning
			}
			text := fmt.Sprintf("paused before step %d (%s), as %s asked", s.N, s.Title, by)
			if done := x.done(); done != "" {
				text += "; " + done
			}
			if err := x.enter(ctx, state, strings.TrimSpace(text)); err != nil {
				return ending{}, err
			}
		}
		if err := sleep(ctx, x.e.cfg.Poll); err != nil {
			return ending{}, err
		}
	}
}
