package providertest

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest/conformance"
)

func (s Suite) health(t *testing.T) {
	r := &conformance.Report{}
	r.Health(fresh(t, s.New))
	report(t, r)
}

func (s Suite) events(t *testing.T) {
	p := fresh(t, s.New)
	ctx, r := bounded(t), &conformance.Report{}
	for _, stream := range conformance.Streams(p) {
		inside := r.Events(ctx, stream, s.Window)
		all := r.Events(ctx, stream, s.Wide)
		if slices.Contains(s.Empty, stream.Name) {
			continue
		}
		if inside == 0 {
			t.Errorf("%s: nothing in the suite's window, so that the rules were tried on nothing", stream.Name)
		}
		if all <= inside {
			t.Errorf("%s: %d events in the wide window, %d in the window: nothing shows that the window is honoured", stream.Name, all, inside)
		}
	}
	r.Others(ctx, p, s.Window)
	r.Rows(ctx, p, s.Window)
	report(t, r)
}

func (s Suite) early(t *testing.T) {
	p := fresh(t, s.New)
	r := &conformance.Report{}
	for _, stream := range conformance.Streams(p) {
		r.Early(bounded(t), stream, s.Wide)
	}
	if x, ok := p.(providers.Indexer); ok {
		for _, err := range x.Rows(bounded(t), s.Wide) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
	report(t, r)
}

func (s Suite) cancel(t *testing.T) { s.cancelled(t, s.New) }

func (s Suite) hang(t *testing.T) { s.cancelled(t, s.Hang) }

func (s Suite) cancelled(t *testing.T, make func(t *testing.T) providers.Provider) {
	p := fresh(t, make)
	ctx, r := bounded(t), &conformance.Report{}
	for _, stream := range conformance.Streams(p) {
		r.Cancel(ctx, stream, s.Wide)
	}
	r.Asks(ctx, p, s.Wide)
	r.Watch(ctx, p)
	r.Health(p)
	report(t, r)
}

// concurrent reads one provider from several goroutines, which must all see the same; under -race it finds shared state.
func (s Suite) concurrent(t *testing.T) {
	p := fresh(t, s.New)
	ctx := bounded(t)
	for _, stream := range conformance.Streams(p) {
		var wg sync.WaitGroup
		results := make([]string, 4)
		for i := range results {
			wg.Go(func() {
				results[i] = ids(ctx, stream, s.Window)
				_ = p.Health()
			})
		}
		wg.Wait()
		for _, got := range results[1:] {
			if got != results[0] {
				t.Errorf("%s: two readers at the same time saw different events:\n%s\n%s", stream.Name, results[0], got)
			}
		}
	}
}

func ids(ctx context.Context, s conformance.Stream, w providers.Window) string {
	var all []string
	for e, err := range s.Read(ctx, w) {
		if err != nil {
			return "error: " + err.Error()
		}
		all = append(all, conformance.ID(e))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

// memory compares the live heap, after a collection, at several places of a long stream.
func (s Suite) memory(t *testing.T) {
	p := fresh(t, s.Big)
	limit := s.BigLimit
	if limit == 0 {
		limit = 64 << 20
	}
	total, base := 0, liveHeap()
	for _, stream := range conformance.Streams(p) {
		n := 0
		for _, err := range stream.Read(bounded(t), s.Wide) {
			if err != nil {
				t.Fatalf("%s after %d events: %v", stream.Name, n, err)
			}
			if n++; n == 1 || n%20_000 == 0 {
				if now := liveHeap(); now > base+limit {
					t.Fatalf("%s: the live heap grew by %d MiB after %d events, limit %d MiB", stream.Name, (now-base)>>20, n, limit>>20)
				}
			}
		}
		total += n
	}
	if total < s.BigEvents {
		t.Errorf("%d events, the suite asked for at least %d", total, s.BigEvents)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// firstError reads until the first error and checks that the sequence ends with it.
func firstError(t *testing.T, name string, seq iter.Seq2[providers.Event, error]) error {
	t.Helper()
	var first error
	for _, err := range seq {
		if first != nil {
			t.Errorf("%s: the sequence went on after %v", name, first)
			break
		}
		first = err
	}
	return first
}
