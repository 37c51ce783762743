package kubernetes

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

const maxEnded = 1000 // alerts that are over and still told of

type ailment struct {
	at place
	t  trouble
}

// alertBook holds the alerts that are open, and those that ended while somebody watched. An alert that is open keeps its
// start, and so its id, until it ends.
type alertBook struct {
	mu     sync.Mutex
	firing map[ailment]providers.Alert
	ended  []providers.Alert
}

// settle makes the alerts of a workload what was found, and gives those that are new, changed or over.
func (b *alertBook) settle(at place, now time.Time, found map[trouble]symptom, describe func(trouble, symptom) providers.Alert) []providers.Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []providers.Alert
	for t, s := range found {
		key := ailment{at, t}
		old, open := b.firing[key]
		if open {
			s.since = old.StartsAt
		}
		a := describe(t, s)
		if !open || old.Summary != a.Summary {
			b.firing[key] = a
			out = append(out, a)
		}
	}
	for key, a := range b.firing {
		if _, still := found[key.t]; key.at != at || still {
			continue
		}
		delete(b.firing, key)
		a.State, a.EndsAt = providers.AlertResolved, now
		if now.Before(a.StartsAt) {
			a.EndsAt = a.StartsAt
		}
		b.ended = append(b.ended, a)
		out = append(out, a)
	}
	if n := len(b.ended) - maxEnded; n > 0 {
		b.ended = slices.Delete(b.ended, 0, n)
	}
	slices.SortFunc(out, func(x, y providers.Alert) int { return cmp.Compare(x.ID, y.ID) })
	return out
}

// open are the workloads that have an alert.
func (b *alertBook) open() map[place]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[place]bool{}
	for key := range b.firing {
		out[key.at] = true
	}
	return out
}

// all are the alerts that are open and those that are over, each once.
func (b *alertBook) all() []providers.Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	byID := map[string]providers.Alert{}
	for _, a := range b.ended {
		byID[a.ID] = a
	}
	for _, a := range b.firing {
		byID[a.ID] = a
	}
	out := slices.Collect(maps.Values(byID))
	for i := range out {
		out[i].Labels = maps.Clone(out[i].Labels)
	}
	slices.SortFunc(out, func(x, y providers.Alert) int { return cmp.Compare(x.ID, y.ID) })
	return out
}
