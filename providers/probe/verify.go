package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/backout-dev/backout/providers"
)

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
	for p.turn(ctx, c) {
		last, good := p.newest(c)
		switch {
		case !last.ok:
			return providers.AlertStatus{State: providers.AlertFiring, SeenAt: last.at, Detail: providers.Clean(last.seen)}
		case good >= c.set.RecoverAfter:
			return providers.AlertStatus{State: providers.AlertResolved, SeenAt: last.at, Detail: providers.Clean(fmt.Sprintf("%s, well %d times in a row", last.seen, good))}
		}
	}
	last, good := p.newest(c)
	if last.at.IsZero() {
		return providers.AlertStatus{State: providers.AlertUnknown, Detail: "there was no time to ask"}
	}
	return providers.AlertStatus{
		State: providers.AlertFiring, SeenAt: last.at,
		Detail: providers.Clean(fmt.Sprintf("%d of %d good answers so far: %s", min(good, c.set.RecoverAfter), c.set.RecoverAfter, last.seen)),
	}
}

// newest is the check's last outcome, and how many in a row were good up to it.
func (p *Provider) newest(c *check) (last outcome, good int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.last, c.good
}

// Checks implements providers.CheckSource: each check of the services is asked now; one that fails is asked once more, so
// that one lost request is no failure.
func (p *Provider) Checks(ctx context.Context, services []string) ([]providers.CheckResult, error) {
	picked := p.picked(services)
	results := make([]providers.CheckResult, len(picked))
	var wg sync.WaitGroup
	for i, c := range picked {
		wg.Go(func() { results[i] = p.look(ctx, c) })
	}
	wg.Wait()
	return results, nil
}

// CheckNames implements providers.CheckLister.
func (p *Provider) CheckNames(services []string) []string {
	var names []string
	for _, c := range p.picked(services) {
		names = append(names, c.set.Name)
	}
	return names
}

func (p *Provider) picked(services []string) []*check {
	var picked []*check
	for _, c := range p.checks {
		if len(services) == 0 || slices.Contains(services, c.set.Service) {
			picked = append(picked, c)
		}
	}
	return picked
}

// measured is how long a right answer took and may take, in seconds, where the check has a limit for that.
func (c *checkSettings) measured(o outcome) (value, limit *float64) {
	if c.MaxLatency <= 0 || !o.right {
		return nil, nil
	}
	took, most := o.latency.Seconds(), c.MaxLatency.Seconds()
	return &took, &most
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
		r.Value, r.Limit = c.set.measured(o)
		if o.ok {
			r.State = providers.CheckPass
			return r
		}
		r.State = providers.CheckFail
	}
	return r
}
