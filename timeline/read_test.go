package timeline_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// alerting is a provider whose answers about alerts a test writes down.
type alerting struct {
	name  string
	asked atomic.Int32
	says  func(ctx context.Context, n int, yield func(providers.Alert, error) bool)
}

func (p *alerting) Name() string { return p.name }

func (p *alerting) Health() providers.Health { return providers.Health{Provider: p.name} }

func (p *alerting) Alerts(ctx context.Context, _ providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) { p.says(ctx, int(p.asked.Add(1)), yield) }
}

// alertingLive also watches.
type alertingLive struct {
	alerting
	watch func(ctx context.Context, yield func(providers.Event, error) bool)
}

func (p *alertingLive) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) { p.watch(ctx, yield) }
}

func burning(id string) providers.Alert {
	return providers.Alert{ID: id, Service: "pricing", State: providers.AlertFiring, StartsAt: noon}
}

func resolved(id string, at time.Time) providers.Alert {
	a := burning(id)
	a.State, a.EndsAt = providers.AlertResolved, at
	return a
}

// state is how an alert stands on the timeline, "" where it does not.
func state(s *timeline.Store, id string) providers.AlertState {
	a, ok := s.Snapshot().Alert(id)
	if !ok {
		return ""
	}
	return a.StateAt(time.Now())
}

func TestALateAnswerDoesNotUndoWhatTheLiveFeedTold(t *testing.T) {
	for name, slow := range map[string]func(ctx context.Context, yield func(providers.Alert, error) bool){
		"read before, told after": func(_ context.Context, yield func(providers.Alert, error) bool) {
			time.Sleep(3 * time.Second)
			_ = yield(burning("a1"), nil) && yield(burning("a2"), nil)
		},
		"told while the answer waits for others": func(_ context.Context, yield func(providers.Alert, error) bool) {
			time.Sleep(2*time.Second - 10*time.Millisecond)
			_ = yield(burning("a1"), nil) && yield(burning("a2"), nil)
			time.Sleep(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &alertingLive{alerting: alerting{name: "p"}}
				p.says = func(ctx context.Context, n int, yield func(providers.Alert, error) bool) {
					if n == 2 {
						slow(ctx, yield)
						return
					}
					_ = yield(burning("a1"), nil) && (n > 1 || yield(burning("a2"), nil))
				}
				p.watch = func(ctx context.Context, yield func(providers.Event, error) bool) {
					time.Sleep(62 * time.Second) // two seconds into the second read
					over := resolved("a1", time.Now())
					yield(providers.Event{Alert: &over}, nil)
					<-ctx.Done()
				}
				store, _, stop := running(t, timeline.FeedOptions{}, p)
				time.Sleep(61 * time.Second)
				if s := state(store, "a1"); s != providers.AlertFiring {
					t.Fatalf("a1 is %q before anybody saw its end", s)
				}
				time.Sleep(5 * time.Second)
				if s, other := state(store, "a1"), state(store, "a2"); s != providers.AlertResolved || other != providers.AlertFiring {
					t.Fatalf("a1 is %q and a2 %q after the read, want what the live feed told, and what only the read tells", s, other)
				}
				time.Sleep(time.Minute)
				if s, other := state(store, "a1"), state(store, "a2"); s != providers.AlertFiring || other != providers.AlertFiring {
					t.Fatalf("a1 is %q and a2 %q after a read that began later; one that watches tells of an end by itself", s, other)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestWhoeverWaitsForTheFirstAnswerSeesWhatTheLiveFeedToldDuringIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, told := make(chan struct{}), make(chan struct{})
		p := &alertingLive{alerting: alerting{name: "p"}}
		p.says = func(_ context.Context, _ int, yield func(providers.Alert, error) bool) {
			close(began)
			<-told
			yield(burning("a1"), nil)
		}
		p.watch = func(ctx context.Context, yield func(providers.Event, error) bool) {
			<-began
			over := resolved("a1", time.Now())
			yield(providers.Event{Alert: &over}, nil)
			close(told) // the live report still waits for others that it can be put into the store with
			<-ctx.Done()
		}
		store, feed, stop := running(t, timeline.FeedOptions{}, p)
		<-feed.Backfilled()
		if s := state(store, "a1"); s != providers.AlertResolved {
			t.Fatalf("a1 is %q when the first answer is in", s)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnAnswerIsNewerThanWhatTheLiveFeedToldBeforeItWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &alertingLive{alerting: alerting{name: "p"}}
		p.says = func(_ context.Context, n int, yield func(providers.Alert, error) bool) {
			if n == 2 {
				yield(resolved("a1", time.Now()), nil)
			}
		}
		p.watch = func(ctx context.Context, yield func(providers.Event, error) bool) {
			time.Sleep(time.Minute - 10*time.Millisecond) // it still waits for others when the second read is asked
			a := burning("a1")
			yield(providers.Event{Alert: &a}, nil)
			<-ctx.Done()
		}
		store, _, stop := running(t, timeline.FeedOptions{}, p)
		time.Sleep(time.Minute + 5*time.Second)
		if s := state(store, "a1"); s != providers.AlertResolved {
			t.Fatalf("a1 is %q, want what the answer says", s)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnAlertThatACompleteAnswerNoLongerHoldsIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := time.Now()
		p := &alerting{name: "p", says: func(ctx context.Context, n int, yield func(providers.Alert, error) bool) {
			first := n == 1 && yield(burning("a1"), nil) && yield(burning("a2"), nil) && yield(resolved("old", ended), nil)
			switch {
			case first, n == 1:
			case n == 2: // breaks off
				yield(providers.Alert{}, errors.New("connection reset"))
			case n == 3: // hangs before it has said all
				<-ctx.Done()
			default:
				yield(resolved("a2", ended), nil)
			}
		}}
		store, feed, stop := running(t, timeline.FeedOptions{Poll: 10 * time.Second, Deadline: 5 * time.Second}, p)
		time.Sleep(time.Second)
		store.Put("p", providers.Event{Change: &providers.Change{ID: "a1", LandedAt: noon}})
		store.Put("q", providers.Event{Alert: &providers.Alert{ID: "other", StartsAt: noon}})
		for p.asked.Load() < 4 {
			if s := state(store, "a1"); s != providers.AlertFiring {
				t.Fatalf("a1 is %q while its source fails (%+v): what it last said stays", s, health(feed, "p"))
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		if s := state(store, "a1"); s != "" {
			t.Errorf("a1 is %q although a complete answer does not hold it", s)
		}
		if s := state(store, "a2"); s != providers.AlertResolved {
			t.Errorf("a2 is %q, want resolved as its source says", s)
		}
		if s := state(store, "old"); s != providers.AlertResolved {
			t.Errorf("old is %q: what was over may leave the window and stays", s)
		}
		if _, ok := store.Snapshot().Change("a1"); !ok || state(store, "other") != providers.AlertFiring {
			t.Error("a change of the same id, or another provider's alert, went with it")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}
