package kubernetes

import (
	"fmt"
	"strings"

	"github.com/backout-dev/backout/rollback"
)

// shortages are what there is no room for, with what to do first.
func shortages(p rollback.Proposal) []string {
	var out []string
	for _, s := range p.Short {
		out = append(out, s.What+": "+s.First)
	}
	return out
}

// noRoom makes each kind of room short on the real API server, and then does what the plan says to do first: it is not short any more.
func noRoom(r *room) {
	first := r.served(deployment("v1", "", "resources: {requests: {cpu: 100m, memory: 64Mi}}"))
	obs := r.served(deployment("v2", "", "resources: {requests: {cpu: 100m, memory: 64Mi}}"))
	short := func(want ...string) {
		r.Helper()
		p := r.plan(obs, first.Current)
		if len(p.Short) != len(want) {
			r.Errorf("%d are short, want %d: %q", len(p.Short), len(want), shortages(p))
		}
		says(r.T, shortages(p), want...)
	}
	short()
	r.apply(`{apiVersion: v1, kind: ResourceQuota, metadata: {name: tight}, spec: {hard: {requests.cpu: 500m, pods: "20"}}}`)
	r.until("the quota is counted", func() bool {
		return r.kubectl("get", "resourcequota", "tight", "-o", `jsonpath={.status.used.requests\.cpu}`) == "300m"
	})
	short("ResourceQuota tight leaves 200m of requests.cpu; the way back adds up to 3 pods, which take 300m: raise the quota, or free 300m")
	r.kubectl("patch", "resourcequota", "tight", "-p", `{"spec": {"hard": {"requests.cpu": "600m"}}}`)
	r.until("the quota is raised", func() bool { return len(r.plan(obs, first.Current).Short) == 0 })

	r.kubectl("scale", "deployment/shop", "--replicas=2")
	command := fmt.Sprintf("kubectl -n %s scale deployment/shop --replicas=3", r.ns)
	short("the pods that are wanted now are 2, and there were 3 when it last served well: scale it to 3 pods (" + command + ")")
	r.kubectl("scale", "deployment/shop", "--replicas=0")
	short("Deployment shop is scaled to zero: nothing of the target will serve: scale it to 3 pods")
	r.kubectl(strings.Fields(command)[3:]...)
	short()

	r.apply(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: shop}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}, minReplicas: 1, maxReplicas: 4}}`)
	r.kubectl("patch", "hpa", "shop", "--subresource=status", "--type=merge", "-p", `{"status": {"currentReplicas": 4, "desiredReplicas": 4, "conditions": [{"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}]}}`)
	short("HorizontalPodAutoscaler shop wants more than the 4 pods that it may have")
	r.kubectl("patch", "hpa", "shop", "--subresource=status", "--type=merge", "-p", `{"status": {"currentReplicas": 3, "desiredReplicas": 3, "conditions": [{"type": "ScalingLimited", "status": "False", "reason": "DesiredWithinRange"}]}}`)
	r.kubectl("scale", "deployment/shop", "--replicas=1")
	short("the pods that are wanted now are 1, and there were 3 when it last served well: raise the least that shop may have to 3 pods (kubectl -n " + r.ns + " patch hpa shop")
	r.kubectl("scale", "deployment/shop", "--replicas=3")
	blind(r, obs, first.Current)
}

// blind is somebody who may not see what leaves room: that is said, and is no room.
func blind(r *room, obs rollback.Observation, to rollback.Revision) {
	r.Helper()
	r.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deploys}
rules:
- {apiGroups: [apps], resources: ["*"], verbs: ["*"]}
- {apiGroups: [""], resources: [pods, configmaps, events], verbs: ["*"]}
`)
	r.kubectl("create", "rolebinding", "deploys", "--role=deploys", "--user="+r.user())
	p, err := r.provider(r.limited()).Plan(r.Context(), obs, to)
	if err != nil {
		r.Fatal(err)
	}
	says(r.T, shortages(p), "whether HorizontalPodAutoscalers leave room cannot be looked at", "whether PodDisruptionBudgets leave room cannot be looked at", "whether ResourceQuotas leave room cannot be looked at")
}
