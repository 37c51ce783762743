package gitops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// highest is how far up owners are followed.
const highest = 12

// workload is the object of a unit, as reconcilers name it; the zero value where a unit is no single object.
type workload struct {
	resource              kube.Resource
	kind, namespace, name string
	content               []string // the fields that are taken back
}

// find reads the reconciler that owns an object: by its name, or by its list of what it deploys where nothing names it.
func (p *Provider) find(ctx context.Context, o kube.Owner, of workload) (*node, error) {
	k := kindOf(o.Kind)
	if o.Namespace != "" {
		n, err := p.get(ctx, k, o.Namespace, o.Name)
		if errors.Is(err, providers.ErrNotFound) {
			err = p.strange(o)
		}
		return n, err
	}
	var s kube.Selection
	if o.Name != "" {
		s.Fields = "metadata.name=" + o.Name
	}
	all, err := p.list(ctx, k, s)
	if err != nil {
		return nil, err
	}
	var sure, named []*node
	for _, n := range all {
		if n.deploys(of) {
			sure = append(sure, n)
		}
		if o.Name != "" {
			named = append(named, n)
		}
	}
	if len(sure) > 0 {
		named = sure
	}
	switch len(named) {
	case 0:
		return nil, p.strange(o)
	case 1:
		return named[0], nil
	default:
		return nil, fmt.Errorf("%s: several of that name deploy %s/%s", o, of.namespace, of.name)
	}
}

func (p *Provider) strange(o kube.Owner) error {
	return providers.Permanent(fmt.Errorf("%s is not in context %s: if its reconciler runs in another cluster, configure a gitops provider for that one, and say in units_of whose units each owns",
		o, p.cluster.Context()))
}

// deploys reports whether a reconciler lists an object among those that it keeps.
func (n *node) deploys(w workload) bool {
	if w.name == "" {
		return false
	}
	if n.flux() {
		return n.listed(w)
	}
	list, _ := n.at("status", "resources").([]any)
	for _, e := range list {
		r, _ := e.(map[string]any)
		if text(r, "group") == w.resource.Group && text(r, "kind") == w.kind && text(r, "name") == w.name && (text(r, "namespace") == w.namespace || w.namespace == "") {
			return true
		}
	}
	return false
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// parents are the reconcilers that write this one.
func (p *Provider) parents(ctx context.Context, n *node) (out []*node, err error) {
	self := workload{resource: n.resource, kind: n.kind.object, namespace: n.object.GetNamespace(), name: n.object.GetName()}
	for _, o := range kube.OwnersOf(n.object) {
		if kindOf(o.Kind) == nil {
			continue
		}
		if o.Name == "" { // an application's own controllers write it as argocd-... too
			if n.word == kube.OwnerApplication && !applied(n.object) {
				continue
			}
		}
		up, err := p.find(ctx, o, self)
		if err != nil {
			if o.Name == "" && providers.ClassOf(err) == providers.ClassPermanent {
				continue
			}
			return nil, fmt.Errorf("who writes %s: %w", n, err)
		}
		if up.object.GetUID() != n.object.GetUID() { // one that deploys itself
			out = append(out, up)
		}
	}
	return out, nil
}

// applier is whom Argo CD writes down for what it deploys.
const applier = "argocd-controller"

func applied(o *kube.Object) bool {
	return slices.ContainsFunc(kube.Managers(o), func(m kube.Manager) bool { return m.Name == applier })
}

// declares tells whether the source of a reconciler's parent says itself that the reconciler runs. Known is false where nothing
// tells what the source says.
func (n *node) declares(parent *node) (yes, known bool) {
	if last := n.object.GetAnnotations()["kubectl.kubernetes.io/last-applied-configuration"]; last != "" && parent.word == kube.OwnerApplication {
		o := &kube.Object{}
		if json.Unmarshal([]byte(last), &o.Object) == nil {
			return at(o, n.field...) != nil, true
		}
	}
	manager := map[string]string{kube.OwnerApplication: applier, kube.OwnerKustomization: "kustomize-controller", kube.OwnerHelmRelease: "helm-controller"}[parent.word]
	for _, m := range kube.Managers(n.object) {
		if m.Name != manager || m.Subresource != "" {
			continue
		}
		if known = true; m.Owns(n.field...) {
			return true, true
		}
	}
	return false, known
}

// undoes reports whether a reconciler would start one again that it writes, once that is held back, and how that is known.
func (n *node) undoes(child *node) (bool, string) {
	if !n.running() {
		return false, ""
	}
	if n.word == ownerSet {
		return true, fmt.Sprintf("%s writes the sync policy of %s again at once", n, child)
	}
	switch yes, known := child.declares(n); {
	case yes:
		return true, fmt.Sprintf("%s says in its own source that %s runs, and puts that back", n, child)
	case known:
		return false, fmt.Sprintf("%s writes %s too, and does not say whether that runs: it stays as it is", n, child)
	default:
		return true, fmt.Sprintf("%s writes %s, and whether it would start it again cannot be told: it is held back too", n, child)
	}
}

// source is where a reconciler reads from, in words.
func (p *Provider) source(ctx context.Context, n *node) string {
	switch n.word {
	case kube.OwnerApplication:
		var parts []string
		for _, s := range n.sources() {
			where := "path " + text(s, "path")
			if chart := text(s, "chart"); chart != "" {
				where = "chart " + chart
			}
			ref := text(s, "targetRevision")
			if ref == "" {
				ref = "HEAD"
			}
			parts = append(parts, fmt.Sprintf("%s of %s (%s)", ref, text(s, "repoURL"), where))
		}
		return providers.Clean(strings.Join(parts, " and "))
	case kube.OwnerHelmRelease:
		return providers.Clean(fmt.Sprintf("chart %s %s", n.text("spec", "chart", "spec", "chart"), n.text("spec", "chart", "spec", "version")))
	}
	g := p.repository(ctx, n)
	if g == nil {
		return "its source"
	}
	ref := ""
	if m, ok := at(g, "spec", "ref").(map[string]any); ok {
		for _, key := range []string{"commit", "name", "semver", "tag", "branch"} {
			if ref == "" {
				ref = text(m, key)
			}
		}
	}
	if ref == "" {
		ref = "HEAD"
	}
	url, _ := at(g, "spec", "url").(string)
	return providers.Clean(fmt.Sprintf("%s of %s (path %s)", ref, url, n.text("spec", "path")))
}

// sources are an application's sources.
func (n *node) sources() (out []map[string]any) {
	if one, ok := n.at("spec", "source").(map[string]any); ok {
		return append(out, one)
	}
	list, _ := n.at("spec", "sources").([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// repository reads the source of a Kustomization; nil where it cannot be read, which only costs words.
func (p *Provider) repository(ctx context.Context, n *node) *kube.Object {
	resource := map[string]string{"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets"}[n.text("spec", "sourceRef", "kind")]
	namespace := n.text("spec", "sourceRef", "namespace")
	if namespace == "" {
		namespace = n.object.GetNamespace()
	}
	if resource == "" {
		return nil
	}
	g, err := p.cluster.Get(ctx, kube.Resource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: resource}, namespace, n.text("spec", "sourceRef", "name"))
	if err != nil {
		return nil
	}
	return g
}
