package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// memory is what is kept of a revision of a workload, for the time when the cluster no longer tells: what it was, and how
// well it was seen to serve. It holds the pod template without what looks like a secret; where something was taken out, Kept is
// the digest of what is left.
type memory struct {
	Label    string            `json:"label"`
	Template map[string]any    `json:"template"`
	Kept     string            `json:"kept,omitempty"`
	Digests  map[string]string `json:"digests,omitempty"` // by container: what its image resolved to
	Since    time.Time         `json:"since,omitzero"`    // when it last began to serve
	SeenAt   time.Time         `json:"seen_at,omitzero"`  // when it last served with all pods ready
	Served   time.Duration     `json:"served_ns,omitempty"`
	Ready    int32             `json:"ready,omitempty"` // pods that were ready then
	Took     time.Duration     `json:"took_ns,omitempty"`
}

func memoryKey(w *live, digest string) string {
	return "revision/" + string(w.object.GetUID()) + "/" + strings.TrimPrefix(digest, "sha256:")
}

// remembered reads what was kept of a workload's revisions, by digest. What no longer has its digest is not what was kept.
func (p *Provider) remembered(ctx context.Context, w *live) (map[string]memory, error) {
	prefix := memoryKey(w, "")
	keys, err := p.env.Archive.Keys(ctx, p.name, prefix)
	if err != nil {
		return nil, fmt.Errorf("%s: what was kept of it: %w", w.id, err)
	}
	out := map[string]memory{}
	for _, key := range keys {
		data, err := p.env.Archive.Get(ctx, p.name, key)
		if errors.Is(err, providers.ErrNotFound) {
			continue
		}
		var m memory
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: what was kept of it: %w", w.id, err)
		}
		if digest := "sha256:" + strings.TrimPrefix(key, prefix); templateDigest(m.Template) == cmp.Or(m.Kept, digest) {
			out[digest] = m
		}
	}
	return out, nil
}

// remember keeps what was just seen. What cannot be kept is told by the provider's health and hinders nothing.
func (p *Provider) remember(ctx context.Context, l *look) {
	s, err := p.seal(ctx)
	if err != nil {
		p.Note("the revisions are not kept: " + err.Error())
		return
	}
	for i, h := range l.revs {
		before, old := l.known[h.digest]
		m, serves := p.recall(l, i, before)
		if m.Template != nil {
			m.Template, m.Kept = s.Withhold(m.Template), ""
			if kept := templateDigest(m.Template); kept != h.digest {
				m.Kept = kept
			}
		}
		// Only what changes something is written, so that looking often costs nothing.
		fresh := before.Served >= p.set.MinSoak && l.at.Sub(before.SeenAt) < time.Minute
		if m.Template == nil || old && m.Label == before.Label && m.Kept == before.Kept && (!serves || fresh) {
			continue
		}
		err := providers.Update(ctx, p.env.Archive, p.name, memoryKey(l.live, h.digest), func(old []byte) ([]byte, error) {
			var theirs memory // what another process saw meanwhile
			if json.Unmarshal(old, &theirs) == nil {
				m.join(&theirs)
			}
			return json.Marshal(m)
		})
		if err != nil && ctx.Err() == nil {
			p.Note("a revision is not kept: " + err.Error())
		}
		l.known[h.digest] = m
	}
}

// join takes over what another process saw.
func (m *memory) join(theirs *memory) {
	m.Served, m.Took = max(m.Served, theirs.Served), cmp.Or(m.Took, theirs.Took)
	m.SeenAt = newerOf(m.SeenAt, theirs.SeenAt)
	m.Ready = cmp.Or(m.Ready, theirs.Ready)
	if m.Digests == nil {
		m.Digests = theirs.Digests
	}
}

// recall is what is known of a revision with this look, and whether it is what serves, with all its pods ready.
func (p *Provider) recall(l *look, i int, m memory) (memory, bool) {
	h, c := l.revs[i], l.count()
	m.Label = h.label()
	if pinsOf(h.annotations()) == nil {
		m.Template = cleanTemplate(h.template)
	}
	mine := of(h, l.pods)
	ready, since := readySince(mine)
	if i != current(l.live, l.revs) || ready == 0 || ready < c.desired || l.rolling() {
		return m, false
	}
	if m.Since.IsZero() || since.After(m.SeenAt) {
		m.Since = since
	}
	m.SeenAt, m.Ready, m.Served = l.at.UTC(), ready, max(m.Served, l.at.Sub(since))
	m.Digests = mine[0].digests
	if took := rolledOut(l.live, h, mine); took > 0 {
		m.Took = took
	}
	return m, true
}

// rolledOut is how long the rollout of a revision took that is complete; zero where that cannot be told.
func rolledOut(w *live, h held, pods []pod) time.Duration {
	if h.renewed || h.object == nil || len(pods) == 0 {
		return 0
	}
	made := h.object.GetCreationTimestamp().Time
	if c := w.condition("Progressing"); c.Reason == "NewReplicaSetAvailable" {
		return max(c.LastUpdateTime.Sub(made), 0)
	}
	last := slices.MaxFunc(pods, func(a, b pod) int { return a.since.Compare(b.since) })
	return max(last.since.Sub(made), 0)
}
