package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// kind finds how the cluster serves an object. ok is false where it does not, or no longer.
func (p *Provider) kind(ctx context.Context, o *object) (k kube.Kind, ok bool, err error) {
	version := o.GetAPIVersion()
	p.mu.Lock()
	kinds, known := p.kinds[version]
	p.mu.Unlock()
	if k, ok = kinds[o.GetKind()]; ok {
		return k, true, nil
	}
	if known && strings.HasSuffix(version, "v1") && !strings.Contains(version, ".") {
		return k, false, nil // what the API server itself is made of does not change while it is the same
	}
	kinds, err = p.cluster.Kinds(ctx, version)
	if errors.Is(err, providers.ErrNotFound) {
		return k, false, nil
	}
	if err != nil {
		return k, false, err
	}
	p.mu.Lock()
	p.kinds[version] = kinds
	p.mu.Unlock()
	k, ok = kinds[o.GetKind()]
	return k, ok, nil
}

// scoped drops the namespace that was assumed of objects which have none, and gives those that the cluster does not serve.
func (p *Provider) scoped(ctx context.Context, objects []*object) (gone []string, err error) {
	for _, o := range objects {
		k, ok, err := p.kind(ctx, o)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			gone = append(gone, fmt.Sprintf("%s (%s)", o, o.GetAPIVersion()))
		case !k.Namespaced:
			o.SetNamespace("")
		}
	}
	return gone, nil
}

// objects reads a release's manifest as the cluster would have it.
func (p *Provider) objects(ctx context.Context, full *release, c coordinates) (objects []*object, gone []string, err error) {
	if objects, err = parse(full.Manifest, c.namespace); err != nil {
		return nil, nil, fmt.Errorf("%s revision %d: %w", p.id(c), full.Version, err)
	}
	gone, err = p.scoped(ctx, objects)
	return objects, gone, err
}

// live reads an object as it is; nil where it is not there.
func (p *Provider) live(ctx context.Context, o *object) (*object, error) {
	k, ok, err := p.kind(ctx, o)
	if err != nil || !ok {
		return nil, err
	}
	found, err := p.cluster.Get(ctx, k.Resource, o.GetNamespace(), o.GetName())
	if errors.Is(err, providers.ErrNotFound) {
		return nil, nil //nolint:nilnil // it is not there, and that is no error
	}
	if err != nil {
		return nil, err
	}
	return &object{Object: *found}, nil
}

var replicaSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}

// workload kinds are those whose pods come and go with what the manifest says.
func (o *object) workload() bool {
	return o.group() == "apps" && slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, o.GetKind())
}

// images are those of a pod template, as one text.
func images(o *unstructured.Unstructured) string {
	var out []string
	for _, part := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", part) // one that is not there has none
		for _, c := range containers {
			if m, ok := c.(map[string]any); ok {
				out = append(out, fmt.Sprint(m["name"], "=", m["image"]))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// number reads a whole number below a path; 0 where it is not there.
func number(o *unstructured.Unstructured, path ...string) int64 {
	n, _, _ := unstructured.NestedInt64(o.Object, path...) // what is no number counts as not there
	return n
}
