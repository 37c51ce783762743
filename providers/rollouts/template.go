package rollouts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers/kube"
)

// content is a pod template of a ReplicaSet without what the controller put in: its hash label, the metadata that pods wear
// only while they are canary or stable, and its own anti-affinity.
func content(rs *kube.Object) map[string]any {
	template := templateOf(rs)
	var worn struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	if text := rs.GetAnnotations()[ephemeralKey]; text != "" && json.Unmarshal([]byte(text), &worn) == nil {
		for key := range worn.Labels {
			unstructured.RemoveNestedField(template, "metadata", "labels", key)
		}
		for key := range worn.Annotations {
			unstructured.RemoveNestedField(template, "metadata", "annotations", key)
		}
	}
	withoutAntiAffinity(template)
	return tidy(template)
}

// templateOf is a copy of an object's pod template; a PodTemplate has it at another place than everything else.
func templateOf(o *kube.Object) map[string]any {
	path := []string{"spec", "template"}
	if o.GetKind() == "PodTemplate" {
		path = []string{"template"}
	}
	template, _, err := unstructured.NestedMap(o.Object, path...)
	if err != nil || template == nil {
		return map[string]any{}
	}
	return template
}

// tidy removes what says nothing: the hash label, and maps of metadata that are empty.
func tidy(template map[string]any) map[string]any {
	unstructured.RemoveNestedField(template, "metadata", "labels", hashLabel)
	unstructured.RemoveNestedField(template, "metadata", "creationTimestamp")
	for _, path := range [][]string{{"metadata", "labels"}, {"metadata", "annotations"}, {"metadata"}} {
		if m, there, err := unstructured.NestedMap(template, path...); there && err == nil && len(m) == 0 {
			unstructured.RemoveNestedField(template, path...)
		}
	}
	return template
}

func withoutAntiAffinity(template map[string]any) {
	base := []string{"spec", "affinity", "podAntiAffinity"}
	for field, inner := range map[string][]string{
		"requiredDuringSchedulingIgnoredDuringExecution":  nil,
		"preferredDuringSchedulingIgnoredDuringExecution": {"podAffinityTerm"},
	} {
		path := slices.Concat(base, []string{field})
		terms, there, err := unstructured.NestedSlice(template, path...)
		if !there || err != nil {
			continue
		}
		kept := slices.DeleteFunc(terms, func(term any) bool { return injected(term, inner) })
		if len(kept) > 0 {
			_ = unstructured.SetNestedSlice(template, kept, path...) // it was read from there
			continue
		}
		unstructured.RemoveNestedField(template, path...)
	}
	for _, path := range [][]string{base, base[:2]} {
		if m, there, err := unstructured.NestedMap(template, path...); there && err == nil && len(m) == 0 {
			unstructured.RemoveNestedField(template, path...)
		}
	}
}

// injected reports whether a term keeps pods away from those of another hash, which only the controller writes.
func injected(term any, inner []string) bool {
	m, ok := term.(map[string]any)
	if !ok {
		return false
	}
	wants, _, err := unstructured.NestedSlice(m, slices.Concat(inner, []string{"labelSelector", "matchExpressions"})...)
	return err == nil && slices.ContainsFunc(wants, func(w any) bool {
		e, ok := w.(map[string]any)
		return ok && e["key"] == hashLabel
	})
}

// digestOf is the identity of a template: the SHA-256 of its JSON with sorted keys. Nothing is left out of it, so a
// template that lacks something has another one.
func digestOf(template map[string]any) (string, error) {
	raw, err := json.Marshal(template)
	if err != nil {
		return "", fmt.Errorf("identify a pod template: %w", err)
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
