package rollback

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// aroundLimit is how long a confirmation looks at the units beside the plan's, while it looks at those. What does not answer in
// that time is taken as the plan saw it: a host that is slow must not keep anybody from taking something back.
const aroundLimit = time.Second

// basis is what a plan was judged by, for judging it once more when it is confirmed.
type basis struct {
	req     Request
	primary []UnitID
	undo    *Run
	obs     map[UnitID]Observation
	errs    map[UnitID]error
}

// around is a second look: at the plan's own units, and at the others of their environment.
type around struct {
	w    *world
	own  map[UnitID]Observation
	rest chan struct{} // closed when the others were looked at
}

// still refuses a plan whose targets are not what it saw, or of which the rules would say something worse now.
func (e *Engine) still(ctx context.Context, p Plan, units []Unit, listErr error) error {
	if p.basis == nil {
		return fmt.Errorf("%w: it was made by another process, make it again", ErrPlanChanged)
	}
	brief, stop := context.WithCancel(ctx)
	again := e.lookAround(brief, p, units, listErr)
	defer func() {
		stop()
		<-again.rest
	}()
	if err := e.fresh(ctx, p, again.own); err != nil {
		return err
	}
	return e.rejudge(ctx, p, again)
}

// lookAround begins to look at the units beside the plan's and returns at once.
func (e *Engine) lookAround(ctx context.Context, p Plan, units []Unit, listErr error) around {
	b := p.basis
	w := newWorld(b.req, units, listErr)
	w.undo, w.fixed = b.undo, map[UnitID]string{}
	for _, u := range p.Units {
		w.fixed[u.Unit.ID] = u.To.Digest
	}
	others := slices.DeleteFunc(w.near(b.primary), func(id UnitID) bool { return w.fixed[id] != "" })
	a := around{w: w, own: map[UnitID]Observation{}, rest: make(chan struct{})}
	go func() {
		defer close(a.rest)
		// Called off rather than timed out: that a confirmation has no time says nothing of how the provider is.
		brief, cancel := context.WithCancel(ctx)
		defer time.AfterFunc(aroundLimit, cancel).Stop()
		defer cancel()
		w.obs, w.errs = e.observeAll(brief, others)
		for id := range w.errs {
			if seen, ok := b.obs[id]; ok {
				w.obs[id] = seen
				delete(w.errs, id)
			} else if then, ok := b.errs[id]; ok {
				w.errs[id] = then
			}
		}
	}()
	return a
}

// rejudge refuses a plan of which the rules would say something worse now, or that would need another unit: what is coupled
// may have been switched since. What has become better is no reason to refuse.
func (e *Engine) rejudge(ctx context.Context, p Plan, a around) error {
	<-a.rest
	for id, o := range a.own {
		a.w.obs[id] = o
	}
	if err := e.journaled(ctx, a.w); err != nil {
		return err
	}
	e.attach(ctx, a.w)
	a.w.asks.limit = againLimit
	s, err := a.w.gather(p.basis.req, p.basis.primary, e.cfg.Cap)
	if err != nil {
		return fmt.Errorf("%w: it cannot be judged again: %w", ErrPlanChanged, err)
	}
	for _, q := range s.parts {
		i := slices.IndexFunc(p.Units, func(u UnitPlan) bool { return u.Unit.ID == q.id })
		if i < 0 {
			return fmt.Errorf("%w: %s has to go back too now", ErrPlanChanged, q.id)
		}
		known := slices.Clone(p.Units[i].Findings)
		for _, f := range q.findings {
			at := slices.IndexFunc(known, func(k Finding) bool {
				return k.Rule == f.Rule && k.Verdict == f.Verdict && slices.Equal(sortedIDs(k.Units), sortedIDs(f.Units))
			})
			if at >= 0 {
				known = slices.Delete(known, at, at+1)
			} else if f.Verdict != Independent {
				return fmt.Errorf("%w: %s: %s (%s)", ErrPlanChanged, q.id, f.Text, f.Rule)
			}
		}
	}
	return nil
}

func sortedIDs(ids []UnitID) []UnitID { return slices.Sorted(slices.Values(ids)) }
