package kubernetes

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const (
	revisionKey     = "deployment.kubernetes.io/revision"
	revisionsKey    = "deployment.kubernetes.io/revision-history"
	templateHashKey = "pod-template-hash"
)

// place names an object. The kind is in lower case.
type place struct{ kind, namespace, name string }

// meta is what every record of an object holds.
type meta struct {
	place
	uid     string
	created time.Time
	service string
	told    told
	writer  writer   // of what the record is about
	owners  []string // the reconcilers and releases that would write it again
}

// workload is what is kept of a Deployment, StatefulSet or DaemonSet.
type workload struct {
	meta
	owner    string // what controls it, as kind/name
	managed  string // the reconciler or release that the labels name
	number   int64  // the revision number of a Deployment's template
	target   string // the name of the ControllerRevision that is rolled out; "" for a Deployment
	template string // digest
	replicas int64  // -1: a DaemonSet has none of its own
	scaler   writer
	done     time.Time // when its newest revision was complete; zero: it is not
	stuck    condition
	failing  condition
	labels   map[string]string // of its pods
	refs     []place           // configuration that its pods use
	seen     []providers.RolloutStep
}

// condition is a condition of a workload that holds; the zero value: it does not.
type condition struct {
	since   time.Time
	message string
}

// revision is what is kept of a ReplicaSet or a ControllerRevision.
type revision struct {
	meta
	owner    string   // the uid of what controls it
	numbers  []int64  // its revision numbers, first to last
	template string   // digest
	images   string   // of its containers, joined by blanks
	resolved []string // digests that its pods' images were resolved to
}

func text(o map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(o, path...) // what is not there or not text is not told
	return s
}

func number(o map[string]any, otherwise int64, path ...string) int64 {
	n, there, err := unstructured.NestedInt64(o, path...)
	if !there || err != nil {
		return otherwise
	}
	return n
}

func object(o map[string]any, path ...string) map[string]any {
	v, _, _ := unstructured.NestedFieldNoCopy(o, path...)
	m, _ := v.(map[string]any)
	return m
}

func list(o map[string]any, path ...string) []map[string]any {
	v, _, _ := unstructured.NestedFieldNoCopy(o, path...)
	l, _ := v.([]any)
	out := make([]map[string]any, 0, len(l))
	for _, e := range l {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func texts(o map[string]any, path ...string) map[string]string {
	m := object(o, path...)
	out := make(map[string]string, len(m))
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

func when(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (p *Provider) meta(o *kube.Object, kind string, template map[string]any) meta {
	labels := o.GetLabels()
	inner := texts(template, "metadata", "labels")
	service := p.set.ServiceLabel.Of(labels, "")
	if service == "" {
		service = p.set.ServiceLabel.Of(inner, o.GetName())
	}
	var owners []string
	for _, k := range kube.OwnersOf(o) {
		if isDelivery(k) {
			owners = append(owners, k.String())
		}
	}
	return meta{
		owners: owners,
		place:  place{kind, o.GetNamespace(), o.GetName()}, uid: string(o.GetUID()), created: o.GetCreationTimestamp().UTC(),
		service: providers.Clean(service),
		told:    p.set.Annotations.toldBy(o.GetAnnotations(), labels, texts(template, "metadata", "annotations"), inner),
	}
}

// imagesOf lists the images of a template's containers, without those that a pod starts with and ends.
func imagesOf(template map[string]any) []string {
	var out []string
	for _, c := range list(template, "spec", "containers") {
		out = append(out, providers.Clean(text(c, "image")))
	}
	return out
}

// reduceWorkload keeps of a workload what is told of it.
func (p *Provider) reduceWorkload(o *kube.Object, kind string) *workload {
	template := object(o.Object, "spec", "template")
	w := &workload{
		meta: p.meta(o, kind, template), template: servedDigest(template, o.GetAnnotations()), labels: texts(template, "metadata", "labels"),
		replicas: number(o.Object, 1, "spec", "replicas"), scaler: writerOf(o, "spec", "replicas"),
		target: text(o.Object, "status", "updateRevision"), refs: references(o.GetNamespace(), template),
	}
	w.writer = writerOf(o, "spec", "template")
	w.number, _ = strconv.ParseInt(o.GetAnnotations()[revisionKey], 10, 64) // 0 where the controller has not looked yet
	w.owner, w.managed = ownerOf(o)
	if kind == "daemonset" {
		w.replicas, w.scaler = -1, writer{}
	}
	if number(o.Object, 0, "status", "observedGeneration") >= o.GetGeneration() {
		w.conditions(o)
	}
	return w
}

// conditions takes over what the controller says of the spec as it is; what it said of an earlier one is past.
func (w *workload) conditions(o *kube.Object) {
	for _, c := range list(o.Object, "status", "conditions") {
		at, state, reason := when(text(c, "lastTransitionTime")), text(c, "status"), text(c, "reason")
		switch text(c, "type") {
		case "Progressing":
			if reason == "ProgressDeadlineExceeded" {
				w.stuck = condition{since: at, message: providers.Clean(text(c, "message"))}
			}
			if reason == "NewReplicaSetAvailable" {
				w.done = when(text(c, "lastUpdateTime"))
			}
		case "ReplicaFailure":
			if state == "True" {
				w.failing = condition{since: at, message: providers.Clean(text(c, "message"))}
			}
		}
	}
}

// ownerOf is what controls an object, and which reconciler or release would write it again.
func ownerOf(o *kube.Object) (owner, managed string) {
	for _, k := range kube.OwnersOf(o) {
		if isDelivery(k) {
			managed = cmp.Or(managed, k.String())
		} else {
			owner = strings.ToLower(k.Kind) + "/" + k.Name
		}
	}
	return owner, managed
}

// isDelivery reports whether an owner is one that brings what somebody released, and no object of the cluster itself.
func isDelivery(k kube.Owner) bool {
	return slices.Contains([]string{kube.OwnerApplication, kube.OwnerHelmRelease, kube.OwnerKustomization, kube.OwnerChart}, k.Kind)
}

// within names what may have brought a change: nobody who owns the object, where somebody else is known to have written it.
func (m *meta) within(by writer) []string {
	deliverer := func(name string) bool { return strings.HasPrefix(by.name, name) }
	if by.name != "" && !slices.ContainsFunc([]string{"helm", "Helm", "argocd-", "kustomize-controller"}, deliverer) {
		return nil
	}
	return m.owners
}

func controller(o *kube.Object) (kind, uid, name string) {
	for _, r := range o.GetOwnerReferences() {
		if r.Controller != nil && *r.Controller {
			return strings.ToLower(r.Kind), string(r.UID), r.Name
		}
	}
	return "", "", ""
}

// reduceReplicaSet keeps a ReplicaSet that belongs to a Deployment; nil for any other.
func (p *Provider) reduceReplicaSet(o *kube.Object) *revision {
	kind, owner, _ := controller(o)
	if kind != "deployment" {
		return nil
	}
	template := object(o.Object, "spec", "template")
	notes := o.GetAnnotations()
	r := &revision{meta: p.meta(o, "replicaset", template), owner: owner, images: strings.Join(imagesOf(template), " ")}
	r.template = spentDigest(template, notes) // the last that is read of the object
	for _, s := range append(strings.Split(notes[revisionsKey], ","), notes[revisionKey]) {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && !slices.Contains(r.numbers, n) {
			r.numbers = append(r.numbers, n)
		}
	}
	return r
}

// reduceControllerRevision keeps a revision of a StatefulSet or DaemonSet; nil for any other.
func (p *Provider) reduceControllerRevision(o *kube.Object) *revision {
	kind, owner, _ := controller(o)
	if kind != "statefulset" && kind != "daemonset" {
		return nil
	}
	template := object(o.Object, "data", "spec", "template")
	return &revision{
		meta: p.meta(o, "controllerrevision", template), owner: owner, template: templateDigest(template),
		images: strings.Join(imagesOf(template), " "), numbers: []int64{number(o.Object, 0, "revision")},
	}
}
