package timeline_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon.Add(48 * time.Hour) }

// report is an event as one provider told it.
type report struct {
	provider string
	event    providers.Event
}

func reports(t *rapid.T) []report {
	n := rapid.IntRange(0, 60).Draw(t, "n")
	out := make([]report, 0, n)
	seen := map[string]bool{}
	for range n {
		provider := rapid.SampledFrom([]string{"git", "releases", "argo"}).Draw(t, "provider")
		id := fmt.Sprint("e", rapid.IntRange(0, 40).Draw(t, "id"))
		if seen[provider+id] {
			continue
		}
		seen[provider+id] = true
		at := noon.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "minute")) * time.Minute)
		if rapid.IntRange(0, 4).Draw(t, "sort") == 0 {
			a := &providers.Alert{ID: id, Name: "a" + id, Service: service(t), StartsAt: at}
			if rapid.Bool().Draw(t, "ended") {
				a.EndsAt = at.Add(3 * time.Minute)
			}
			out = append(out, report{provider, providers.Event{Alert: a}})
			continue
		}
		c := &providers.Change{ID: id, Title: provider + " " + id, Service: service(t), Kind: providers.KindDeploy}
		if rapid.Bool().Draw(t, "landed") {
			c.LandedAt = at
		}
		if rapid.Bool().Draw(t, "effective") {
			c.EffectiveFrom = at.Add(time.Minute)
		}
		c.Commit = rapid.SampledFrom([]string{"", "c1", "c2", "c3"}).Draw(t, "commit")
		if rapid.Bool().Draw(t, "digest") {
			c.Artifacts = []string{rapid.SampledFrom([]string{"d1", "d2"}).Draw(t, "artifact")}
		}
		if rapid.Bool().Draw(t, "delivery") {
			c.Delivers = rapid.SampledFrom([]string{"", "release a", "release b"}).Draw(t, "delivers")
			c.Within = rapid.SliceOfN(rapid.SampledFrom([]string{"release a", "release b"}), 0, 2).Draw(t, "within")
		}
		out = append(out, report{provider, providers.Event{Change: c}})
	}
	return out
}

func service(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "pricing", "orders"}).Draw(t, "service")
}

// picture is everything that a snapshot shows, as bytes.
func picture(t rapid.TB, s *timeline.Snapshot) string {
	v := s.Query(timeline.Query{})
	rows := make([]timeline.Row, v.Len())
	events := make([]providers.Event, v.Len())
	for i := range rows {
		rows[i] = v.Row(i)
		ev, err := v.Event(i)
		if err != nil {
			t.Fatal(err)
		}
		events[i] = ev
	}
	b, err := json.Marshal([]any{rows, events, s.Changes(providers.Window{}), s.Alerts(providers.Window{}), s.Lanes(providers.Window{}, 10), s.Len()})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := reports(t)
		one := timeline.New(clock)
		for _, r := range all {
			one.Put(r.provider, r.event)
		}
		other := timeline.New(clock)
		for _, r := range rapid.Permutation(all).Draw(t, "order") {
			other.Put(r.provider, r.event)
			if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
				other.Put(r.provider, r.event)
			}
		}
		if d := cmp.Diff(picture(t, one.Snapshot()), picture(t, other.Snapshot())); d != "" {
			t.Fatal(d)
		}
	})
}

func TestReplacedAndRetractedReportsLeaveNoTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		final := reports(t)
		want, got := timeline.New(clock), timeline.New(clock)
		for _, r := range final {
			want.Put(r.provider, r.event)
		}
		for _, r := range reports(t) { // earlier versions, and some that will be taken back
			got.Put(r.provider, r.event)
			if rapid.Bool().Draw(t, "replace") {
				for _, f := range final {
					got.Put(f.provider, f.event)
				}
			}
		}
		v := got.Snapshot().Query(timeline.Query{})
		for i := v.Len() - 1; i >= 0; i-- {
			ev, _ := v.Event(i)
			if ev.Change != nil {
				for _, src := range sources(ev.Change) {
					got.Retract(src.Provider, src.ID)
				}
			} else {
				got.Retract(ev.Alert.Provider, ev.Alert.ID)
			}
		}
		if n := got.Snapshot().Len(); n != 0 {
			t.Fatalf("%d lines stay after everything was retracted", n)
		}
		for _, r := range final {
			got.Put(r.provider, r.event)
		}
		if d := cmp.Diff(picture(t, want.Snapshot()), picture(t, got.Snapshot())); d != "" {
			t.Fatal(d)
		}
	})
}

func sources(c *providers.Change) []providers.Source {
	if len(c.Sources) > 0 {
		return c.Sources
	}
	return []providers.Source{{Provider: c.Provider, ID: c.ID}}
}
