package kube

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// Kinds of owners that write objects again by what their source says. Any other kind is that of an object which controls the
// one that it owns.
const (
	OwnerApplication   = "Argo CD application"
	OwnerHelmRelease   = "Flux HelmRelease"
	OwnerKustomization = "Flux Kustomization"
	OwnerChart         = "Helm release"
)

const nameless = "(which one nothing says; it wrote as "

// Owner is somebody who would write an object again: a reconciler, a release, or an object that controls it. Namespace is ""
// where nothing says it: an Argo CD application is then in the namespace of its Argo CD.
type Owner struct {
	Kind, Namespace, Name string
	Writer                string // the field manager; only where nothing says the name
}

// String is the form in which observations hold it: "Flux Kustomization flux-system/shop".
func (o Owner) String() string {
	name := o.Name
	switch {
	case name == "":
		name = nameless + o.Writer + ")"
	case o.Namespace != "":
		name = o.Namespace + "/" + name
	}
	return o.Kind + " " + name
}

// ParseOwner reads what String wrote. What is no owner, such as a word of another system, is not ok.
func ParseOwner(s string) (o Owner, ok bool) {
	if kind, writer, found := strings.Cut(s, " "+nameless); found {
		writer, whole := strings.CutSuffix(writer, ")")
		return Owner{Kind: kind, Writer: writer}, whole && kind != "" && writer != ""
	}
	i := strings.LastIndexByte(s, ' ')
	if i <= 0 {
		return Owner{}, false
	}
	o.Kind, o.Name = s[:i], s[i+1:]
	if namespace, name, found := strings.Cut(o.Name, "/"); found {
		o.Namespace, o.Name = namespace, name
	}
	return o, o.Name != "" && !strings.Contains(o.Name, "/")
}

// OwnersOf are those that would write an object again, sorted: the reconcilers and releases that its labels, annotations and
// field managers name, and whatever controls it.
func OwnersOf(o *Object) []Owner {
	labels, notes := o.GetLabels(), o.GetAnnotations()
	var out []Owner
	add := func(kind, namespace, name string) {
		if name != "" {
			out = append(out, Owner{Kind: providers.Clean(kind), Namespace: providers.Clean(namespace), Name: providers.Clean(name)})
		}
	}
	app, _, _ := strings.Cut(notes["argocd.argoproj.io/tracking-id"], ":")
	app = cmp.Or(app, labels["argocd.argoproj.io/instance"])
	if namespace, name, found := strings.Cut(app, "_"); found { // an application outside the namespace of its Argo CD
		add(OwnerApplication, namespace, name)
	} else {
		add(OwnerApplication, "", app)
	}
	add(OwnerHelmRelease, labels["helm.toolkit.fluxcd.io/namespace"], labels["helm.toolkit.fluxcd.io/name"])
	add(OwnerKustomization, labels["kustomize.toolkit.fluxcd.io/namespace"], labels["kustomize.toolkit.fluxcd.io/name"])
	add(OwnerChart, notes["meta.helm.sh/release-namespace"], notes["meta.helm.sh/release-name"])
	for _, r := range o.GetOwnerReferences() {
		if r.Controller != nil && *r.Controller {
			add(r.Kind, o.GetNamespace(), r.Name)
		}
	}
	out = append(out, writers(o, out)...)
	slices.SortFunc(out, func(a, b Owner) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

// writers are the reconcilers that wrote an object as far as it does not name them otherwise.
func writers(o *Object, named []Owner) (out []Owner) {
	for prefix, kind := range map[string]string{"argocd-": OwnerApplication, "kustomize-controller": OwnerKustomization, "helm-controller": OwnerHelmRelease} {
		if slices.ContainsFunc(named, func(n Owner) bool { return n.Kind == kind }) {
			continue
		}
		for _, m := range Managers(o) {
			if strings.HasPrefix(m.Name, prefix) && m.Subresource == "" {
				out = append(out, Owner{Kind: kind, Writer: providers.Clean(m.Name)})
				break
			}
		}
	}
	return out
}

// OwnerWords are owners as observations hold them.
func OwnerWords(owners []Owner) []string {
	out := make([]string, len(owners))
	for i, o := range owners {
		out[i] = o.String()
	}
	return out
}

// CommitKeys are the annotations and labels by which pipelines say which commit was built; the first that an object has counts.
func CommitKeys() []string {
	return []string{"backout.dev/commit", "org.opencontainers.image.revision", "app.kubernetes.io/revision", "tags.datadoghq.com/git.commit.sha"}
}
