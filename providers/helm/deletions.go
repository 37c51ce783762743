package helm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// grave are the kinds whose deletion takes data or other objects along.
var grave = []string{"PersistentVolumeClaim", "CustomResourceDefinition", "Namespace", "StatefulSet"}

// doomed are the live objects that a rollback would delete: in the current revision, not in the target, and not kept.
func (p *Provider) doomed(ctx context.Context, w *way) ([]*object, error) {
	var out []*object
	for _, o := range without(w.before, w.after) {
		live, err := p.live(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("see what would be deleted: %w", err)
		}
		if live != nil && !live.kept() {
			out = append(out, live)
		}
	}
	return out, nil
}

// mostDeleted is how many deletions are nothing unusual. More of them, or most of the release, need a yes of their own.
const mostDeleted = 10

// deletions lists them. Those of a grave kind, and a list that is longer than a rollback's usually is, are destroyed: the
// engine has them named before it begins.
func (p *Provider) deletions(ctx context.Context, w *way, prop *rollback.Proposal) error {
	doomed, err := p.doomed(ctx, w)
	if err != nil {
		return err
	}
	var names []string
	for _, o := range doomed {
		names = append(names, providers.Clean(o.String()))
		if slices.Contains(grave, o.GetKind()) {
			prop.Destroys = append(prop.Destroys, fmt.Sprintf("%s, which %s does not have%s", providers.Clean(o.String()), w.to.label(), consequence(o)))
		} else {
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("deletes %s, which %s does not have", providers.Clean(o.String()), w.to.label()))
		}
	}
	if n := len(doomed); n > mostDeleted || (n > 2 && 2*n > len(w.before)) {
		prop.Destroys = append(prop.Destroys, fmt.Sprintf("%d-of-%d objects, far more of %s than a rollback usually deletes: %s", n, len(w.before), w.to.release, listed(names)))
	}
	ids, err := p.ids(ctx, doomed)
	if len(ids) > 0 {
		prop.Steps[0].Args[argDeletes] = strings.Join(ids, "\n")
	}
	return err
}

// argDeletes is the argument of a step that holds what it may delete, a line each.
const argDeletes = "deletes"

// ids call objects as the writer does: group/resource/namespace/name.
func (p *Provider) ids(ctx context.Context, objects []*object) (out []string, err error) {
	for _, o := range objects {
		k, ok, err := p.kind(ctx, o)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, strings.Join([]string{k.Resource.Group, k.Resource.Resource, o.GetNamespace(), o.GetName()}, "/"))
		}
	}
	return out, nil
}

// consented is all that an apply may delete, which the writer lets go and nothing else: what the plan listed and is still
// there, and what Helm clears away after hooks. What came since the plan is an error.
func (p *Provider) consented(ctx context.Context, c coordinates, from, to *record, listed string) ([]string, error) {
	w := way{from: from, to: to}
	if err := p.ends(ctx, c, &w); err != nil {
		return nil, err
	}
	doomed, err := p.doomed(ctx, &w)
	if err != nil {
		return nil, err
	}
	out, err := p.ids(ctx, doomed)
	if err != nil {
		return nil, err
	}
	for _, id := range out {
		if !slices.Contains(strings.Split(listed, "\n"), id) {
			return nil, fmt.Errorf("it would delete %s, which the plan did not list: plan anew", id)
		}
	}
	for _, h := range w.target.Hooks {
		objects, err := parse(h.Manifest, c.namespace)
		if err != nil {
			return nil, fmt.Errorf("hook %s: %w", h.Name, err)
		}
		if _, err := p.scoped(ctx, objects); err != nil {
			return nil, err
		}
		ids, err := p.ids(ctx, objects)
		if err != nil {
			return nil, err
		}
		out = append(out, ids...)
	}
	return append([]string{}, out...), nil
}

func consequence(o *object) string {
	switch o.GetKind() {
	case "PersistentVolumeClaim":
		return ": the data on its volume may go with it"
	case "CustomResourceDefinition":
		return ": every object of that kind goes with it, in all namespaces"
	case "Namespace":
		return ": everything in it goes with it"
	}
	return ": its pods stop"
}

// rights asks for what Helm will need, each kind once.
func (p *Provider) rights(ctx context.Context, w *way, prop *rollback.Proposal) error {
	type right struct {
		verb      string
		resource  kube.Resource
		namespace string
	}
	var needed []right
	add := func(r right) {
		if !slices.Contains(needed, r) {
			needed = append(needed, r)
		}
	}
	for _, verb := range []string{"create", "update"} {
		add(right{verb, p.resource(), w.from.namespace})
	}
	old := index(w.before)
	for _, o := range w.after {
		if k, ok, err := p.kind(ctx, o); err == nil && ok {
			verb := "patch"
			if old[o.key()] == nil {
				verb = "create"
			}
			add(right{verb, k.Resource, o.GetNamespace()})
		}
	}
	for _, o := range without(w.before, w.after) {
		if k, ok, err := p.kind(ctx, o); err == nil && ok {
			add(right{"delete", k.Resource, o.GetNamespace()})
		}
	}
	for _, n := range needed[:min(len(needed), 40)] {
		may, reason, err := p.cluster.May(ctx, n.verb, n.resource, "", n.namespace, "")
		if err != nil {
			return fmt.Errorf("ask what you may do: %w", err)
		}
		if !may {
			text := fmt.Sprintf("the right to %s %s in namespace %s", n.verb, schema.GroupResource{Group: n.resource.Group, Resource: n.resource.Resource}, cmp.Or(n.namespace, "(cluster)"))
			if reason != "" {
				text += " (" + reason + ")"
			}
			prop.Missing = append(prop.Missing, providers.Clean(text))
		}
	}
	return nil
}
