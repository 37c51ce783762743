package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

const (
	maxAttempts  = 3               // applies of one step by one executor; each only after a fresh look
	maxLooks     = 5               // looks at a target that does not answer
	freshForNone = 2 * time.Second // how old a look may be before an effect that nothing else guards
)

var errStopAsked = errors.New("asked to stop")

// sight is what a look at a unit means for one step.
type sight int

const (
	sightReady       sight = iota // still the content that the plan goes from
	sightOurs                     // at the step's goal, stamped by this run
	sightForeign                  // at the goal, switched by somebody else
	sightUndecidable              // at the goal, and nobody can tell by whom
	sightSuperseded               // some third content
	sightBusy                     // somebody else has something under way
)

// see classifies an observation. Attempted says that this run tried the step, on the condition of s.Token, and does not
// know what came of it.
func see(o Observation, s Step, op string, attempted bool) sight {
	ours := o.Stamp != "" && strings.HasPrefix(o.Stamp, op)
	switch {
	case s.From == s.To:
		// Content cannot tell whether such a step was done; the target's own idempotency has to.
		if o.Current.Digest != s.From {
			return sightSuperseded
		}
		return sightReady
	case o.Current.Digest == s.To && ours:
		return sightOurs
	case o.Current.Digest == s.To && o.Stamp == "" && attempted:
		return sightUndecidable
	case o.Current.Digest == s.To:
		return sightForeign
	case o.Current.Digest != s.From:
		return sightSuperseded
	case attempted && o.Token != s.Token:
		// It was switched after this run sent something to it, and the old content is back: perhaps this run's effect was
		// there and somebody took it away again. That is their newer change.
		return sightSuperseded
	case o.InFlight != "" && !strings.Contains(o.InFlight, op):
		return sightBusy
	default:
		return sightReady
	}
}

// step brings one step to its end: look, journal the intent, apply on the condition of what was seen, journal the result.
// An unknown result is never repeated blindly: it leads back to the look.
func (x *execution) step(ctx context.Context, i int) (ending, error) {
	s := &x.run.Steps[i]
	if s.State == StepApplied {
		return ending{}, nil
	}
	for tries := 0; ; {
		attempted := s.loose()
		o, err := x.lookUntil(ctx, s.Unit)
		if err != nil {
			if ctx.Err() != nil {
				return ending{}, context.Cause(ctx)
			}
			return x.blind(ctx, s, attempted, err)
		}
		what := see(o, s.Step, x.op, attempted)
		if what != sightReady {
			return x.settled(ctx, s, what, o)
		}
		if over := x.mayTry(s, tries, attempted); over.state != "" {
			return over, nil
		}
		tries++
		over, again, err := x.try(ctx, s, o, attempted)
		if err != nil || !again {
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
	none := x.cas(s.Unit) != CASAtomic
	if tries < maxAttempts && !(none && s.Attempt > 0) {
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

// lookUntil observes a unit, and again a bounded number of times if it does not answer.
func (x *execution) lookUntil(ctx context.Context, unit UnitID) (o Observation, err error) {
	for n := range maxLooks {
		if n > 0 {
			if err := sleep(ctx, x.e.cfg.Poll); err != nil {
				return o, err
			}
		}
		if o, err = x.e.observe(ctx, unit); err == nil || ctx.Err() != nil {
			return o, err
		}
	}
	return o, err
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
	switch what {
	case sightOurs:
		return ending{}, x.result(ctx, s, StepApplied, Result{Outcome: AlreadyApplied, Token: o.Token, Detail: "found as this run left it"})
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
		err := x.result(ctx, s, StepPrecondFailed, Result{Outcome: PreconditionFailed, Token: o.Token, Detail: "serves " + name(o.Current)})
		if x.applied() {
			return end(RunNeedsHuman, "stopped half way: %s; %s now serves %s, which this plan does not know", x.done(), s.Unit, name(o.Current)), err
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

// restoredBy ends a run that somebody else was quicker than.
func (x *execution) restoredBy(ctx context.Context, s *StepRun, by, goal string) ending {
	if x.applied() {
		return end(RunNeedsHuman, "stopped half way: %s; %s already serves %s, switched by %s", x.done(), s.Unit, goal, by)
	}
	for _, u := range x.run.Plan.Units {
		o, err := x.e.observe(ctx, u.Unit.ID)
		if err != nil || o.Current.Digest != u.To.Digest {
			return end(RunSuperseded, "%s already serves %s, switched by %s, but %s is not back: nothing was done, make a new plan", s.Unit, goal, by, u.Unit.ID)
		}
	}
	return end(RunAlreadyGood, "%s already serves %s, switched by %s: nothing was done and nothing verified", s.Unit, goal, by)
}

// halt ends a run that cannot go on: without effect, or half way for a person to decide.
func (x *execution) halt(format string, args ...any) ending {
	why := fmt.Sprintf(format, args...)
	if x.applied() {
		return end(RunNeedsHuman, "stopped half way: %s; %s; nothing was taken back", x.done(), why)
	}
	return end(RunAborted, "nothing was done: %s", why)
}

// try journals the intent, applies, and journals the result. Again asks for another look.
func (x *execution) try(ctx context.Context, s *StepRun, o Observation, attempted bool) (over ending, again bool, err error) {
	looked := time.Now()
	switch err := x.intend(ctx, s, o); {
	case errors.Is(err, errStopAsked) && attempted:
		return end(RunUnknown, "stopped, as %s asked; %s still serves what it served, but what was sent to it may yet arrive", x.run.AbortBy, s.Unit), false, nil
	case errors.Is(err, errStopAsked):
		return x.halt("stopped, as %s asked", x.run.AbortBy), false, nil
	case err != nil:
		return ending{}, false, err
	}
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
	switch res.Outcome {
	case Applied, AlreadyApplied:
		return ending{}, false, x.result(ctx, s, StepApplied, res)
	case PreconditionFailed:
		return ending{}, true, x.result(ctx, s, StepPrecondFailed, res)
	case Failed:
		if err := x.result(ctx, s, StepFailed, res); err != nil {
			return ending{}, false, err
		}
		if attempted {
			return end(RunUnknown, "%s refused (%s), but an earlier attempt may yet arrive", s.Unit, res.Detail), false, nil
		}
		return x.halt("%s: %s", s.Unit, res.Detail), false, nil
	case OutcomeUnknown:
	}
	return ending{}, true, x.result(ctx, s, StepUnknown, res)
}

// apply calls the target once. Everything that is not a plain answer is unknown.
func (x *execution) apply(ctx context.Context, step Step) Result {
	r, err := x.e.reverser(step.Unit)
	if err != nil {
		return Result{Outcome: Failed, Detail: err.Error()}
	}
	if err := x.e.fail("apply.before"); err != nil {
		return Result{Outcome: OutcomeUnknown, Detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, x.e.cfg.ApplyTimeout)
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

// intend journals that the step is about to be tried, unless somebody asked the run to stop.
func (x *execution) intend(ctx context.Context, s *StepRun, o Observation) error {
	return x.write(ctx, "intent", func(tx *store.Tx) error {
		row, err := tx.Run(x.run.ID)
		if err != nil {
			return err
		}
		if x.run.AbortBy = row.AbortBy; row.AbortBy != "" {
			return errStopAsked
		}
		s.State, s.Attempt, s.At, s.Result = StepIntent, s.Attempt+1, x.e.cfg.Now().UTC(), nil
		s.Token = o.Token // the content is the plan's; the condition is on what was seen just now
		x.run.State, x.run.Detail = RunRunning, s.Title
		return x.note(tx, ledger.KindIntent, s, o.Token, "about to: "+s.Title)
	})
}

// result journals what came of a step. The first effect is the time from which the rollback counts.
func (x *execution) result(ctx context.Context, s *StepRun, state StepState, res Result) error {
	return x.write(ctx, "result", func(tx *store.Tx) error {
		now := x.e.cfg.Now().UTC()
		s.State, s.Result, s.EndedAt = state, &res, now
		if s.At.IsZero() {
			s.At = now
		}
		if state == StepApplied && x.run.AppliedAt.IsZero() {
			x.run.AppliedAt = now
			if res.Outcome == AlreadyApplied {
				x.run.AppliedAt = s.At // it took effect at some time after the intent
			}
		}
		return x.note(tx, ledger.KindResult, s, res.Token, strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", s.Title, state, res.Detail), ": "))
	})
}

// note writes the step, the run's row, the ledger entry and a line of the log.
func (x *execution) note(tx *store.Tx, kind ledger.Kind, s *StepRun, token, text string) error {
	doc, err := json.Marshal(s.Step)
	if err != nil {
		return err
	}
	row := store.Step{N: s.N, Unit: string(s.Unit), State: string(s.State), Attempt: s.Attempt, Doc: doc, At: s.At, EndedAt: s.EndedAt}
	body := ledger.StepBody{
		Step: s.N, Action: s.Action, Title: s.Title, From: s.From, To: s.To, Token: token, Attempt: s.Attempt, Op: x.op,
		Fence: fmt.Sprint(x.operation(s.Unit).Fence), State: string(s.State),
	}
	if s.Result != nil {
		body.Outcome, body.Detail = string(s.Result.Outcome), s.Result.Detail
		if row.Result, err = json.Marshal(s.Result); err != nil {
			return err
		}
	}
	if err := tx.SaveStep(x.run.ID, row); err != nil {
		return err
	}
	if err := x.save(tx); err != nil {
		return err
	}
	entry := x.e.entry(kind, x.run.ID, x.run.Plan, x.run.By, x.run.ID+" step "+fmt.Sprint(s.N)+": "+text)
	entry.Unit = string(s.Unit)
	if entry.Body, err = json.Marshal(body); err != nil {
		return err
	}
	if _, err := tx.Append(entry, nil); err != nil {
		return err
	}
	return tx.Log(x.run.ID, text)
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
		if s.State == StepApplied {
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
