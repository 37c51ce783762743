package timeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// FeedOptions says how a Feed asks its providers. The zero value of each field is its default.
type FeedOptions struct {
	// Backfill is how far back the first questions reach; 0 means 24 hours. Window, where it is not zero, is asked for
	// instead, and nothing after it.
	Backfill time.Duration
	Window   providers.Window
	// Poll is how often a provider that cannot watch is asked again; 0 means 15 s. Reconcile is how often one that can is
	// asked again for what its live feed may have missed; 0 means 1 min.
	Poll, Reconcile time.Duration
	// Deadline is how long one question may take; 0 means 30 s. An indexer, which reads local files, gets ten times that.
	Deadline time.Duration
	// StaleAfter is how old the last complete answer may be before the health line says so; 0 means three polls.
	StaleAfter time.Duration
	// Budget is how many quick retries an error gets before the provider is asked at its usual interval; 0 means 5.
	Budget int
	// Grace is how long Run waits at the end for providers that do not stop; 0 means 2 s.
	Grace time.Duration
	Now   func() time.Time
	Log   *slog.Logger
}

func (o FeedOptions) orDefaults() FeedOptions {
	for _, d := range []struct {
		to  *time.Duration
		val time.Duration
	}{
		{&o.Backfill, 24 * time.Hour},
		{&o.Poll, 15 * time.Second},
		{&o.Reconcile, time.Minute},
		{&o.Deadline, 30 * time.Second},
		{&o.Grace, 2 * time.Second},
	} {
		if *d.to <= 0 {
			*d.to = d.val
		}
	}
	if o.StaleAfter <= 0 {
		o.StaleAfter = 3 * o.Poll
	}
	if o.Budget <= 0 {
		o.Budget = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Feed asks providers and puts what they say into a Store. Each provider has goroutines of its own, so that one that
// hangs, fails, or sends nonsense delays nobody. Add the providers, then call Run once; the other methods may be called
// at any time from any goroutine.
type Feed struct {
	store *Store
	opts  FeedOptions
	calls sync.WaitGroup // outside calls under way

	mu       sync.Mutex
	lines    []*line
	waiting  int
	answered map[string]error
	backfill chan struct{}
}

// NewFeed makes a feed into a store.
func NewFeed(store *Store, opts FeedOptions) *Feed {
	return &Feed{store: store, opts: opts.orDefaults(), answered: map[string]error{}, backfill: make(chan struct{})}
}

// Add adds a provider. It has no effect once Run was called.
func (f *Feed) Add(p providers.Provider) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, &line{feed: f, p: p, name: p.Name()})
}

// Run asks the providers until ctx is done, and returns nil then. It waits until every call has ended; a provider that
// does not stop is named in the error.
func (f *Feed) Run(ctx context.Context) error {
	f.mu.Lock()
	lines := f.lines
	f.waiting = len(lines)
	if f.waiting == 0 {
		close(f.backfill)
	}
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, l := range lines {
		wg.Go(func() { l.poll(ctx) })
		if _, ok := l.p.(providers.Watcher); ok && f.opts.Window.Until.IsZero() {
			wg.Go(func() { l.watch(ctx) })
		}
	}
	<-ctx.Done()
	stopped := make(chan struct{})
	go func() { wg.Wait(); f.calls.Wait(); close(stopped) }()
	grace := time.NewTimer(f.opts.Grace)
	defer grace.Stop()
	select {
	case <-stopped:
		return nil
	case <-grace.C:
		return fmt.Errorf("stop the providers: no end in %s: %s", f.opts.Grace, strings.Join(f.hanging(), ", "))
	}
}

// Backfilled is closed when every provider has answered once or failed once.
func (f *Feed) Backfilled() <-chan struct{} { return f.backfill }

// Answered tells for each provider that was heard of how its first answer ended: nil, or why there is none.
func (f *Feed) Answered() map[string]error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.answered)
}

// answer notes the end of a first answer.
func (f *Feed) answer(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, had := f.answered[name]; had {
		if err == nil {
			f.answered[name] = nil
		}
		return
	}
	f.answered[name] = err
	if f.waiting--; f.waiting == 0 {
		close(f.backfill)
	}
}

// Health is the health of every provider, in the order in which they were added.
func (f *Feed) Health() []providers.Health {
	f.mu.Lock()
	lines := f.lines
	f.mu.Unlock()
	out := make([]providers.Health, len(lines))
	for i, l := range lines {
		out[i] = l.health()
	}
	return out
}

func (f *Feed) hanging() []string {
	var names []string
	for _, l := range f.lines {
		if l.busy() {
			names = append(names, l.name)
		}
	}
	return names
}

// errHangs is why a call was given up that did not end with its deadline.
var errHangs = errors.New("no answer")
