package probe

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// watcher is one reader of Watch. What it has not read yet is kept once for each alert, so that a slow reader costs nothing.
type watcher struct {
	wake    chan struct{}
	pending map[string]providers.Alert
}

// Watch implements providers.Watcher. The checks run while somebody watches; several watchers share them. A new watcher
// first gets the alerts that are open.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		if ctx.Err() != nil {
			return
		}
		w := &watcher{wake: make(chan struct{}, 1), pending: map[string]providers.Alert{}}
		leave := p.join(ctx, w)
		defer leave()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
			for _, a := range p.take(w) {
				if ctx.Err() != nil || !yield(providers.Event{Alert: &a}, nil) {
					return
				}
			}
		}
	}
}

// join adds a watcher; the first one starts the checks, and the last one to leave ends them and waits for their end.
func (p *Provider) join(ctx context.Context, w *watcher) (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.checks {
		if c.alert != nil {
			w.put(*c.alert)
		}
	}
	if len(p.watchers) == 0 {
		p.start(context.WithoutCancel(ctx)) // the first watcher may leave before the others
	}
	p.watchers[w] = true
	return func() {
		p.mu.Lock()
		delete(p.watchers, w)
		halt := p.halt
		last := len(p.watchers) == 0
		p.mu.Unlock()
		if last {
			halt()
		}
	}
}

func (p *Provider) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, c := range p.checks {
		wg.Go(func() { p.repeat(ctx, c) })
	}
	p.halt = func() {
		cancel()
		wg.Wait()
	}
}

// repeat asks at the check's interval. The start is spread, so that many checks do not ask at the same instant.
func (p *Provider) repeat(ctx context.Context, c *check) {
	timer := time.NewTimer(rand.N(min(c.set.Interval, time.Second))) //nolint:gosec // spreads load, keeps no secret
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(c.set.Interval)
		if o, ok := p.attempt(ctx, c); ok {
			p.observe(c, o)
		}
	}
}

// attempt asks once, with at most maxAtOnce others. It reports false when ctx ended first.
func (p *Provider) attempt(ctx context.Context, c *check) (outcome, bool) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return outcome{}, false
	}
	return p.ask.attempt(ctx, &c.set)
}

// observe takes an outcome and tells the watchers when it opened or closed an alert.
func (p *Provider) observe(c *check, o outcome) {
	p.Done(p.env.Now(), nil) // a target that fails is an alert; this provider is well while it can ask
	p.mu.Lock()
	defer p.mu.Unlock()
	c.series.add(o)
	var a providers.Alert
	switch c.streak.add(o.at, o.ok, c.set.FailAfter, c.set.RecoverAfter) {
	case opened:
		c.alert = p.opened(c, c.streak.since, o)
		a = *c.alert
	case closed:
		a = *c.alert
		a.State, a.EndsAt = providers.AlertResolved, c.streak.first
		c.alert = nil
		p.closed = append(p.closed[max(0, len(p.closed)+1-maxClosed):], a)
	default:
		return
	}
	for w := range p.watchers {
		w.put(a)
	}
}

func (w *watcher) put(a providers.Alert) {
	w.pending[a.ID] = a
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (p *Provider) take(w *watcher) []providers.Alert {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]providers.Alert, 0, len(w.pending))
	for _, a := range w.pending {
		all = append(all, a)
	}
	clear(w.pending)
	slices.SortFunc(all, func(a, b providers.Alert) int { return a.StartsAt.Compare(b.StartsAt) })
	return all
}

// Alerts implements providers.AlertSource: what this process saw while somebody watched.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		p.mu.Lock()
		all := slices.Clone(p.closed)
		for _, c := range p.checks {
			if c.alert != nil {
				all = append(all, *c.alert)
			}
		}
		p.mu.Unlock()
		for _, a := range all {
			startsLate := !w.Until.IsZero() && !a.StartsAt.Before(w.Until)
			if startsLate || (!a.EndsAt.IsZero() && a.EndsAt.Before(w.Since)) {
				continue
			}
			if ctx.Err() != nil || !yield(a, nil) {
				return
			}
		}
	}
}
