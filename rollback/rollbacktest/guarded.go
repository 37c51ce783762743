package rollbacktest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/backout-dev/backout/rollback"
)

// Guarded is a Target with a reconciler above it that would undo a rollback, and that its plan suspends first: a temporary
// measure. It is a fake for faults, and nothing of a real reconciler: it never reconciles. It is safe for use by several
// goroutines.
type Guarded struct {
	*Target
	guard    sync.Mutex
	off      bool
	by       string // the operation that switched it last, "" somebody else
	version  int
	lifts    int
	exit     bool
	blind    error
	onLift   Fault
	onGuard  Fault
	ExitGone bool   // ExitHolds cannot tell
	Then     func() // happens right after a suspension, nil nothing
}

// NewGuarded puts a reconciler above a target. It runs, and the exit condition does not hold.
func NewGuarded(t *Target) *Guarded { return &Guarded{Target: t} }

// Allow says whether the exit condition holds.
func (g *Guarded) Allow(holds bool) { g.with(func() { g.exit = holds }) }

// Resume is somebody else who lets the reconciler run again, and Pause one who suspends it.
func (g *Guarded) Resume() { g.with(func() { g.off, g.by, g.version = false, "", g.version+1 }) }

// Blind makes every look at the reconciler fail with err, until it is called with nil.
func (g *Guarded) Blind(err error) { g.with(func() { g.blind = err }) }

// MisbehaveLift turns a fault of Lift on, MisbehaveSuspend one of the step that suspends: FaultLost, FaultDrop, FaultGarbage.
func (g *Guarded) MisbehaveLift(f Fault) { g.with(func() { g.onLift = f }) }

// MisbehaveSuspend is MisbehaveLift for the step that suspends.
func (g *Guarded) MisbehaveSuspend(f Fault) { g.with(func() { g.onGuard = f }) }

// Suspended reports whether the reconciler is off.
func (g *Guarded) Suspended() (off bool) { g.with(func() { off = g.off }); return off }

// Lifts is how many lifts had an effect.
func (g *Guarded) Lifts() (n int) { g.with(func() { n = g.lifts }); return n }

func (g *Guarded) with(do func()) {
	g.guard.Lock()
	defer g.guard.Unlock()
	do()
}

// State is the whole state as text.
func (g *Guarded) State(ctx context.Context) (string, error) {
	s, err := g.Target.State(ctx)
	g.with(func() { s += fmt.Sprintf(" off=%v g%d", g.off, g.version) })
	return s, err
}

// Plan implements rollback.Reverser: suspend, then switch.
func (g *Guarded) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	p, err := g.Target.Plan(ctx, obs, to)
	if err != nil {
		return p, err
	}
	var args map[string]string
	g.with(func() { args = map[string]string{"version": fmt.Sprint(g.version)} })
	step := rollback.Step{
		N: 1, Unit: obs.Unit.ID, Action: "suspend", Title: "suspend the reconciler", From: obs.Current.Digest, To: obs.Current.Digest,
		Token: obs.Token, Args: args, Measure: "suspended",
	}
	p.Steps[0].N = 2
	p.Steps = append([]rollback.Step{step}, p.Steps...)
	p.Measures = []rollback.Measure{{
		ID: "suspended", What: "the reconciler is suspended", Exit: "its source holds the good revision", Undo: "let the reconciler run again",
		Args: args,
	}}
	p.LastingFix = "revert the bad revision in the reconciler's source"
	return p, nil
}

// Apply implements rollback.Reverser.
func (g *Guarded) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if step.Action != "suspend" {
		return g.Target.Apply(ctx, op, step)
	}
	var f Fault
	g.with(func() { f = g.onGuard })
	res := g.faulty(ctx, f, func() rollback.Result { return g.turn(true, op.ID, step.Args["version"]) })
	if g.Then != nil {
		g.Then()
	}
	return res, nil
}

// turn is the reconciler's own compare-and-set.
func (g *Guarded) turn(off bool, op, version string) rollback.Result {
	switch {
	case g.off == off && g.by == op, !off && !g.off:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: fmt.Sprint(g.version)}
	case version != fmt.Sprint(g.version):
		return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: "somebody else switched the reconciler"}
	}
	g.off, g.by, g.version = off, op, g.version+1
	if !off {
		g.lifts++
	}
	return rollback.Result{Outcome: rollback.Applied, Token: fmt.Sprint(g.version)}
}

func (g *Guarded) faulty(ctx context.Context, f Fault, do func() rollback.Result) (res rollback.Result) {
	switch f {
	case FaultDrop, FaultLate:
		<-ctx.Done()
		return unanswered(ctx)
	case FaultGarbage:
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: errNonsense.Error()}
	case FaultLost:
		g.with(func() { do() })
		<-ctx.Done()
		return unanswered(ctx)
	case FaultNone:
	}
	g.with(func() { res = do() })
	return res
}

// Probe implements rollback.Measurer.
func (g *Guarded) Probe(_ context.Context, m rollback.Measure) (inForce bool, detail string, err error) {
	g.with(func() {
		inForce, err = g.off, g.blind
		if g.off && g.by != m.Op {
			detail = "suspended by somebody else"
		}
	})
	return inForce, detail, err
}

var errExit = errors.New("the source cannot be read")

// ExitHolds implements rollback.ExitProber.
func (g *Guarded) ExitHolds(context.Context, rollback.Measure) (holds bool, detail string, err error) {
	g.with(func() {
		holds, detail = g.exit, "its source still holds the bad revision"
		if g.exit {
			detail = "its source holds the good revision"
		}
		if g.ExitGone {
			err = errExit
		}
	})
	return holds, detail, err
}

// Lift implements rollback.Measurer.
func (g *Guarded) Lift(ctx context.Context, op rollback.Operation, m rollback.Measure) (rollback.Result, error) {
	var f Fault
	g.with(func() { f = g.onLift })
	return g.faulty(ctx, f, func() rollback.Result { return g.turn(false, op.ID, m.Token) }), nil
}
