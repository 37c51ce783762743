package rollouts

import (
	"context"
	"fmt"
	"iter"

	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// Watch implements providers.Watcher: a Rollout whose revision, share, pause or phase moved is told with its newest change,
// and with the alert that began or ended.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		var watches []func(context.Context) iter.Seq2[kube.Event, error]
		for _, namespace := range p.cluster.Namespaces() {
			watches = append(watches, func(ctx context.Context) iter.Seq2[kube.Event, error] {
				return p.cluster.Follow(ctx, rolloutsKind, namespace, kube.Selection{})
			})
		}
		known := map[types.UID]string{}
		for e, err := range kube.Merge(ctx, watches...) {
			if !p.tell(ctx, e, err, known, yield) {
				return
			}
		}
	}
}

// tell hands on what is new; false when the reader had enough.
func (p *Provider) tell(ctx context.Context, e kube.Event, err error, known map[types.UID]string, yield func(providers.Event, error) bool) bool {
	switch {
	case err != nil:
		return yield(providers.Event{}, explain(err))
	case e.Object == nil || !p.cluster.Covers(e.Object.GetNamespace()):
		return true
	}
	uid := e.Object.GetUID()
	if e.Deleted {
		delete(known, uid)
		return true
	}
	s, err := sighted(e.Object)
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
