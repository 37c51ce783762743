package tui

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// heap is a source of n changes over a day, of which a timeline only keeps the rows.
type heap struct{ n int }

func (h heap) change(i int) *providers.Change {
	return &providers.Change{
		ID: fmt.Sprintf("m%07d", i), Provider: "heap", Kind: providers.Kinds()[i%6], Service: fmt.Sprintf("service-%d", i%200), Environment: "prod",
		Title: "Something was changed by somebody", EffectiveFrom: at("00:00:00").Add(time.Duration(i) * 50 * time.Millisecond),
	}
}

func (h heap) Rows(context.Context, providers.Window) iter.Seq2[[]providers.Row, error] {
	return func(yield func([]providers.Row, error) bool) {
		batch := make([]providers.Row, 0, 1000)
		for i := range h.n {
			r := timeline.RowOf(providers.Event{Change: h.change(i)})
			r.Ref = uint64(i)
			if batch = append(batch, r); len(batch) == cap(batch) {
				if !yield(batch, nil) {
					return
				}
				batch = batch[:0]
			}
		}
		yield(batch, nil)
	}
}

func (h heap) Load(ref uint64) (providers.Event, error) {
	return providers.Event{Change: h.change(int(ref))}, nil
}

// million is a console that shows a million changes.
func million(tb testing.TB, n int) *world {
	w := newWorld(tb, func(o *Options, f *fake) {
		store := timeline.New(func() time.Time { return at("14:20:31") })
		store.Put("deploys", bakery()...)
		if err := store.Index(tb.Context(), "heap", heap{n}, providers.Window{}); err != nil {
			tb.Fatal(err)
		}
		f.st.Snapshot = store.Snapshot()
	})
	w.do(execute(w.m.console, "window all"))
	w.press("g")
	return w
}

// A key, the frame after it, and the loading of the lines that came into sight.
func BenchmarkKeyToFrame(b *testing.B) {
	w := million(b, 1_000_000)
	keys := []string{"j", "j", "j", "k", "ctrl+f", "j", "G", "k", "g", "ctrl+d"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.press(keys[i%len(keys)])
		_ = w.screen()
	}
}

// The frame alone, composed anew.
func BenchmarkView(b *testing.B) {
	w := million(b, 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		w.m.dirty = true
		_ = w.m.View()
	}
}

// A new state with the frame after it.
func BenchmarkStateToFrame(b *testing.B) {
	w := million(b, 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		w.send(stateMsg{w.f.st})
		_ = w.screen()
	}
}

// What is not in memory is loaded when it comes into sight, and only that.
func TestIndexedLinesAreLoadedWhenSeen(t *testing.T) {
	w := million(t, 3000)
	w.press("G")
	e := w.m.home().current()
	if !e.loaded || e.what != "Something was changed by somebody" || e.change == nil {
		t.Errorf("the line under the cursor is %+v", e)
	}
	if n := len(w.m.board.decoded); n == 0 || n > 100 {
		t.Errorf("%d lines were loaded", n)
	}
	w.press("r")
	if got := w.m.top().Title(); got != "PLAN "+e.handle() {
		t.Errorf("r opened %q", got)
	}
}
