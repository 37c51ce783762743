package rollouts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// sight is one Rollout as it was at one moment, with its revisions.
type sight struct {
	object
	raw      *kube.Object
	workload *kube.Object  // what has the template where the Rollout only refers to it
	held     kube.Resource // the kind of what has the template
	sets     []*set        // the newest revision first
}

// set is one ReplicaSet of a Rollout: one content, which may have had several revision numbers.
type set struct {
	name      string
	hash      string
	numbers   []int64 // the newest first
	created   time.Time
	template  map[string]any
	digest    string
	cause     string
	ready     int64
	replicas  int64
	available int64
	deadline  time.Time // when it is scaled down

	archived bool              // only the archive has it
	lacking  []string          // names of what the archive did not keep of it, because it looks like a secret
	images   map[string]string // what its images led to while its pods ran, as far as somebody saw it
}

// label is the native name of a revision.
func label(number int64) string { return "rev" + strconv.FormatInt(number, 10) }

func (s *set) label() string { return label(s.numbers[0]) }

// look reads a Rollout, what its template is in, and its ReplicaSets.
func (p *Provider) look(ctx context.Context, id rollback.UnitID) (*sight, error) {
	namespace, name, err := p.locate(id)
	if err != nil {
		return nil, err
	}
	raw, err := p.cluster.Get(ctx, rolloutsKind, namespace, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	s, err := sighted(raw)
	if err != nil {
		return nil, err
	}
	if err := p.follow(ctx, s); err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	for rs, err := range p.cluster.List(ctx, setsKind, namespace, kube.Selection{Labels: hashLabel}) {
		if err != nil {
			return nil, fmt.Errorf("%s: read its revisions: %w", id, err)
		}
		if controls(raw, rs) {
			if err := s.add(rs); err != nil {
				return nil, err
			}
		}
	}
	s.sort()
	p.recall(ctx, s)
	return s, nil
}

func sighted(raw *kube.Object) (*sight, error) {
	s := &sight{raw: raw, held: rolloutsKind}
	if err := kube.Decode(raw, &s.object); err != nil {
		return nil, err
	}
	return s, nil
}

// follow reads the workload that the Rollout refers to, if it does.
func (p *Provider) follow(ctx context.Context, s *sight) (err error) {
	ref := s.Spec.WorkloadRef
	if ref == nil {
		return nil
	}
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return providers.Permanent(fmt.Errorf("its workloadRef names %q: %w", ref.APIVersion, err))
	}
	kinds := map[string]string{"Deployment": "deployments", "ReplicaSet": "replicasets", "PodTemplate": "podtemplates"}
	if kinds[ref.Kind] == "" {
		return providers.Permanent(fmt.Errorf("its workloadRef names a %s, which Argo Rollouts does not know", providers.Clean(ref.Kind)))
	}
	s.held = version.WithResource(kinds[ref.Kind])
	if s.workload, err = p.cluster.Get(ctx, s.held, s.Meta.Namespace, ref.Name); err != nil {
		return fmt.Errorf("its template is in %s %s: %w", ref.Kind, ref.Name, err)
	}
	return nil
}

func controls(owner, o *kube.Object) bool {
	ref := metav1.GetControllerOf(o)
	return ref != nil && ref.UID == owner.GetUID()
}

// add takes a ReplicaSet in, if it has a revision number: one without is not of this history.
func (s *sight) add(rs *kube.Object) error {
	numbers := revisionNumbers(rs.GetAnnotations())
	if len(numbers) == 0 {
		return nil
	}
	var counted struct {
		Spec struct {
			Replicas *int64 `json:"replicas"`
		} `json:"spec"`
		Status struct {
			Ready     int64 `json:"readyReplicas"`
			Available int64 `json:"availableReplicas"`
		} `json:"status"`
	}
	if err := kube.Decode(rs, &counted); err != nil {
		return err
	}
	out := &set{
		name: rs.GetName(), hash: rs.GetLabels()[hashLabel], numbers: numbers, created: rs.GetCreationTimestamp().UTC(),
		template: content(rs), cause: rs.GetAnnotations()[causeAnnotation], ready: counted.Status.Ready, available: counted.Status.Available,
	}
	if counted.Spec.Replicas != nil {
		out.replicas = *counted.Spec.Replicas
	}
	if at, err := time.Parse(time.RFC3339, rs.GetAnnotations()[scaleDownDeadline]); err == nil {
		out.deadline = at.UTC()
	}
	var err error
	out.digest, err = digestOf(out.template)
	s.sets = append(s.sets, out)
	return err
}

func (s *sight) sort() {
	slices.SortFunc(s.sets, func(a, b *set) int {
		return cmp.Or(cmp.Compare(b.numbers[0], a.numbers[0]), b.created.Compare(a.created), cmp.Compare(a.name, b.name))
	})
}

// revisionNumbers are those that a ReplicaSet has and had, the newest first; none where it has none.
func revisionNumbers(annotations map[string]string) []int64 {
	now, err := strconv.ParseInt(annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return nil
	}
	out := []int64{now}
	for text := range strings.SplitSeq(annotations[historyAnnotation], ",") {
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b int64) int { return cmp.Compare(b, a) })
	return slices.Compact(out)
}

// observed reports whether the controller has seen the template as it is now.
func (s *sight) observed() bool {
	if s.Status.ObservedGeneration != strconv.FormatInt(s.Meta.Generation, 10) {
		return false
	}
	return s.workload == nil || s.Status.WorkloadObservedGeneration == strconv.FormatInt(s.workload.GetGeneration(), 10)
}

func (s *sight) byHash(hash string) *set {
	i := slices.IndexFunc(s.sets, func(x *set) bool { return hash != "" && x.hash == hash })
	if i < 0 {
		return nil
	}
	return s.sets[i]
}

func (s *sight) byDigest(digest string) *set {
	i := slices.IndexFunc(s.sets, func(x *set) bool { return x.digest == digest })
	if i < 0 {
		return nil
	}
	return s.sets[i]
}

// holder is the object that has the template.
func (s *sight) holder() *kube.Object {
	if s.workload != nil {
		return s.workload
	}
	return s.raw
}

// asked is the revision whose template the Rollout asks for; nil where the controller has not made one of it yet.
func (s *sight) asked() *set {
	if s.observed() {
		if x := s.byHash(s.Status.CurrentPodHash); x != nil {
			return x
		}
	}
	digest, err := digestOf(tidy(templateOf(s.holder())))
	if err != nil {
		return nil
	}
	return s.byDigest(digest)
}

func (s *sight) stable() *set { return s.byHash(s.Status.StableRS) }

// underWay reports whether the stable revision is another than the one asked for, and the rollout was not aborted.
func (s *sight) underWay() bool {
	stable, asked := s.stable(), s.asked()
	return stable != nil && asked != stable && !s.Status.Abort
}

// aborted reports whether the stable revision serves although the template asks for another.
func (s *sight) aborted() bool {
	stable := s.stable()
	return s.Status.Abort && stable != nil && s.asked() != stable
}

// serving is the content that the Rollout is set to serve: the stable one after an abort, else what its template asks for.
// The set is nil where no ReplicaSet has that content yet.
func (s *sight) serving() (string, *set, error) {
	if s.aborted() {
		return s.stable().digest, s.stable(), nil
	}
	if x := s.asked(); x != nil {
		return x.digest, x, nil
	}
	digest, err := digestOf(tidy(templateOf(s.holder())))
	return digest, nil, err
}

// share is how much of the traffic the newest revision has, from 0 to 1, as far as the Rollout tells.
func (s *sight) share() (float64, bool) {
	c, asked := s.Spec.Strategy.Canary, s.asked()
	switch {
	case asked == nil:
		return 0, false
	case asked == s.stable():
		return 1, true
	case s.Spec.Strategy.BlueGreen != nil:
		if s.Status.BlueGreen.ActiveSelector == asked.hash {
			return 1, true
		}
		return 0, true
	case c != nil && len(c.TrafficRouting) > 0:
		if w := s.Status.Canary.Weights; w != nil {
			return float64(w.Canary.Weight) / 100, true
		}
		return 0, false
	}
	var all, new int64
	for _, x := range s.sets {
		all += x.available
		if x == asked {
			new = x.available
		}
	}
	if all == 0 {
		return 0, false
	}
	return float64(new) / float64(all), true
}

// explain says what a user can do about a cluster that does not know Rollouts.
func explain(err error) error {
	if errors.Is(err, providers.ErrNotFound) {
		return providers.Permanent(fmt.Errorf("%w: Argo Rollouts is not installed there; is it the right context?", err))
	}
	return err
}
