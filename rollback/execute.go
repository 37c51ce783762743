package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// execution is one executor's work on one run. It is used by one goroutine.
type execution struct {
	e     *Engine
	row   store.Run
	run   Run
	op    string
	fence store.Fence
	taken time.Time       // when the lease was asked for, on the monotonic clock
	held  context.Context // ends when the lease is lost, and not when the executor is asked to stop
	shown []string        // the last look that was journaled
	// subject is what the last line of the log was about.
	subject string
	// waited is how long this executor was paused, all in all.
	waited time.Duration
	// grew: the trail has a cell that is not journaled yet.
	grew bool
	// steady is since when each check has been well, as its target said when all were well last.
	steady map[string]time.Time
	// newer are the alerts that opened since the effect, askedOpened when that was asked last, and openedUnknown why nobody
	// could tell then.
	newer         []AlertRef
	askedOpened   time.Time
	openedUnknown error
	// looking looks at the declared checks while the run is verified; nil before.
	looking *onlookers
	// probed is when this executor last looked at what the run set.
	probed time.Time
}

// ending is how a run ends; the zero value means that it goes on.
type ending struct {
	state  RunState
	detail string
}

func end(state RunState, format string, args ...any) ending {
	return ending{state, fmt.Sprintf(format, args...)}
}

// Execute works on a confirmed run until it is over, or goes on with one that was interrupted: both are the same. It
// takes the run's lease, and gives [ErrLocked] while another executor holds it. When ctx ends before the run is over, it
// lets an Apply that was begun end, stops before the next intent and leaves the run to be resumed. A run that is over is returned as it is.
//
// The error says that the run could not be worked on or journaled; how the run itself ended is its state.
func (e *Engine) Execute(ctx context.Context, runID string) (Run, error) {
	if e.cfg.ReadOnly {
		return Run{}, ErrReadOnly
	}
	run, err := e.Run(ctx, runID)
	if err != nil || run.State.Final() {
		return run, err
	}
	x, err := e.take(ctx, runID)
	if err != nil {
		if again, readErr := e.Run(ctx, runID); readErr == nil {
			run = again
		}
		return run, err
	}
	var stop func()
	x.held, stop = x.keepLease(context.WithoutCancel(ctx))
	err = x.workUntil(ctx)
	stop()
	if err != nil {
		err = errors.Join(err, x.detach(ctx))
	}
	// What the journal has is what is true, also when this executor could not finish.
	after, readErr := e.Run(context.WithoutCancel(ctx), runID)
	if readErr != nil {
		return x.run, errors.Join(err, readErr)
	}
	return after, err
}

// workUntil works until the run is over, the lease is lost, or ctx ends: then an effect that was begun is let end and
// journaled, under the lease and the deadline of an Apply, and nothing else is begun.
func (x *execution) workUntil(ctx context.Context) error {
	work, cancel := context.WithCancelCause(x.held)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	return x.work(work)
}

// take gets the lease and reads the run under it.
func (e *Engine) take(ctx context.Context, runID string) (*execution, error) {
	x := &execution{e: e, taken: time.Now()}
	err := e.journal(ctx, "lease", func(tx *store.Tx) error {
		var err error
		x.fence, err = tx.Acquire(runID, e.cfg.Executor, e.cfg.Now().Add(e.cfg.LeaseTTL), e.cfg.HolderDead)
		if err != nil {
			return err
		}
		if x.row, err = tx.Run(runID); err != nil {
			return err
		}
		if x.run, err = e.decode(x.row); err != nil {
			return err
		}
		x.op = x.row.Op
		text := "taken up by " + e.cfg.Executor
		if x.run.Executor != "" {
			text = "resumed by " + e.cfg.Executor + ", after " + x.run.Executor
		}
		x.run.Executor = e.cfg.Executor
		if err := x.save(tx); err != nil {
			return err
		}
		return tx.Log(runID, text)
	})
	switch {
	case errors.Is(err, store.ErrHeld):
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	case errors.Is(err, store.ErrFenced):
		return nil, fmt.Errorf("%s ended in between: %w", runID, err)
	case err != nil:
		return nil, err
	}
	return x, nil
}

// keepLease renews the lease while the executor works. The context that it returns ends when the lease was lost, or could
// not be renewed so long that somebody else may have it soon, even while a renewal still waits for its answer.
func (x *execution) keepLease(ctx context.Context) (context.Context, func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	ttl := x.e.cfg.LeaseTTL
	safe := ttl - ttl/5
	var why atomic.Pointer[error]
	// Durations on this host's monotonic clock, whatever the wall clock does.
	end := time.AfterFunc(safe-time.Since(x.taken), func() {
		err := errNoAnswer
		if last := why.Load(); last != nil {
			err = *last
		}
		cancel(lostLease(err))
	})
	go func() {
		defer close(done)
		wait := ttl / 3
		for sleep(held, wait) == nil {
			started := time.Now()
			err := x.e.cfg.Store.Update(held, func(tx *store.Tx) error { return tx.Renew(x.fence, x.e.cfg.Now().Add(ttl)) })
			switch {
			case err == nil:
				end.Reset(safe - time.Since(started))
				why.Store(nil)
				wait = ttl / 3
			case errors.Is(err, store.ErrFenced):
				cancel(lostLease(err))
				return
			default:
				why.Store(&err)
				wait = ttl / 15
			}
		}
	}()
	return held, func() {
		end.Stop()
		cancel(context.Canceled)
		<-done
	}
}

var errNoAnswer = errors.New("the record did not answer in time")

func lostLease(err error) error {
	return fmt.Errorf("the lease is lost, this executor stops: %w", err)
}

// detach gives the lease up without ending the run, so that it can be resumed at once.
func (x *execution) detach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	err := x.e.cfg.Store.Update(ctx, func(tx *store.Tx) error { return tx.Detach(x.fence) })
	if errors.Is(err, store.ErrFenced) {
		return nil // it is over, or somebody else's
	}
	return err
}

// work drives the protocol: a look at the symptoms, lock, steps in order, convergence, verification, outcome.
func (x *execution) work(ctx context.Context) error {
	x.before(ctx)
	release, err := x.lockTargets(ctx)
	if err != nil {
		return x.refuseLocked(ctx, err)
	}
	over, err := x.effects(ctx)
	release(ctx) // the lock guards effects; what follows only looks
	if err != nil {
		return err
	}
	if over.state == "" {
		if over, err = x.watch(ctx); err != nil {
			return err
		}
	}
	return x.finish(ctx, over)
}

// effects applies every unit's steps in order, and lets each unit arrive before the next one moves.
func (x *execution) effects(ctx context.Context) (ending, error) {
	units := x.run.Plan.Units
	for n, u := range units {
		for i := range x.run.Steps {
			if x.run.Steps[i].Unit != u.Unit.ID {
				continue
			}
			if over, err := x.step(ctx, i); err != nil || over.state != "" {
				return over, err
			}
		}
		if n < len(units)-1 && !x.run.Plan.Atomic && x.pendingAfter(n) {
			if over, err := x.converge(ctx, units[n:n+1]); err != nil || over.state != "" {
				return over, err
			}
		}
	}
	return ending{}, nil
}

// pendingAfter reports whether a later unit has still to move: a resumed run does not wait for what was passed already.
func (x *execution) pendingAfter(n int) bool {
	for _, u := range x.run.Plan.Units[n+1:] {
		if slices.ContainsFunc(x.run.Steps, func(s StepRun) bool { return s.Unit == u.Unit.ID && s.State == StepPending }) {
			return true
		}
	}
	return false
}

// lockTargets takes the locks that targets hold themselves, where they have one.
func (x *execution) lockTargets(ctx context.Context) (func(context.Context), error) {
	var releases []func(context.Context) error
	release := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		for _, r := range slices.Backward(releases) {
			if err := r(ctx); err != nil {
				x.e.cfg.Log.WarnContext(ctx, "release the lock on a target", "run", x.run.ID, "error", err)
			}
		}
	}
	ttl := 2 * x.run.Plan.Deadline // to arrive, and to wait where somebody pauses it
	for i := range x.run.Steps {
		ttl += maxAttempts * x.e.applyTimeout(&x.run.Steps[i].Step)
	}
	for _, u := range x.run.Plan.Units {
		r, err := x.e.reverser(u.Unit.ID)
		if err != nil {
			release(ctx)
			return nil, err
		}
		locker, ok := r.(Locker)
		if !ok {
			continue
		}
		callCtx, cancel := context.WithTimeout(ctx, callTimeout)
		unlock, err := locker.Lock(callCtx, u.Unit.ID, x.operation(u.Unit.ID), ttl)
		cancel()
		if err != nil {
			release(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("another process is at it, no turn within %s: %w", callTimeout, err)
			}
			return nil, fmt.Errorf("lock %s: %w", u.Unit.ID, err)
		}
		releases = append(releases, unlock)
	}
	return release, nil
}

// refuseLocked ends a run that could not lock its targets and never tried anything; any other is left to be resumed.
func (x *execution) refuseLocked(ctx context.Context, err error) error {
	if x.attempted() || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, x.finish(ctx, end(RunAborted, "nothing was done: %v", err)))
}

func (x *execution) operation(unit UnitID) Operation {
	why := x.run.By.Reason
	if why == "" {
		why = x.run.Plan.Reason
	}
	return Operation{ID: x.op, Fence: x.fence.Tokens[string(unit)], By: x.run.By.By.ID, Reason: why}
}

func (x *execution) attempted() bool {
	return slices.ContainsFunc(x.run.Steps, func(s StepRun) bool { return s.Attempt > 0 })
}

// applied reports whether this run had an effect: on what a unit serves, or one that has to be lifted.
func (x *execution) applied() bool {
	return slices.ContainsFunc(x.run.Steps, func(s StepRun) bool { return s.State == StepApplied })
}

// write journals one transaction of this executor, which must still hold the run.
func (x *execution) write(ctx context.Context, point string, fn func(*store.Tx) error) error {
	return x.e.journal(ctx, point, func(tx *store.Tx) error {
		if err := tx.Check(x.fence); err != nil {
			return err
		}
		return fn(tx)
	})
}

// save writes the run's row from what this executor knows.
func (x *execution) save(tx *store.Tx) error {
	doc, err := json.Marshal(runDoc{Executor: x.run.Executor, Before: x.run.Before, BeforeChecks: x.run.BeforeChecks, Checks: x.run.Checks, Symptoms: x.run.Symptoms, Trail: x.run.Trail, ConvergedAt: x.run.ConvergedAt})
	if err != nil {
		return fmt.Errorf("journal %s: %w", x.run.ID, err)
	}
	x.row.State, x.row.Detail, x.row.AppliedAt, x.row.Doc = string(x.run.State), x.run.Detail, x.run.AppliedAt, doc
	return tx.SaveRun(x.row)
}

// enter moves the run to a state that is not final, with what is true now.
func (x *execution) enter(ctx context.Context, state RunState, detail string) error {
	if x.run.State == state && x.run.Detail == providers.Clean(detail) {
		return nil
	}
	return x.show(ctx, state, detail, detail)
}

// show journals what is true now. The log gets a line where the state or the subject is another one than before; the rest
// of the detail, such as how long an answer took, changes with every look.
func (x *execution) show(ctx context.Context, state RunState, detail, subject string) error {
	before := x.run.State == state && x.subject == subject
	x.subject = subject
	x.run.State, x.run.Detail = state, providers.Clean(detail)
	return x.write(ctx, "state", func(tx *store.Tx) error {
		if err := x.save(tx); err != nil || before {
			return err // the log tells what became different, not that somebody looked again
		}
		return tx.Log(x.run.ID, string(state)+": "+x.run.Detail)
	})
}

// finish journals the outcome, with the last look at the symptoms and checks where there was one.
func (x *execution) finish(ctx context.Context, over ending) error {
	if left := x.standing(); left != "" {
		over.detail += "; " + left
	}
	return x.write(ctx, "outcome", func(tx *store.Tx) error {
		if err := x.save(tx); err != nil {
			return err
		}
		if len(x.run.Checks)+len(x.run.Symptoms) > 0 {
			entry := x.e.entry(ledger.KindVerification, x.run.ID, x.run.Plan, x.run.By, x.run.ID+" "+verificationText(x.run))
			var err error
			if entry.Body, err = json.Marshal(struct {
				Checks   []Check   `json:"checks"`
				Symptoms []Symptom `json:"symptoms"`
				Before   []Symptom `json:"before,omitempty"`
				Earlier  []Check   `json:"before_checks,omitempty"`
			}{x.run.Checks, x.run.Symptoms, x.run.Before, x.run.BeforeChecks}); err != nil {
				return err
			}
			if _, err := tx.Append(entry, nil); err != nil {
				return err
			}
		}
		return x.e.conclude(tx, x.row, x.run, over.state, over.detail)
	})
}

func verificationText(r Run) string {
	bad := unwell(r.Checks, r.Symptoms, r.AppliedAt)
	if len(bad) == 0 {
		return fmt.Sprintf("looked at last: %d checks passed, %d alerts resolved", len(r.Checks), len(r.Symptoms))
	}
	return "looked at last: " + strings.Join(bad, "; ")
}
