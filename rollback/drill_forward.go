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
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/rollback/store"
)

// errElsewhere: somebody else has switched the unit, so going forward is not the drill's any more.
var errElsewhere = errors.New("somebody else switched it")

// forward brings the unit to exactly what was live: by a plan that is made now, on the condition that the unit is where the
// drill took it. Where that does not work, it says so, and that the unit is left back.
func (x *driving) forward(ctx context.Context, back Run) error {
	run, err := x.goForward(ctx, back)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errElsewhere):
		return x.end(ctx, back, nil, DrillSuperseded, err.Error())
	case err != nil:
		return x.left(ctx, err.Error())
	}
	switch run.State {
	case RunSucceeded, RunUnverified:
		state, detail := x.verdict(&back, &run)
		return x.end(ctx, back, &run, state, detail)
	case RunAlreadyGood, RunSuperseded:
		return x.end(ctx, back, &run, DrillSuperseded, run.Detail)
	default:
		return x.left(ctx, fmt.Sprintf("%s: %s: %s", run.ID, run.State, run.Detail))
	}
}

// verdict says how a drill ended whose unit serves again what it served.
func (x *driving) verdict(back, forward *Run) (DrillState, string) {
	again := fmt.Sprintf("it serves %s again (%s)", name(x.d.From), forward.ID)
	switch {
	case forward.State != RunSucceeded:
		return DrillFailed, fmt.Sprintf("%s, but that was not verified: %s", again, forward.Detail)
	case x.d.Stopped != "":
		return DrillStopped, fmt.Sprintf("%s; it was stopped: %s", again, x.d.Stopped)
	case back.AbortBy != "":
		return DrillStopped, fmt.Sprintf("%s; %s stopped it", again, back.AbortBy)
	case back.State != RunSucceeded:
		return DrillFailed, fmt.Sprintf("%s; the way back: %s: %s", again, back.State, back.Detail)
	default:
		return DrillPassed, fmt.Sprintf("back in %s, and %s, both verified", back.EndedAt.Sub(back.StartedAt).Round(time.Second), again)
	}
}

// left says that the unit is left back: somebody has to go on with it.
func (x *driving) left(ctx context.Context, why string) error {
	x.d.State = DrillLeft
	x.d.Detail = providers.Clean(fmt.Sprintf("%s serves %s and not %s: going forward did not work: %s; go on with it: backout drill resume %s", x.d.Unit.ID, name(x.d.To), name(x.d.From), why, x.d.ID))
	return x.write(ctx, "drill.left", func(tx *store.Tx) error {
		if err := saveDrill(tx, &x.d); err != nil {
			return err
		}
		return x.e.drillEntry(tx, &x.d, x.d.By, "left", x.d.ID+" left back: "+x.d.Detail)
	})
}

// goForward executes the run that goes forward, and plans and confirms it first where there is none, or where the last one
// ended without getting there.
func (x *driving) goForward(ctx context.Context, back Run) (Run, error) {
	fresh := x.d.State == DrillLeft
	if err := x.enter(ctx, DrillForward, "going forward to %s", name(x.d.From)); err != nil {
		return Run{}, err
	}
	if x.d.Forward != "" {
		run, err := x.e.Run(ctx, x.d.Forward)
		if err != nil {
			return Run{}, err
		}
		if !run.State.Final() {
			return x.execute(ctx, run.ID)
		}
		if !fresh {
			return run, nil
		}
	}
	began := time.Now()
	for {
		run, err := x.confirmForward(ctx, back)
		if err == nil {
			return x.execute(ctx, run.ID)
		}
		if ctx.Err() != nil || errors.Is(err, errElsewhere) || time.Since(began) >= x.e.cfg.Deadline {
			return Run{}, err
		}
		if err := x.enter(ctx, DrillForward, "going forward to %s: %v", name(x.d.From), err); err != nil {
			return Run{}, err
		}
		if err := sleep(ctx, x.e.cfg.Poll); err != nil {
			return Run{}, err
		}
	}
}

// confirmForward plans the way forward and confirms it in the name of whoever confirmed the drill.
func (x *driving) confirmForward(ctx context.Context, back Run) (Run, error) {
	p, err := x.planForward(ctx, back)
	if err != nil {
		return Run{}, err
	}
	c := Confirmation{PlanHash: p.Hash, By: x.d.By, Typed: p.Decision.Name, Reason: "the way forward of " + x.d.ID, Via: x.d.Via, Drill: x.d.ID}
	return x.e.confirm(ctx, p, c, &beside{
		first: func(*store.Tx, *Confirmation) error { return nil },
		then: func(tx *store.Tx, runID string) error {
			if err := tx.CheckDrill(x.d.ID, x.token); err != nil {
				return err
			}
			x.d.Forward = runID
			return saveDrill(tx, &x.d)
		},
	})
}

func (x *driving) planForward(ctx context.Context, back Run) (Plan, error) {
	o, err := x.e.observe(ctx, x.d.Unit.ID)
	if err != nil {
		return Plan{}, err
	}
	mine := o.Stamp == "" || o.Stamp == back.Plan.Units[0].Observed.Stamp || slices.ContainsFunc(back.Steps, func(s StepRun) bool { return s.Attempt > 0 }) && strings.HasPrefix(o.Stamp, x.op(ctx))
	switch {
	case o.Current.Digest == x.d.From.Digest:
		return Plan{}, fmt.Errorf("%s serves %s again: %w", x.d.Unit.ID, name(x.d.From), errElsewhere)
	case o.Current.Digest != x.d.To.Digest:
		return Plan{}, fmt.Errorf("%s serves %s: %w; it was left alone", x.d.Unit.ID, name(o.Current), errElsewhere)
	case !mine:
		return Plan{}, fmt.Errorf("%s serves %s, but by another operation (%s): %w; it was left alone", x.d.Unit.ID, name(o.Current), o.Stamp, errElsewhere)
	}
	req := Request{Run: back.ID, Reason: "the way forward of " + x.d.ID}
	p, err := x.e.Plan(ctx, req)
	if errors.Is(err, ErrNoTarget) { // the journal does not know that it was switched; the unit itself says so
		p, err = x.e.Plan(ctx, Request{Unit: x.d.Unit.ID, To: x.d.From.Digest, Reason: req.Reason})
	}
	switch {
	case err != nil:
		return p, err
	case len(p.Units) != 1 || p.Units[0].To.Digest != x.d.From.Digest || p.Units[0].From.Digest != x.d.To.Digest:
		return p, fmt.Errorf("the plan forward is not the way back turned round: %s", planText(p))
	default:
		return p, nil
	}
}

// op is the operation of the way back, by which the target knows its stamp.
func (x *driving) op(ctx context.Context) string {
	row, err := x.e.cfg.Store.Run(ctx, x.d.Back)
	if err != nil {
		return "\x00" // no stamp begins with it
	}
	return row.Op
}

// end journals how the drill ended, what it proved, and that nothing of it is left, in one transaction.
func (x *driving) end(ctx context.Context, back Run, forward *Run, state DrillState, detail string) error {
	x.d.State, x.d.Detail, x.d.EndedAt = state, providers.Clean(detail), x.e.cfg.Now().UTC()
	return x.write(ctx, "drill.end", func(tx *store.Tx) error {
		if err := x.closeMeasure(tx); err != nil {
			return err
		}
		if err := x.e.drillEntry(tx, &x.d, x.d.By, "ended", fmt.Sprintf("%s of %s %s: %s", x.d.ID, x.d.Unit.ID, state, x.d.Detail)); err != nil {
			return err
		}
		if err := x.prove(tx, back, forward); err != nil {
			return err
		}
		return saveDrill(tx, &x.d)
	})
}

// closeMeasure notes that the unit is not back any more, or never was.
func (x *driving) closeMeasure(tx *store.Tx) error {
	row, err := tx.Measure(measureID(x.d.Back, 0))
	if err != nil {
		return err
	}
	m, err := decodeMeasure(row)
	if err != nil || m.State.Closed() {
		return err
	}
	note := measureNote{event: "lifted", by: x.d.By, text: m.What + ": not any more: " + x.d.Detail}
	was := m.State
	m.State, m.EndedAt, m.InForce, m.Detail = MeasureLifted, x.d.EndedAt, TellNo, x.d.Detail
	if was == MeasureSetting && x.d.State == DrillNothing {
		m.State, note.event = MeasureNever, "never set"
	}
	return x.e.saveMeasure(tx, m, note)
}

// prove puts on the record what the drill showed: one proof, with both halves.
func (x *driving) prove(tx *store.Tx, back Run, forward *Run) error {
	u := &back.Plan.Units[0]
	steps := back.stepsOf(u.Unit.ID)
	if !tried(steps) {
		return nil
	}
	r := x.e.recordOf(&back, u, steps)
	r.Drill = x.d.ID
	r.Outcome, r.Surprises = x.outcome(r.Outcome), append(r.Surprises, x.surprises(forward)...)
	if r.Outcome != proof.Pass {
		r.Detail = x.d.Detail
	}
	if forward != nil {
		r.Forward = &proof.Forward{
			Run: forward.ID, Returned: true, Verified: forward.State == RunSucceeded,
			Times: proof.Times{Decided: forward.Plan.CreatedAt, Approved: forward.StartedAt, FirstEffect: forward.AppliedAt, Converged: forward.ConvergedAt, Ended: forward.EndedAt},
		}
		if r.Forward.Verified {
			r.Forward.Times.Verified = forward.EndedAt
		}
	}
	head, err := tx.Head()
	if err != nil {
		return err
	}
	r.Evidence = proof.Evidence{Seq: head.Seq, Hash: head.Hash}
	doc, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("proof of %s: %w", x.d.ID, err)
	}
	x.d.Proof = r.ID
	entry := x.e.entry(ledger.KindProof, back.ID, back.Plan, back.By, fmt.Sprintf("%s: going back with %s from %s to %s and forward again: %s", x.d.ID, u.Unit.ID, name(u.From), name(u.To), r.Outcome))
	return tx.Prove(store.Proof{ID: r.ID, Run: back.ID, Unit: r.Unit, Doc: doc}, entry)
}

// outcome is what the drill says of the way back: it passed only where both halves did.
func (x *driving) outcome(back proof.Outcome) proof.Outcome {
	switch {
	case x.d.State == DrillPassed:
		return proof.Pass
	case x.d.State == DrillSuperseded:
		return proof.Aborted
	case back == proof.Pass: // the way forward was not verified
		return proof.Fail
	case x.d.State == DrillStopped && x.d.Stopped == "": // by somebody, before it could show anything
		return proof.Aborted
	case x.d.State == DrillStopped:
		return proof.Fail
	default:
		return back
	}
}

func (x *driving) surprises(forward *Run) []string {
	var out []string
	if x.d.Stopped != "" {
		out = append(out, "stopped: "+x.d.Stopped)
	}
	if forward != nil && forward.State != RunSucceeded {
		out = append(out, "the way forward was not verified: "+forward.Detail)
	}
	return out
}
