package timeline_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// rowsOnly is an Indexer whose rows are in memory already.
type rowsOnly [][]providers.Row

func (r rowsOnly) Rows(context.Context, providers.Window) iter.Seq2[[]providers.Row, error] {
	return func(yield func([]providers.Row, error) bool) {
		for _, b := range r {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (r rowsOnly) Load(uint64) (providers.Event, error) {
	return providers.Event{}, providers.ErrNotFound
}

// interleaved are k sources with n rows in all, a second apart.
func interleaved(n, k int) []*rowsOnly {
	out := make([]*rowsOnly, k)
	for i := range out {
		out[i] = &rowsOnly{}
		var rows []providers.Row
		for j := i; j < n; j += k {
			at := noon.Add(time.Duration(j) * time.Second)
			rows = append(rows, providers.Row{
				At: at.UnixNano(), End: at.Add(time.Minute).UnixNano(), Ref: uint64(j), ID: fmt.Sprintf("ev-%07d", j), Alert: j%8 == 0,
				Kind: providers.Kinds()[j%9], Service: fmt.Sprint("service-", j%40), Environment: "prod", Unit: fmt.Sprint("unit-", j%200),
			})
			if len(rows) == 1000 || j+k >= n {
				*out[i], rows = append(*out[i], rows), nil
			}
		}
	}
	return out
}

func filledStore(b *testing.B, all []*rowsOnly) *timeline.Store {
	b.Helper()
	s := timeline.New(clock)
	for i, src := range all {
		if err := s.Index(b.Context(), fmt.Sprint("source-", i), src, providers.Window{}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkIndex takes in a million rows, of one source and of five that are merged one after the other.
func BenchmarkIndex(b *testing.B) {
	for _, k := range []int{1, 5} {
		b.Run(fmt.Sprintf("sources=%d", k), func(b *testing.B) {
			all := interleaved(1_000_000, k)
			b.ReportAllocs()
			for b.Loop() {
				filledStore(b, all)
			}
			b.ReportMetric(1_000_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkQuery(b *testing.B) {
	s := filledStore(b, interleaved(1_000_000, 5))
	hours := func(n int) providers.Window {
		end := noon.Add(1_000_000 * time.Second)
		return providers.Window{Since: end.Add(-time.Duration(n) * time.Hour), Until: end}
	}
	for name, q := range map[string]timeline.Query{
		"window":   {Window: hours(2)},
		"filtered": {Window: hours(2), Kinds: providers.Kinds()[:2], Services: []string{"service-1"}, Environment: "prod"},
		"words":    {Window: hours(2), Text: "service-1 deploy"},
		"all":      {},
		"changes":  {Changes: true},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Snapshot().Query(q).Len()
			}
		})
	}
	b.Run("row", func(b *testing.B) {
		v := s.Snapshot().Query(timeline.Query{})
		for b.Loop() {
			v.Row(v.Len() / 2)
		}
	})
	b.Run("lanes", func(b *testing.B) {
		for b.Loop() {
			s.Snapshot().Lanes(hours(2), 100)
		}
	})
}

// BenchmarkPut puts one late event into a million.
func BenchmarkPut(b *testing.B) {
	s := filledStore(b, interleaved(1_000_000, 5))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Put("live", providers.Event{Change: &providers.Change{ID: fmt.Sprint("late-", i), LandedAt: noon.Add(time.Duration(i*977%1_000_000) * time.Second)}})
	}
}

// BenchmarkIncidents forms the incidents of 125,000 alerts anew.
func BenchmarkIncidents(b *testing.B) {
	s := filledStore(b, interleaved(1_000_000, 5))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Put("live", providers.Event{Alert: &providers.Alert{ID: fmt.Sprint("late-", i), StartsAt: noon}})
		s.Snapshot().Incidents()
	}
}
