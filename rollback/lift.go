package rollback

import (
	"context"
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

// LiftRequest is a person's word that a measure is to be lifted. Force lifts it although its exit condition does not hold or
// nobody can tell; then Reason must say why.
type LiftRequest struct {
	By     policy.Principal
	Reason string
	Force  bool
}

// Lift lifts one measure: an operation of its own, with its intent and its result on the record. It is conditional on the
// measure being as it was set, and refused ([ErrRefused]) while its exit condition does not hold, while one that was set after
// it in the same run stands, to an AI agent, and in read-only mode ([ErrReadOnly]); and while a run or another lift is at it
// ([ErrLocked]). One that is closed already, or that somebody else lifted, is closed without touching the target.
//
// The measure is lifted only if it is no longer in force when looked at afterwards: State says so. An answer that was lost
// leaves it being lifted, and the next Lift goes on with the same operation. What came of the call is the Result.
func (e *Engine) Lift(ctx context.Context, id string, req LiftRequest) (MeasureRun, Result, error) {
	req.Reason = strings.TrimSpace(ledger.Scrub(providers.Clean(req.Reason)))
	if e.cfg.ReadOnly {
		return MeasureRun{}, Result{}, ErrReadOnly
	}
	m, err := e.Measure(ctx, id)
	if err != nil {
		return m, Result{}, err
	}
	if m.State.Closed() {
		return m, Result{Outcome: AlreadyApplied, Detail: "it is " + string(m.State) + " already"}, nil
	}
	if m, err = e.mayLift(ctx, m, req); err != nil {
		if errors.Is(err, ErrRefused) {
			err = errors.Join(err, e.refuseLift(ctx, m, req, err))
		}
		return m, Result{}, err
	}
	if m.State.Closed() {
		return m, Result{Outcome: AlreadyApplied, Detail: m.Detail}, nil
	}
	m, again, err := e.intendLift(ctx, m, req)
	if err != nil || m.State.Closed() {
		return m, Result{Outcome: AlreadyApplied, Detail: m.Detail}, err
	}
	held := context.WithoutCancel(ctx) // what is begun is let end, within its own deadline, and journaled
	res := e.callLift(held, m)
	look := e.lookAfter(held, m, res)
	return e.lifted(held, m, res, look, again, req)
}

// mayLift looks at the measure and at what stands beside it, and refuses.
func (e *Engine) mayLift(ctx context.Context, m MeasureRun, req LiftRequest) (MeasureRun, error) {
	if err := req.refuse(m); err != nil {
		return m, err
	}
	if err := e.ruledLift(m, req); err != nil {
		return m, err
	}
	if m.Provider == drillKeeper {
		id := m.Args[drillArg]
		return m, fmt.Errorf("%w: %s is lifted by going forward: backout drill resume %s", ErrRefused, m.ID, id)
	}
	r, err := e.named(m.Provider)
	if _, ok := r.(Measurer); err != nil || !ok {
		return m, fmt.Errorf("lift %s: provider %q, which set it, is not configured here: use the configuration that the run had", m.ID, m.Provider)
	}
	if m, err = e.probe(ctx, m, req.By); err != nil {
		return m, err
	}
	if m.State.Closed() || m.State == MeasureElsewhere || req.Force {
		return m, nil
	}
	if err := e.later(ctx, m); err != nil || m.ExitHolds == TellYes {
		return m, err
	}
	word := "is not known to hold"
	if m.ExitHolds == TellNo {
		word = "does not hold"
	}
	return m, fmt.Errorf("%w: %s may be lifted when %s, which %s (%s); to do it all the same: --force with --reason",
		ErrRefused, m.ID, m.Exit, word, or(m.Detail, "nothing more is known"))
}

// refuse says who may not lift, and what has to be said.
func (req LiftRequest) refuse(m MeasureRun) error {
	switch {
	case req.By.Kind == policy.Agent:
		return fmt.Errorf("%w: an AI agent may look but not lift: a person has to", ErrRefused)
	case req.By.ID == "" || req.By.Kind != policy.Human && req.By.Kind != policy.Automation:
		return fmt.Errorf("%w: nobody said who acts", ErrRefused)
	case req.Force && req.Reason == "":
		return fmt.Errorf("%w: say why %s is to be lifted although it may not be: --reason", ErrRefused, m.ID)
	}
	return nil
}

// later refuses while a measure stands that the same run set on the unit after this one: they go in reverse order.
func (e *Engine) later(ctx context.Context, m MeasureRun) error {
	all, err := e.Measures(ctx)
	if err != nil {
		return err
	}
	for _, o := range slices.Backward(all) {
		if o.Run == m.Run && o.Unit == m.Unit && o.Step > m.Step && !o.State.Closed() {
			return fmt.Errorf("%w: %s was set after it and still stands (%s): lift that one first", ErrRefused, o.ID, o.What)
		}
	}
	return nil
}

func (e *Engine) refuseLift(ctx context.Context, m MeasureRun, req LiftRequest, why error) error {
	return e.journal(ctx, "refusal", func(tx *store.Tx) error {
		_, err := tx.Append(ledger.Entry{
			At: e.cfg.Now().UTC(), Kind: ledger.KindRefusal, Actor: req.By.ID, ActorKind: string(req.By.Kind), Run: m.Run, Unit: string(m.Unit),
			Text: providers.Clean(fmt.Sprintf("refused %s to lift %s: %s", req.By.ID, m.ID, why)),
		}, nil)
		return err
	})
}

// intendLift journals that the measure is about to be lifted. Again reports that an earlier attempt of the same operation may
// yet arrive. One that somebody else lifted is closed here, and nothing else is done.
func (e *Engine) intendLift(ctx context.Context, m MeasureRun, req LiftRequest) (_ MeasureRun, again bool, err error) {
	err = e.journal(ctx, "lift.intent", func(tx *store.Tx) error {
		row, err := tx.Measure(m.ID)
		if err != nil {
			return err
		}
		if m, err = decodeMeasure(row); err != nil || m.State.Closed() {
			return err
		}
		run, err := tx.Claims(string(m.Unit))
		switch {
		case err != nil:
			return err
		case run != "":
			return lockedBy(string(m.Unit), run)
		case e.heldBy(m.Lifting):
			return fmt.Errorf("%w: %s is being lifted by %s (%s)", ErrLocked, m.ID, m.Lifting.By, m.Lifting.Holder)
		}
		now := e.cfg.Now().UTC()
		l := &Lifting{Op: e.cfg.NewID(), By: req.By.ID, Reason: req.Reason, Force: req.Force, Holder: e.cfg.Executor, Until: now.Add(e.liftTime(m))}
		if m.State == MeasureElsewhere {
			m.State, m.EndedAt = MeasureLifted, now
			return e.saveMeasure(tx, m, measureNote{event: "lifted", by: req.By, lift: l, text: m.What + ": somebody else lifted it, which " + req.By.ID + " took note of"})
		}
		if again = m.State == MeasureLifting && m.Lifting != nil; again {
			l.Op = m.Lifting.Op
		}
		m.State, m.Lifting = MeasureLifting, l
		text := "about to: " + m.Undo
		if req.Force {
			text += " although its exit condition is not seen to hold: " + req.Reason
		}
		return e.saveMeasure(tx, m, measureNote{event: "lifting", by: req.By, lift: l, text: text})
	})
	return m, again, err
}

// liftTime is after how long a process that lifts a measure has surely given up.
func (e *Engine) liftTime(m MeasureRun) time.Duration {
	r, err := e.named(m.Provider)
	if err != nil {
		return e.cfg.ApplyTimeout
	}
	return e.patience(r) + maxLooks*(2*lookTimeout(r)+e.cfg.Poll)
}

// callLift calls the target once. Everything that is not a plain answer is unknown.
func (e *Engine) callLift(ctx context.Context, m MeasureRun) Result {
	r, err := e.named(m.Provider)
	if err != nil {
		return Result{Outcome: Failed, Detail: err.Error()}
	}
	if err := e.fail("lift.before"); err != nil {
		return Result{Outcome: OutcomeUnknown, Detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, e.patience(r))
	defer cancel()
	res, err := r.(Measurer).Lift(ctx, Operation{ID: m.Lifting.Op}, m.Measure)
	if failErr := e.fail("lift.after"); failErr != nil {
		return Result{Outcome: OutcomeUnknown, Detail: failErr.Error()}
	}
	if err != nil && res.Detail == "" {
		res.Detail = err.Error()
	}
	res.Detail = providers.Clean(res.Detail)
	switch res.Outcome {
	case Applied, AlreadyApplied, PreconditionFailed, Failed:
		return res
	case OutcomeUnknown:
	}
	res.Outcome = OutcomeUnknown
	return res
}

// lookAfter looks whether the measure is gone, a bounded number of times: a target may take a moment to show it.
func (e *Engine) lookAfter(ctx context.Context, m MeasureRun, res Result) measureLook {
	var look measureLook
	for n := range maxLooks {
		if n > 0 && sleep(ctx, e.cfg.Poll) != nil {
			return look
		}
		look = e.lookAt(ctx, m.Measure)
		if look.inForce == TellNo || res.Outcome == Failed || res.Outcome == PreconditionFailed {
			return look
		}
	}
	return look
}

// lifted journals what came of it.
func (e *Engine) lifted(ctx context.Context, m MeasureRun, res Result, look measureLook, again bool, req LiftRequest) (MeasureRun, Result, error) {
	now := e.cfg.Now().UTC()
	err := e.journal(ctx, "lift.result", func(tx *store.Tx) error {
		row, err := tx.Measure(m.ID)
		if err != nil {
			return err
		}
		is, err := decodeMeasure(row)
		if err != nil {
			return err
		}
		if is.State != MeasureLifting || is.Lifting == nil || is.Lifting.Op != m.Lifting.Op || is.Lifting.Holder != m.Lifting.Holder {
			m = is // somebody went on with it, and says what came of it
			return nil
		}
		var note measureNote
		m.InForce, m.ExitHolds, m.LookedAt, m.Detail = look.inForce, look.exit, now, look.detail
		note, res = e.concludeLift(&m, res, again)
		note.by = req.By
		note.detail = res.Detail
		return e.saveMeasure(tx, m, note)
	})
	return m, res, err
}

// concludeLift decides what became of a lift, from what the target said and what was seen afterwards.
func (e *Engine) concludeLift(m *MeasureRun, res Result, again bool) (measureNote, Result) {
	note := measureNote{event: "lifting", outcome: res.Outcome, lift: m.Lifting}
	refused := (res.Outcome == Failed || res.Outcome == PreconditionFailed) && !again
	switch {
	case refused:
		m.State, m.Lifting = e.judged(MeasureRun{State: MeasureInForce}, m.InForce), nil
		note.event, note.text = "not lifted", fmt.Sprintf("%s: %s: %s", m.Undo, res.Outcome, res.Detail)
	case m.InForce == TellNo:
		m.State, m.EndedAt, m.Lifting = MeasureLifted, m.LookedAt, nil
		note.event, note.text = "lifted", m.Undo+": done, and not in force any more"
	default:
		lifting := *m.Lifting
		lifting.Holder = ""
		m.Lifting = &lifting
		note.text = fmt.Sprintf("%s: whether it was done is not known: %s; looked at, it is in force: %s", m.Undo, or(res.Detail, string(res.Outcome)), m.InForce)
		if res.Outcome == Applied || res.Outcome == AlreadyApplied {
			res.Outcome = OutcomeUnknown
			res.Detail = strings.TrimPrefix(res.Detail+"; the target says that it lifted it, but it is not seen to be gone", "; ")
		}
	}
	return note, res
}
