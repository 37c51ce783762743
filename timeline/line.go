package timeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/backout-dev/backout/providers"
)

// line is one provider of a feed.
type line struct {
	feed *Feed
	p    providers.Provider
	name string

	reads reading

	mu       sync.Mutex
	calls    int
	began    time.Time // of the call under way
	lastOK   time.Time
	failures map[string]string // by what was asked: why the last call failed
	brokeAt  time.Time         // when the live feed last told of an error
}

// The things that a provider is asked for, as they stand on its health line.
const (
	askTopology = "topology"
	askEvents   = "events"
	askWatch    = "live"
)

// stopGap is how long past its deadline a call may take to come back.
const stopGap = time.Second

// call runs one outside call with a deadline. It comes back when the call does, or a second after the deadline: then the
// call is left alone, and done is closed when it ends at last.
func (l *line) call(ctx context.Context, what string, limit time.Duration, fn func(context.Context) error) (done <-chan struct{}, err error) {
	callCtx, cancel := withLimit(ctx, limit)
	l.begin()
	result, ended := make(chan error, 1), make(chan struct{})
	l.feed.calls.Go(func() {
		defer cancel()
		defer close(ended)
		defer l.end()
		result <- guarded(callCtx, fn)
	})
	var late <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit + stopGap)
		defer t.Stop()
		late = t.C
	}
	select {
	case err = <-result:
	case <-late:
		err = fmt.Errorf("%w in %s, and it does not stop", errHangs, limit)
	}
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(callCtx.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w in %s", errHangs, limit) // a deadline of the provider's own, which is shorter, says so itself
	}
	if ctx.Err() == nil {
		l.note(what, err)
	}
	return ended, err
}

func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit > 0 {
		return context.WithTimeout(ctx, limit)
	}
	return context.WithCancel(ctx)
}

// guarded takes a panic of a provider for an error.
func guarded(ctx context.Context, fn func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the provider broke down: %s", providers.Clean(strings.TrimSpace(fmt.Sprint(p))))
		}
	}()
	return fn(ctx)
}

// poll asks for topology and events, again and again.
func (l *line) poll(ctx context.Context) {
	o := l.feed.opts
	every := o.Poll
	if _, ok := l.p.(providers.Watcher); ok {
		every = o.Reconcile
	}
	b := l.patience(every)
	for {
		done, err := l.ask(ctx)
		if ctx.Err() == nil {
			l.feed.answer(l.name, err)
		}
		if !wait(ctx, done, 0) {
			return
		}
		var rest time.Duration
		switch {
		case err == nil && l.once():
			return
		case err == nil:
			b = l.patience(every)
			rest = every
		default:
			rest = b.next(err)
		}
		if !wait(ctx, nil, rest) {
			return
		}
	}
}

// once reports whether the provider has said all it will: a fixed window, or files that its live feed follows.
func (l *line) once() bool {
	_, indexer := l.p.(providers.Indexer)
	_, watcher := l.p.(providers.Watcher)
	return !l.feed.opts.Window.Until.IsZero() || (indexer && watcher)
}

// ask gets topology and events once, the topology first, because it says which alerts belong together; an indexer, which
// has to read everything for either, shows its events first. The error is the first that there was.
func (l *line) ask(ctx context.Context) (<-chan struct{}, error) {
	if _, ok := l.p.(providers.Indexer); ok {
		done, err := l.call(ctx, askEvents, 10*l.feed.opts.Deadline, l.events)
		if err != nil {
			return done, err
		}
		if late, err := l.askTopology(ctx); errors.Is(err, errHangs) {
			return late, err
		}
		return done, nil
	}
	done, err := l.askTopology(ctx)
	if errors.Is(err, errHangs) {
		return done, err
	}
	return l.call(ctx, askEvents, l.feed.opts.Deadline, l.events)
}

func (l *line) askTopology(ctx context.Context) (<-chan struct{}, error) {
	t, ok := l.p.(providers.Topology)
	if !ok {
		return nil, nil
	}
	return l.call(ctx, askTopology, l.feed.opts.Deadline, func(ctx context.Context) error {
		services, edges, err := t.Topology(ctx)
		if err == nil {
			l.feed.store.SetTopology(l.name, services, edges)
		}
		return err
	})
}

// watch keeps the live feed of a provider open.
func (l *line) watch(ctx context.Context) {
	b := l.patience(l.feed.opts.Poll)
	for {
		heard := false
		done, err := l.call(ctx, askWatch, 0, func(ctx context.Context) error {
			in := l.intake(true)
			defer in.close()
			l.reads.follow(in)
			defer l.reads.follow(nil)
			var last error
			for ev, err := range l.p.(providers.Watcher).Watch(ctx) {
				if last = err; err != nil {
					if providers.ClassOf(err) == providers.ClassPermanent {
						return err
					}
					l.note(askWatch, err)
					continue
				}
				heard = true
				l.note(askWatch, nil)
				in.add(ev)
			}
			return last
		})
		if !wait(ctx, done, 0) {
			return
		}
		if heard {
			b = l.patience(l.feed.opts.Poll)
		}
		rest := l.feed.opts.Poll
		if err != nil {
			rest = b.next(err)
		}
		if !wait(ctx, nil, rest) {
			return
		}
	}
}

// patience says how long to wait after errors.
type patience struct {
	quick backoff.BackOff
	left  int
	every time.Duration
}

func (l *line) patience(every time.Duration) *patience {
	b := backoff.NewExponentialBackOff()
	b.MaxInterval = every
	return &patience{quick: b, left: l.feed.opts.Budget, every: every}
}

// mendPause is how long somebody gets to mend what asking again does not: a wrong address, a missing right, a login.
const mendPause = time.Minute

// next is how long to wait after err. No error ends the asking: what is mended is seen without a restart.
func (p *patience) next(err error) time.Duration {
	switch providers.ClassOf(err) {
	case providers.ClassPermanent, providers.ClassAuth:
		return max(p.every, mendPause)
	case providers.ClassRateLimited:
		if d := providers.RetryAfter(err); d > 0 {
			return d
		}
		return max(p.every, p.quick.NextBackOff())
	default:
		if p.left--; p.left < 0 {
			return p.every
		}
		return min(p.every, p.quick.NextBackOff())
	}
}

// wait waits for done and then for d. It reports false when ctx ended first.
func wait(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
