package gitops

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// These annotations ask a controller to look at an object. Controllers read from copies that lag behind, and copies of different
// kinds lag differently: one that has a new Application beside an old ApplicationSet writes auto-sync again. So what is written is
// not enough; each is asked in the same patch, and only its answer tells that it goes by what the patch says.
//
// Those of Flux answer with the same value in status.lastHandledReconcileAt, also where the object is suspended. Those of Argo CD take
// the annotation away at the end of a look, the one for sets on the condition that its copy is the newest. None looks at one object
// twice at once: what it began with an older copy is over then.
const (
	requestKey    = "reconcile.fluxcd.io/requestedAt"
	refreshKey    = "argocd.argoproj.io/refresh"
	refreshSetKey = "argocd.argoproj.io/application-set-refresh"
)

// Flux may be at what it began for minutes, and says at what; Argo CD looks again at once, but reads repositories to do so.
const (
	fluxHeeds = settleFor
	argoHeeds = 20 * time.Second
)

func (k *kind) heedsWithin() time.Duration {
	if k.flux() {
		return fluxHeeds
	}
	return argoHeeds
}

// ask has the controller look at the object as it is after this patch, which has to leave it with annotations.
func (p *patch) ask(now time.Time) {
	key, value := requestKey, now.UTC().Format(time.RFC3339Nano)
	switch p.n.word {
	case kube.OwnerApplication:
		if key, value = refreshKey, p.n.object.GetAnnotations()[refreshKey]; value == "" { // somebody may have asked for more
			value = "normal"
		}
	case ownerSet:
		key, value = refreshSetKey, "true"
	}
	p.add("add", value, "metadata", "annotations", key)
}

// handled reports whether the controller has looked since it was last asked to.
func (n *node) handled() bool {
	notes, waiting := n.object.GetAnnotations(), false
	switch n.word {
	case kube.OwnerApplication:
		_, waiting = notes[refreshKey]
	case ownerSet:
		_, waiting = notes[refreshSetKey]
	default:
		waiting = notes[requestKey] != n.text("status", "lastHandledReconcileAt")
	}
	return !waiting
}

// quiet reports whether a reconciler that is held back is at nothing any more that could undo a rollback.
func (n *node) quiet() bool {
	switch n.word {
	case kube.OwnerApplication:
		return n.handled() && n.at("operation") == nil && n.text("status", "operationState", "phase") != "Terminating"
	case ownerSet:
		return n.handled()
	default:
		return n.handled() || n.waits()
	}
}

// heeded waits until the controller goes by it that a reconciler is held back and what it began before has ended, and says how it
// stands where that is not seen in time.
func (p *Provider) heeded(ctx context.Context, k *kind, args map[string]string) string {
	var n *node
	ended := p.settle(ctx, k.heedsWithin(), func() bool {
		now, err := p.get(ctx, k, args[argNamespace], args[argName])
		if err != nil {
			return false
		}
		if n = now; n.late() {
			_, _ = p.write(ctx, k, args, endLate) // the next look tells what came of it
		}
		return n.quiet()
	})
	switch {
	case ended && n.off(args[argFor]):
		return ""
	case n == nil:
		return "whether a sync still runs could not be seen"
	case !n.off(args[argFor]):
		return fmt.Sprintf("%s is not held back any more: somebody has let it go since", n)
	case n.busy() != "":
		return fmt.Sprintf("%s is still at what it began before (%s), which suspending does not end", n, n.busy())
	case !n.handled():
		return fmt.Sprintf("the controller of %s has not taken it up yet: if it is at something, that goes on", n)
	default:
		return fmt.Sprintf("a sync of %s still runs (%s)", n, n.text("status", "operationState", "phase"))
	}
}

// late reports whether the controller began a sync by itself although its application is held back: with an old copy.
func (n *node) late() bool {
	return n.word == kube.OwnerApplication && !n.running() && n.at("operation", "initiatedBy", "automated") == true &&
		n.text("status", "operationState", "phase") != "Terminating"
}

// endLate makes the patch that ends such a sync.
func endLate(n *node) ([]kube.Operation, *rollback.Result) {
	if !n.late() { // it ends already
		return nil, answer(rollback.Result{Outcome: rollback.AlreadyApplied})
	}
	p := n.begin()
	p.unchanged(n.field...)
	p.end()
	return p.ops, nil
}
