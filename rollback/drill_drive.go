package rollback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// driving is one process's work on one drill.
type driving struct {
	e     *Engine
	d     Drill
	token int64
}

// Drive works on a drill until it is over, or goes on with one that was interrupted or left back: takes the unit back, looks
// what stops it, and brings it forward to exactly what was live, by a plan of its own on the same conditions as any. It gives
// [ErrLocked] while another process is at it. When ctx ends first, nothing else is begun, and the drill waits for somebody to go on with it.
//
// The error says that it could not be worked on or journaled; how the drill ended is its state.
func (e *Engine) Drive(ctx context.Context, id string) (Drill, error) {
	if e.cfg.ReadOnly {
		return Drill{}, ErrReadOnly
	}
	d, err := e.DrillOf(ctx, id)
	if err != nil || d.State.Final() {
		return d, err
	}
	x := &driving{e: e}
	if err := x.take(ctx, id); err != nil {
		return d, err
	}
	held, give := x.keep(context.WithoutCancel(ctx))
	work, cancel := context.WithCancelCause(held)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	err = x.work(work)
	stop()
	cancel(nil)
	give()
	after, readErr := e.DrillOf(context.WithoutCancel(ctx), id)
	if readErr != nil {
		return x.d, errors.Join(err, readErr)
	}
	return after, err
}

// take makes this process the one that drives the drill.
func (x *driving) take(ctx context.Context, id string) error {
	err := x.e.journal(ctx, "drill.take", func(tx *store.Tx) error {
		var err error
		if x.token, err = tx.HoldDrill(id, x.e.cfg.Executor, x.e.cfg.Now().Add(x.e.cfg.LeaseTTL), x.e.cfg.HolderDead); err != nil {
			return err
		}
		row, err := tx.Drill(id)
		if err != nil {
			return err
		}
		x.d, err = x.e.decodeDrill(row)
		return err
	})
	if errors.Is(err, store.ErrHeld) {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}

// keep renews the hold while this process works. The context ends when it was lost; give ends it.
func (x *driving) keep(ctx context.Context) (held context.Context, give func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	ttl := x.e.cfg.LeaseTTL
	go func() {
		defer close(done)
		last := time.Now()
		for sleep(held, ttl/3) == nil {
			started := time.Now()
			err := x.renew(held, x.e.cfg.Now().Add(ttl))
			switch {
			case err == nil:
				last = started
			case errors.Is(err, store.ErrFenced), time.Since(last) > ttl-ttl/5:
				cancel(fmt.Errorf("another process has taken %s: %w", x.d.ID, err))
				return
			}
		}
	}()
	return held, func() {
		cancel(context.Canceled)
		<-done
		ctx, stop := context.WithTimeout(ctx, callTimeout)
		defer stop()
		if err := x.renew(ctx, time.Time{}); err != nil && !errors.Is(err, store.ErrFenced) {
			x.e.cfg.Log.WarnContext(ctx, "give a drill up", "drill", x.d.ID, "error", err)
		}
	}
}

func (x *driving) renew(ctx context.Context, until time.Time) error {
	return x.e.cfg.Store.Update(ctx, func(tx *store.Tx) error { return tx.RenewDrill(x.d.ID, x.token, until) })
}

// write journals one transaction of this process, which must still hold the drill.
func (x *driving) write(ctx context.Context, point string, fn func(*store.Tx) error) error {
	return x.e.journal(ctx, point, func(tx *store.Tx) error {
		if err := tx.CheckDrill(x.d.ID, x.token); err != nil {
			return err
		}
		return fn(tx)
	})
}

// enter journals where the drill stands.
func (x *driving) enter(ctx context.Context, state DrillState, format string, args ...any) error {
	x.d.State, x.d.Detail = state, providers.Clean(fmt.Sprintf(format, args...))
	return x.write(ctx, "drill.state", func(tx *store.Tx) error { return saveDrill(tx, &x.d) })
}

// work does both halves.
func (x *driving) work(ctx context.Context) error {
	back, err := x.back(ctx)
	if err != nil {
		return err
	}
	switch back.State {
	case RunAborted, RunRefused:
		return x.end(ctx, back, nil, DrillNothing, "it never went back: "+back.Detail)
	case RunAlreadyGood, RunSuperseded:
		return x.end(ctx, back, nil, DrillSuperseded, back.Detail)
	default:
		return x.forward(ctx, back)
	}
}

// back executes the way back, under the eyes of what stops a drill.
func (x *driving) back(ctx context.Context) (Run, error) {
	run, err := x.e.Run(ctx, x.d.Back)
	if err != nil || run.State.Final() {
		return run, err
	}
	if err := x.enter(ctx, DrillBack, "going back from %s to %s; forward again by %s", name(x.d.From), name(x.d.To), x.d.Until.Format("15:04:05 UTC")); err != nil {
		return run, err
	}
	guarded, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.guard(guarded)
	}()
	run, err = x.execute(ctx, x.d.Back)
	stop()
	<-done
	return run, err
}

// execute works on one of the halves until it is over. One that somebody stopped before it was taken up is over too.
func (x *driving) execute(ctx context.Context, id string) (Run, error) {
	run, err := x.e.Execute(ctx, id)
	switch {
	case err == nil && !run.State.Final():
		return run, context.Cause(ctx)
	case err != nil && run.State.Final() && ctx.Err() == nil:
		return run, nil
	default:
		return run, err
	}
}

// guard looks while the unit goes back, and is back, at what stops a drill, and stops it: then it goes forward.
func (x *driving) guard(ctx context.Context) {
	every := min(max(5*x.e.cfg.Poll, time.Second), lookEvery)
	var seen watching
	for {
		if why := x.stops(ctx, &seen); why != "" && ctx.Err() == nil {
			if err := x.stop(ctx, why); err == nil || ctx.Err() != nil {
				return
			}
		}
		if sleep(ctx, every) != nil {
			return
		}
	}
}

// watching is since when something has not been well, or not been known, without a break; zero: it is.
type watching struct{ failing, unseen time.Time }

// stops says what stops the drill now, "" nothing.
func (x *driving) stops(ctx context.Context, seen *watching) string {
	now := x.e.cfg.Now()
	if !now.Before(x.d.Until) {
		return "its time is over: it may be back until " + x.d.Until.Format("15:04:05 UTC")
	}
	open, err := x.firing(ctx)
	if len(open) > 0 {
		return firing(open)
	}
	if lasted(&seen.unseen, err != nil, x.e.cfg.DrillGrace) {
		return fmt.Sprintf("whether alerts are firing has not been known for %s: %v", x.e.cfg.DrillGrace, err)
	}
	bad := x.failing(ctx)
	if lasted(&seen.failing, bad != "", x.e.cfg.DrillGrace) {
		return fmt.Sprintf("%s, for %s", bad, x.e.cfg.DrillGrace)
	}
	return ""
}

// lasted reports that something has been so for long enough, look by look.
func lasted(since *time.Time, so bool, enough time.Duration) bool {
	switch {
	case !so:
		*since = time.Time{}
	case since.IsZero():
		*since = time.Now()
	}
	return so && time.Since(*since) >= enough
}

func (x *driving) firing(ctx context.Context) ([]AlertRef, error) {
	if x.e.cfg.DrillGuard == nil {
		return nil, errors.New("nobody here can be asked")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	open, _, err := x.e.cfg.DrillGuard.Firing(ctx, x.d.Services)
	return open, err
}

// failing says which checks from outside fail, as the run that is being verified saw last.
func (x *driving) failing(ctx context.Context) string {
	run, err := x.e.Run(ctx, x.d.Back)
	if err != nil || run.State != RunVerifying {
		return ""
	}
	var bad []string
	for _, c := range run.Checks {
		if c.State == CheckFail && !c.Inside {
			bad = append(bad, fmt.Sprintf("check %s fails (%s)", c.Name, c.Observed))
		}
	}
	return strings.Join(bad, "; ")
}

// stop ends the way back before its next intent; what it did is not taken back by that, but by going forward.
func (x *driving) stop(ctx context.Context, why string) error {
	by := policy.Principal{ID: "drill " + x.d.ID, Kind: policy.Automation, OnBehalfOf: x.d.By.ID}
	x.d.Stopped = providers.Clean(why)
	err := x.write(ctx, "drill.stop", func(tx *store.Tx) error {
		if err := saveDrill(tx, &x.d); err != nil {
			return err
		}
		return x.e.drillEntry(tx, &x.d, by, "stopped", fmt.Sprintf("%s is stopped: %s", x.d.ID, x.d.Stopped))
	})
	if err != nil {
		return err
	}
	return x.e.Abort(ctx, x.d.Back, by, x.d.Stopped)
}
