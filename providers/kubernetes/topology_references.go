package kubernetes

import (
	"strings"

	"github.com/backout-dev/backout/providers/kube"
)

// references are the ConfigMaps and Secrets that a pod template uses, sorted.
func references(namespace string, template map[string]any) []place {
	var out []place
	for _, r := range kube.References(template) {
		kind, name, _ := strings.Cut(r.String(), "/")
		out = append(out, place{kind, namespace, name})
	}
	return out
}
