package main

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// ready is an Indexer whose rows are in memory already: what it takes is the store's time alone.
type ready struct{ batches [][]providers.Row }

func (r *ready) Rows(context.Context, providers.Window) iter.Seq2[[]providers.Row, error] {
	return func(yield func([]providers.Row, error) bool) {
		for _, b := range r.batches {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (r *ready) Load(uint64) (providers.Event, error) {
	return providers.Event{}, providers.ErrNotFound
}

var firstEvent = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// sources are k Indexers with n rows in all, interleaved in time, two seconds apart.
func sources(n, k int) []*ready {
	const batch = 4096
	kinds := providers.Kinds()
	out := make([]*ready, k)
	for i := range out {
		out[i] = &ready{}
		var rows []providers.Row
		for j := i; j < n; j += k {
			rows = append(rows, providers.Row{
				At: firstEvent.Add(time.Duration(j) * 2 * time.Second).UnixNano(), Ref: uint64(j), ID: fmt.Sprintf("ev-%07d", j),
				Kind: kinds[j%len(kinds)], Service: fmt.Sprint("service-", j%40), Environment: "prod", Unit: fmt.Sprint("unit-", j%200),
				Alert: j%8 == 0, End: firstEvent.Add(time.Duration(j)*2*time.Second + 5*time.Minute).UnixNano(),
			})
			if len(rows) == batch || j+k >= n {
				out[i].batches, rows = append(out[i].batches, rows), nil
			}
		}
	}
	return out
}

// filled is a store with n rows of k sources, and how long it took to take them in.
func filled(ctx context.Context, n, k int) (*timeline.Store, time.Duration, error) {
	all := sources(n, k)
	runtime.GC()
	s := timeline.New(func() time.Time { return firstEvent.Add(time.Duration(n) * 2 * time.Second) })
	start := time.Now()
	for i, src := range all {
		if err := s.Index(ctx, fmt.Sprint("source-", i), src, providers.Window{}); err != nil {
			return nil, 0, err
		}
	}
	return s, time.Since(start), nil
}

// timed takes the time of each call.
func timed(calls int, fn func(i int)) []time.Duration {
	took := make([]time.Duration, calls)
	for i := range took {
		start := time.Now()
		fn(i)
		took[i] = time.Since(start)
	}
	return took
}

// worst is the time that 95 of 100 calls stay under.
func worst(calls int, fn func(i int)) time.Duration { return percentile(timed(calls, fn), 95) }

func median(took []time.Duration) time.Duration { return percentile(took, 50) }

// percentile is the time that so many of a hundred stay under.
func percentile(took []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)*p/100]
}

func timelineMeasurements(s settings) []measurement {
	n := s.events
	var store *timeline.Store
	end := firstEvent.Add(time.Duration(n) * 2 * time.Second)
	what := fmt.Sprintf("timeline of %d events: ", n)
	last := func(d time.Duration) providers.Window { return providers.Window{Since: end.Add(-d), Until: end} }
	within := func(calls int, fn func(i int)) (result, error) {
		d := worst(calls, fn)
		return result{value: ms(d), within: d <= time.Millisecond, note: fmt.Sprintf("p95 of %d", calls)}, nil
	}
	return []measurement{
		{what + "index and merge five sources, one core", "1,000,000/s", func(ctx context.Context, _ string) (result, error) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			var took time.Duration
			var err error
			if store, took, err = filled(ctx, n, 5); err != nil {
				return result{}, err
			}
			rate := float64(n) / took.Seconds()
			return result{value: fmt.Sprintf("%.0f/s", rate), within: rate >= 1e6, note: "rows in memory to snapshot"}, nil
		}},
		{what + "snapshot and two-hour window", "1 ms", func(context.Context, string) (result, error) {
			return within(1000, func(int) { store.Snapshot().Query(timeline.Query{Window: last(2 * time.Hour)}).Len() })
		}},
		{what + "the same, filtered by kind, service and environment", "1 ms", func(context.Context, string) (result, error) {
			q := timeline.Query{Window: last(2 * time.Hour), Kinds: providers.Kinds()[:2], Services: []string{"service-1", "service-3"}, Environment: "prod"}
			return within(1000, func(int) { store.Snapshot().Query(q).Len() })
		}},
		{what + "everything in one window", "1 ms", func(context.Context, string) (result, error) {
			return within(1000, func(int) { store.Snapshot().Query(timeline.Query{}).Len() })
		}},
		{what + "a screen of rows", "1 ms", func(context.Context, string) (result, error) {
			v := store.Snapshot().Query(timeline.Query{})
			return within(1000, func(i int) {
				for j := range rows {
					v.Row((i*7919 + j) % v.Len())
				}
			})
		}},
		{what + "lanes of two hours, 100 columns", "1 ms", func(context.Context, string) (result, error) {
			return within(1000, func(int) { store.Snapshot().Lanes(last(2*time.Hour), 100) })
		}},
		{what + "a late event", "1 ms", func(context.Context, string) (result, error) {
			return within(1000, func(i int) {
				store.Put("live", providers.Event{Change: &providers.Change{ID: fmt.Sprint("late-", i), LandedAt: firstEvent.Add(time.Duration(i*977%n) * time.Second)}})
			})
		}},
	}
}
