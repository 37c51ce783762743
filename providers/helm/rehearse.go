package helm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// rehearse has the API server do everything but keep it, for each object of the target: Helm sends them all, also those that
// are the same in both revisions. What the API server refuses now, such as another value in an immutable field, it would
// refuse half way; and it names the fields that somebody else has set since.
func (p *Provider) rehearse(ctx context.Context, c coordinates, w *way, prop *rollback.Proposal) error {
	owned, manager := w.target.ApplyMethod == "ssa", w.manager()
	if manager != fieldManager {
		prop.Steps[0].Args[argManager] = manager
	}
	for _, o := range w.after {
		k, ok, err := p.kind(ctx, o)
		if err != nil || !ok {
			continue // what is not served is in the plan already
		}
		_, err = p.cluster.Apply(ctx, k.Resource, o.GetNamespace(), sent(o, c), manager, !owned, kube.Write{DryRun: true})
		switch text := providers.Clean(fmt.Sprint(err)); {
		case err == nil:
		case errors.Is(err, kube.ErrConditionFailed):
			prop.Missing = append(prop.Missing, fmt.Sprintf("%s has fields that somebody else has set since, and Helm stops at them: give them back to Helm first, or leave them out of the chart%s: %s",
				o, p.autoscaled(ctx, o, text), text))
		case errors.Is(err, kube.ErrRefused):
			prop.Missing = append(prop.Missing, fmt.Sprintf("%s cannot be taken back in place: %s", o, text))
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("whether %s can be taken back in place could not be tried: %s", o, text))
		}
	}
	return nil
}

var autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}

// autoscaled names the autoscaler of a workload whose replicas are in conflict.
func (p *Provider) autoscaled(ctx context.Context, o *object, conflict string) string {
	if !strings.Contains(conflict, ".spec.replicas") {
		return ""
	}
	for a, err := range p.cluster.List(ctx, autoscalers, o.GetNamespace(), kube.Selection{}) {
		if err != nil {
			return "" // then the field alone has to do
		}
		kind, _, _ := unstructured.NestedString(a.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(a.Object, "spec", "scaleTargetRef", "name")
		if kind == o.GetKind() && name == o.GetName() {
			return fmt.Sprintf(" (HorizontalPodAutoscaler %s sets its replicas, so they have no place in the chart)", providers.Clean(a.GetName()))
		}
	}
	return ""
}
