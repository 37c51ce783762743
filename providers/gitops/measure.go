package gitops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

var errStrange = errors.New("the measure is none of this provider's")

// Probe implements rollback.Measurer: whether the reconciler is held back, and for this measure.
func (p *Provider) Probe(ctx context.Context, m rollback.Measure) (inForce bool, detail string, err error) {
	k := kindOf(m.Args[argKind])
	if k == nil {
		return false, "", errStrange
	}
	start := p.now()
	n, err := p.get(ctx, k, m.Args[argNamespace], m.Args[argName])
	p.Done(start, err)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return false, fmt.Sprintf("%s %s/%s is not there any more", k.word, m.Args[argNamespace], m.Args[argName]), nil
	case err != nil:
		return false, "", err
	}
	mark, off := n.stamp(), n.off(m.Args[argFor])
	switch i := mark.of(m); {
	case !off:
		return false, fmt.Sprintf("%s runs%s", n, n.progress()), nil
	case mark == nil:
		return true, "what backout wrote there is gone: somebody else holds it back", nil
	case i < 0:
		return false, "it is let go for this, and still held back by " + mark.credit(p.now()), nil
	case mark.others(i) > 0:
		return true, "held back by " + mark.credit(p.now()), nil
	default:
		return true, "", nil
	}
}

// progress says how far a reconciler that runs has come.
func (n *node) progress() string {
	switch n.word {
	case kube.OwnerApplication:
		if s := n.text("status", "sync", "status"); s != "" {
			return fmt.Sprintf(", and is %s at %s", s, short(n.text("status", "sync", "revision")))
		}
	case kube.OwnerKustomization, kube.OwnerHelmRelease:
		words, _ := n.turn()
		return ": " + words
	}
	return ""
}

// Lift implements rollback.Measurer: it puts back exactly what was set before, on the condition that the reconciler is still
// held back as it was, and for nothing else. It is read again afterwards: what is answered is what was seen.
func (p *Provider) Lift(ctx context.Context, _ rollback.Operation, m rollback.Measure) (rollback.Result, error) {
	k := kindOf(m.Args[argKind])
	if k == nil {
		return failed("%v", errStrange), nil
	}
	start := p.now()
	res, err := p.write(ctx, k, m.Args, func(n *node) ([]kube.Operation, *rollback.Result) { return lift(n, m, p.now()) })
	if errors.Is(err, providers.ErrNotFound) {
		res, err = rollback.Result{Outcome: rollback.AlreadyApplied, Detail: "it is not there any more"}, nil
	}
	p.Done(start, err)
	if res.Outcome == rollback.Applied {
		res.Detail = p.resumed(ctx, k, m)
	}
	return res, nil
}

// lift makes the patch, or says why there is none to make.
func lift(n *node, m rollback.Measure, now time.Time) ([]kube.Operation, *rollback.Result) {
	application := m.Args[argFor]
	mark, off := n.stamp(), n.off(application)
	i := mark.of(m)
	p := n.begin()
	switch {
	case i < 0 && (!off || mark != nil):
		return nil, answer(rollback.Result{Outcome: rollback.AlreadyApplied, Detail: n.String() + " is not held back for this any more"})
	case i < 0:
		return nil, answer(refused("what backout wrote at %s is gone, and it is held back all the same: somebody else does", n))
	case string(n.object.GetUID()) != m.Args[argUID] && off:
		return nil, answer(refused("%s was made anew since it was held back, and is held back again", n))
	}
	last := off && mark.others(i) == 0
	if last {
		p.start(mark.Was, application)
	} else {
		p.unchanged(n.field...)
	}
	mark.Holders = slices.Delete(mark.Holders, i, i+1)
	p.mark(mark)
	if last && n.flux() {
		p.ask(now)
	}
	return p.ops, nil
}

// resumed waits for a moment until a controller of Flux has reconciled again, and says what came of it. Argo CD keeps no word of
// that.
func (p *Provider) resumed(ctx context.Context, k *kind, m rollback.Measure) (detail string) {
	p.settle(ctx, settleFor, func() bool {
		n, err := p.get(ctx, k, m.Args[argNamespace], m.Args[argName])
		if err != nil || !n.flux() || !n.running() {
			return true // the look that follows says it
		}
		var done bool
		detail, done = n.turn()
		return done
	})
	return detail
}

func short(revision string) string {
	if commit := commitForm(revision); commit != "" {
		return commit[:7]
	}
	return revision
}
