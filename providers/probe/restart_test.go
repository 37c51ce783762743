package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

// service answers within the bubble, in no time, and counts how often it was asked.
type service struct {
	down  atomic.Bool
	asked atomic.Int64
	slow  atomic.Int64 // nanoseconds that an answer takes
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	select {
	case <-time.After(time.Duration(s.slow.Load())):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	status := http.StatusOK
	if s.down.Load() {
		status = http.StatusServiceUnavailable
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

// process is the provider as a process of its own would have it: nothing in memory, the archive shared.
func process(t *testing.T, a providers.Archive, s *service, interval time.Duration) *Provider {
	t.Helper()
	text := fmt.Sprintf("checks: [{name: up, service: pricing, http: 'http://pricing/', interval: %s}]", interval)
	env := providers.Environment{Name: "probes", Environment: "prod", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: a}
	p, err := build(env, func(into any) error { return yaml.NewDecoder(strings.NewReader(text)).Decode(into) })
	if err != nil {
		t.Fatal(err)
	}
	p.(*Provider).ask.http.Transport = s
	return p.(*Provider)
}

func alerts(t *testing.T, ctx context.Context, p *Provider) []providers.Alert {
	t.Helper()
	var all []providers.Alert
	for a, err := range p.Alerts(ctx, providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// one wants exactly one alert.
func one(t *testing.T, ctx context.Context, p *Provider) providers.Alert {
	t.Helper()
	all := alerts(t, ctx, p)
	if len(all) != 1 {
		t.Fatalf("%d alerts, want one: %+v", len(all), all)
	}
	return all[0]
}

// reported runs a watch until ctx ends and gives what it said.
func reported(ctx context.Context, p *Provider) func() []providers.Alert {
	var all []providers.Alert
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range p.Watch(ctx) {
			all = append(all, *e.Alert)
		}
	}()
	return func() []providers.Alert { <-ended; return all }
}

// stands compares what makes an alert the same one, and how it stands.
func stands(t *testing.T, when string, got, want providers.Alert) {
	t.Helper()
	if got.ID != want.ID || got.State != want.State || !got.StartsAt.Equal(want.StartsAt) || !got.EndsAt.Equal(want.EndsAt) || got.Summary != want.Summary {
		t.Fatalf("%s: %+v, want %+v", when, got, want)
	}
}

func TestAnAlertIsTheSameInEveryProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		start := time.Now()
		if all := alerts(t, t.Context(), process(t, book, s, 5*time.Second)); len(all) != 0 || s.asked.Load() != 1 || time.Since(start) != 0 {
			t.Fatalf("%d alerts of a check that is well, after %d attempts and %s; want none, one, and no wait", len(all), s.asked.Load(), time.Since(start))
		}
		s.down.Store(true)
		a := one(t, t.Context(), process(t, book, s, 5*time.Second))
		if a.State != providers.AlertFiring || !a.StartsAt.Equal(start) || s.asked.Load() != 4 || time.Since(start) != 10*time.Second {
			t.Fatalf("%+v after %d attempts and %s, want firing from the first of three, five seconds apart", a, s.asked.Load()-1, time.Since(start))
		}
		time.Sleep(time.Hour)
		stands(t, "an hour later", one(t, t.Context(), process(t, book, s, 5*time.Second)), a)
		if n := s.asked.Load() - 4; n != 1 {
			t.Fatalf("%d attempts to see that it still fails, want one", n)
		}
		s.down.Store(false)
		a.State, a.EndsAt = providers.AlertResolved, time.Now()
		stands(t, "well again", one(t, t.Context(), process(t, book, s, 5*time.Second)), a)
		if d := time.Since(a.EndsAt); d != 5*time.Second {
			t.Fatalf("known to be over after %s, want two successes", d)
		}
		time.Sleep(time.Hour)
		stands(t, "another hour later", one(t, t.Context(), process(t, book, s, 5*time.Second)), a)
	})
}

func TestWhatThereWasNoTimeToFindOutIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		s.down.Store(true)
		a := one(t, t.Context(), process(t, book, s, 5*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // less than the interval between two successes
		defer cancel()
		s.down.Store(false)
		if b := one(t, ctx, process(t, book, s, 5*time.Second)); b.ID != a.ID || b.State != providers.AlertUnknown || !b.EndsAt.IsZero() {
			t.Fatalf("after one success of two: %+v, want unknown", b)
		}
		s.slow.Store(int64(time.Hour))
		hung, cancelHung := context.WithTimeout(t.Context(), 4*time.Second) // less than the check's own limit
		defer cancelHung()
		if b := one(t, hung, process(t, book, s, 5*time.Second)); b.ID != a.ID || b.State != providers.AlertUnknown || hung.Err() != nil {
			t.Fatalf("without an answer: %+v, want unknown while there is still time to say it", b)
		}
		s.slow.Store(0)
		s.down.Store(true)
		short, cancelShort := context.WithTimeout(t.Context(), time.Second)
		defer cancelShort()
		if b := one(t, short, process(t, book, s, 5*time.Second)); b.ID != a.ID || b.State != providers.AlertFiring {
			t.Fatalf("after one failure: %+v, want firing", b)
		}
	})
}

func TestAWatchAndAReadShareTheirAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		s.down.Store(true)
		old := one(t, t.Context(), process(t, book, s, 5*time.Second))
		s.asked.Store(0)
		p := process(t, book, s, 5*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		said := reported(ctx, p)
		for range 4 {
			go func() {
				for range p.Alerts(ctx, providers.Window{}) { // what it says is for other tests
					continue
				}
			}()
		}
		go p.AlertStates(ctx, []providers.AlertQuery{{ID: old.ID}})
		time.Sleep(time.Minute + time.Second)
		if n := s.asked.Load(); n < 12 || n > 13 {
			t.Errorf("asked %d times in a minute, want every five seconds whoever wants to know", n)
		}
		s.down.Store(false)
		time.Sleep(time.Minute)
		cancel()
		all := said()
		if len(all) != 2 || all[0].ID != old.ID || all[0].State != providers.AlertFiring || all[1].State != providers.AlertResolved {
			t.Fatalf("the watch said %+v, want the alert of the process before, firing and then resolved", all)
		}
	})
}

func TestTwoProcessesAgreeWhileBothWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		first, second := process(t, book, s, 5*time.Second), process(t, book, s, 7*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		firstSaid, secondSaid := reported(ctx, first), reported(ctx, second)
		for range 5 {
			s.down.Store(true)
			time.Sleep(time.Minute)
			s.down.Store(false)
			time.Sleep(time.Minute)
		}
		a, b := alerts(t, ctx, first), alerts(t, ctx, second)
		cancel()
		for _, all := range [][]providers.Alert{a, b} {
			if len(all) != 5 {
				t.Fatalf("%d alerts of five outages: %+v", len(all), all)
			}
		}
		for i := range a {
			if a[i].ID != b[i].ID || !a[i].EndsAt.Equal(b[i].EndsAt) || a[i].State != providers.AlertResolved {
				t.Errorf("one says %+v, the other %+v", a[i], b[i])
			}
		}
		for _, said := range [][]providers.Alert{firstSaid(), secondSaid()} {
			if len(said) != 10 || said[0].ID != a[0].ID || said[9].ID != a[4].ID {
				t.Errorf("a watch said %d things, want each alert's start and end: %+v", len(said), said)
			}
		}
	})
}

// racing opens an alert of another process in the very moment in which this one writes its own for the first time.
type racing struct {
	providers.Archive
	other providers.Alert
	once  sync.Once
}

func (r *racing) Put(ctx context.Context, provider, key string, data []byte) error {
	r.once.Do(func() {
		text := strings.Replace(string(data), "[", `[{"id":"`+r.other.ID+`","starts_at":"`+r.other.StartsAt.Format(time.RFC3339Nano)+`","state":"firing"},`, 1)
		data = []byte(text)
	})
	return r.Archive.Put(ctx, provider, key, data)
}

func TestOfTwoAlertsOpenedAtOnceTheEarlierStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		s.down.Store(true)
		early := time.Now().Add(-time.Second).UTC()
		book := &racing{Archive: &providertest.Archive{}, other: providers.Alert{ID: "up@" + early.Format(idTime), StartsAt: early}}
		all := alerts(t, t.Context(), process(t, book, s, 5*time.Second))
		i := slices.IndexFunc(all, func(a providers.Alert) bool { return a.State == providers.AlertFiring })
		if len(all) != 2 || i < 0 || all[i].ID != book.other.ID || all[1-i].State != providers.AlertResolved {
			t.Fatalf("%+v, want the earlier one firing and this process's own ended", all)
		}
		if a := alerts(t, t.Context(), process(t, book, s, 5*time.Second)); len(a) != 2 || a[1].ID != book.other.ID || a[1].State != providers.AlertFiring {
			t.Fatalf("the next process says %+v", a)
		}
	})
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		p := process(t, book, s, time.Second)
		var old []providers.Alert
		for i := range maxKept {
			at := time.Now().Add(time.Duration(i) * time.Second).UTC()
			old = append(old, providers.Alert{ID: "up@" + at.Format(idTime), StartsAt: at, EndsAt: at.Add(time.Second), State: providers.AlertResolved})
		}
		data, err := json.Marshal(old)
		if err == nil {
			err = book.Put(t.Context(), "probes", p.checks[0].key(), data)
		}
		if err != nil {
			t.Fatal(err)
		}
		outage := func() {
			time.Sleep(time.Hour)
			s.down.Store(true)
			alerts(t, t.Context(), p)
			s.down.Store(false)
			time.Sleep(time.Minute)
			alerts(t, t.Context(), p)
		}
		outage()
		if all := alerts(t, t.Context(), process(t, book, s, time.Second)); len(all) != maxKept || all[0].ID != old[1].ID {
			t.Fatalf("%d alerts are kept, the first is %s; want %d without the oldest", len(all), all[0].ID, maxKept)
		}
		time.Sleep(keepFor)
		outage()
		if all := alerts(t, t.Context(), process(t, book, s, time.Second)); len(all) != 1 {
			t.Fatalf("%d alerts are kept a month later, want the new one", len(all))
		}
	})
}

func TestADamagedArchiveLosesNothingThatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		p := process(t, book, s, time.Second)
		if err := book.Put(t.Context(), "probes", p.checks[0].key(), []byte(`[{"id":`)); err != nil {
			t.Fatal(err)
		}
		s.down.Store(true)
		a := one(t, t.Context(), p)
		if b := one(t, t.Context(), process(t, book, s, time.Second)); a.ID != b.ID {
			t.Fatalf("%s in one process, %s in the next", a.ID, b.ID)
		}
	})
}
