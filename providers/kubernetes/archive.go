package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const (
	shards   = 256
	maxKept  = 50      // changes of one object
	maxShard = 1 << 20 // bytes
)

// kept is what the archive holds of one object. A cluster forgets the changes of most objects at once, and those of
// workloads with their old revisions.
type kept struct {
	Last    *version            `json:"last,omitempty"` // of an object without a history of its own
	Changes []providers.Change  `json:"changes,omitempty"`
	Served  map[string]sighting `json:"served,omitempty"` // of a workload, by the digest of its content
}

// chronicle is the archive as far as it was read, written through in shards so that a large cluster does not become as many
// files. What several processes write at once is joined, object by object and change by change.
type chronicle struct {
	archive  providers.Archive
	provider string
	prefix   string // of the keys: another cluster under the same name is another history

	mu      sync.Mutex
	loaded  bool
	objects map[place]*kept
	dirty   map[place]*news
	sealed  []byte // the key of the digests of Secrets
}

func newChronicle(env providers.Environment, server string) *chronicle {
	sum := sha256.Sum256([]byte(server))
	return &chronicle{
		archive: env.Archive, provider: env.Name, prefix: hex.EncodeToString(sum[:4]) + "/",
		objects: map[place]*kept{}, dirty: map[place]*news{},
	}
}

func (at place) shard() byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(at.kind + "/" + at.namespace + "/" + at.name)) // never fails
	return byte(h.Sum32() % shards)
}

func (at place) String() string { return at.kind + "/" + at.namespace + "/" + at.name }

// MarshalText makes a place the key of an object.
func (at place) MarshalText() ([]byte, error) { return []byte(at.String()), nil }

// UnmarshalText is the reverse.
func (at *place) UnmarshalText(b []byte) error {
	parts := splitPlace(string(b))
	if len(parts) != 3 {
		return fmt.Errorf("%q names no object", b)
	}
	*at = place{parts[0], parts[1], parts[2]}
	return nil
}

func (m *chronicle) key(shard byte) string { return fmt.Sprintf("%schanges/%02x", m.prefix, shard) }

// load reads the archive once. A shard that cannot be read is as one that is not there: it is only a memory.
func (m *chronicle) load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loaded {
		return nil
	}
	for shard := range shards {
		in, err := m.read(ctx, byte(shard))
		if err != nil {
			return err
		}
		maps.Copy(m.objects, in)
	}
	m.loaded = true
	return nil
}

func (m *chronicle) read(ctx context.Context, shard byte) (map[place]*kept, error) {
	data, err := m.archive.Get(ctx, m.provider, m.key(shard))
	if errors.Is(err, providers.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the archive of %s: %w", m.provider, err)
	}
	var out map[place]*kept
	if json.Unmarshal(data, &out) != nil {
		return nil, nil
	}
	return out, nil
}

// last is the state in which an object was seen last; nil where it never was.
func (m *chronicle) last(at place) *version {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.objects[at]; k != nil {
		return k.Last
	}
	return nil
}

// note keeps the state in which an object was seen.
func (m *chronicle) note(at place, v version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.object(at)
	if k.Last == nil || k.Last.Digest != v.Digest {
		k.Last, m.news(at).last = &v, true
	}
}

func (m *chronicle) object(at place) *kept {
	if m.objects[at] == nil {
		m.objects[at] = &kept{}
	}
	return m.objects[at]
}

// keep joins a change with what is known of it already and gives the whole; new reports whether it was not known at all.
func (m *chronicle) keep(at place, c providers.Change) (whole providers.Change, changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.object(at)
	for i := range k.Changes {
		if old := &k.Changes[i]; old.ID == c.ID {
			c = joined(c, old)
			changed = !same(&c, old)
			if changed {
				k.Changes[i], m.news(at).changes[c.ID] = c, true
			}
			return c, changed
		}
	}
	k.Changes = append(k.Changes, c)
	k.bound()
	m.news(at).changes[c.ID] = true
	return c, true
}

// all are the changes of an object that are remembered.
func (m *chronicle) all(at place) []providers.Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.objects[at]; k != nil {
		return slices.Clone(k.Changes)
	}
	return nil
}

func (m *chronicle) places() []place {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.objects))
}

// joined takes from what was told before what the cluster no longer knows.
func joined(c providers.Change, old *providers.Change) providers.Change {
	if c.Author.Name == "" {
		c.Author = old.Author
	}
	if len(c.Rollout) < len(old.Rollout) {
		c.Rollout = old.Rollout
	}
	if len(c.Artifacts) < len(old.Artifacts) {
		c.Artifacts = old.Artifacts
	}
	if c.EffectiveTo.IsZero() && c.Status == "" {
		c.EffectiveTo = old.EffectiveTo
	}
	if c.From == "" && old.From != "" {
		c.From, c.Title, c.Paths = old.From, old.Title, old.Paths
	}
	c.Status, c.Commit, c.ChangeSet, c.URL = cmp.Or(c.Status, old.Status), cmp.Or(c.Commit, old.Commit), cmp.Or(c.ChangeSet, old.ChangeSet), cmp.Or(c.URL, old.URL)
	if c.Assistance.State == "" {
		c.Assistance = old.Assistance
	}
	return c
}

func same(a, b *providers.Change) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// secretKey is the key of the digests of Secrets, made once; an archive that keeps nothing gives each process its own.
func (m *chronicle) secretKey(ctx context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealed != nil {
		return m.sealed, nil
	}
	key, err := kube.ArchiveKey(ctx, m.archive, m.provider, m.prefix+"key")
	if err != nil {
		return nil, fmt.Errorf("the key of the digests: %w", err)
	}
	m.sealed = key
	return key, nil
}
