package kubernetes

import (
	"cmp"
	"slices"
)

// references are the ConfigMaps and Secrets that a pod template uses, sorted.
func references(namespace string, template map[string]any) []place {
	var out []place
	add := func(kind, name string) {
		if name != "" {
			out = append(out, place{kind, namespace, name})
		}
	}
	for _, group := range []string{"containers", "initContainers"} {
		for _, c := range list(template, "spec", group) {
			for _, e := range list(c, "envFrom") {
				add("configmap", text(e, "configMapRef", "name"))
				add("secret", text(e, "secretRef", "name"))
			}
			for _, e := range list(c, "env") {
				add("configmap", text(e, "valueFrom", "configMapKeyRef", "name"))
				add("secret", text(e, "valueFrom", "secretKeyRef", "name"))
			}
		}
	}
	for _, v := range list(template, "spec", "volumes") {
		add("configmap", text(v, "configMap", "name"))
		add("secret", text(v, "secret", "secretName"))
		for _, s := range list(v, "projected", "sources") {
			add("configmap", text(s, "configMap", "name"))
			add("secret", text(s, "secret", "name"))
		}
	}
	slices.SortFunc(out, func(a, b place) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	return slices.Clip(slices.Compact(out))
}
