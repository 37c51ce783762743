package alertmanager

import (
	"context"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
)

// maxBackoff is the longest pause between tries of a source that fails and does not say how long to wait.
const maxBackoff = time.Minute

// Watch implements providers.Watcher by polling: first every alert there is, then each change of an alert's state. A poll
// that fails changes nothing. An alert that was lost to a restart is reported as unknown, until it is listed again.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		t := newTracker(p)
		timer := time.NewTimer(0)
		defer timer.Stop()
		for failures := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			err := t.poll(ctx)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				failures = 0
				timer.Reset(p.set.Poll)
				if !t.report(ctx, yield) {
					return
				}
				continue
			}
			if providers.ClassOf(err) == providers.ClassPermanent && !t.started.IsZero() {
				err = providers.Retryable(err) // it has answered before, so this may pass: a proxy's 404 while it is rolled out
			}
			if !yield(providers.Event{}, err) || providers.ClassOf(err) == providers.ClassPermanent {
				return
			}
			timer.Reset(p.pause(failures, err))
			failures++
		}
	}
}

func (p *Provider) pause(failures int, err error) time.Duration {
	d := p.set.Poll << min(failures, 10)
	if d > maxBackoff {
		d = max(maxBackoff, p.set.Poll)
	}
	return max(d, providers.RetryAfter(err))
}
