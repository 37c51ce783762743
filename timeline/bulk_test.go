package timeline_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// shelf is an Indexer over events in memory, yielded in batches.
type shelf struct {
	events []providers.Event
	batch  int
}

func (s *shelf) Rows(ctx context.Context, _ providers.Window) iter.Seq2[[]providers.Row, error] {
	return func(yield func([]providers.Row, error) bool) {
		var rows []providers.Row
		flush := func() bool {
			slices.SortStableFunc(rows, func(a, b providers.Row) int { return int(a.At - b.At) })
			ok := yield(rows, ctx.Err())
			rows = rows[:0]
			return ok
		}
		for i, ev := range s.events {
			r := timeline.RowOf(ev)
			r.Ref = uint64(i)
			rows = append(rows, r)
			if len(rows) == s.batch && !flush() {
				return
			}
		}
		flush()
	}
}

func (s *shelf) Load(ref uint64) (providers.Event, error) { return s.events[ref], nil }

// TestIndexedRowsAreLikeDecodedOnes puts the same reports in decoded and indexed, in any order, and some twice.
func TestIndexedRowsAreLikeDecodedOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := reports(t)
		for _, r := range all {
			if r.event.Change != nil { // rows do not tell it
				r.event.Change.Within = nil
			}
		}
		want, got := timeline.New(clock), timeline.New(clock)
		shelves := map[string]*shelf{}
		for _, r := range all {
			want.Put(r.provider, r.event)
		}
		for _, r := range rapid.Permutation(all).Draw(t, "order") {
			if rapid.IntRange(0, 4).Draw(t, "decoded") == 0 {
				got.Put(r.provider, r.event)
				continue
			}
			if shelves[r.provider] == nil {
				shelves[r.provider] = &shelf{batch: rapid.IntRange(1, 9).Draw(t, "batch")}
			}
			shelves[r.provider].events = append(shelves[r.provider].events, r.event)
		}
		for _, name := range []string{"argo", "git", "releases"} {
			if sh := shelves[name]; sh != nil {
				if rapid.Bool().Draw(t, "again") {
					sh.events = append(sh.events, sh.events...)
				}
				if err := got.Index(t.Context(), name, sh, providers.Window{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if d := cmp.Diff(plain(t, want.Snapshot()), plain(t, got.Snapshot())); d != "" {
			t.Fatal(d)
		}
	})
}

// plain is what a snapshot shows whether or not its events are in memory.
func plain(t rapid.TB, s *timeline.Snapshot) []string {
	v := s.Query(timeline.Query{})
	var out []string
	for i := range v.Len() {
		r := v.Row(i)
		ev, err := v.Event(i)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Change != nil {
			out = append(out, fmt.Sprintf("%s %s %s %+v", r.At, r.ID, r.Provider, *ev.Change))
		} else {
			out = append(out, fmt.Sprintf("%s %s %s %+v", r.At, r.ID, r.Provider, *ev.Alert))
		}
	}
	return out
}

func TestLastIndexedVersionHolds(t *testing.T) {
	s := timeline.New(clock)
	open := providers.Alert{ID: "a", StartsAt: noon}
	ended := open
	ended.EndsAt = noon.Add(time.Minute)
	moved := ended
	moved.StartsAt = noon.Add(-time.Hour)
	for range 2 {
		sh := &shelf{batch: 1, events: []providers.Event{{Alert: &open}, {Alert: &moved}, {Alert: &ended}}}
		if err := s.Index(t.Context(), "feed", sh, providers.Window{}); err != nil {
			t.Fatal(err)
		}
		alerts := s.Snapshot().Alerts(providers.Window{})
		if len(alerts) != 1 || !alerts[0].EndsAt.Equal(ended.EndsAt) || !alerts[0].StartsAt.Equal(noon) {
			t.Fatalf("want the last version alone, got %+v", alerts)
		}
	}
	newest := ended
	newest.Summary = "indexed after it was put"
	s.Put("feed", providers.Event{Alert: &moved})
	if err := s.Index(t.Context(), "feed", &shelf{batch: 1, events: []providers.Event{{Alert: &newest}}}, providers.Window{}); err != nil {
		t.Fatal(err)
	}
	if got := s.Snapshot().Alerts(providers.Window{}); len(got) != 1 || got[0].Summary != newest.Summary {
		t.Fatalf("want the version that was indexed last, got %+v", got)
	}
	later := ended
	later.Summary = "put after it was indexed"
	s.Put("feed", providers.Event{Alert: &later})
	if got := s.Snapshot().Alerts(providers.Window{}); len(got) != 1 || got[0].Summary != later.Summary {
		t.Fatalf("want the decoded version alone, got %+v", got)
	}
}

func TestSnapshotsDoNotChange(t *testing.T) {
	s := timeline.New(clock)
	for i := range 5000 {
		c := providers.Change{ID: fmt.Sprint(i), LandedAt: noon.Add(time.Duration(i*7919%5000) * time.Second)}
		s.Put("git", providers.Event{Change: &c})
		if i != 2500 {
			continue
		}
		before := s.Snapshot()
		shown := plain(t, before)
		defer func() {
			if d := cmp.Diff(shown, plain(t, before)); d != "" {
				t.Error("an old snapshot changed", d)
			}
		}()
	}
	v := s.Snapshot().Query(timeline.Query{})
	if v.Len() != 5000 {
		t.Fatalf("%d lines of 5000", v.Len())
	}
	for i := 1; i < v.Len(); i++ {
		if v.Row(i).At.After(v.Row(i - 1).At) {
			t.Fatalf("line %d is newer than the one above it", i)
		}
	}
}
