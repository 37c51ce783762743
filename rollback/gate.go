package rollback

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Gater is the extra ability of a Reverser some of whose steps may only begin while the target can bear them: traffic goes only
// to what has the capacity for it, and what serves is taken away only while something else serves well. It changes nothing and
// is asked before each attempt, about what is there now. Done lets the attempt begin and Failed ends the run; anything else,
// an error too, has it wait, until the plan's deadline at the latest.
type Gater interface {
	Gate(ctx context.Context, step Step) (Convergence, error)
}

// mayBegin says whether a step that was seen to be still to do may be tried now. Waited: after another look.
func (x *execution) mayBegin(ctx context.Context, s *StepRun, o Observation, began time.Time, tries int) (over ending, waited bool, err error) {
	attempted := s.loose()
	if o.Frozen != "" {
		return x.stopped(s, attempted, fmt.Sprintf("%s is frozen: %s", s.Unit, o.Frozen)), false, nil
	}
	if over = x.mayTry(s, tries, attempted); over.state != "" {
		return over, false, nil
	}
	return x.gate(ctx, s, began, attempted)
}

// gate waits until a step that was begun at a time may try. Waited reports that it did, so that what was seen before is old.
func (x *execution) gate(ctx context.Context, s *StepRun, began time.Time, attempted bool) (over ending, waited bool, err error) {
	r, err := x.e.applier(&s.Step)
	g, ok := r.(Gater)
	if err != nil || !ok {
		return ending{}, false, nil // who applies it is not there: the attempt says so
	}
	for ; ; waited = true {
		callCtx, cancel := context.WithTimeout(ctx, lookTimeout(r))
		c, err := g.Gate(callCtx, s.Step)
		cancel()
		why := providers.Clean(c.Detail)
		if err != nil {
			c, why = Convergence{}, providers.Clean(fmt.Sprintf("whether it can bear it is not known: %v", err))
		}
		switch {
		case ctx.Err() != nil:
			return ending{}, waited, context.Cause(ctx)
		case c.Failed:
			return x.stopped(s, attempted, s.Title+" would do harm: "+why), waited, nil
		case c.Done:
			return ending{}, waited, nil
		}
		if err := x.enter(ctx, RunRunning, fmt.Sprintf("waits before step %d (%s): %s", s.N, s.Title, why)); err != nil {
			return ending{}, waited, err
		}
		if by, err := x.stopAsked(ctx); err != nil || by != "" {
			return x.stopped(s, attempted, "stopped, as "+by+" asked"), waited, err
		}
		if time.Since(began) >= x.run.Plan.Deadline {
			return x.stopped(s, attempted, fmt.Sprintf("%s could not begin within %s: %s", s.Title, x.run.Plan.Deadline, why)), waited, nil
		}
		if err := sleep(ctx, x.e.cfg.Poll); err != nil {
			return ending{}, waited, err
		}
	}
}
