package gitops

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

func (k *kind) flux() bool {
	return k.word == kube.OwnerKustomization || k.word == kube.OwnerHelmRelease
}

// attempted is the revision that a Kustomization deployed last. Flux calls one applied only when its health checks have passed,
// which those of a bad one never do.
func (n *node) attempted() string {
	last, tried := n.text("status", "lastAppliedRevision"), n.text("status", "lastAttemptedRevision")
	switch text(n.condition("Ready"), "reason") {
	case "BuildFailed", "ArtifactFailed": // nothing of it was deployed
		return last
	}
	if tried == "" {
		return last
	}
	return tried
}

// waits reports whether a Kustomization only waits for the health of what it has deployed.
func (n *node) waits() bool {
	c := n.condition("Reconciling")
	return n.word == kube.OwnerKustomization && text(c, "status") == "True" && strings.HasPrefix(text(c, "message"), "Running health checks")
}

// busy is what a controller of Flux is at that may still write, in its words; "" where it is at nothing. Suspending does not end
// it.
func (n *node) busy() string {
	c := n.condition("Reconciling")
	if !n.flux() || text(c, "status") != "True" || text(c, "reason") != "Progressing" || n.waits() {
		return ""
	}
	return providers.Clean(text(c, "message"))
}

// turn says how far a controller of Flux is with an object that is not suspended, and whether it is done with that.
func (n *node) turn() (words string, done bool) {
	ready := n.condition("Ready")
	seen, _ := ready["observedGeneration"].(int64)
	taken := seen == 0 || seen >= n.object.GetGeneration()
	switch status := text(ready, "status"); {
	case status == "" || !taken && !n.handled():
		return "its controller has not taken that up yet", false
	case n.waits():
		return fmt.Sprintf("it has deployed %s, and waits for its health", short(n.deployed())), true
	case status == "Unknown" || !n.handled() || !taken:
		return "it is at it: " + providers.Clean(text(n.condition("Reconciling"), "message")), false
	case status == "False":
		return "it fails: " + providers.Clean(text(ready, "message")), true
	case n.word == kube.OwnerKustomization:
		return "it has deployed " + short(n.deployed()), true
	default:
		return providers.Clean(text(ready, "message")), true
	}
}

// listed reports whether what Flux keeps of a reconciler's objects names one.
func (n *node) listed(w workload) bool {
	for _, e := range n.inventory() {
		entry, _ := e.(map[string]any)
		if text(entry, "id") == strings.Join([]string{w.namespace, w.name, w.resource.Group, w.kind}, "_") {
			return true
		}
	}
	return false
}

func (n *node) inventory() []any {
	list, _ := n.at("status", "inventory", "entries").([]any)
	return list
}

// chart is the revision of the chart that a HelmRelease's source has now; "" where it cannot be read. A chart in a repository
// changes without its HelmRelease.
func (p *Provider) chart(ctx context.Context, leaf *node) string {
	resource, namespace, name := "", "", ""
	switch ref, _ := leaf.at("spec", "chartRef").(map[string]any); {
	case ref != nil:
		resource = map[string]string{"OCIRepository": "ocirepositories", "HelmChart": "helmcharts"}[text(ref, "kind")]
		namespace, name = text(ref, "namespace"), text(ref, "name")
		if namespace == "" {
			namespace = leaf.object.GetNamespace()
		}
	default:
		resource = "helmcharts"
		namespace, name, _ = strings.Cut(leaf.text("status", "helmChart"), "/")
	}
	if resource == "" || name == "" {
		return ""
	}
	o, err := p.cluster.Get(ctx, kube.Resource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: resource}, namespace, name)
	if err != nil {
		return ""
	}
	return (&node{leaf.kind, o}).text("status", "artifact", "revision")
}

// artifact is the revision that a Kustomization's source has now; where the source cannot be read, the one that it deployed.
func (p *Provider) artifact(ctx context.Context, leaf *node) string {
	g := p.repository(ctx, leaf)
	if g == nil {
		return leaf.deployed()
	}
	return (&node{leaf.kind, g}).text("status", "artifact", "revision")
}

// left tells whether a Kustomization that runs has deployed another revision than the bad one, and found the object already as
// that says. Whoever wrote the object last did so before: then it is as it was put back.
func (p *Provider) left(ctx context.Context, leaf *node, w workload, o *kube.Object, bad string) (string, bool) {
	if leaf.word != kube.OwnerKustomization || !leaf.running() || !leaf.listed(w) || text(leaf.condition("Ready"), "status") != "True" {
		return "", false
	}
	now := leaf.deployed()
	if _, done := leaf.turn(); !done || now == bad || now != p.artifact(ctx, leaf) {
		return "", false
	}
	history, _ := leaf.at("status", "history").([]any)
	if len(history) == 0 {
		return "", false
	}
	last, _ := history[0].(map[string]any)
	took, err := time.ParseDuration(text(last, "lastReconciledDuration"))
	if began := when(last, "lastReconciled").Add(-took); err != nil || !written(o).Before(began.Truncate(time.Second)) {
		return "", false
	}
	return fmt.Sprintf("%s runs, has deployed %s, and found %s already as that says", leaf, short(now), w), true
}
