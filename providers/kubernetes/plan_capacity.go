package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// most is how much larger a workload is thought of to find a size at which nothing is short.
const most = 3

// scaler is the HorizontalPodAutoscaler of a workload; the zero value is that there is none.
type scaler struct {
	name     string
	min, max int64
	limited  bool // it wants more than it may have
}

// noRoomFor says that there is no room for something, and what to do first.
func noRoomFor(prop *rollback.Proposal, first, format string, args ...any) {
	prop.Short = append(prop.Short, rollback.Shortage{What: providers.Clean(fmt.Sprintf(format, args...)), First: providers.Clean(first)})
}

// unseen says that whether there is room cannot be looked at: a person has to.
func unseen(prop *rollback.Proposal, what string) {
	noRoomFor(prop, "look at it by hand, or have somebody look who may", "whether %s leave room cannot be looked at", what)
}

// enlarge is how to have so many pods, whoever scales.
func (l *look) enlarge(n int32, by scaler) string {
	at := fmt.Sprintf("kubectl -n %s ", l.namespace())
	if by.name == "" {
		return fmt.Sprintf("scale it to %d pods (%sscale %s/%s --replicas=%d)", n, at, l.kind.name, l.object.GetName(), n)
	}
	return fmt.Sprintf(`raise the least that %s may have to %d pods (%spatch hpa %s -p '{"spec":{"minReplicas":%d}}')`, by.name, n, at, by.name, n)
}

// roomy is the smallest size at which a rolling update keeps as many pods as floor asks for at that size; 0 where none does.
func (w *live) roomy(floor func(n int) (int, error)) int32 {
	now := w.count().desired
	for n := now; n <= now*most+most; n++ {
		if least, err := floor(int(n)); err == nil && int(w.paceOf(n).worst) >= least {
			return n
		}
	}
	return 0
}

// size compares how many pods are wanted now with how many there were when it served well.
func (l *look) size(by scaler, prop *rollback.Proposal) {
	n, floor := l.count().desired, l.floor()
	switch {
	case l.kind.name == "daemonset":
	case n == 0:
		noRoomFor(prop, l.enlarge(max(floor, 1), by), "%s %s is scaled to zero: nothing of the target will serve", l.kind.title, l.object.GetName())
	case n < floor:
		noRoomFor(prop, l.enlarge(floor, by), "the pods that are wanted now are %d, and there were %d when it last served well", n, floor)
	}
	if by.limited {
		noRoomFor(prop, fmt.Sprintf(`raise its maxReplicas, or take load off (kubectl -n %s patch hpa %s -p '{"spec":{"maxReplicas":%d}}')`, l.namespace(), by.name, by.max*2),
			"HorizontalPodAutoscaler %s wants more than the %d pods that it may have: there is no room if a pod of the target carries less", by.name, by.max)
	}
}

// autoscalers finds who scales the workload.
func (p *Provider) autoscalers(ctx context.Context, l *look, prop *rollback.Proposal) (by scaler) {
	for o, err := range p.cluster.List(ctx, kube.Resource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}, l.namespace(), kube.Selection{}) {
		if err != nil {
			unseen(prop, "HorizontalPodAutoscalers")
			return by
		}
		if text(o.Object, "spec", "scaleTargetRef", "kind") != l.kind.title || text(o.Object, "spec", "scaleTargetRef", "name") != l.object.GetName() {
			continue
		}
		by = scaler{name: o.GetName(), min: number(o.Object, 1, "spec", "minReplicas"), max: number(o.Object, 0, "spec", "maxReplicas")}
		by.limited = slices.ContainsFunc(kube.Items(object(o.Object, "status")["conditions"]), func(c map[string]any) bool {
			return text(c, "type") == "ScalingLimited" && text(c, "status") == "True" && text(c, "reason") == "TooManyReplicas"
		})
		prop.Warnings = append(prop.Warnings, providers.Clean(fmt.Sprintf("HorizontalPodAutoscaler %s goes on scaling it between %d and %d; its replicas are not touched", by.name, by.min, by.max)))
	}
	return by
}

// quotas compares what the surge of the way back takes with what the namespace has left.
func (p *Provider) quotas(ctx context.Context, l *look, target held, pace pace, prop *rollback.Proposal) {
	if pace.surge == 0 {
		return
	}
	need := takes(target.template)
	for o, err := range p.cluster.List(ctx, core("resourcequotas"), l.namespace(), kube.Selection{}) {
		if err != nil {
			unseen(prop, "ResourceQuotas")
			return
		}
		hard := object(o.Object, "status", "hard")
		for _, key := range slices.Sorted(maps.Keys(hard)) {
			each, ok := need[key]
			limit, errHard := resource.ParseQuantity(text(hard, key))
			used, errUsed := resource.ParseQuantity(text(o.Object, "status", "used", key))
			if !ok || errHard != nil || errUsed != nil {
				continue
			}
			all := each.DeepCopy()
			all.Mul(int64(pace.surge))
			limit.Sub(used)
			if limit.Cmp(all) >= 0 {
				continue
			}
			how := fmt.Sprintf("raise the quota, or free %s of %s in namespace %s", all.String(), key, l.namespace())
			noRoomFor(prop, how, "ResourceQuota %s leaves %s of %s; the way back adds up to %d pods, which take %s", o.GetName(), limit.String(), key, pace.surge, all.String())
		}
	}
}

// takes is what one pod of a template counts for in a quota, by the quota's keys.
func takes(template map[string]any) map[string]resource.Quantity {
	one := resource.MustParse("1")
	out := map[string]resource.Quantity{"pods": one, "count/pods": one}
	for _, c := range kube.Items(object(template, "spec")["containers"]) {
		for _, part := range []string{"requests", "limits"} {
			for name := range object(c, "resources", part) {
				q, err := resource.ParseQuantity(fmt.Sprint(object(c, "resources", part)[name]))
				if err != nil {
					continue
				}
				for _, key := range quotaKeys(part, name) {
					sum := out[key]
					sum.Add(q)
					out[key] = sum
				}
			}
		}
	}
	return out
}

// quotaKeys are what a quota calls a request or a limit.
func quotaKeys(part, name string) []string {
	keys := []string{part + "." + name}
	if part == "requests" && (name == "cpu" || name == "memory") {
		keys = append(keys, name)
	}
	return keys
}
