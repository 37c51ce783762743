package kubernetes

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// ownersOf are those that would write a workload's template again: the reconcilers and releases that its labels, annotations
// and field managers name, and whatever controls it.
func ownersOf(o *kube.Object) []string {
	labels, notes := o.GetLabels(), o.GetAnnotations()
	var out []string
	add := func(kind, namespace, name string) {
		if name == "" {
			return
		}
		if namespace != "" {
			name = namespace + "/" + name
		}
		out = append(out, providers.Clean(kind+" "+name))
	}
	app, _, _ := strings.Cut(notes["argocd.argoproj.io/tracking-id"], ":")
	add("Argo CD application", "", cmp.Or(app, labels["argocd.argoproj.io/instance"]))
	add("Flux HelmRelease", labels["helm.toolkit.fluxcd.io/namespace"], labels["helm.toolkit.fluxcd.io/name"])
	add("Flux Kustomization", labels["kustomize.toolkit.fluxcd.io/namespace"], labels["kustomize.toolkit.fluxcd.io/name"])
	add("Helm release", notes["meta.helm.sh/release-namespace"], notes["meta.helm.sh/release-name"])
	for _, r := range o.GetOwnerReferences() {
		if r.Controller != nil && *r.Controller {
			add(r.Kind, o.GetNamespace(), r.Name)
		}
	}
	for manager, title := range map[string]string{"argocd-": "Argo CD", "kustomize-controller": "Flux Kustomization", "helm-controller": "Flux HelmRelease"} {
		if slices.ContainsFunc(out, func(s string) bool { return strings.HasPrefix(s, title) }) {
			continue
		}
		for _, m := range o.GetManagedFields() {
			if strings.HasPrefix(m.Manager, manager) && m.Subresource == "" {
				add(title, "", "(which one nothing says; it wrote as "+m.Manager+")")
				break
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
