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
// first gets the alerts that this process knows to be open; one that is known from the archive alone is reported when its
// check has been asked.
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
		if c.alert != nil && c.seen {
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
	wg.Go(func() { p.shelve(ctx) })
	p.halt = func() {
		cancel()
		wg.Wait()
		p.keepCalls(ctx)
	}
}

// repeat asks at the check's interval. The start is spread, so that many checks do not ask at the same instant.
func (p *Provider) repeat(ctx context.Context, c *check) {
	first := rand.N(min(c.set.Interval, time.Second)) //nolint:gosec // spreads load, keeps no secret
	if !pause(ctx, first, nil) {
		return
	}
	for ctx.Err() == nil {
		p.turn(ctx, c)
	}
}

// tell hands a report to every watcher. The caller holds mu.
func (p *Provider) tell(a providers.Alert) {
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
