package timeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// skewed is a source whose clock is off.
type skewed struct {
	scripted
	by time.Duration
}

func (p *skewed) Health() providers.Health { return providers.Health{Provider: p.name, Skew: p.by} }

func TestAHealthLineTellsOfAClockThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, feed, stop := running(t, timeline.FeedOptions{},
			&skewed{scripted{name: "ahead", changes: says("c1")}, 10 * time.Minute},
			&skewed{scripted{name: "behind", changes: says("c1")}, -40 * time.Second},
			&skewed{scripted{name: "right", changes: says("c1")}, time.Second})
		<-feed.Backfilled()
		for name, want := range map[string]string{
			"ahead":  "its clock is 10 min ahead of ours: its times mislead",
			"behind": "its clock is 40 s behind ours: its times mislead", "right": "",
		} {
			if h := health(feed, name); h.State != providers.HealthOK || h.Detail != want {
				t.Errorf("%s: %+v, want %q", name, h, want)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAHealthLineSaysWhyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("connection refused: is 127.0.0.1:9093 up?")
		p := &live{
			scripted{name: "alerts", changes: fails(gone)},
			func(ctx context.Context, yield func(providers.Event, error) bool) {
				yield(providers.Event{}, gone)
				<-ctx.Done()
			},
		}
		_, feed, stop := running(t, timeline.FeedOptions{}, p)
		<-feed.Backfilled()
		synctest.Wait()
		if h := health(feed, "alerts"); h.State != providers.HealthFailing || h.Detail != gone.Error() {
			t.Errorf("%+v", h)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// quiet is a source that tells its own health and whose live feed fails once and then has nothing to tell.
type quiet struct {
	live
	vitals *providers.Vitals
}

func (p *quiet) Health() providers.Health { return p.vitals.Health() }

func TestALiveFeedThatIsWellAgainIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vitals := providers.NewVitals("alerts", time.Now, 0)
		p := &quiet{live{
			scripted{name: "alerts", changes: says("c1")},
			func(ctx context.Context, yield func(providers.Event, error) bool) {
				time.Sleep(10 * time.Second)
				vitals.Done(time.Now(), errors.New("500"))
				yield(providers.Event{}, errors.New("500"))
				time.Sleep(10 * time.Second)
				vitals.Done(time.Now(), nil)
				<-ctx.Done()
			},
		}, vitals}
		_, feed, stop := running(t, timeline.FeedOptions{}, p)
		time.Sleep(15 * time.Second)
		if h := health(feed, "alerts"); h.State != providers.HealthFailing || h.Detail != "500, last answer 15 s ago" {
			t.Errorf("while it fails: %+v", h)
		}
		time.Sleep(10 * time.Second)
		if h := health(feed, "alerts"); h.State != providers.HealthOK {
			t.Errorf("well again: %+v", h)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
