package kubernetes

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// sets are StatefulSets and DaemonSets.
func sets() []edge {
	return []edge{
		{"statefulset trap", trapped},
		{"statefulset trap that the plan did not see", trappedLater},
		{"statefulset partition", partition},
		{"statefulset on delete", onDelete},
		{"statefulset defaults", setDefaults},
		{"daemonset", daemonSet},
		{"promises statefulset", func(r *room) { promises(r, "statefulset") }},
	}
}

func statefulSet(tag, spec string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
%s
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "registry.test/db:%s"}]
`, indent(spec, 2), tag)
}

func (r *room) db() rollback.UnitID { return rollback.UnitID("k8s:" + r.ns + "/statefulset.db") }

func (r *room) stuck(pod string) {
	r.Helper()
	r.until(pod+" cannot start", func() bool {
		out, err := r.c.Kubectl(r.Context(), "", "-n", r.ns, "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		return err == nil && out == "ImagePullBackOff"
	})
}

// trapped: a StatefulSet that waits for a pod that cannot become ready does not go back by itself (kubernetes#67250). Its
// deletion is a step of its own that the plan names.
func trapped(r *room) {
	r.apply(statefulSet("v1", ""))
	r.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	first := r.soaked(r.db())
	r.kubectl("set", "image", "statefulset/db", "db=registry.test/db:v2-broken")
	r.stuck("db-2")
	obs := r.observe(r.db())
	prop := r.plan(obs, first.Current)
	if len(prop.Steps) != 2 || prop.Steps[1].Action != actionDelete || prop.Steps[1].Args[argPod] != "db-2" {
		r.Fatalf("steps %+v", prop.Steps)
	}
	says(r.T, prop.Destroys, "pod db-2")
	says(r.T, prop.NotRestored, "volumeClaimTemplates")
	if c := r.back(obs, first.Current, "op1"); !c.Done {
		r.Error(c.Detail)
	}
	again := prop.Steps[1]
	again.Token = r.observe(r.db()).Token
	if res := r.do("op1", again); res.Outcome != rollback.AlreadyApplied {
		r.Errorf("the deletion again: %+v", res)
	}
	if n := strings.Count(r.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}"), "db:v1"); n != 3 {
		r.Errorf("%d pods are back", n)
	}
}

// trappedLater: the template went back and the pod was not deleted: within a minute the status names it.
func trappedLater(r *room) {
	r.apply(statefulSet("v1", ""))
	r.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	first := r.soaked(r.db())
	r.kubectl("set", "image", "statefulset/db", "db=registry.test/db:v2-broken")
	r.stuck("db-2")
	obs := r.observe(r.db())
	started := time.Now()
	if res := r.do("op1", r.plan(obs, first.Current).Steps[0]); res.Outcome != rollback.Applied {
		r.Fatalf("%+v", res)
	}
	c := r.settled(r.db(), first.Current)
	if c.Done {
		r.Skip("this version of Kubernetes replaces the pod by itself")
	}
	if !strings.Contains(c.Detail, "kubectl delete pod -n "+r.ns+" db-2") || time.Since(started) > time.Minute {
		r.Errorf("after %s: %+v", time.Since(started), c)
	}
	r.kubectl("delete", "pod", "db-2")
	r.until("it goes on", func() bool {
		c, err := r.p.Status(r.Context(), r.db(), first.Current)
		return err == nil && c.Done
	})
}

func partition(r *room) {
	r.apply(statefulSet("v1", ""))
	r.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	first := r.soaked(r.db())
	r.kubectl("set", "image", "statefulset/db", "db=registry.test/db:v2")
	r.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	r.kubectl("patch", "statefulset/db", "-p", `{"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}}`)
	obs := r.observe(r.db())
	prop := r.plan(obs, first.Current)
	says(r.T, prop.Warnings, "partition 2")
	if prop.Blast != "1 of 3 pods" {
		r.Errorf("blast %q", prop.Blast)
	}
	if c := r.back(obs, first.Current, "op1"); !c.Done || !strings.Contains(c.Detail, "2 of another version still serve") {
		r.Errorf("%+v", c)
	}
	checks, err := r.p.Verify(r.Context(), r.db(), first.Current)
	if err != nil || checks[0].State == rollback.CheckPass {
		r.Errorf("two pods run something else, and the check says %+v %v", checks, err)
	}
}

func onDelete(r *room) {
	r.apply(statefulSet("v1", "updateStrategy: {type: OnDelete}"))
	r.until("all are ready", func() bool {
		return r.kubectl("get", "statefulset/db", "-o", "jsonpath={.status.readyReplicas}") == "3"
	})
	first := r.soaked(r.db())
	r.kubectl("set", "image", "statefulset/db", "db=registry.test/db:v2")
	r.kubectl("delete", "pod", "--all", "--wait=false")
	r.until("all have v2", func() bool {
		return r.kubectl("get", "statefulset/db", "-o", "jsonpath={.status.readyReplicas} {.status.updatedReplicas}") == "3 3"
	})
	obs := r.observe(r.db())
	prop := r.plan(obs, first.Current)
	says(r.T, prop.Warnings, "OnDelete: 0 of 3 pods will change until each is deleted")
	if res := r.do("op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		r.Fatalf("%+v", res)
	}
	r.until("the status says that nothing changes", func() bool {
		c, err := r.p.Status(r.Context(), r.db(), first.Current)
		return err == nil && !c.Done && !c.Failed && strings.Contains(c.Detail, "such as db-0")
	})
	r.kubectl("delete", "pod", "--all", "--wait=false")
	if c := r.settled(r.db(), first.Current); !c.Done {
		r.Errorf("%+v", c)
	}
}

// setDefaults: a revision that was written down before a version of Kubernetes that fills in more is the same content. kubectl
// compares bytes and would restart every pod.
func setDefaults(r *room) {
	r.apply(statefulSet("v1", ""))
	r.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	obs := r.soaked(r.db())
	r.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: ControllerRevision
metadata:
  name: db-older
  labels: {app: db}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: %s, controller: true, blockOwnerDeletion: true}]
revision: 7
data: {spec: {template: {$patch: replace, metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "registry.test/db:v1"}]}}}}
`, r.kubectl("get", "statefulset/db", "-o", "jsonpath={.metadata.uid}")))
	now := r.observe(r.db())
	if now.Current.Digest != obs.Current.Digest || len(now.History) != 0 {
		r.Errorf("current %s, history %+v", now.Current.Digest, now.History)
	}
}

func daemonSet(r *room) {
	unit := rollback.UnitID("k8s:" + r.ns + "/daemonset.agent")
	manifest := func(tag string) string {
		return strings.NewReplacer("StatefulSet", "DaemonSet", "name: db}", "name: agent}", "  serviceName: db\n  replicas: 3\n", "").Replace(statefulSet(tag, ""))
	}
	r.apply(manifest("v1"))
	r.kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
	first := r.soaked(unit)
	r.apply(manifest("v2-broken"))
	r.until("one is stuck", func() bool {
		return strings.Contains(r.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[0].state.waiting.reason}"), "ImagePullBackOff")
	})
	obs := r.observe(unit)
	prop := r.plan(obs, first.Current)
	if prop.Blast != "3 pods" || len(obs.History[0].Good) == 0 {
		r.Errorf("blast %q, estimate %s, %+v", prop.Blast, prop.Estimate, obs.History)
	}
	says(r.T, prop.Warnings, "at worst 2 of 3 pods are available")
	if c := r.back(obs, first.Current, "op1"); !c.Done {
		r.Error(c.Detail)
	}
}
