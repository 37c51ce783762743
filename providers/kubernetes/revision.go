package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const (
	hashLabel = "pod-template-hash" // what the Deployment controller adds to the template of a ReplicaSet

	causeAnnotation = "kubernetes.io/change-cause"

	// opAnnotation says which operation set the pod template, by which step, and to which content: "ID N DIGEST". A workload whose
	// content is another one was switched by somebody else since.
	opAnnotation = "backout.dev/op"
	// pinAnnotation says which images of the pod template were pinned to what a tag once resolved to: {"container": ["tag", "pinned"]}.
	pinAnnotation = "backout.dev/pinned"
)

// templateDigest is the identity of a pod template: "sha256:" and the hex SHA-256 over its canonical JSON without what
// says nothing about the content. Two templates that the API server takes for the same have the same digest, also where one
// was written down before a version of Kubernetes that adds a default. It is "" for no template.
func templateDigest(template map[string]any) string { return servedDigest(template, nil) }

// servedDigest is the identity of the template of an object with these annotations, which may say that images in it are
// pinned and which content it stands for.
func servedDigest(template map[string]any, annotations map[string]string) string {
	if template == nil {
		return ""
	}
	return spentDigest(runtime.DeepCopyJSON(template), annotations)
}

// spentDigest is servedDigest of a template that nobody needs afterwards: it is changed.
func spentDigest(template map[string]any, annotations map[string]string) string {
	if template == nil {
		return ""
	}
	canonical(template, annotations)
	raw, err := appendJSON(make([]byte, 0, 4096), template)
	if err != nil {
		return "" // nothing that came as JSON cannot go as JSON
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonical makes a template what is the same for the same content.
func canonical(t map[string]any, annotations map[string]string) {
	clean(t)
	unpin(t, annotations)
	spec, _ := t["spec"].(map[string]any)
	withoutDefaults(spec, podDefaults())
	for _, c := range containersOf(t) {
		canonicalContainer(c)
	}
	for _, v := range kube.Items(spec["volumes"]) {
		for _, source := range []string{"configMap", "secret", "projected", "downwardAPI"} {
			m, _ := v[source].(map[string]any)
			withoutDefaults(m, map[string]any{"defaultMode": int64(0o644)})
		}
		if m, ok := v["hostPath"].(map[string]any); ok {
			withoutDefaults(m, map[string]any{"type": ""})
		}
	}
	if spec != nil && spec["serviceAccount"] == spec["serviceAccountName"] {
		delete(spec, "serviceAccount") // its old name
	}
}

// cleanTemplate is a copy that can be written into a workload: without what a controller added to its own copy.
func cleanTemplate(template map[string]any) map[string]any {
	t := runtime.DeepCopyJSON(template)
	clean(t)
	return t
}

func clean(t map[string]any) {
	delete(t, "$patch")
	dropNull(t)
	meta, _ := t["metadata"].(map[string]any)
	if labels, ok := meta["labels"].(map[string]any); ok {
		delete(labels, hashLabel)
	}
}

func dropNull(v any) {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, e any) bool { return e == nil })
		for _, e := range v {
			dropNull(e)
		}
	case []any:
		for _, e := range v {
			dropNull(e)
		}
	}
}

// The values that the API server fills in where nothing is said (pkg/apis/core/v1/defaults.go of Kubernetes).
func podDefaults() map[string]any {
	return map[string]any{
		"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
		"terminationGracePeriodSeconds": int64(30), "securityContext": map[string]any{}, "enableServiceLinks": true,
	}
}

func containerDefaults(image string) map[string]any {
	pull := "IfNotPresent"
	if _, tag, digest := splitImage(image); digest == "" && (tag == "" || tag == "latest") {
		pull = "Always"
	}
	return map[string]any{
		"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": map[string]any{}, "imagePullPolicy": pull,
	}
}

func canonicalContainer(c map[string]any) {
	image, _ := c["image"].(string)
	withoutDefaults(c, containerDefaults(image))
	for _, p := range kube.Items(c["ports"]) {
		withoutDefaults(p, map[string]any{"protocol": "TCP"})
	}
	for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		m, _ := c[probe].(map[string]any)
		withoutDefaults(m, map[string]any{"timeoutSeconds": int64(1), "periodSeconds": int64(10), "successThreshold": int64(1), "failureThreshold": int64(3)})
		get, _ := m["httpGet"].(map[string]any)
		withoutDefaults(get, map[string]any{"scheme": "HTTP"})
	}
	for _, e := range kube.Items(c["env"]) {
		from, _ := e["valueFrom"].(map[string]any)
		field, _ := from["fieldRef"].(map[string]any)
		withoutDefaults(field, map[string]any{"apiVersion": "v1"})
	}
	resources, _ := c["resources"].(map[string]any)
	for _, kind := range []string{"limits", "requests"} {
		amounts, _ := resources[kind].(map[string]any)
		for name, v := range amounts {
			if q, err := resource.ParseQuantity(fmt.Sprint(v)); err == nil {
				amounts[name] = q.String() // 0.5 and 500m are the same
			}
		}
	}
}

// withoutDefaults drops what says no more than leaving it out.
func withoutDefaults(m map[string]any, defaults map[string]any) {
	for k, d := range defaults {
		v, ok := m[k]
		if !ok {
			continue
		}
		empty, _ := v.(map[string]any)
		if _, isMap := d.(map[string]any); isMap && empty != nil && len(empty) == 0 || !isMap && isDefault(v, d) {
			delete(m, k)
		}
	}
}

// isDefault reports whether a value says the same as a default, which is a text, a number or a bool.
func isDefault(v, d any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	case float64:
		return fmt.Sprint(v) == fmt.Sprint(d)
	}
	return v == d
}

// containersOf are the containers and init containers of a template; writing to one writes to the template.
func containersOf(template map[string]any) []map[string]any {
	spec, _ := template["spec"].(map[string]any)
	return slices.Concat(kube.Items(spec["initContainers"]), kube.Items(spec["containers"]))
}

// imagesBy are the images of a template by container.
func imagesBy(template map[string]any) map[string]string {
	out := map[string]string{}
	for _, c := range containersOf(template) {
		name, _ := c["name"].(string)
		out[name], _ = c["image"].(string)
	}
	return out
}

// splitImage takes an image reference apart: "repo:tag@sha256:hex".
func splitImage(image string) (repo, tag, digest string) {
	repo, digest, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(repo, ":"); i > strings.LastIndex(repo, "/") {
		repo, tag = repo[:i], repo[i+1:]
	}
	return repo, tag, digest
}

// pins are the images that were pinned, by container: what the revision says, and what is written instead.
type pins map[string][2]string

func pinsOf(annotations map[string]string) pins {
	var p pins
	if json.Unmarshal([]byte(annotations[pinAnnotation]), &p) != nil {
		return nil
	}
	return p
}

// unpin puts the images back that a pinned template stands for.
func unpin(template map[string]any, annotations map[string]string) {
	p := pinsOf(annotations)
	for _, c := range containersOf(template) {
		name, _ := c["name"].(string)
		if pair, ok := p[name]; ok && c["image"] == pair[1] {
			c["image"] = pair[0]
		}
	}
}

// stampOf reads opAnnotation. An operation whose content is no longer there set nothing that is there.
func stampOf(annotations map[string]string) (op string, step int, digest string) {
	fields := strings.Fields(annotations[opAnnotation])
	if len(fields) != 3 {
		return "", 0, ""
	}
	step, err := strconv.Atoi(fields[1])
	if err != nil {
		return "", 0, ""
	}
	return providers.Clean(fields[0]), step, fields[2]
}
