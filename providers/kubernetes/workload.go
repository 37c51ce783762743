package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// workloadKind is one kind of workload that can go back: where it lives, and where its revisions do.
type workloadKind struct {
	name      string // as in a unit's id
	title     string
	resource  kube.Resource
	revisions kube.Resource
}

func workloadKinds() []workloadKind {
	apps := func(resource string) kube.Resource {
		return kube.Resource{Group: "apps", Version: "v1", Resource: resource}
	}
	return []workloadKind{
		{"deployment", "Deployment", apps("deployments"), apps("replicasets")},
		{"statefulset", "StatefulSet", apps("statefulsets"), apps("controllerrevisions")},
		{"daemonset", "DaemonSet", apps("daemonsets"), apps("controllerrevisions")},
	}
}

func core(resource string) kube.Resource { return kube.Resource{Version: "v1", Resource: resource} }

// live is a workload as it is right now.
type live struct {
	kind     workloadKind
	id       rollback.UnitID
	object   *kube.Object
	spec     liveSpec
	status   liveStatus
	template map[string]any
	digest   string
}

type liveSpec struct {
	Replicas             *int32                `json:"replicas"`
	Paused               bool                  `json:"paused"`
	MinReadySeconds      int32                 `json:"minReadySeconds"`
	ProgressDeadline     *int32                `json:"progressDeadlineSeconds"`
	RevisionHistoryLimit *int32                `json:"revisionHistoryLimit"`
	Selector             *metav1.LabelSelector `json:"selector"`
	Strategy             strategy              `json:"strategy"`
	UpdateStrategy       strategy              `json:"updateStrategy"`
	PodManagementPolicy  string                `json:"podManagementPolicy"`
}

type strategy struct {
	Type          string `json:"type"`
	RollingUpdate *struct {
		MaxSurge       *intstr.IntOrString `json:"maxSurge"`
		MaxUnavailable *intstr.IntOrString `json:"maxUnavailable"`
		Partition      *int32              `json:"partition"`
	} `json:"rollingUpdate"`
}

type liveStatus struct {
	ObservedGeneration int64             `json:"observedGeneration"`
	Replicas           int32             `json:"replicas"`
	UpdatedReplicas    int32             `json:"updatedReplicas"`
	ReadyReplicas      int32             `json:"readyReplicas"`
	AvailableReplicas  int32             `json:"availableReplicas"`
	Conditions         []statusCondition `json:"conditions"`
	CurrentRevision    string            `json:"currentRevision"`
	UpdateRevision     string            `json:"updateRevision"`

	DesiredNumberScheduled int32 `json:"desiredNumberScheduled"`
	CurrentNumberScheduled int32 `json:"currentNumberScheduled"`
	UpdatedNumberScheduled int32 `json:"updatedNumberScheduled"`
	NumberAvailable        int32 `json:"numberAvailable"`
	NumberReady            int32 `json:"numberReady"`
}

type statusCondition struct {
	Type               string      `json:"type"`
	Status             string      `json:"status"`
	Reason             string      `json:"reason"`
	Message            string      `json:"message"`
	LastUpdateTime     metav1.Time `json:"lastUpdateTime"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`
}

// count is how many pods a workload has and should have, whatever its kind calls that.
type count struct{ desired, existing, updated, ready, available int32 }

func (w *live) count() count {
	s := w.status
	if w.kind.name == "daemonset" {
		return count{s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.UpdatedNumberScheduled, s.NumberReady, s.NumberAvailable}
	}
	c := count{desired: 1, existing: s.Replicas, updated: s.UpdatedReplicas, ready: s.ReadyReplicas, available: s.AvailableReplicas}
	if w.spec.Replicas != nil {
		c.desired = *w.spec.Replicas
	}
	return c
}

func (w *live) condition(kind string) statusCondition {
	for _, c := range w.status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return statusCondition{}
}

// how is the strategy of whatever kind it is.
func (w *live) how() strategy {
	if w.kind.name == "deployment" {
		return w.spec.Strategy
	}
	return w.spec.UpdateStrategy
}

func (w *live) namespace() string { return w.object.GetNamespace() }

// selector is how kubectl would select its pods and revisions.
func (w *live) selector() (string, error) {
	s, err := metav1.LabelSelectorAsSelector(w.spec.Selector)
	if err != nil {
		return "", fmt.Errorf("%s: read its selector: %w", w.id, err)
	}
	return s.String(), nil
}

// locate takes a unit's id apart.
func (p *Provider) locate(id rollback.UnitID) (kind workloadKind, namespace, name string, err error) {
	rest, ok := strings.CutPrefix(string(id), p.name+":")
	namespace, name, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || namespace == "" || name == "" {
		return kind, "", "", fmt.Errorf("unit %s: %w: units of %s are %s:NAMESPACE/NAME", id, rollback.ErrNotFound, p.name, p.name)
	}
	kinds := workloadKinds()
	for _, k := range kinds[1:] {
		if of, ok := strings.CutPrefix(name, k.name+"."); ok {
			return k, namespace, of, nil
		}
	}
	return kinds[0], namespace, name, nil
}

// workload reads a unit. One that is not there is rollback.ErrNotFound.
func (p *Provider) workload(ctx context.Context, id rollback.UnitID) (*live, error) {
	kind, namespace, name, err := p.locate(id)
	if err != nil {
		return nil, err
	}
	o, err := p.cluster.Get(ctx, kind.resource, namespace, name)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, fmt.Errorf("unit %s: %w: %w", id, rollback.ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	return p.read(kind, o)
}

func (p *Provider) read(kind workloadKind, o *kube.Object) (*live, error) {
	w := &live{kind: kind, id: p.unitID(kind.name, o.GetNamespace(), o.GetName()), object: o, template: object(o.Object, "spec", "template")}
	var body struct {
		Spec   liveSpec   `json:"spec"`
		Status liveStatus `json:"status"`
	}
	if err := kube.Decode(o, &body); err != nil {
		return nil, err
	}
	w.spec, w.status = body.Spec, body.Status
	if w.digest = servedDigest(w.template, o.GetAnnotations()); w.digest == "" || w.spec.Selector == nil || o.GetUID() == "" {
		return nil, fmt.Errorf("%s: what the API server gave is no %s: it has no pod template, selector or uid", w.id, kind.title)
	}
	return w, nil
}

func (p *Provider) describe(w *live) rollback.Unit {
	labels := w.object.GetLabels()
	service := p.set.ServiceLabel.Of(labels, "")
	if service == "" {
		service = p.set.ServiceLabel.Of(texts(w.template, "metadata", "labels"), w.object.GetName())
	}
	return rollback.Unit{
		ID: w.id, Kind: w.kind.name, Service: providers.Clean(service), Environment: p.cluster.EnvironmentOf(w.namespace()), CAS: rollback.CASAtomic,
	}
}

// held is a revision that the cluster, or the archive, still has.
type held struct {
	digest   string
	template map[string]any
	number   int64
	renewed  bool // it was rolled back to, so that its number and its creation do not say when it served
	source   string
	object   *kube.Object // nil in the archive
	lacking  []string     // secrets that the archive's template is without
}

func (h *held) label() string {
	if h.number == 0 {
		return "archived"
	}
	return "r" + strconv.FormatInt(h.number, 10)
}

func (h *held) annotations() map[string]string {
	if h.object == nil {
		return nil
	}
	return h.object.GetAnnotations()
}

// revisions are those that the cluster has of a workload, the newest first. Only what it controls counts, by uid: labels are
// anybody's. A ReplicaSet without a revision number is none.
func (p *Provider) revisions(ctx context.Context, w *live) ([]held, error) {
	selector, err := w.selector()
	if err != nil {
		return nil, err
	}
	var out []held
	for o, err := range p.cluster.List(ctx, w.kind.revisions, w.namespace(), kube.Selection{Labels: selector}) {
		if err != nil {
			return nil, fmt.Errorf("%s: its revisions: %w", w.id, err)
		}
		if c := metav1.GetControllerOf(o); c == nil || c.UID != w.object.GetUID() {
			continue
		}
		if h, ok := revisionOf(w.kind, o); ok {
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(a, b held) int {
		if a.number != b.number {
			return int(b.number - a.number)
		}
		return b.object.GetCreationTimestamp().Compare(a.object.GetCreationTimestamp().Time)
	})
	return out, nil
}

func revisionOf(kind workloadKind, o *kube.Object) (held, bool) {
	h := held{object: o, source: strings.ToLower(o.GetKind()) + "/" + o.GetName()}
	if kind.name == "deployment" {
		notes := o.GetAnnotations()
		n, err := strconv.ParseInt(notes[revisionKey], 10, 64)
		if err != nil {
			return h, false
		}
		h.number, h.renewed, h.template = n, notes[revisionsKey] != "", object(o.Object, "spec", "template")
	} else {
		h.number, h.template = number(o.Object, 0, "revision"), object(o.Object, "data", "spec", "template")
	}
	h.digest = servedDigest(h.template, o.GetAnnotations())
	return h, h.digest != "" && h.number > 0
}

// current is the index of the revision that a workload serves: the oldest whose template equals its own, because an upgrade of
// the API server can make the controller write the same down once more. -1: its controller has not written it down yet.
func current(w *live, revs []held) int {
	at := -1
	for i := range revs {
		if revs[i].digest != w.digest || revs[i].object == nil {
			continue
		}
		if at < 0 || revs[i].object.GetCreationTimestamp().Time.Before(revs[at].object.GetCreationTimestamp().Time) {
			at = i
		}
	}
	return at
}
