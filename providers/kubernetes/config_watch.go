package kubernetes

import (
	"context"
	"slices"
	"time"
)

// witness looks, while somebody watches, how the workloads that read a ConfigMap are with what it holds: a rollback can ask
// only later what served well. It looks at one at a time, at each until it is known good.
type witness struct {
	due    map[place]time.Time // of each content that is not known good yet
	looked chan witnessed
	busy   bool
}

type witnessed struct {
	at   place
	good bool
}

// lookUnused is how long after a look at what nobody reads the next one is.
const lookUnused = 10 * time.Minute

// content notes what a ConfigMap holds, if that is something new.
func (w *witness) content(before record, s *setting, soak time.Duration) {
	if old, ok := before.(*setting); s.kind != configKind || ok && old.Digest == s.Digest {
		return
	}
	if w.due == nil {
		w.due, w.looked = map[place]time.Time{}, make(chan witnessed, 1)
	}
	at := s.writer.at
	if at.IsZero() {
		at = s.created
	}
	w.due[s.place] = at.Add(soak)
}

// attend takes the answer of the look that was made, if there is one, and makes the next.
func (w *witness) attend(ctx context.Context, p *Provider, b *book) {
	now := p.now()
	select {
	case done := <-w.looked:
		w.busy = false
		if done.good {
			delete(w.due, done.at)
		}
	default:
	}
	if w.busy {
		return
	}
	for at, due := range w.due {
		if due.After(now) {
			continue
		}
		if !b.read(at) {
			w.due[at] = now.Add(lookUnused)
			continue
		}
		w.due[at] = now.Add(max(time.Second, p.set.MinSoak/4))
		w.busy = true
		go func() {
			obs, err := p.observeConfig(ctx, p.unitID(at.kind, at.namespace, at.name))
			w.looked <- witnessed{at, err == nil && len(obs.Current.Good) > 0}
		}()
		return
	}
}

// read reports whether some workload uses a configuration.
func (b *book) read(at place) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, w := range b.workloads {
		if w.namespace == at.namespace && slices.Contains(w.refs, at) {
			return true
		}
	}
	return false
}
