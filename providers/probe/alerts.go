package probe

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Alerts implements providers.AlertSource: what any process saw that shares this one's archive. Alerts that ended are given
// at once. Then checks of which nothing fresh is known are asked, until it is certain whether an alert is open: one attempt
// for a check that is well, else as many as its thresholds want, at its interval. An alert that an earlier process left open
// keeps its id and its start; where ctx leaves no time to find out how it stands, it is unknown.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		given := map[string]bool{}
		give := func(list []providers.Alert) bool {
			slices.SortFunc(list, byStart)
			for _, a := range list {
				startsLate := !w.Until.IsZero() && !a.StartsAt.Before(w.Until)
				if startsLate || given[a.ID] || (!a.EndsAt.IsZero() && a.EndsAt.Before(w.Since)) {
					continue
				}
				if given[a.ID] = true; ctx.Err() != nil || !yield(a, nil) {
					return false
				}
			}
			return true
		}
		p.syncAll(ctx)
		if !give(p.known(true)) {
			return
		}
		p.decide(ctx, w)
		if ctx.Err() == nil {
			give(p.known(false))
		}
	}
}

func (p *Provider) syncAll(ctx context.Context) {
	p.book.Lock()
	defer p.book.Unlock()
	for _, c := range p.checks {
		p.sync(ctx, c)
	}
}

// known lists the alerts that ended, and those that are open as well unless only the ended ones are wanted.
func (p *Provider) known(endedOnly bool) []providers.Alert {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []providers.Alert
	for _, c := range p.checks {
		all = append(all, c.ended...)
		if c.alert == nil || endedOnly {
			continue
		}
		a := *c.alert
		if !c.seen || c.stale(p.env.Now()) {
			a.State = providers.AlertUnknown
		}
		all = append(all, a)
	}
	return all
}

// decide asks the checks until it is certain of each whether its alert is open. It stops a little before ctx ends, so that
// there is time left to say what was found out.
func (p *Provider) decide(ctx context.Context, w providers.Window) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-min(time.Second, time.Until(end)/10)))
		defer cancel()
	}
	var wg sync.WaitGroup
	for _, c := range p.checks {
		wg.Go(func() {
			for !p.certain(c, w) && p.turn(ctx, c) {
			}
		})
	}
	wg.Wait()
}

// certain reports that the last outcome is fresh and that no streak is under way that could open or end an alert. An alert
// that would open now matters only to a window that is not over.
func (p *Provider) certain(c *check, w providers.Window) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.env.Now()
	if c.alert == nil && !w.Until.IsZero() && !w.Until.After(now) {
		return true
	}
	if c.streak.open != (c.alert != nil) || (c.alert != nil && !c.seen) { // just opening or ending; or known from the archive alone
		return false
	}
	return c.streak.run == 0 && !c.last.at.IsZero() && now.Sub(c.last.at) <= c.set.Interval+c.set.Timeout
}
