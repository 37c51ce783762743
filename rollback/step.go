package rollback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	maxAttempts  = 3               // applies of one step by one executor; each only after a fresh look
	maxLooks     = 5               // looks at a target that does not answer, before anything was tried
	freshForNone = 2 * time.Second // how old a look may be before an effect that nothing else guards
)

var errStopAsked = errors.New("asked to stop")

// step brings one step to its end: look, journal the intent, apply on the condition of what was seen, journal the result.
// An unknown result is never repeated blindly: it leads back to the look.
func (x *execution) step(ctx context.Context, i int) (ending, error) {
	s := &x.run.Steps[i]
	if s.State == StepApplied {
		return ending{}, nil
	}
	began, paused := time.Now(), x.waited
	for tries := 0; ; {
		attempted := s.loose()
		o, unseen, err := x.lookUntil(ctx, s, attempted)
		switch {
		case err != nil:
			return ending{}, err
		case unseen != nil:
			return x.blind(ctx, s, attempted, unseen)
		}
		what := see(o, s.Step, x.op, attempted)
		if what != sightReady {
			return x.settled(ctx, s, what, o)
		}
		over, waited, err := x.mayBegin(ctx, s, o, began.Add(x.waited-paused), tries)
		if err != nil || over.state != "" {
			return over, err
		}
		if waited {
			continue // to a fresh look
		}
		was := s.Attempt
		var again bool
		over, again, err = x.try(ctx, s, o, attempted)
		if s.Attempt > was { // a pause is no attempt
			tries++
		}
		if err != nil || over.state != "" || !again {
			return over, err
		}
		if err := sleep(ctx, x.e.cfg.Poll); err != nil {
			return ending{}, err
		}
	}
}

// loose reports that an attempt was made and that nobody knows whether it had, or may yet have, its effect. A result that
// is known takes that away only from a first attempt: those before it may still be on their way.
func (s *StepRun) loose() bool {
	return s.Attempt > 1 || (s.Attempt == 1 && s.State != StepFailed && s.State != StepPrecondFailed)
}

// mayTry bounds the attempts. A target without a compare-and-set gets one in all its life.
func (x *execution) mayTry(s *StepRun, tries int, attempted bool) ending {
	once := x.cas(s.Unit) != CASAtomic && s.Attempt > 0
	if tries < maxAttempts && !once {
		return ending{}
	}
	if attempted {
		return end(RunUnknown, "%s still serves what it served, but what was sent to it may yet arrive: look again before anything else (%s)", s.Unit, last(s))
	}
	return x.halt("%s refuses the switch: %s", s.Unit, last(s))
}

func (x *execution) cas(id UnitID) CAS {
	for _, u := range x.run.Plan.Units {
		if u.Unit.ID == id {
			return u.Unit.CAS
		}
	}
	return CASNone
}

// lookUntil observes a unit, and again if it does not answer: a few times where this run has touched nothing, so that it can
// end without effect; else until the plan's deadline or until somebody asks it to stop, because only the target can tell what
// became of what was begun. Unseen is why it could not be seen.
func (x *execution) lookUntil(ctx context.Context, s *StepRun, attempted bool) (o Observation, unseen, err error) {
	started := time.Now()
	for n := 1; ; n++ {
		o, unseen = x.e.observe(ctx, s.Unit)
		switch {
		case ctx.Err() != nil:
			return o, nil, context.Cause(ctx)
		case unseen == nil:
			return o, nil, nil
		case !attempted && !x.applied():
			if n >= maxLooks {
				return o, unseen, nil
			}
		case time.Since(started) >= x.run.Plan.Deadline:
			return o, unseen, nil
		default:
			if by, err := x.stopAsked(ctx); err != nil || by != "" {
				return o, unseen, err
			}
			if err := x.unseen(ctx, s, unseen); err != nil {
				return o, unseen, err
			}
		}
		if err := sleep(ctx, x.e.cfg.Poll); err != nil {
			return o, unseen, err
		}
	}
}

// unseen shows that a target does not answer, and that somebody goes on looking.
func (x *execution) unseen(ctx context.Context, s *StepRun, why error) error {
	text := fmt.Sprintf("%s cannot be seen, looking again until it can", s.Unit)
	detail := fmt.Sprintf("%s: %v", text, why)
	if x.run.State == RunRunning && x.run.Detail == providers.Clean(detail) {
		return nil
	}
	return x.show(ctx, RunRunning, detail, text)
}

// blind ends a run whose target cannot be seen.
func (x *execution) blind(ctx context.Context, s *StepRun, attempted bool, err error) (ending, error) {
	if !attempted {
		return x.halt("%s cannot be seen: %v", s.Unit, err), nil
	}
	if err := x.result(ctx, s, StepUnknown, Result{Outcome: OutcomeUnknown, Detail: err.Error()}); err != nil {
		return ending{}, err
	}
	return end(RunUnknown, "whether %s was switched to %s is not known: it cannot be seen (%v)", s.Unit, x.target(s.Unit), err), nil
}

// settled handles a look after which nothing is to be applied.
func (x *execution) settled(ctx context.Context, s *StepRun, what sight, o Observation) (ending, error) {
	goal := x.target(s.Unit)
	if over, err := x.unguarded(ctx, s, what, o); err != nil || over.state != "" {
		return over, err
	}
	switch what {
	case sightOurs:
		return ending{}, x.complete(ctx, s, o)
	case sightForeign:
		by := "somebody else"
		if o.Stamp != "" {
			by += " (" + o.Stamp + ")"
		}
		if err := x.result(ctx, s, StepNoOp, Result{Outcome: PreconditionFailed, Token: o.Token, Detail: "already restored by " + by}); err != nil {
			return ending{}, err
		}
		return x.restoredBy(ctx, s, by, goal), nil
	case sightUndecidable:
		err := x.result(ctx, s, StepUnknown, Result{Outcome: OutcomeUnknown, Token: o.Token, Detail: "at the goal, without a stamp"})
		return end(RunUnknown, "%s serves %s, but carries no stamp: whether this run or somebody else switched it cannot be told", s.Unit, goal), err
	case sightSuperseded:
		// What an earlier attempt did stays unknown: the run may be killed between this and its end, and whoever resumes it
		// must not take the look for an answer to that attempt.
		state, outcome := StepPrecondFailed, PreconditionFailed
		if s.loose() {
			state, outcome = StepUnknown, OutcomeUnknown
		}
		err := x.result(ctx, s, state, Result{Outcome: outcome, Token: o.Token, Detail: "serves " + name(o.Current)})
		if x.applied() {
			return end(RunNeedsHuman, "%s; %s now serves %s, which this plan does not know", x.half(), s.Unit, name(o.Current)), err
		}
		if o.Current.Digest == s.From {
			return end(RunSuperseded, "somebody switched %s to %s after this run touched it: it was left alone", s.Unit, name(o.Current)), err
		}
		return end(RunSuperseded, "%s now serves %s, which is newer than this plan: it was left alone", s.Unit, name(o.Current)), err
	case sightBusy:
		if s.loose() {
			return end(RunUnknown, "something is under way on %s: %s; whether this run's switch took effect is not known", s.Unit, o.InFlight), nil
		}
		return x.halt("something is under way on %s: %s", s.Unit, o.InFlight), nil
	case sightReady:
	}
	return ending{}, fmt.Errorf("step %d of %s: nothing to settle", s.N, x.run.ID)
}

// unguarded ends a run whose effect may be on its way still to a target that will not refuse it: what somebody else has
// switched meanwhile may not last, whatever it is.
func (x *execution) unguarded(ctx context.Context, s *StepRun, what sight, o Observation) (ending, error) {
	if (what != sightForeign && what != sightSuperseded) || x.cas(s.Unit) == CASAtomic || !s.loose() {
		return ending{}, nil
	}
	err := x.result(ctx, s, StepUnknown, Result{Outcome: OutcomeUnknown, Token: o.Token, Detail: "serves " + name(o.Current)})
	return end(RunUnknown, "somebody switched %s to %s, but what this run sent to it may yet arrive, and nothing there will refuse it: look again before anything else",
		s.Unit, name(o.Current)), err
}

// complete ends a step that is found to have had its effect. What belongs to the effect (a reload, say) may have been cut
// off with it, so the same attempt is handed in once more, on its old condition: a target that knows it finishes what is
// left and says so, any other one refuses, because it is not what it was. Neither is a second effect.
func (x *execution) complete(ctx context.Context, s *StepRun, o Observation) error {
	found := Result{Outcome: AlreadyApplied, Token: o.Token, Detail: "found as this run left it"}
	if s.Attempt == 0 || x.cas(s.Unit) != CASAtomic || o.Token == s.Token {
		return x.result(ctx, s, StepApplied, found)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx = x.held
	res := x.apply(ctx, s.Step)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case res.Outcome == Applied || res.Outcome == AlreadyApplied:
		found.Detail += "; " + res.Detail
	case res.Outcome == OutcomeUnknown || res.Outcome == Failed:
		found.Detail += "; whether all that belongs to it was done is not known: " + res.Detail
	}
	found.Detail = strings.TrimSuffix(found.Detail, "; ")
	return x.result(ctx, s, StepApplied, found)
}

// restoredBy ends a run that somebody else was quicker than.
func (x *execution) restoredBy(ctx context.Context, s *StepRun, by, goal string) ending {
	if x.applied() {
		return end(RunNeedsHuman, "%s; %s already serves %s, switched by %s", x.half(), s.Unit, goal, by)
	}
	done := "nothing was done"
	if x.attempted() {
		done = "nothing more was done"
	}
	for _, u := range x.run.Plan.Units {
		o, err := x.e.observe(ctx, u.Unit.ID)
		if err != nil || o.Current.Digest != u.To.Digest {
			return end(RunSuperseded, "%s already serves %s, switched by %s, but %s is not back: %s, make a new plan", s.Unit, goal, by, u.Unit.ID, done)
		}
	}
	return end(RunAlreadyGood, "%s already serves %s, switched by %s: %s and nothing verified", s.Unit, goal, by, done)
}

// halt ends a run that cannot go on: without effect, or half way for a person to decide.
func (x *execution) halt(format string, args ...any) ending {
	why := fmt.Sprintf(format, args...)
	if x.applied() {
		return end(RunNeedsHuman, "%s; %s; nothing was taken back", x.half(), why)
	}
	return end(RunAborted, "nothing was done: %s", why)
}

// half says how far a run came that stops before its end.
func (x *execution) half() string {
	if done := x.done(); done != "" {
		return "stopped half way: " + done
	}
	return "stopped before anything was switched"
}

// try journals the intent, applies, and journals the result. Again asks for another look.
func (x *execution) try(ctx context.Context, s *StepRun, o Observation, attempted bool) (over ending, again bool, err error) {
	looked := time.Now()
	switch err := x.intend(ctx, s, o); {
	case errors.Is(err, errStopAsked):
		return x.stopped(s, attempted, "stopped, as "+x.run.AbortBy+" asked"), false, nil
	case errors.Is(err, errPauseAsked):
		over, err := x.pause(ctx, s, attempted)
		return over, true, err
	case err != nil:
		return ending{}, false, err
	}
	ctx = x.held // what is begun is let end, within its own deadline, and journaled
	step := s.Step
	if x.cas(s.Unit) != CASAtomic && time.Since(looked) > freshForNone {
		seen, err := x.e.observe(ctx, s.Unit)
		if err != nil || seen.Current.Digest != s.From {
			return ending{}, true, x.result(ctx, s, StepPrecondFailed, Result{Outcome: PreconditionFailed, Detail: "it changed before it was touched"})
		}
		step.Token = seen.Token
	}
	res := x.apply(ctx, step)
	if ctx.Err() != nil && res.Outcome == OutcomeUnknown {
		return ending{}, false, context.Cause(ctx) // the intent stands in the journal; whoever resumes looks first
	}
	return x.answered(ctx, s, res, attempted)
}

// stopped ends a run before its next intent, because somebody wants it so.
func (x *execution) stopped(s *StepRun, attempted bool, why string) ending {
	if attempted {
		return end(RunUnknown, "%s; %s still serves what it served, but what was sent to it may yet arrive", why, s.Unit)
	}
	return x.halt("%s", why)
}

// answered journals what the target said to one attempt.
func (x *execution) answered(ctx context.Context, s *StepRun, res Result, attempted bool) (over ending, again bool, err error) {
	switch res.Outcome {
	case Applied, AlreadyApplied:
		return ending{}, false, x.result(ctx, s, StepApplied, res)
	case PreconditionFailed:
		if s.Measure != "" && !attempted {
			// Its condition is in the plan, and another look at the unit gives no other one.
			err := x.result(ctx, s, StepPrecondFailed, res)
			return x.halt("%s is not what the plan saw: %s; make a new plan", s.Title, last(s)), false, err
		}
		return ending{}, true, x.result(ctx, s, StepPrecondFailed, res)
	case OutcomeUnknown:
		return ending{}, true, x.result(ctx, s, StepUnknown, res)
	case Failed:
	}
	if err := x.result(ctx, s, StepFailed, res); err != nil {
		return ending{}, false, err
	}
	if attempted {
		return end(RunUnknown, "%s refused (%s), but an earlier attempt may yet arrive", s.Unit, res.Detail), false, nil
	}
	return x.halt("%s: %s", s.Unit, res.Detail), false, nil
}

// apply calls the target once. Everything that is not a plain answer is unknown.
func (x *execution) apply(ctx context.Context, step Step) Result {
	r, err := x.e.applier(&step)
	if err != nil {
		return Result{Outcome: Failed, Detail: err.Error()}
	}
	if err := x.e.fail("apply.before"); err != nil {
		return Result{Outcome: OutcomeUnknown, Detail: err.Error()}
	}
	if ctx.Err() != nil { // the lease was lost since the intent: somebody else decides now what is sent
		return Result{Outcome: OutcomeUnknown, Detail: context.Cause(ctx).Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, x.e.applyTimeout(&step))
	defer cancel()
	res, err := r.Apply(ctx, x.operation(step.Unit), step)
	if failErr := x.e.fail("apply.after"); failErr != nil {
		return Result{Outcome: OutcomeUnknown, Detail: failErr.Error()}
	}
	if err != nil && res.Detail == "" {
		res.Detail = err.Error()
	}
	switch res.Outcome {
	case Applied, AlreadyApplied, PreconditionFailed, Failed:
		return res
	case OutcomeUnknown:
	}
	res.Outcome = OutcomeUnknown
	return res
}

// target is the name of the revision that a unit is to serve.
func (x *execution) target(id UnitID) string {
	for _, u := range x.run.Plan.Units {
		if u.Unit.ID == id {
			return name(u.To)
		}
	}
	return "its target"
}

// done says which units this run has switched.
func (x *execution) done() string {
	var parts []string
	for _, s := range x.run.Steps {
		if s.State == StepApplied && s.From != s.To {
			parts = append(parts, fmt.Sprintf("%s serves %s", s.Unit, x.target(s.Unit)))
		}
	}
	return strings.Join(parts, ", ")
}

func last(s *StepRun) string {
	if s.Result == nil || s.Result.Detail == "" {
		return "no more is known"
	}
	return s.Result.Detail
}
