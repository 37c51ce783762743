package timeline

import (
	"context"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// reading keeps a provider's reads and its live feed from contradicting each other. The zero value is ready.
type reading struct {
	mu       sync.Mutex
	underWay bool
	heard    map[key]providers.Event // what the live feed reported since the read began
	live     *intake                 // of the live feed, while there is one

	open map[key]bool // the alerts that the last complete read held as not over; used by one read at a time
}

// begin puts what the live feed told until now into the store, so that it does not come in after the answer, which is newer.
func (r *reading) begin() {
	r.mu.Lock()
	r.underWay, r.heard = true, map[key]providers.Event{}
	live := r.live
	r.mu.Unlock()
	if live != nil {
		live.close()
	}
}

// follow makes in the intake of the live feed; nil: there is none.
func (r *reading) follow(in *intake) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = in
}

func (r *reading) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay, r.heard = false, nil
}

// hear notes a report of the live feed.
func (r *reading) hear(k key, ev providers.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay {
		r.heard[k] = ev
	}
}

// put puts what a read says into the store. Where the live feed has told more since the read began, that goes in instead: a
// read that asked first may answer last, and a live report may still wait for others to come. The store is written under
// the lock, so that a live report comes either before, and is seen here, or after, and stands.
func (r *reading) put(s *Store, provider string, events []providers.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		if k, ok := keyOf(provider, &events[i]); ok {
			if live, told := r.heard[k]; told {
				events[i] = live
			}
		}
	}
	s.Put(provider, events...)
}

// events asks a provider once for what happened.
func (l *line) events(ctx context.Context) error {
	o := l.feed.opts
	w := o.Window
	if w == (providers.Window{}) {
		w.Since = o.Now().Add(-o.Backfill).UTC()
	}
	if ix, ok := l.p.(providers.Indexer); ok {
		return l.feed.store.Index(ctx, l.name, ix, w)
	}
	l.reads.begin()
	defer l.reads.end()
	in := l.intake(false)
	defer in.close()
	failed := l.changes(ctx, w, in)
	if err := l.alerts(ctx, w, in); failed == nil {
		failed = err
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

func (l *line) changes(ctx context.Context, w providers.Window, in *intake) error {
	src, ok := l.p.(providers.ChangeSource)
	if !ok {
		return nil
	}
	for c, err := range src.Changes(ctx, w) {
		if err != nil {
			return err
		}
		in.add(providers.Event{Change: &c})
	}
	return ctx.Err()
}

// alerts reads the alerts, and takes back those that a complete answer no longer holds though the last one held them as not
// over: a source gives every alert that was open in the window, ended ones included, so what is missing was never so. A
// provider that watches tells by itself what became of an alert, also when its reads know only what is open.
func (l *line) alerts(ctx context.Context, w providers.Window, in *intake) error {
	src, ok := l.p.(providers.AlertSource)
	if !ok || ctx.Err() != nil {
		return ctx.Err()
	}
	held, open := map[key]bool{}, map[key]bool{}
	now := l.feed.opts.Now()
	for a, err := range src.Alerts(ctx, w) {
		if err != nil {
			return err
		}
		ev := providers.Event{Alert: &a}
		if k, ok := keyOf(l.name, &ev); ok {
			held[k] = true
			if a.StateAt(now) != providers.AlertResolved {
				open[k] = true
			}
		}
		in.add(ev)
	}
	if ctx.Err() != nil {
		return ctx.Err() // it broke off: what is missing says nothing
	}
	if _, ok := l.p.(providers.Watcher); ok {
		return nil
	}
	var gone []key
	for k := range l.reads.open {
		if !held[k] {
			gone = append(gone, k)
			l.feed.opts.Log.Info("alert taken back by its source", "provider", k.provider, "id", k.id)
		}
	}
	if len(gone) > 0 {
		l.feed.store.retractAll(gone)
	}
	l.reads.open = open
	return nil
}
