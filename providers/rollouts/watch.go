package rollouts

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// news is what one watch brought.
type news struct {
	event kube.Event
	err   error
}

// Watch implements providers.Watcher: a Rollout whose revision, share, pause or phase moved is told with its newest change,
// and with the alert that began or ended.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		came := make(chan news)
		for _, namespace := range p.cluster.Namespaces() {
			all.Go(func() {
				for e, err := range p.cluster.Follow(ctx, rolloutsKind, namespace, kube.Selection{}) {
					select {
					case came <- news{e, err}:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		known := map[types.UID]string{}
		for {
			select {
			case <-ctx.Done():
				return
			case n := <-came:
				if !p.tell(ctx, n, known, yield) {
					return
				}
			}
		}
	}
}

// tell hands on what is new; false when the reader had enough.
func (p *Provider) tell(ctx context.Context, n news, known map[types.UID]string, yield func(providers.Event, error) bool) bool {
	switch {
	case n.err != nil:
		return yield(providers.Event{}, explain(n.err))
	case n.event.Object == nil || !p.cluster.Covers(n.event.Object.GetNamespace()):
		return true
	}
	uid := n.event.Object.GetUID()
	if n.event.Deleted {
		delete(known, uid)
		return true
	}
	s, err := sighted(n.event.Object)
	if err != nil {
		return yield(providers.Event{}, err)
	}
	last, seen := known[uid]
	if known[uid] = s.moves(); !seen || last == known[uid] {
		return true // what was there before is for Changes and Alerts to tell
	}
	before := p.troubles(ctx, s)
	for _, t := range before {
		a := p.alert(s, t)
		if (t.To.IsZero() || p.now().Sub(t.To) < p.cluster.Timeout()) && !yield(providers.Event{Alert: &a}, nil) {
			return false
		}
	}
	whole, err := p.look(ctx, p.unitID(&s.object))
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		return yield(providers.Event{}, err)
	}
	changes := p.changes(whole, p.marks(ctx, whole.raw))
	if len(changes) == 0 {
		return true
	}
	return yield(providers.Event{Change: &changes[len(changes)-1]}, nil)
}

// moves is what a change or an alert would show of a Rollout.
func (s *sight) moves() string {
	weight := int64(-1)
	if w := s.Status.Canary.Weights; w != nil {
		weight = w.Canary.Weight
	}
	index := int64(-1)
	if i := s.Status.CurrentStepIndex; i != nil {
		index = *i
	}
	reason, since := s.degraded()
	return fmt.Sprint(s.Meta.Annotations[revisionAnnotation], s.Status.StableRS, s.Status.Abort, s.Status.Phase, index, weight, reason, since.Unix(), len(s.Status.PauseConditions))
}
