package gitops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// objects are the kinds of object that a unit may be, by the kind of the unit, with what of them is taken back.
var objects = map[string]workload{
	"deployment":  {resource: apps("deployments"), kind: "Deployment", content: []string{"spec", "template"}},
	"statefulset": {resource: apps("statefulsets"), kind: "StatefulSet", content: []string{"spec", "template"}},
	"daemonset":   {resource: apps("daemonsets"), kind: "DaemonSet", content: []string{"spec", "template"}},
	"rollout":     {resource: argo("rollouts"), kind: "Rollout", content: []string{"spec", "template"}},
	"configmap":   {resource: kube.Resource{Version: "v1", Resource: "configmaps"}, kind: "ConfigMap", content: []string{"data"}},
}

func apps(resource string) kube.Resource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}
}

// workloadOf is the object that a unit is.
func workloadOf(u rollback.Unit) workload {
	w, ok := objects[u.Kind]
	_, rest, _ := strings.Cut(string(u.ID), ":")
	namespace, name, whole := strings.Cut(rest, "/")
	if !ok || !whole {
		return workload{}
	}
	if prefix, tail, dotted := strings.Cut(name, "."); dotted && prefix == u.Kind {
		name = tail // units are told apart by their kind where that is not a Deployment
	}
	w.namespace, w.name = namespace, name
	return w
}

// String is the form in which a measure holds it.
func (w workload) String() string {
	if w.name == "" {
		return ""
	}
	return strings.ToLower(w.kind) + " " + w.namespace + "/" + w.name
}

func parseWorkload(s string) workload {
	unit, place, _ := strings.Cut(s, " ")
	w, ok := objects[unit]
	namespace, name, whole := strings.Cut(place, "/")
	if !ok || !whole {
		return workload{}
	}
	w.namespace, w.name = namespace, name
	return w
}

// live reads the part of a unit's object that is taken back, and when somebody last wrote the object.
func (p *Provider) live(ctx context.Context, w workload) (any, *kube.Object, error) {
	o, err := p.cluster.Get(ctx, w.resource, w.namespace, w.name)
	if err != nil {
		return nil, nil, err
	}
	return at(o, w.content...), o, nil
}

// digest names content; nothing of it can be read out of that.
func digest(content any) string {
	b, err := json.Marshal(content)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// taken is what a measure has to know for telling whether the source still holds what is taken back.
func (p *Provider) taken(ctx context.Context, leaf *node, of workload) (map[string]string, error) {
	out := map[string]string{
		argLeafKind: leaf.word, argLeafNamespace: leaf.object.GetNamespace(), argLeafName: leaf.object.GetName(), argRevision: leaf.deployed(),
	}
	if leaf.word == kube.OwnerHelmRelease {
		out[argChart] = p.chart(ctx, leaf)
	}
	if of.name == "" {
		return out, nil
	}
	content, _, err := p.live(ctx, of)
	switch {
	case err == nil:
		out[argObject], out[argContent] = of.String(), digest(content)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("read %s: %w", of, err)
	default: // it runs in another cluster, or may not be read: the exit condition is unknown then
	}
	return out, nil
}

// deployed is the revision that a reconciler deployed last.
func (n *node) deployed() string {
	switch n.word {
	case kube.OwnerApplication:
		history, _ := n.at("status", "history").([]any)
		if len(history) == 0 {
			return n.text("status", "operationState", "syncResult", "revision")
		}
		last, _ := history[len(history)-1].(map[string]any)
		return revisionsOf(last)
	case kube.OwnerHelmRelease:
		return digest([]any{n.at("spec", "chart"), n.at("spec", "chartRef"), n.at("spec", "values"), n.at("spec", "valuesFrom")})
	default:
		return n.attempted()
	}
}

// revisionsOf is the revision of an application with one source, or those of several.
func revisionsOf(m map[string]any) string {
	list, _ := m["revisions"].([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	if len(out) > 0 {
		return providers.Clean(strings.Join(out, " "))
	}
	return providers.Clean(text(m, "revision"))
}

// commitForm is a whole commit, "" where something else names a revision.
func commitForm(s string) string {
	if _, hash, found := strings.Cut(s, "sha1:"); found {
		s = hash // as Flux writes it: main@sha1:...
	}
	if len(s) != 40 && len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}
