package helm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
)

// Under these names Helm itself writes: of Helm 4, of Helm 3 and of very old ones.
var helmManagers = []string{"helm", "Helm", "Go-http-client"}

// foreign says which fields of a live object somebody else owns: those that the manifest does not name stay what they are in
// any rollback. Labels, annotations and the status are not told of.
func foreign(live, manifest *object) (stays []string) {
	for _, m := range live.GetManagedFields() {
		if m.FieldsV1 == nil || m.Subresource == "status" || slices.Contains(helmManagers, m.Manager) || controller(m) {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		delete(fields, "f:metadata")
		delete(fields, "f:status")
		for _, path := range leaves("", fields, named(manifest)) {
			stays = append(stays, fmt.Sprintf("%s (by %s)", providers.Clean(path), providers.Clean(cmp.Or(m.Manager, "nobody named"))))
		}
	}
	slices.Sort(stays)
	return slices.Compact(stays)
}

// named is what a manifest names. A Secret's stringData is written into its data.
func named(o *object) map[string]any {
	clear, _, err := unstructured.NestedMap(o.Object.Object, "stringData")
	if o.GetKind() != "Secret" || err != nil || len(clear) == 0 {
		return o.Object.Object
	}
	out := o.DeepCopy().Object
	data, _ := out["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
	}
	maps.Copy(data, clear)
	out["data"] = data
	return out
}

// controller reports whether an entry is of Kubernetes itself at its usual work, and not of an autoscaler.
func controller(m metav1.ManagedFieldsEntry) bool {
	return m.Subresource == "" && slices.Contains([]string{"kube-controller-manager", "kube-scheduler", "kube-apiserver"}, m.Manager)
}

// leaves are the owned fields that a manifest does not have. The keys of the fields are the API server's own notation: f: is a
// field, k: the entry of a list with those keys, v: one with that value.
func leaves(path string, fields map[string]any, manifest any) (out []string) {
	for key, v := range fields {
		kind, name, _ := strings.Cut(key, ":")
		inner, _ := v.(map[string]any)
		var next string
		var at any
		switch kind {
		case "f":
			next = path + "." + name
			if m, ok := manifest.(map[string]any); ok {
				at = m[name]
			}
		case "k":
			var by map[string]any
			if json.Unmarshal([]byte(name), &by) != nil {
				continue
			}
			next, at = path+entry(by), withKeys(manifest, by)
		default:
			continue // a value of a set, or "." for the thing itself
		}
		switch {
		case at == nil:
			out = append(out, next)
		case len(inner) > 0:
			out = append(out, leaves(next, inner, at)...)
		}
	}
	return out
}

// withKeys is the entry of a list that has those keys.
func withKeys(list any, by map[string]any) any {
	entries, _ := list.([]any)
	for _, e := range entries {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		same := true
		for k, v := range by {
			// A manifest may leave a key out that has a default, such as a port's protocol.
			if m[k] != nil && fmt.Sprint(m[k]) != fmt.Sprint(v) {
				same = false
			}
		}
		if same {
			return e
		}
	}
	return nil
}

func entry(by map[string]any) string {
	var parts []string
	for k, v := range by {
		parts = append(parts, fmt.Sprintf("%s=%v", k, v))
	}
	slices.Sort(parts)
	return "[" + strings.Join(parts, ",") + "]"
}
