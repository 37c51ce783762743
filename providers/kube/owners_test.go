package kube_test

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/providers/kube"
)

func TestOwnersAreReadFromWhatTheyLeave(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		labels, notes map[string]string
		managers      []string
		controller    string
		want          []string
	}{
		"nobody":                   {want: []string{}},
		"an application":           {notes: map[string]string{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/shop"}, want: []string{"Argo CD application shop"}},
		"one of another namespace": {notes: map[string]string{"argocd.argoproj.io/tracking-id": "team-a_shop:apps/Deployment:web/shop"}, want: []string{"Argo CD application team-a/shop"}},
		"by its label":             {labels: map[string]string{"argocd.argoproj.io/instance": "shop"}, managers: []string{"argocd-controller"}, want: []string{"Argo CD application shop"}},
		"only as a writer":         {managers: []string{"argocd-controller", "kubectl"}, want: []string{"Argo CD application (which one nothing says; it wrote as argocd-controller)"}},
		"a kustomization":          {labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, want: []string{"Flux Kustomization flux-system/apps"}},
		"a release of Flux and Helm": {
			labels: map[string]string{"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "web"},
			notes:  map[string]string{"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "web"}, managers: []string{"helm-controller"},
			want: []string{"Flux HelmRelease web/shop", "Helm release web/shop"},
		},
		"what controls it": {controller: "Database", want: []string{"Database web/main"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := &kube.Object{Object: map[string]any{}}
			o.SetNamespace("web")
			o.SetLabels(c.labels)
			o.SetAnnotations(c.notes)
			var fields []metav1.ManagedFieldsEntry
			for _, m := range c.managers {
				fields = append(fields, metav1.ManagedFieldsEntry{Manager: m})
			}
			o.SetManagedFields(fields)
			if c.controller != "" {
				o.SetOwnerReferences([]metav1.OwnerReference{{Kind: c.controller, Name: "main", Controller: &yes}, {Kind: "Friend", Name: "f"}})
			}
			owners := kube.OwnersOf(o)
			if got := kube.OwnerWords(owners); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			for _, owner := range owners {
				if again, ok := kube.ParseOwner(owner.String()); !ok || again != owner {
					t.Errorf("%q was read as %+v %v", owner, again, ok)
				}
			}
		})
	}
}

func TestOtherWordsAreNoOwner(t *testing.T) {
	for _, s := range []string{"", "terraform", " shop", "Flux Kustomization a/b/c", "Flux Kustomization a/"} {
		if o, ok := kube.ParseOwner(s); ok {
			t.Errorf("%q was read as %+v", s, o)
		}
	}
}
