package timeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// scripted is a provider whose answers a test writes down.
type scripted struct {
	name    string
	asked   atomic.Int32
	changes func(ctx context.Context, n int, yield func(providers.Change, error) bool)
}

func (p *scripted) Name() string { return p.name }

func (p *scripted) Health() providers.Health { return providers.Health{Provider: p.name} }

func (p *scripted) Changes(ctx context.Context, _ providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) { p.changes(ctx, int(p.asked.Add(1)), yield) }
}

// live also watches.
type live struct {
	scripted
	watch func(ctx context.Context, yield func(providers.Event, error) bool)
}

func (p *live) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) { p.watch(ctx, yield) }
}

func says(ids ...string) func(context.Context, int, func(providers.Change, error) bool) {
	return func(_ context.Context, _ int, yield func(providers.Change, error) bool) {
		for _, id := range ids {
			if !yield(providers.Change{ID: id, LandedAt: noon}, nil) {
				return
			}
		}
	}
}

func fails(err error) func(context.Context, int, func(providers.Change, error) bool) {
	return func(_ context.Context, _ int, yield func(providers.Change, error) bool) {
		yield(providers.Change{}, err)
	}
}

// running starts a feed of the providers and gives a function that stops it.
func running(t *testing.T, opts timeline.FeedOptions, ps ...providers.Provider) (*timeline.Store, *timeline.Feed, func() error) {
	t.Helper()
	store := timeline.New(time.Now)
	feed := timeline.NewFeed(store, opts)
	for _, p := range ps {
		feed.Add(p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- feed.Run(ctx) }()
	return store, feed, func() error { cancel(); return <-ended }
}

func health(f *timeline.Feed, name string) providers.Health {
	for _, h := range f.Health() {
		if h.Provider == name {
			return h
		}
	}
	return providers.Health{}
}

func TestOneThatHangsDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hung := &scripted{name: "hung", changes: func(_ context.Context, _ int, yield func(providers.Change, error) bool) {
			yield(providers.Change{ID: "said before it hung", LandedAt: noon}, nil)
			<-release // it does not even listen to its context
		}}
		store, feed, stop := running(t, timeline.FeedOptions{Deadline: 10 * time.Second}, hung, &scripted{name: "well", changes: says("c1")})
		time.Sleep(100 * time.Millisecond)
		if n := store.Snapshot().Len(); n != 2 {
			t.Fatalf("%d lines after 100 ms, want the other provider's and what the hung one said", n)
		}
		select {
		case <-feed.Backfilled():
			t.Fatal("backfilled before the hung one was given up")
		default:
		}
		time.Sleep(12 * time.Second)
		<-feed.Backfilled()
		if a := feed.Answered(); a["well"] != nil || a["hung"] == nil {
			t.Fatalf("answers: %v", a)
		}
		if h := health(feed, "hung"); h.State != providers.HealthFailing || !strings.Contains(h.Detail, "no answer in 10s") {
			t.Fatalf("health of the hung one: %+v", h)
		}
		if n := hung.asked.Load(); n != 1 {
			t.Fatalf("the hung one was asked %d times while it hung", n)
		}
		if err := stop(); err == nil || !strings.Contains(err.Error(), "hung") {
			t.Fatalf("Run names the one that does not stop; got %v", err)
		}
		close(release)
		if n := store.Snapshot().Len(); n != 2 {
			t.Fatalf("%d lines: what was said stays", n)
		}
	})
}

func TestAProvidersOwnDeadlineSpeaksForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{name: "p", changes: func(ctx context.Context, _ int, yield func(providers.Change, error) bool) {
			own, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			<-own.Done()
			yield(providers.Change{}, fmt.Errorf("the program did not end in 2s: %w", own.Err()))
		}}
		_, feed, stop := running(t, timeline.FeedOptions{}, p)
		<-feed.Backfilled()
		if h := health(feed, "p"); !strings.Contains(h.Detail, "did not end in 2s") || strings.Contains(h.Detail, "no answer") {
			t.Errorf("health: %+v", h)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRateLimitIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var second atomic.Int64
		p := &scripted{name: "p"}
		p.changes = func(ctx context.Context, n int, yield func(providers.Change, error) bool) {
			if n == 1 {
				yield(providers.Change{}, providers.RateLimited(90*time.Second, errors.New("slow down")))
				return
			}
			if n == 2 {
				second.Store(int64(time.Since(start)))
			}
			says("c1")(ctx, n, yield)
		}
		_, feed, stop := running(t, timeline.FeedOptions{}, p)
		time.Sleep(5 * time.Second)
		if h := health(feed, "p"); h.State != providers.HealthFailing || !strings.Contains(h.Detail, "slow down") {
			t.Fatalf("health: %+v", h)
		}
		time.Sleep(86 * time.Second)
		if d := time.Duration(second.Load()); d != 90*time.Second {
			t.Fatalf("asked again after %s", d)
		}
		if h := health(feed, "p"); h.State != providers.HealthOK {
			t.Fatalf("health after it answered: %+v", h)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRetriesHaveABudgetAndPermanentErrorsAreAskedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaky := &scripted{name: "flaky", changes: fails(errors.New("connection refused"))}
		wrong := &scripted{name: "wrong", changes: fails(providers.Permanent(errors.New("no such host")))}
		broken := &scripted{name: "broken", changes: func(context.Context, int, func(providers.Change, error) bool) { panic("nil map") }}
		_, feed, stop := running(t, timeline.FeedOptions{Poll: time.Minute, Budget: 3}, flaky, wrong, broken)
		<-feed.Backfilled()
		time.Sleep(30 * time.Second)
		if n := flaky.asked.Load(); n != 4 {
			t.Errorf("asked %d times in 30 s with a budget of 3 retries", n)
		}
		time.Sleep(10 * time.Minute)
		if n := flaky.asked.Load(); n < 13 || n > 15 {
			t.Errorf("asked %d times in 10 min at one a minute", n)
		}
		if n := wrong.asked.Load(); n != 11 {
			t.Errorf("asked %d times in 10 min after a permanent error, want once a minute", n)
		}
		if h := health(feed, "broken"); h.State != providers.HealthFailing || !strings.Contains(h.Detail, "broke down: nil map") {
			t.Errorf("a panic is a failing health line, not %+v", h)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatIsMendedIsSeenWithoutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		wrong := providers.Permanent(errors.New("a web page, not an API"))
		p := &live{scripted: scripted{name: "p"}}
		p.changes = func(ctx context.Context, n int, yield func(providers.Change, error) bool) {
			if !mended.Load() {
				yield(providers.Change{}, wrong)
				return
			}
			says("c1")(ctx, n, yield)
		}
		p.watch = func(ctx context.Context, yield func(providers.Event, error) bool) {
			if !mended.Load() {
				yield(providers.Event{}, wrong)
				return
			}
			yield(providers.Event{Change: &providers.Change{ID: "c2", LandedAt: noon}}, nil)
			<-ctx.Done()
		}
		store, feed, stop := running(t, timeline.FeedOptions{}, p)
		<-feed.Backfilled()
		time.Sleep(10 * time.Second)
		if h := health(feed, "p"); h.State != providers.HealthFailing {
			t.Fatalf("health while it is wrong: %+v", h)
		}
		mended.Store(true)
		time.Sleep(time.Minute)
		if h := health(feed, "p"); h.State != providers.HealthOK {
			t.Errorf("health a minute after it was mended: %+v", h)
		}
		if n := store.Snapshot().Len(); n != 2 {
			t.Errorf("%d lines a minute after it was mended, want what was asked and what came live", n)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSilenceGetsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{name: "p"}
		p.changes = func(ctx context.Context, n int, yield func(providers.Change, error) bool) {
			if n == 1 {
				says("c1")(ctx, n, yield)
				return
			}
			<-ctx.Done()
		}
		store, feed, stop := running(t, timeline.FeedOptions{Poll: 10 * time.Second, Deadline: 5 * time.Minute}, p)
		time.Sleep(5 * time.Second)
		if h := health(feed, "p"); h.State != providers.HealthOK {
			t.Fatalf("health: %+v", h)
		}
		time.Sleep(40 * time.Second)
		if h := health(feed, "p"); h.State != providers.HealthStale || h.Detail != "stale for 45 s" {
			t.Fatalf("health: %+v", h)
		}
		if store.Snapshot().Len() != 1 {
			t.Fatal("what it last said is gone")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLiveEventsComeAtOnceAndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &live{scripted: scripted{name: "p", changes: says("c0")}}
		p.watch = func(ctx context.Context, yield func(providers.Event, error) bool) {
			time.Sleep(time.Second)
			for i := range 400 {
				if !yield(providers.Event{Change: &providers.Change{ID: string(rune('a' + i)), LandedAt: noon}}, nil) {
					return
				}
			}
			<-ctx.Done()
		}
		store, feed, stop := running(t, timeline.FeedOptions{}, p)
		<-feed.Backfilled()
		time.Sleep(500 * time.Millisecond)
		before := store.Snapshot().Version()
		time.Sleep(600 * time.Millisecond)
		if n := store.Snapshot().Len(); n != 401 {
			t.Fatalf("%d lines 100 ms after 400 events came live", n)
		}
		if n := store.Snapshot().Version() - before; n > 2 {
			t.Fatalf("400 events at once made %d snapshots", n)
		}
		time.Sleep(time.Hour)
		if n := p.asked.Load(); n != 61 {
			t.Errorf("one that watches was asked %d times in an hour, want every minute", n)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}
