package conformance

import (
	"context"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
)

// attempts: a busy machine can only make an end look late, so the quickest of several counts.
const attempts = 5

// giveUp is when a sequence that does not end is left behind.
const giveUp = 5 * time.Second

// Early stops after the first event; a provider that goes on yielding then panics by the language's own rule.
func (r *Report) Early(ctx context.Context, s Stream, w providers.Window) {
	for _, err := range s.Read(ctx, w) {
		_ = err // stopping is the point, not what came
		break
	}
}

// Cancel ends the context before the first event, after it, and after some waits, and wants an end within [Limit].
func (r *Report) Cancel(ctx context.Context, s Stream, w providers.Window) {
	r.ends(ctx, s.Name+", cancelled before", func(ctx context.Context, cancel func()) {
		cancel()
		drain(s.Read(ctx, w))
	})
	r.ends(ctx, s.Name+", cancelled at the first event", func(ctx context.Context, cancel func()) {
		timer := time.AfterFunc(300*time.Millisecond, cancel) // a source that hangs has no first event
		defer timer.Stop()
		for _, err := range s.Read(ctx, w) {
			_ = err
			cancel()
		}
		cancel()
	})
	for _, wait := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
		r.ends(ctx, s.Name+", cancelled after "+wait.String(), func(ctx context.Context, cancel func()) {
			timer := time.AfterFunc(wait, cancel)
			defer timer.Stop()
			drain(s.Read(ctx, w))
			cancel()
		})
	}
}

// Watch checks that a watch ends with its context.
func (r *Report) Watch(ctx context.Context, p providers.Provider) {
	watcher, ok := p.(providers.Watcher)
	if !ok {
		return
	}
	for _, wait := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		r.ends(ctx, "Watch, cancelled after "+wait.String(), func(ctx context.Context, cancel func()) {
			timer := time.AfterFunc(wait, cancel)
			defer timer.Stop()
			drain(watcher.Watch(ctx))
			cancel()
		})
	}
}

// Asks checks topology and signals the same way.
func (r *Report) Asks(ctx context.Context, p providers.Provider, w providers.Window) {
	ask := func(where string, call func(context.Context)) {
		r.ends(ctx, where+", cancelled after 20ms", func(ctx context.Context, cancel func()) {
			timer := time.AfterFunc(20*time.Millisecond, cancel)
			defer timer.Stop()
			call(ctx)
			cancel()
		})
	}
	if t, ok := p.(providers.Topology); ok {
		ask("Topology", func(ctx context.Context) { _, _, _ = t.Topology(ctx) })
	}
	if x, ok := p.(providers.Indexer); ok {
		ask("Rows", func(ctx context.Context) {
			drain(x.Rows(ctx, w))
		})
	}
	if s, ok := p.(providers.SignalSource); ok {
		ask("Signals", func(ctx context.Context) { _, _ = s.Signals(ctx, w, nil) })
	}
}

// ends runs read and measures how long it goes on after its context is done.
func (r *Report) ends(parent context.Context, where string, read func(ctx context.Context, cancel func())) {
	best := giveUp
	for range attempts {
		if parent.Err() != nil {
			return
		}
		best = min(best, late(parent, read))
		if best <= Limit {
			return
		}
		if best >= giveUp {
			r.add(RuleCancel, where, "was still going on %s later", giveUp)
			return
		}
	}
	r.add(RuleCancel, where, "ended %s later; the limit is %s", best.Round(time.Millisecond), Limit)
}

func late(parent context.Context, read func(ctx context.Context, cancel func())) time.Duration {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	ended := make(chan time.Time, 1)
	go func() {
		read(ctx, cancel)
		ended <- time.Now()
	}()
	var done time.Time
	select {
	case <-ctx.Done():
		done = time.Now()
	case end := <-ended: // ended before anybody noticed the cancel
		ended <- end
		done = end
	}
	timer := time.NewTimer(giveUp)
	defer timer.Stop()
	select {
	case end := <-ended:
		return max(0, end.Sub(done))
	case <-timer.C:
		return giveUp
	}
}

// drain reads a sequence to its end; what it says is for other rules.
func drain[T any](seq iter.Seq2[T, error]) {
	for _, err := range seq {
		_ = err
	}
}
