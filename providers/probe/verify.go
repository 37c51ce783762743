package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// asked is what AlertStates remembers of a check between two calls.
type asked struct {
	good int       // successes in a row
	last time.Time // of the last attempt
	seen string
}

// AlertStates implements providers.AlertStates by asking the targets now, also in a process that never saw the alerts. An
// alert is open until its check succeeds recover_after times in a row, an interval apart: one failure says firing at once,
// and successes are counted over several calls. It takes as long as that needs, or until ctx is done; an alert with too
// few successes by then is still firing, and one that could not be asked at all is unknown.
func (p *Provider) AlertStates(ctx context.Context, alerts []providers.AlertQuery) (map[string]providers.AlertStatus, error) {
	byCheck := map[*check][]string{}
	states := make(map[string]providers.AlertStatus, len(alerts))
	for _, q := range alerts {
		if c := p.find(q.ID); c != nil {
			byCheck[c] = append(byCheck[c], q.ID)
		} else {
			states[q.ID] = providers.AlertStatus{State: providers.AlertUnknown, Detail: "its check is no longer configured"}
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for c, ids := range byCheck {
		wg.Go(func() {
			st := p.settle(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				states[id] = st
			}
		})
	}
	wg.Wait()
	return states, nil
}

// settle asks until the state of the check's alert is certain, or ctx does not leave time for the next attempt.
func (p *Provider) settle(ctx context.Context, c *check) providers.AlertStatus {
	answered := false
	for {
		p.mu.Lock()
		wait := c.set.Interval - p.env.Now().Sub(c.asked.last)
		p.mu.Unlock()
		if !pause(ctx, wait) {
			break
		}
		o, ok := p.attempt(ctx, c)
		if !ok {
			break
		}
		answered = true
		p.Done(p.env.Now(), nil)
		p.mu.Lock()
		c.series.add(o)
		a := c.count(o)
		p.mu.Unlock()
		switch {
		case !o.ok:
			return providers.AlertStatus{State: providers.AlertFiring, SeenAt: o.at, Detail: providers.Clean(o.seen)}
		case a.good >= c.set.RecoverAfter:
			return providers.AlertStatus{State: providers.AlertResolved, SeenAt: o.at, Detail: fmt.Sprintf("%s, well %d times in a row", o.seen, a.good)}
		}
	}
	p.mu.Lock()
	a := c.asked
	p.mu.Unlock()
	if !answered && a.last.IsZero() {
		return providers.AlertStatus{State: providers.AlertUnknown, Detail: "there was no time to ask"}
	}
	return providers.AlertStatus{
		State: providers.AlertFiring, SeenAt: a.last,
		Detail: fmt.Sprintf("%d of %d good answers so far: %s", a.good, c.set.RecoverAfter, a.seen),
	}
}

// count adds an outcome to what was asked. After a long break the successes before it prove nothing together with it.
func (c *check) count(o outcome) asked {
	broken := o.at.Sub(c.asked.last) > 10*c.set.Interval+c.set.Timeout
	if !o.ok || broken {
		c.asked.good = 0
	}
	apart := o.at.Sub(c.asked.last) >= c.set.Interval*9/10 // two callers at the same time are one look
	if o.ok && (apart || c.asked.good == 0) {
		c.asked.good++
	}
	c.asked.last, c.asked.seen = o.at, providers.Clean(o.seen)
	return c.asked
}

// pause waits; it reports false, and at once, when ctx will be done before that.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	if ctx.Err() != nil || d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Checks implements providers.CheckSource: each check of the services is asked now; one that fails is asked once more, so
// that one lost request is no failure.
func (p *Provider) Checks(ctx context.Context, services []string) ([]providers.CheckResult, error) {
	var picked []*check
	for _, c := range p.checks {
		if len(services) == 0 || slices.Contains(services, c.set.Service) {
			picked = append(picked, c)
		}
	}
	results := make([]providers.CheckResult, len(picked))
	var wg sync.WaitGroup
	for i, c := range picked {
		wg.Go(func() { results[i] = p.look(ctx, c) })
	}
	wg.Wait()
	return results, nil
}

func (p *Provider) look(ctx context.Context, c *check) providers.CheckResult {
	r := providers.CheckResult{Name: c.set.Name, Service: c.set.Service, State: providers.CheckUnknown, Observed: "there was no time to ask", Goal: c.set.goal()}
	for range 2 {
		o, ok := p.attempt(ctx, c)
		if !ok {
			return r
		}
		p.Done(p.env.Now(), nil)
		r.Observed = providers.Clean(o.seen)
		if o.ok {
			r.State = providers.CheckPass
			return r
		}
		r.State = providers.CheckFail
	}
	return r
}
