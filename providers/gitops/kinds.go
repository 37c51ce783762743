package gitops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const ownerSet = "ApplicationSet" // as kube.OwnersOf names what controls an application

// kind is one kind of reconciler, as the cluster keeps it.
type kind struct {
	word     string // what owners are called
	resource kube.Resource
	object   string
	field    []string // says whether it reconciles by itself
}

var kinds = []*kind{
	{kube.OwnerApplication, argo("applications"), "Application", []string{"spec", "syncPolicy", "automated"}},
	{ownerSet, argo("applicationsets"), "ApplicationSet", []string{"spec", "ignoreApplicationDifferences"}},
	{kube.OwnerKustomization, kube.Resource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}, "Kustomization", []string{"spec", "suspend"}},
	{kube.OwnerHelmRelease, kube.Resource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}, "HelmRelease", []string{"spec", "suspend"}},
}

func argo(resource string) kube.Resource {
	return kube.Resource{Group: "argoproj.io", Version: "v1alpha1", Resource: resource}
}

// kindOf finds a kind by what owners of it are called; nil for owners that are no reconcilers.
func kindOf(word string) *kind {
	for _, k := range kinds {
		if k.word == word {
			return k
		}
	}
	return nil
}

// node is a reconciler as it is now.
type node struct {
	*kind
	object *kube.Object
}

// String names it for people.
func (n *node) String() string {
	return providers.Clean(n.word + " " + n.object.GetNamespace() + "/" + n.object.GetName())
}

// at reads a value of the object; nil where it is not there.
func (n *node) at(path ...string) any { return at(n.object, path...) }

func (n *node) text(path ...string) string {
	s, _ := n.at(path...).(string)
	return providers.Clean(s)
}

func at(o *kube.Object, path ...string) any {
	v, found, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	if err != nil || !found {
		return nil
	}
	return v
}

// running reports whether it reconciles by itself.
func (n *node) running() bool {
	switch n.word {
	case kube.OwnerApplication:
		automated, on := n.at(n.field...).(map[string]any)
		return on && automated["enabled"] != false
	case ownerSet:
		switch n.text("spec", "syncPolicy", "applicationsSync") {
		case "create-only", "create-delete":
			return false // it leaves applications alone once they are there
		}
		return true
	default:
		return n.at(n.field...) != true
	}
}

// off reports whether it is held back, by whomever; an ApplicationSet by backout for one application.
func (n *node) off(application string) bool {
	if n.word == ownerSet {
		_, i := n.exempted(application)
		return i >= 0
	}
	return !n.running()
}

// raw is a value in the one form in which it is compared and kept.
func raw(v any) json.RawMessage {
	b, err := json.Marshal(v) // maps are sorted
	if err != nil {
		return json.RawMessage("null") // what came as JSON always can be written
	}
	return b
}

func same(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// get reads one reconciler. What is not there, or not even its kind, matches providers.ErrNotFound.
func (p *Provider) get(ctx context.Context, k *kind, namespace, name string) (*node, error) {
	o, err := p.cluster.Get(ctx, k.resource, namespace, name)
	if err != nil {
		return nil, err
	}
	return &node{k, o}, nil
}

// each reads those of a kind until the reader has enough; none where the cluster does not know the kind.
func (p *Provider) each(ctx context.Context, k *kind, s kube.Selection, take func(*node) bool) error {
	for _, namespace := range p.cluster.Namespaces() {
		for o, err := range p.cluster.List(ctx, k.resource, namespace, s) {
			switch {
			case err != nil && p.unknown(ctx, k, err):
				return nil
			case err != nil:
				return fmt.Errorf("list %ss: %w", k.object, err)
			case p.cluster.Covers(o.GetNamespace()) && !take(&node{k, o}):
				return nil
			}
		}
	}
	return nil
}

func (p *Provider) list(ctx context.Context, k *kind, s kube.Selection) (out []*node, err error) {
	err = p.each(ctx, k, s, func(n *node) bool {
		out = append(out, n)
		return true
	})
	return out, err
}

// unknown reports whether an error says no more than that the cluster has no such kind. Who may not read a kind is refused
// before it is looked whether there is one.
func (p *Provider) unknown(ctx context.Context, k *kind, err error) bool {
	if errors.Is(err, providers.ErrNotFound) {
		return true
	}
	if providers.ClassOf(err) != providers.ClassPermanent {
		return false
	}
	served, err := p.cluster.Kinds(ctx, k.resource.GroupVersion().String())
	if err != nil {
		return errors.Is(err, providers.ErrNotFound)
	}
	_, there := served[k.object]
	return !there
}
