package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxSightings is of how many contents of one workload it is kept that they served.
const maxSightings = 10

// sighting is that a watch saw a content of a workload serve, with every pod there is ready and running it.
type sighting struct {
	UID   string        `json:"uid"` // of the workload: another one of that name is another one
	At    time.Time     `json:"at"`
	For   time.Duration `json:"for_ns"` // that the first of the pods had been ready by then
	Ready int           `json:"ready"`
}

// soak notes which workloads are still to be seen to serve what they are to run: all of them at first, and each that gets
// another content. A rollback can ask only later what served before.
func (f *feed) soak(uid string) {
	if f.soaking == nil {
		f.soaking = map[string]bool{}
	}
	f.soaking[uid] = true
}

// soaked keeps what has served for as long as it takes to be known good.
func (f *feed) soaked() {
	now := f.p.now().UTC()
	for uid := range f.soaking {
		w, s := f.book.serving(uid, now)
		if w == nil {
			delete(f.soaking, uid)
			continue
		}
		if s.Ready > 0 && s.For >= f.p.set.MinSoak {
			f.p.chronicle.sight(w.place, w.template, s)
			delete(f.soaking, uid)
		}
	}
}

// serving is how well a workload serves what it is to run; without ready pods where any pod is not ready, or runs something
// else, or is missing.
func (b *book) serving(uid string, now time.Time) (*workload, sighting) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	w := b.workloads[uid]
	if w == nil {
		return nil, sighting{}
	}
	s := sighting{UID: uid, At: now}
	target := newestName(w, b.revisions[uid])
	pods := b.pods[w.place]
	if target == "" || len(pods) == 0 || int64(len(pods)) < w.replicas {
		return w, s
	}
	first := now
	for _, n := range pods {
		if !n.ready || n.revision != target {
			return w, s
		}
		if n.since.Before(first) {
			first = n.since
		}
	}
	s.For, s.Ready = now.Sub(first), len(pods)
	return w, s
}

// sight keeps that a content served.
func (m *chronicle) sight(at place, digest string, s sighting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.object(at)
	if k.Served == nil {
		k.Served = map[string]sighting{}
	}
	k.Served[digest], m.news(at).served[digest] = s, true
	k.forget()
}

// forget drops the oldest sighting where there are too many.
func (k *kept) forget() {
	if len(k.Served) > maxSightings {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(k.Served)), func(a, b string) int { return k.Served[a].At.Compare(k.Served[b].At) })
		delete(k.Served, oldest)
	}
}

// sighted says in plain words that a watch saw a content serve for long enough; "" where none did.
func (p *Provider) sighted(w *live, digest string) string {
	p.chronicle.mu.Lock()
	defer p.chronicle.mu.Unlock()
	k := p.chronicle.objects[place{w.kind.name, w.object.GetNamespace(), w.object.GetName()}]
	if k == nil {
		return ""
	}
	s, ok := k.Served[digest]
	if !ok || s.UID != string(w.object.GetUID()) || s.For < p.set.MinSoak {
		return ""
	}
	return fmt.Sprintf("watched serving for %s with all of %d pods ready, at %s", s.For.Round(time.Second), s.Ready, s.At.Format("2006-01-02 15:04:05 UTC"))
}
