package gitops

import (
	"context"
	"iter"

	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// news is what one watch brought.
type news struct {
	kind  *kind
	event kube.Event
}

// Watch implements providers.Watcher: what a reconciler deploys from now on, and how that ends. A kind that the cluster does
// not know is looked for again now and then.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		var watches []func(context.Context) iter.Seq2[news, error]
		for _, k := range kinds {
			if k.word == ownerSet {
				continue
			}
			for _, namespace := range p.cluster.Namespaces() {
				watches = append(watches, func(ctx context.Context) iter.Seq2[news, error] { return p.follow(ctx, k, namespace) })
			}
		}
		known := map[types.UID]map[string]string{}
		for n, err := range kube.Merge(ctx, watches...) {
			if !p.tell(n, err, known, yield) {
				return
			}
		}
	}
}

func (p *Provider) follow(ctx context.Context, k *kind, namespace string) iter.Seq2[news, error] {
	return func(yield func(news, error) bool) {
		for e, err := range p.cluster.Follow(ctx, k.resource, namespace, kube.Selection{}) {
			if err != nil && p.unknown(ctx, k, err) {
				continue
			}
			if !yield(news{k, e}, err) {
				return
			}
		}
	}
}

// tell hands on what is new of a reconciler; false when the reader had enough.
func (p *Provider) tell(n news, err error, known map[types.UID]map[string]string, yield func(providers.Event, error) bool) bool {
	switch o := n.event.Object; {
	case err != nil:
		return yield(providers.Event{}, err)
	case o == nil || !p.cluster.Covers(o.GetNamespace()):
		return true
	case n.event.Deleted:
		delete(known, o.GetUID())
		return true
	default:
		before, seen := known[o.GetUID()]
		now := map[string]string{}
		known[o.GetUID()] = now
		for _, c := range p.changesOf(&node{n.kind, o}) {
			now[c.ID] = c.Status
			if old, told := before[c.ID]; seen && (!told || old != c.Status) && !yield(providers.Event{Change: &c}, nil) {
				return false
			}
		}
		return true
	}
}
