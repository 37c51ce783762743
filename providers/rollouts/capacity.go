package rollouts

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// budget is a PodDisruptionBudget over the pods of a Rollout.
type budget struct {
	name    string
	minimum int64
}

// budgets reads those that select the Rollout's pods.
func (p *Provider) budgets(ctx context.Context, s *sight) (out []budget, err error) {
	worn, _ := templateOf(s.holder())["metadata"].(map[string]any)
	pod := labels.Set{}
	if m, ok := worn["labels"].(map[string]any); ok {
		for key, v := range m {
			pod[key] = fmt.Sprint(v)
		}
	}
	for o, err := range p.cluster.List(ctx, budgetsKind, s.Meta.Namespace, kube.Selection{}) {
		if err != nil {
			return out, err
		}
		var b struct {
			Spec struct {
				Selector       *metav1.LabelSelector `json:"selector"`
				MinAvailable   any                   `json:"minAvailable"`
				MaxUnavailable any                   `json:"maxUnavailable"`
			} `json:"spec"`
		}
		if err := kube.Decode(o, &b); err != nil {
			return out, err
		}
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !selector.Matches(pod) {
			continue
		}
		least := int64(0)
		if n, ok := portion(b.Spec.MinAvailable, s.replicas(), true); ok {
			least = n
		} else if n, ok := portion(b.Spec.MaxUnavailable, s.replicas(), true); ok {
			least = max(0, s.replicas()-n)
		}
		out = append(out, budget{providers.Clean(o.GetName()), least})
	}
	return out, nil
}

// portion reads a number, or a percentage of all.
func portion(v any, all int64, up bool) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	case string:
		n, err := strconv.ParseInt(strings.TrimSuffix(v, "%"), 10, 64)
		if err != nil {
			return 0, false
		}
		if !strings.HasSuffix(v, "%") {
			return n, true
		}
		if up {
			return (n*all + 99) / 100, true
		}
		return n * all / 100, true
	}
	return 0, false
}

// floor is how many pods must be able to serve before all traffic may go to them, and what says so: the largest of the
// budgets, else what the strategy itself may leave without.
func (s *sight) floor(budgets []budget) (int64, string) {
	least, why := int64(0), ""
	for _, b := range budgets {
		if b.minimum > least {
			least, why = b.minimum, "PodDisruptionBudget "+b.name
		}
	}
	if len(budgets) > 0 {
		return least, why
	}
	gone := s.replicas() / 4 // the controller's default, 25%, rounded down
	if c := s.Spec.Strategy.Canary; c != nil {
		if n, ok := portion(c.MaxUnavailable, s.replicas(), false); ok {
			gone = n
		}
	}
	return max(0, s.replicas()-gone), "maxUnavailable"
}

// atOnce reports whether an abort sends all traffic to the stable revision without regard to how many pods it has. With
// dynamicStableScale the controller moves it as they become available; without a router the pods are the weights.
func (s *sight) atOnce() bool {
	c := s.Spec.Strategy.Canary
	return s.routed() && (c == nil || !c.DynamicStableScale)
}

// short says what is missing before all traffic may go to the stable revision; "" when nothing is.
func (s *sight) short(floor int64, why string) string {
	stable := s.stable()
	if stable == nil || !s.atOnce() || stable.available >= floor {
		return ""
	}
	return fmt.Sprintf("only %d of %d pods of %s are available, and an abort sends all traffic to them at once; at least %d are needed (%s): wait for them, or scale up first",
		stable.available, s.replicas(), stable.label(), floor, why)
}
