package kubernetes

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

type yielder = func(providers.Event, error) bool

// take takes in one thing that was heard; false ends the watch.
func (f *feed) take(ctx context.Context, h heard, yield yielder) bool {
	switch {
	case h.err != nil:
		return f.failed(ctx, h, yield)
	case h.complete:
		f.told[h.what] = true
		f.p.allow(h.what)
		f.well(h.what)
		return f.settle(ctx, h.what, yield)
	}
	f.well(h.what)
	if h.deleted {
		return f.removed(h.record, yield)
	}
	if w, ok := h.record.(*workload); ok {
		f.inherit(w)
	}
	before := f.book.put(h.record)
	if !f.isReady() {
		return f.soon(h.record, yield)
	}
	return f.news(before, h.record, yield)
}

// failed puts an error where a person sees it. What may not be read is no failure: the rest goes on.
func (f *feed) failed(ctx context.Context, h heard, yield yielder) bool {
	// An API server that has just come up refuses what it will allow once it has read its rules.
	if providers.ClassOf(h.err) == providers.ClassPermanent && f.told[h.what] {
		h.err = providers.Retryable(h.err)
	}
	if providers.ClassOf(h.err) == providers.ClassPermanent {
		f.p.refuse(h.what, h.err.Error())
		return f.settle(ctx, h.what, yield)
	}
	f.mu.Lock()
	f.trouble[h.what] = failure{h.err, f.p.now()}
	f.mu.Unlock()
	f.p.Done(f.p.now(), h.err)
	if !yield(providers.Event{}, h.err) {
		return false
	}
	return f.settle(ctx, h.what, yield)
}

func (f *feed) well(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.trouble, what)
}

func (f *feed) isReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}

// settle marks that one watch has told everything, or cannot. With the last of them everything is told that was not yet.
func (f *feed) settle(ctx context.Context, what string, yield yielder) bool {
	f.mu.Lock()
	waiting := len(f.pending)
	delete(f.pending, what)
	done := waiting > 0 && len(f.pending) == 0
	healthy := len(f.trouble) == 0
	f.mu.Unlock()
	if !done {
		return true
	}
	if err := f.p.nothing(f.all, f.scopes); err != nil {
		f.p.Done(f.p.now(), err)
		yield(providers.Event{}, err)
		return false
	}
	if healthy {
		f.p.Done(f.p.now(), nil)
	}
	ok := f.first(ctx, yield)
	close(f.ready)
	if !ok {
		return false
	}
	f.flush(ctx)
	return true
}

func (f *feed) flush(ctx context.Context) {
	if err := errors.Join(f.p.chronicle.flush(ctx), f.p.alerts.flush(ctx, f.p.chronicle)); err != nil && ctx.Err() == nil {
		f.p.env.Log.Warn("keep the history", "provider", f.p.name, "error", err)
	}
}

// first tells of everything that is there and was not told of yet.
func (f *feed) first(ctx context.Context, yield yielder) bool {
	for _, uid := range f.book.uids() {
		if !f.rollouts(uid, !f.early[uid], yield) {
			return false
		}
		f.soak(uid)
		if w, _ := f.book.workload(uid); w != nil {
			if c, news := f.p.noteSetting(f.book, w.scale()); news && !yield(providers.Event{Change: &c}, nil) {
				return false
			}
		}
	}
	f.early = nil
	for _, s := range f.book.configuration() {
		f.seen.content(nil, s, f.p.set.MinSoak)
		if c, news := f.p.noteSetting(f.book, s); news && !yield(providers.Event{Change: &c}, nil) {
			return false
		}
	}
	f.soaked()
	f.p.alerts.load(ctx, f.p.chronicle, f.p.alertPlace)
	told, due := f.p.review(f.book)
	f.due = due
	return yieldAlerts(told, yield)
}

func yieldAlerts(told []providers.Alert, yield yielder) bool {
	for _, a := range told {
		if !yield(providers.Event{Alert: &a}, nil) {
			return false
		}
	}
	return true
}

// rollouts tells of the changes of one workload: all of them, or those that are news.
func (f *feed) rollouts(uid string, all bool, yield yielder) bool {
	w, revisions := f.book.workload(uid)
	if w == nil {
		return true
	}
	for _, c := range f.p.rollouts(w, revisions) {
		c, news := f.p.chronicle.keep(w.place, c)
		if (all || news) && !yield(providers.Event{Change: &c}, nil) {
			return false
		}
	}
	return true
}

// soon tells of a workload as soon as the next one's revisions come: they are listed by name, and the first rows of a large
// cluster should not wait for its last. What was told too early is told again once everything is there.
func (f *feed) soon(r record, yield yielder) bool {
	rev, ok := r.(*revision)
	if !ok || rev.kind != "replicaset" {
		return true
	}
	last := f.last
	f.last = rev
	if last == nil || last.owner == rev.owner || f.early[last.owner] {
		return true
	}
	if w, _ := f.book.workload(last.owner); w == nil {
		return true
	}
	f.early[last.owner] = true
	return f.rollouts(last.owner, true, yield)
}

// news tells what follows from a record that came or changed.
func (f *feed) news(before, r record, yield yielder) bool {
	switch r := r.(type) {
	case *workload:
		if old, ok := before.(*workload); !ok || old.template != r.template {
			f.soak(r.uid)
		}
		if c, news := f.p.noteSetting(f.book, r.scale()); news && !yield(providers.Event{Change: &c}, nil) {
			return false
		}
		return f.rollouts(r.uid, false, yield) && f.examine(r.place, yield)
	case *revision:
		return f.rollouts(r.owner, false, yield)
	case *setting:
		f.seen.content(before, r, f.p.set.MinSoak)
		c, news := f.p.noteSetting(f.book, r)
		return !news || yield(providers.Event{Change: &c}, nil)
	case *instance:
		if old, ok := before.(*instance); !ok || old.ready != r.ready || old.revision != r.revision {
			if !f.exposed(r.workload, yield) {
				return false
			}
		}
		return f.examine(r.workload, yield)
	}
	return true
}

// removed tells of an object that is gone.
func (f *feed) removed(r record, yield yielder) bool {
	there := f.book.remove(r)
	if !there || !f.isReady() {
		return true
	}
	var m *meta
	switch r := r.(type) {
	case *instance:
		return f.exposed(r.workload, yield) && f.examine(r.workload, yield)
	case *workload:
		m = &r.meta
	case *setting:
		m = &r.meta
	default:
		return true // an old revision that was cleared away is remembered
	}
	c, news := f.p.chronicle.keep(m.place, f.p.gone(m))
	if news && !yield(providers.Event{Change: &c}, nil) {
		return false
	}
	return f.examine(m.place, yield)
}

func (f *feed) examine(at place, yield yielder) bool {
	told, due := f.p.examine(f.book, at, f.p.now().UTC())
	delete(f.due, at)
	if !due.IsZero() {
		f.due[at] = due
	}
	return yieldAlerts(told, yield)
}

// ripe tells what only time brings, and writes down what is new.
func (f *feed) ripe(ctx context.Context, yield yielder) bool {
	if !f.isReady() {
		return true
	}
	now := f.p.now()
	for at, due := range f.due {
		if !due.After(now) && !f.examine(at, yield) {
			return false
		}
	}
	f.soaked()
	f.seen.attend(ctx, f.p, f.book)
	f.flush(ctx)
	return true
}

// answered takes the answer to whether the API server is there: watches that have nothing to tell are silent also then. What
// failed after the question was put is not made good by its answer.
func (f *feed) answered(start time.Time, err error) {
	f.mu.Lock()
	if err != nil {
		f.trouble["the API server"] = failure{err, f.p.now()}
	} else {
		maps.DeleteFunc(f.trouble, func(_ string, t failure) bool { return t.at.Before(start) })
	}
	broken := len(f.trouble) > 0
	f.mu.Unlock()
	if err != nil || !broken {
		f.p.Done(start, err)
	}
}

// there asks the API server for next to nothing.
func (p *Provider) there(ctx context.Context, namespace string) error {
	for _, err := range p.cluster.List(ctx, deployments, namespace, kube.Selection{Fields: "metadata.name=backout-is-there"}) {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// inherit hands on what was seen of a rollout to the newer record of the workload.
func (f *feed) inherit(w *workload) {
	if old, _ := f.book.workload(w.uid); old != nil && old.template == w.template {
		w.seen = old.seen
	}
}

const (
	maxSteps = 40
	minStep  = 0.01
)

// exposed notes which share of a workload's ready pods runs its newest revision.
func (f *feed) exposed(at place, yield yielder) bool {
	f.book.mu.Lock()
	w := f.book.byPlace[at]
	if w == nil {
		f.book.mu.Unlock()
		return true
	}
	target := newestName(w, f.book.revisions[w.uid])
	ready, running := 0, 0
	for _, n := range f.book.pods[at] {
		if n.ready && n.revision != "" {
			ready++
			if n.revision == target {
				running++
			}
		}
	}
	share := 0.0
	if ready > 0 {
		share = float64(running) / float64(ready)
	}
	last := -1.0
	if n := len(w.seen); n > 0 {
		last = w.seen[n-1].Share
	}
	if target == "" || ready == 0 || (last >= 0 && abs(share-last) < minStep) || len(w.seen) >= maxSteps {
		f.book.mu.Unlock()
		return true
	}
	next := *w
	next.seen = append(slices.Clip(w.seen), providers.RolloutStep{At: f.p.now().UTC(), Share: share})
	f.book.workloads[w.uid], f.book.byPlace[at] = &next, &next
	f.book.mu.Unlock()
	return f.rollouts(next.uid, false, yield)
}

func abs(x float64) float64 { return max(x, -x) }

// newestName is the name of the revision that a workload is to run; "" while its controller has not taken it up.
func newestName(w *workload, revisions map[string]*revision) string {
	var newest *revision
	highest := int64(0)
	for _, r := range revisions {
		if n := len(r.numbers); n > 0 && r.numbers[n-1] > highest {
			newest, highest = r, r.numbers[n-1]
		}
	}
	if newest == nil || newest.template != w.template || (w.target != "" && w.target != newest.name) {
		return ""
	}
	return newest.name
}
