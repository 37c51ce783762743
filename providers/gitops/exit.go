package gitops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// ExitHolds implements rollback.ExitProber: whether the reconciler of the unit would leave it as it is now. A reconciler above
// that one is judged by the same, because it only starts it again. What cannot be told is an error, and never a yes.
func (p *Provider) ExitHolds(ctx context.Context, m rollback.Measure) (holds bool, detail string, err error) {
	k := kindOf(m.Args[argLeafKind])
	if k == nil {
		return false, "", errStrange
	}
	start := p.now()
	defer func() { p.Done(start, err) }()
	leaf, err := p.get(ctx, k, m.Args[argLeafNamespace], m.Args[argLeafName])
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return true, fmt.Sprintf("%s %s/%s is not there any more, so nothing is deployed by it", k.word, m.Args[argLeafNamespace], m.Args[argLeafName]), nil
	case err != nil:
		return false, "", err
	}
	w, content := parseWorkload(m.Args[argObject]), m.Args[argContent]
	if w.name != "" && content != "" {
		now, o, err := p.live(ctx, w)
		if err != nil {
			return false, "", fmt.Errorf("read %s: %w", w, err)
		}
		if digest(now) == content {
			return false, fmt.Sprintf("%s still is what was to be taken back", w), nil
		}
		if leaf.word == kube.OwnerApplication {
			return p.exitOfApplication(ctx, leaf, w, o, m.Args[argRevision])
		}
		if detail, left := p.left(ctx, leaf, w, o, m.Args[argRevision]); left {
			return true, detail, nil
		}
	}
	if leaf.word == kube.OwnerHelmRelease {
		return p.exitOfRelease(ctx, leaf, m.Args[argRevision], m.Args[argChart])
	}
	return p.exitByRevision(ctx, leaf, m.Args[argRevision])
}

// exitOfRelease tells what a HelmRelease asks for: the same chart with the same values still holds it, and of others nobody knows.
func (p *Provider) exitOfRelease(ctx context.Context, leaf *node, bad, badChart string) (bool, string, error) {
	chart := p.chart(ctx, leaf)
	switch {
	case bad == "":
		return false, "", fmt.Errorf("what %s asked for is not known", leaf)
	case leaf.deployed() != bad || chart != badChart && chart != "" && badChart != "":
		return false, "", fmt.Errorf("%s asks for another chart or other values than before: whether these are good the cluster cannot tell, look at them (%s)", leaf, p.source(ctx, leaf))
	case chart == "" || badChart == "":
		return false, "", fmt.Errorf("%s asks for the same chart and values as before, and whether the chart itself is another one by now cannot be read", leaf)
	case leaf.at("spec", "valuesFrom") != nil:
		return false, "", fmt.Errorf("%s asks for the same chart as before, and part of its values lies elsewhere (valuesFrom): look at them", leaf)
	default:
		return false, fmt.Sprintf("%s asks for the same chart (%s) and values as before", leaf, short(chart)), nil
	}
}

// exitByRevision tells what the revision alone tells: the same one still holds it, and of another one nobody knows.
func (p *Provider) exitByRevision(ctx context.Context, leaf *node, bad string) (bool, string, error) {
	source, now := p.source(ctx, leaf), leaf.deployed()
	switch leaf.word {
	case kube.OwnerApplication:
		now, _ = leaf.compared()
	case kube.OwnerKustomization:
		now = p.artifact(ctx, leaf)
	}
	switch {
	case now == "" || bad == "":
		return false, "", fmt.Errorf("which revision %s has, and which it had, is not known", source)
	case now == bad:
		return false, fmt.Sprintf("%s is still at %s", source, short(bad)), nil
	default:
		return false, "", fmt.Errorf("%s went from %s to %s: whether that still holds what was taken back the cluster cannot tell, look at it", source, short(bad), short(now))
	}
}

// compared is the revision that an application was last compared with, and when.
func (n *node) compared() (string, time.Time) {
	m, _ := n.at("status", "sync").(map[string]any)
	at, err := time.Parse(time.RFC3339, n.text("status", "reconciledAt"))
	if err != nil {
		at = time.Time{}
	}
	return revisionsOf(m), at
}

// exitOfApplication asks Argo CD what its repository renders now; where its API is not known, it goes by what Argo CD wrote
// down when it last compared.
func (p *Provider) exitOfApplication(ctx context.Context, leaf *node, w workload, o *kube.Object, bad string) (bool, string, error) {
	why := "configure argocd, so that what its source renders now can be asked"
	if p.argocd != nil {
		holds, detail, err := p.rendered(ctx, leaf, w, o, bad)
		if err == nil || ctx.Err() != nil {
			return holds, detail, err
		}
		why = providers.Clean(err.Error())
	}
	now, when := leaf.compared()
	switch {
	case now == "":
		return false, "", fmt.Errorf("%s was never compared with its source: %s", leaf, why)
	case now == bad:
		return false, fmt.Sprintf("%s is still at %s", p.source(ctx, leaf), short(bad)), nil
	case !when.After(written(o)):
		return false, "", fmt.Errorf("%s was last compared with its source before %s was written: refresh it; %s", leaf, w, why)
	}
	switch state := leaf.resourceState(w); state {
	case "Synced":
		return true, fmt.Sprintf("by Argo CD's word of %s, %s is what its source says at %s", providers.Clock(when, p.now()), w, short(now)), nil
	case "":
		return false, "", fmt.Errorf("%s does not list %s: %s", leaf, w, why)
	default:
		return false, "", fmt.Errorf("%s is %s at %s, with what difference is not known: %s", w, state, short(now), why)
	}
}

// resourceState is what an application says of one object.
func (n *node) resourceState(w workload) string {
	list, _ := n.at("status", "resources").([]any)
	for _, e := range list {
		r, _ := e.(map[string]any)
		if text(r, "group") == w.resource.Group && text(r, "kind") == w.kind && text(r, "name") == w.name && text(r, "namespace") == w.namespace {
			return providers.Clean(text(r, "status"))
		}
	}
	return ""
}

// written is when somebody last wrote an object itself, not its status.
func written(o *kube.Object) (last time.Time) {
	for _, m := range kube.Managers(o) {
		if m.Subresource != "status" && m.At.After(last) {
			last = m.At
		}
	}
	return last
}
