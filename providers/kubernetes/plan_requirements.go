package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// requirement is an object without which the pods of a template cannot start, or start differently.
type requirement struct {
	title    string
	resource kube.Resource
	name     string
	optional bool // the template says that it starts without
	content  bool // what is in it changes what the pods do
	keys     []string
}

// lacking are the keys that are needed and that the object does not have.
func (r *requirement) lacking(o *kube.Object) []string {
	data, binary := object(o.Object, "data"), object(o.Object, "binaryData")
	return slices.DeleteFunc(slices.Clone(r.keys), func(k string) bool { return data[k] != nil || binary[k] != nil })
}

type needed []requirement

// names are what an observation refers to, sorted.
func (n needed) names() []string {
	var out []string
	for _, r := range n {
		out = append(out, providers.Clean(strings.ToLower(r.title)+"/"+r.name))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// requirements are what a pod template refers to.
func requirements(template map[string]any) needed {
	var out needed
	add := func(title string, resource kube.Resource, of map[string]any, key string) {
		name := text(of, key)
		if name == "" || slices.ContainsFunc(out, func(r requirement) bool { return r.title == title && r.name == name }) {
			return
		}
		optional, _ := of["optional"].(bool)
		out = append(out, requirement{title, resource, name, optional, false, nil})
	}
	spec := object(template, "spec")
	for _, r := range kube.References(template) {
		title, name, _ := strings.Cut(r.Title(), " ")
		out = append(out, requirement{title, core(strings.ToLower(title) + "s"), name, r.Optional, true, r.Keys})
	}
	for _, v := range kube.Items(spec["volumes"]) {
		add("PersistentVolumeClaim", core("persistentvolumeclaims"), object(v, "persistentVolumeClaim"), "claimName")
	}
	for _, s := range kube.Items(spec["imagePullSecrets"]) {
		add("Secret", core("secrets"), s, "name")
	}
	add("ServiceAccount", core("serviceaccounts"), spec, "serviceAccountName")
	add("PriorityClass", kube.Resource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}, spec, "priorityClassName")
	return out
}

// require looks whether what the target refers to is there, and whether it was changed since the target served.
// What goes back in the same plan holds then what it held.
func (p *Provider) require(ctx context.Context, w *live, target held, to rollback.Revision, with []rollback.Companion, prop *rollback.Proposal) error {
	needs := requirements(target.template)
	needs = slices.DeleteFunc(needs, func(r requirement) bool {
		unit := p.configUnit(w.namespace(), r.name)
		return r.title == "ConfigMap" && slices.ContainsFunc(with, func(c rollback.Companion) bool { return c.Unit == unit })
	})
	for _, r := range needs {
		namespace := w.namespace()
		if r.title == "PriorityClass" {
			namespace = ""
		}
		o, err := p.cluster.Get(ctx, r.resource, namespace, r.name)
		what := providers.Clean(r.title + " " + r.name)
		switch {
		case errors.Is(err, providers.ErrNotFound) && r.optional:
			prop.Warnings = append(prop.Warnings, what+" is not there; the target starts without it")
		case errors.Is(err, providers.ErrNotFound):
			prop.Missing = append(prop.Missing, what+", which the target needs, is not there: restore it first")
		case providers.ClassOf(err) == providers.ClassPermanent && err != nil:
			prop.Warnings = append(prop.Warnings, "whether "+what+" is there may not be looked at")
		case err != nil:
			return fmt.Errorf("%s: is %s there: %w", w.id, what, err)
		case r.content:
			if gone := r.lacking(o); len(gone) > 0 {
				prop.Missing = append(prop.Missing, providers.Clean(fmt.Sprintf("key %s of %s, which the target needs, is not there: put it back first", strings.Join(gone, ", "), what)))
			}
			if at := changedAt(o); !to.Until.IsZero() && at.After(to.Until) {
				prop.Warnings = append(prop.Warnings, fmt.Sprintf("%s was changed at %s, after the target last served: its pods start with the new content", what, at.Format("2006-01-02 15:04:05 UTC")))
			}
		}
	}
	if n := needs.contents(); len(n) > 0 {
		prop.NotRestored = append(prop.NotRestored, "the content of "+strings.Join(n, ", "))
	}
	return nil
}

func (n needed) contents() []string {
	var out []string
	for _, r := range n {
		if r.content {
			out = append(out, providers.Clean(r.title+" "+r.name))
		}
	}
	return out
}

// changedAt is when the content of an object was last written, as far as the API server tells.
func changedAt(o *kube.Object) time.Time {
	at := o.GetCreationTimestamp().UTC()
	for _, m := range o.GetManagedFields() {
		if m.Time != nil && m.Time.After(at) {
			at = m.Time.UTC()
		}
	}
	return at
}

// rights looks whether the user may do what the steps do.
func (p *Provider) rights(ctx context.Context, w *live, steps []rollback.Step, prop *rollback.Proposal) error {
	ask := func(verb string, r kube.Resource, name string) error {
		yes, why, err := p.cluster.May(ctx, verb, r, "", w.namespace(), name)
		if err != nil {
			return fmt.Errorf("%s: ask what you may do: %w", w.id, err)
		}
		if !yes {
			text := fmt.Sprintf("the right to %s %s in namespace %s", verb, r.Resource, w.namespace())
			if why != "" {
				text += " (" + why + ")"
			}
			prop.Missing = append(prop.Missing, providers.Clean(text))
		}
		return nil
	}
	for _, s := range steps {
		var err error
		if s.Action == actionDelete {
			err = ask("delete", core("pods"), s.Args[argPod])
		} else {
			err = ask("patch", w.kind.resource, w.object.GetName())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
