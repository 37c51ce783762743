package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// news is what this process learned of an object since it wrote last. Nothing else of what it holds is written: another
// process may know better by now.
type news struct {
	last    bool
	changes map[string]bool // by id
	served  map[string]bool // by digest
}

func (m *chronicle) news(at place) *news {
	if m.dirty[at] == nil {
		m.dirty[at] = &news{changes: map[string]bool{}, served: map[string]bool{}}
	}
	return m.dirty[at]
}

// flush writes what is new.
func (m *chronicle) flush(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	shards := map[byte][]place{}
	for at := range m.dirty {
		shards[at.shard()] = append(shards[at.shard()], at)
	}
	for shard, places := range shards {
		if err := m.write(ctx, shard, places); err != nil {
			return err
		}
		for _, at := range places {
			delete(m.dirty, at)
		}
	}
	return nil
}

// write joins what is new with what the archive holds now.
func (m *chronicle) write(ctx context.Context, shard byte, places []place) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := providers.Update(ctx, m.archive, m.provider, m.key(shard), func(old []byte) ([]byte, error) {
		all := map[place]*kept{}
		if json.Unmarshal(old, &all) != nil || all == nil {
			all = map[place]*kept{} // it is only a memory
		}
		for _, at := range places {
			if all[at] == nil {
				all[at] = &kept{}
			}
			all[at].join(m.objects[at], m.dirty[at])
		}
		data, err := json.Marshal(all)
		for err == nil && len(data) > maxShard && thin(all) {
			data, err = json.Marshal(all)
		}
		return data, err
	})
	if err != nil {
		return fmt.Errorf("keep the history of %s: %w", m.provider, err)
	}
	return nil
}

// join takes over what is new of mine.
func (k *kept) join(mine *kept, n *news) {
	if n.last {
		k.Last = mine.Last
	}
	for i := range mine.Changes {
		c := mine.Changes[i]
		if !n.changes[c.ID] {
			continue
		}
		if at := slices.IndexFunc(k.Changes, func(old providers.Change) bool { return old.ID == c.ID }); at >= 0 {
			k.Changes[at] = joined(c, &k.Changes[at])
		} else {
			k.Changes = append(k.Changes, c)
		}
	}
	k.bound()
	for digest := range n.served {
		s, ok := mine.Served[digest]
		if old, there := k.Served[digest]; !ok || there && old.UID == s.UID && old.For > s.For {
			continue
		}
		if k.Served == nil {
			k.Served = map[string]sighting{}
		}
		k.Served[digest] = s
		k.forget()
	}
}

// bound drops the oldest changes where there are too many.
func (k *kept) bound() {
	if n := len(k.Changes) - maxKept; n > 0 {
		slices.SortStableFunc(k.Changes, func(a, b providers.Change) int { return a.At().Compare(b.At()) })
		k.Changes = slices.Delete(k.Changes, 0, n)
	}
}

// thin drops the older half of each object's changes.
func thin(objects map[place]*kept) bool {
	dropped := false
	for k := range maps.Values(objects) {
		if n := len(k.Changes) / 2; n > 0 {
			k.Changes = slices.Delete(k.Changes, 0, n)
			dropped = true
		}
	}
	return dropped
}
