package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// consentKey is the annotation on an object by which a person says that a rollback to the named revision may delete it.
const consentKey = "backout.dev/may-delete"

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

// deletions lists them. Those of a grave kind need a word of their own, on the object itself, for this target.
func (p *Provider) deletions(ctx context.Context, w *way, prop *rollback.Proposal) error {
	doomed, err := p.doomed(ctx, w)
	if err != nil {
		return err
	}
	for _, o := range doomed {
		if !slices.Contains(grave, o.GetKind()) {
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("deletes %s, which %s does not have", providers.Clean(o.String()), w.to.label()))
			continue
		}
		prop.Destroys = append(prop.Destroys, fmt.Sprintf("%s, which %s does not have%s", providers.Clean(o.String()), w.to.label(), consequence(o)))
		if missing := dissent(o, w.to); missing != "" {
			prop.Missing = append(prop.Missing, missing)
		}
	}
	if n := len(doomed); n > 5 && 2*n > len(w.before) {
		prop.Destroys = append(prop.Destroys, fmt.Sprintf("%d of the %d objects of the release: most of it", n, len(w.before)))
	}
	return nil
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

// dissent says how to allow, or avoid, a deletion that nobody has allowed yet.
func dissent(o *object, to *record) string {
	if o.GetAnnotations()[consentKey] == to.label() {
		return ""
	}
	where := ""
	if o.GetNamespace() != "" {
		where = " -n " + o.GetNamespace()
	}
	return providers.Clean(fmt.Sprintf("a yes to deleting %s: kubectl annotate%s %s %s %s=%s allows it for this target, %s=keep keeps the object",
		o, where, o.GetKind(), o.GetName(), consentKey, to.label(), keepPolicy))
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

// rehearse has the API server do everything but keep it, for each object that changes: what it refuses now, such as another
// value in an immutable field, it would refuse half way; and it names the fields that somebody else has set since.
func (p *Provider) rehearse(ctx context.Context, w *way, prop *rollback.Proposal) error {
	old := index(w.before)
	owned := w.target.ApplyMethod == "ssa"
	for _, o := range w.after {
		was := old[o.key()]
		if was != nil && same(was, o) {
			continue
		}
		k, ok, err := p.kind(ctx, o)
		if err != nil || !ok {
			continue // what is not served is in the plan already
		}
		sent := o.DeepCopy()
		sent.SetManagedFields(nil)
		_, err = p.cluster.Apply(ctx, k.Resource, o.GetNamespace(), sent, "helm", !owned, kube.Write{DryRun: true})
		switch text := providers.Clean(fmt.Sprint(err)); {
		case err == nil:
		case errors.Is(err, kube.ErrConditionFailed):
			prop.Missing = append(prop.Missing, fmt.Sprintf("%s has fields that somebody else has set since, and Helm stops at them: give them back to Helm first: %s", o, text))
		case errors.Is(err, kube.ErrRefused):
			prop.Missing = append(prop.Missing, fmt.Sprintf("%s cannot be taken back in place: %s", o, text))
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("whether %s can be taken back in place could not be tried: %s", o, text))
		}
	}
	return nil
}
