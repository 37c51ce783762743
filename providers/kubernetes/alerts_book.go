package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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
	loaded bool
	dirty  bool
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
			b.firing[key], b.dirty = a, true
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
		b.ended, b.dirty = append(b.ended, a), true
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

// openPlace reads the workload and the trouble back from an alert's id.
type openPlace func(id string) (place, trouble, bool)

// load reads the alerts that another process left, once. Those that were open keep their start; whether they still are, the
// cluster says.
func (b *alertBook) load(ctx context.Context, m *chronicle, read openPlace) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.loaded {
		return
	}
	b.loaded = true
	data, err := m.archive.Get(ctx, m.provider, m.prefix+"alerts")
	var left []providers.Alert
	if err != nil || json.Unmarshal(data, &left) != nil {
		return // without a memory there are the alerts of now
	}
	for _, a := range left {
		if at, t, ok := read(a.ID); !ok {
			continue
		} else if a.EndsAt.IsZero() {
			b.firing[ailment{at, t}] = a
		} else {
			b.ended = append(b.ended, a)
		}
	}
}

// flush leaves the alerts for the next process.
func (b *alertBook) flush(ctx context.Context, m *chronicle) error {
	all := b.all()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty {
		return nil
	}
	err := providers.Update(ctx, m.archive, m.provider, m.prefix+"alerts", func(old []byte) ([]byte, error) {
		var theirs []providers.Alert
		if json.Unmarshal(old, &theirs) != nil {
			theirs = nil // it is only a memory
		}
		return json.Marshal(beside(all, theirs))
	})
	if err != nil {
		return fmt.Errorf("keep the alerts of %s: %w", m.provider, err)
	}
	b.dirty = false
	return nil
}

// beside adds to one's own alerts those that another process saw end, the newest of them where they become too many.
func beside(mine, theirs []providers.Alert) []providers.Alert {
	known := map[string]bool{}
	for i := range mine {
		known[mine[i].ID] = true
	}
	out := mine
	for _, a := range theirs {
		if !known[a.ID] && !a.EndsAt.IsZero() {
			out = append(out, a)
		}
	}
	if len(out) > 2*maxEnded {
		slices.SortFunc(out, func(a, b providers.Alert) int { return a.StartsAt.Compare(b.StartsAt) })
		out = out[len(out)-2*maxEnded:]
	}
	return out
}
