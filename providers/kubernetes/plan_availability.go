package kubernetes

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// fenceposts are how many pods a rolling update may add and take away. A share of surge is rounded up, one of unavailable
// pods down, and where both come out as nothing one pod may be unavailable, as ResolveFenceposts of kubectl has it.
func fenceposts(surge, unavailable *intstr.IntOrString, desired int32) (add, away int32) {
	resolve := func(v *intstr.IntOrString, up bool) int32 {
		if v == nil {
			return 0
		}
		n, err := intstr.GetScaledValueFromIntOrPercent(v, int(desired), up)
		if err != nil || n < 0 || n > math.MaxInt32 {
			return 0
		}
		return int32(n) //nolint:gosec // it was just compared
	}
	if add, away = resolve(surge, true), resolve(unavailable, false); add == 0 && away == 0 {
		away = 1
	}
	return add, away
}

// pace is how a workload replaces its pods: how many more there are at most, how few are available at worst, and how many are
// replaced at a time.
type pace struct {
	surge, worst, batch int32
	how                 string
}

func (w *live) pace() pace { return w.paceOf(w.count().desired) }

// paceOf is the pace with so many pods.
func (w *live) paceOf(n int32) pace {
	s := w.how()
	switch s.Type {
	case "Recreate":
		return pace{0, 0, max(n, 1), "Recreate stops all pods before new ones start"}
	case "OnDelete":
		return pace{0, n, 1, "OnDelete replaces a pod only when somebody deletes it"}
	}
	var surge, away *intstr.IntOrString
	if r := s.RollingUpdate; r != nil {
		surge, away = r.MaxSurge, r.MaxUnavailable
	}
	add, less := fenceposts(surge, away, n)
	return pace{add, max(n-less, 0), max(add+less, 1), fmt.Sprintf("at most %d more and %d fewer than %d", add, less, n)}
}

// available says what the way back costs in availability, and what that breaks.
func (p *Provider) available(ctx context.Context, l *look, target held, prop *rollback.Proposal) {
	n, pace := l.count().desired, l.pace()
	if n > 0 {
		prop.Pace = rollback.Pace{Away: int(n - pace.worst), Of: int(n)}
		prop.Warnings = append(prop.Warnings, fmt.Sprintf("at worst %d of %d pods are available on the way: %s", pace.worst, n, pace.how))
	}
	by := p.autoscalers(ctx, l, prop)
	l.size(by, prop)
	p.budgets(ctx, l, pace, by, prop)
	p.quotas(ctx, l, target, pace, prop)
}

// floor is how many pods were ready when a revision was last seen to serve well; 0: nobody saw one.
func (l *look) floor() int32 {
	var last memory
	for _, m := range l.known {
		if m.SeenAt.After(last.SeenAt) {
			last = m
		}
	}
	return last.Ready
}

func (p *Provider) budgets(ctx context.Context, l *look, pace pace, by scaler, prop *rollback.Proposal) {
	inner := labels.Set(texts(l.template, "metadata", "labels"))
	for o, err := range p.cluster.List(ctx, kube.Resource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}, l.namespace(), kube.Selection{}) {
		if err != nil {
			unseen(prop, "PodDisruptionBudgets")
			return
		}
		var b struct {
			Spec struct {
				Selector       *metav1.LabelSelector `json:"selector"`
				MinAvailable   *intstr.IntOrString   `json:"minAvailable"`
				MaxUnavailable *intstr.IntOrString   `json:"maxUnavailable"`
			} `json:"spec"`
		}
		if kube.Decode(o, &b) != nil || b.Spec.Selector == nil {
			continue
		}
		s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !s.Matches(inner) {
			continue
		}
		floor := func(n int) (int, error) {
			if b.Spec.MinAvailable != nil {
				return intstr.GetScaledValueFromIntOrPercent(b.Spec.MinAvailable, n, true)
			}
			if b.Spec.MaxUnavailable == nil {
				return 0, nil
			}
			less, err := intstr.GetScaledValueFromIntOrPercent(b.Spec.MaxUnavailable, n, true)
			return n - less, err
		}
		least, err := floor(int(l.count().desired))
		if err != nil || int(pace.worst) >= least {
			continue
		}
		first := "have it replace its pods a few at a time"
		if n := l.roomy(floor); n > 0 && l.kind.name != "daemonset" {
			first = l.enlarge(n, by)
		}
		noRoomFor(prop, first, "PodDisruptionBudget %s asks for %d available pods; it does not bind a rollout, which goes down to %d", o.GetName(), least, pace.worst)
	}
}

// estimate is how long the way back takes: as long as the target's own rollout took where that was seen, else what its pods
// took to become ready, by as many as are replaced at a time.
func (l *look) estimate(to rollback.Revision) time.Duration {
	n := l.count().desired
	if m := l.known[to.Digest]; m.Took > 0 && m.Ready == n {
		return m.Took
	}
	var starts []time.Duration
	for _, q := range l.pods {
		if q.ready && q.since.After(q.created) {
			starts = append(starts, q.since.Sub(q.created))
		}
	}
	pace := l.pace()
	if len(starts) == 0 || n == 0 || l.how().Type == "OnDelete" {
		return 0
	}
	slices.Sort(starts)
	rounds := (n + pace.batch - 1) / pace.batch
	return time.Duration(rounds) * (starts[len(starts)/2] + time.Duration(l.spec.MinReadySeconds)*time.Second)
}
