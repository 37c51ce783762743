package kubernetes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout/rollback"
)

type edge = struct {
	name string
	test func(*room)
}

// edges are what is known to go wrong with going back, one test each.
func edges() []edge {
	return []edge{
		{"K1 a hotfix in between is not overwritten", hotfix},
		{"K2 a renumbered revision is found by its content", renumbered},
		{"K4 twice before the controller looked", twice},
		{"K5 the middle one was never available", middle},
		{"K6 annotations stay", annotationsStay},
		{"K7 paused", paused},
		{"K8 only the template goes back", onlyTemplate},
		{"K9 what kubectl applied last", lastApplied},
		{"K10 server-side apply", serverSide},
		{"K11 a tag that moved", movedTag},
		{"K12 configuration", configuration},
		{"K13 scaled in between", scaled},
		{"K14 availability", availability},
		{"K15 the cluster forgot it", forgotten},
		{"K16 the same written down twice", writtenTwice},
		{"K17 duplicate numbers", duplicates},
		{"K18 owners", owned},
		{"what a probe looks at", lostOnes},
		{"what there is no room for", noRoom},
		{"what was replaced comes back", replaced},
	}
}

func hotfix(r *room) {
	first := r.served(deployment("v1", "", ""))
	obs := r.broken("v2-broken")
	step := r.plan(obs, first.Current).Steps[0]
	r.kubectl("set", "env", "deployment/shop", "HOTFIX=1")
	if res := r.do("op1", step); res.Outcome != rollback.PreconditionFailed {
		r.Errorf("over a hotfix: %+v", res)
	}
	if !strings.Contains(r.kubectl("get", "deployment/shop", "-o", "yaml"), "HOTFIX") {
		r.Error("the hotfix is gone")
	}
	// Changed and changed back: what is there is the same, and still somebody acted.
	obs = r.observe(r.shop())
	step = r.plan(obs, first.Current).Steps[0]
	r.until("the second in which it was written is over", func() bool { return time.Since(obs.At) > time.Second })
	r.kubectl("set", "env", "deployment/shop", "HOTFIX=2")
	r.kubectl("set", "env", "deployment/shop", "HOTFIX=1")
	if now := r.observe(r.shop()); now.Current.Digest != obs.Current.Digest {
		r.Fatal("it is not back")
	}
	if res := r.do("op2", step); res.Outcome != rollback.PreconditionFailed {
		r.Errorf("over a change that was taken back: %+v", res)
	}
}

func renumbered(r *room) {
	first := r.served(deployment("v1", "", ""))
	r.served(deployment("v2", "", ""))
	bad := r.broken("v3-broken")
	one := labelled(r.T, bad, "r1")
	if c := r.back(bad, one, "op1"); !c.Done {
		r.Fatal(c.Detail)
	}
	now := r.observe(r.shop())
	if now.Current.Digest != first.Current.Digest || now.Current.Label != "r4" || now.Stamp != "op1" {
		r.Errorf("now at %s as %s by %q", now.Current.Digest, now.Current.Label, now.Stamp)
	}
	if out, err := r.c.Kubectl(r.Context(), "", "-n", r.ns, "rollout", "undo", "deployment/shop", "--to-revision=1"); err == nil || !strings.Contains(out, "unable to find specified revision") {
		r.Errorf("kubectl found revision 1: %s", out)
	}
	// Its content names it also now.
	two := labelled(r.T, now, "r2")
	if c := r.back(now, two, "op2"); !c.Done {
		r.Error(c.Detail)
	}
	prop := r.plan(r.observe(r.shop()), rollback.Revision{Digest: one.Digest, Label: "r1"})
	if len(prop.Missing) > 0 {
		r.Errorf("r1 by its content: %v", prop.Missing)
	}
}

func twice(r *room) {
	first := r.served(deployment("v1", "", ""))
	obs := r.served(deployment("v2", "", ""))
	step := r.plan(obs, first.Current).Steps[0]
	if res := r.do("op1", step); res.Outcome != rollback.Applied {
		r.Fatalf("%+v", res)
	}
	if res := r.do("op1", step); res.Outcome != rollback.AlreadyApplied {
		r.Errorf("the same again: %+v", res)
	}
	if res := r.do("op2", step); res.Outcome != rollback.PreconditionFailed {
		r.Errorf("another one: %+v", res)
	}
	if now := r.observe(r.shop()); now.Current.Digest != first.Current.Digest || now.Stamp != "op1" {
		r.Errorf("at %s by %s", now.Current.Digest, now.Stamp)
	}
}

// kubectl undo goes to the second-highest number, which is the one that never worked.
func middle(r *room) {
	r.served(deployment("v1", "", ""))
	r.broken("v2-broken")
	obs := r.broken("v3-broken")
	if one, two := labelled(r.T, obs, "r1"), labelled(r.T, obs, "r2"); len(one.Good) == 0 || len(two.Good) > 0 {
		r.Errorf("evidence: r1 %q, r2 %q", one.Good, two.Good)
	}
	// The same without anything that was seen earlier: the pods of r1 are still there.
	fresh := r.provider(r.p.set)
	obs, err := fresh.Observe(r.Context(), r.shop())
	if err != nil {
		r.Fatal(err)
	}
	if one, two := labelled(r.T, obs, "r1"), labelled(r.T, obs, "r2"); len(one.Good) == 0 || len(two.Good) > 0 {
		r.Errorf("evidence at the first look: r1 %q, r2 %q", one.Good, two.Good)
	}
	if c := r.back(obs, labelled(r.T, obs, "r1"), "op1"); !c.Done || c.Vacuous {
		r.Errorf("%+v", c)
	}
	if image := r.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); image != "registry.test/shop:v1" {
		r.Errorf("now at %s", image)
	}
}

func annotationsStay(r *room) {
	first := r.served(deployment("v1", "", ""))
	r.served(deployment("v2", "", ""))
	r.kubectl("annotate", "deployment/shop", "owner=payments", "argocd.argoproj.io/tracking-id=shop:apps/Deployment:x/shop", "backout.dev/assisted-by=some-agent")
	before := r.observe(r.shop())
	r.back(before, first.Current, "op1")
	now := r.kubectl("get", "deployment/shop", "-o", "jsonpath={.metadata.annotations}")
	for _, want := range []string{`"owner":"payments"`, "tracking-id", "assisted-by", "op1 1 sha256:", "back to r1 by ana"} {
		if !strings.Contains(now, want) {
			r.Errorf("no %s in %s", want, now)
		}
	}
}

func paused(r *room) {
	first := r.served(deployment("v1", "", ""))
	r.served(deployment("v2", "", ""))
	r.kubectl("rollout", "pause", "deployment/shop")
	obs := r.observe(r.shop())
	if !strings.Contains(obs.InFlight, "paused") {
		r.Errorf("in flight: %q", obs.InFlight)
	}
	if res := r.do("op1", r.plan(obs, first.Current).Steps[0]); res.Outcome != rollback.Failed || !strings.Contains(res.Detail, "paused") {
		r.Errorf("%+v", res)
	}
}

func onlyTemplate(r *room) {
	first := r.served(deployment("v1", "", ""))
	r.served(strings.Replace(deployment("v2", "minReadySeconds: 1\nstrategy: {rollingUpdate: {maxSurge: 2}}", ""), "replicas: 3", "replicas: 4", 1))
	obs := r.observe(r.shop())
	prop := r.plan(obs, first.Current)
	says(r.T, prop.NotRestored, "replicas, strategy, selector, minReadySeconds", "data written since")
	if !strings.Contains(prop.Diff, "-    - image: registry.test/shop:v2") && !strings.Contains(prop.Diff, "registry.test/shop:v2") || !strings.Contains(prop.Diff, "+") {
		r.Errorf("diff:\n%s", prop.Diff)
	}
	r.back(obs, first.Current, "op1")
	if got := r.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.replicas} {.spec.minReadySeconds} {.spec.strategy.rollingUpdate.maxSurge}"); got != "4 1 2" {
		r.Errorf("beside the template: %s", got)
	}
}

func lastApplied(r *room) {
	first := r.served(deployment("v1", "", ""))
	obs := r.served(deployment("v2", "", "env: [{name: NEW, value: x}]"))
	says(r.T, r.plan(obs, first.Current).Warnings, "kubectl apply compares with what was applied last")
	read := func() string {
		return r.kubectl("get", "deployment/shop", "-o", `jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}`)
	}
	before := read()
	r.back(obs, first.Current, "op1")
	if after := read(); after != before || !strings.Contains(after, "NEW") {
		r.Errorf("it was rewritten: %s", after)
	}
}

func serverSide(r *room) {
	r.apply(deployment("v1", "", ""), "--server-side", "--field-manager=deployer")
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	first := r.soaked(r.shop())
	r.apply(deployment("v2", "", ""), "--server-side", "--field-manager=deployer")
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	obs := r.observe(r.shop())
	says(r.T, r.plan(obs, first.Current).Warnings, "backout becomes a manager of the fields that it sets beside deployer")
	r.back(obs, first.Current, "op1")
	// What the plan says is what happens: backout owns what differed, and nothing else conflicts.
	out, err := r.c.Kubectl(r.Context(), deployment("v3", "", ""), "-n", r.ns, "apply", "-f", "-", "--server-side", "--field-manager=deployer")
	if err == nil || !strings.Contains(out, `1 conflict: conflict with "backout"`) || !strings.Contains(out, ".image") {
		r.Errorf("the next apply: %v %s", err, out)
	}
}

// There is no registry here; what a tag leads to is what the node says of the pods that run.
func movedTag(r *room) {
	manifest := func(digit, mode string) string {
		m := strings.Replace(deployment("stable", "", "env: [{name: MODE, value: "+mode+"}]"), "metadata: {labels: {app: shop}}\n    spec", "metadata: {labels: {app: shop}, annotations: {test.backout.dev/digest: \"sha256:"+strings.Repeat(digit, 64)+"\"}}\n    spec", 1)
		return m
	}
	first := r.served(manifest("a", "old"))
	obs := r.served(manifest("b", "new"))
	prop := r.plan(obs, first.Current)
	says(r.T, prop.Warnings, "is pinned to that")
	if c := r.back(obs, first.Current, "op1"); !c.Done {
		r.Error(c.Detail)
	}
	image := r.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	if image != "registry.test/shop@sha256:"+strings.Repeat("a", 64) {
		r.Errorf("the image is %s", image)
	}
	now := r.observe(r.shop())
	if now.Current.Digest != first.Current.Digest || now.Stamp != "op1" {
		r.Errorf("it is not the revision that it stands for: %s by %q", now.Current.Digest, now.Stamp)
	}
	// The way forward takes the pin off.
	if c := r.back(now, obs.Current, "op2"); !c.Done {
		r.Error(c.Detail)
	}
	if notes := r.kubectl("get", "deployment/shop", "-o", "jsonpath={.metadata.annotations}"); strings.Contains(notes, pinAnnotation) && !strings.Contains(notes, strings.Repeat("b", 64)) {
		r.Errorf("pinned still: %s", notes)
	}
}

func configuration(r *room) {
	r.kubectl("create", "configmap", "shop-config", "--from-literal=a=1")
	r.kubectl("create", "secret", "generic", "shop-secret", "--from-literal=a=1")
	first := r.served(deployment("v1", "", "envFrom: [{configMapRef: {name: shop-config}}, {secretRef: {name: shop-secret}}]"))
	if !slices.Equal(first.References, []string{"configmap/shop-config", "secret/shop-secret"}) {
		r.Errorf("references %q", first.References)
	}
	obs := r.served(deployment("v2", "", ""))
	target := labelled(r.T, obs, "r1")
	r.kubectl("patch", "configmap", "shop-config", "-p", `{"data": {"a": "2"}}`)
	prop := r.plan(obs, target)
	says(r.T, prop.NotRestored, "the content of ConfigMap shop-config, Secret shop-secret")
	says(r.T, prop.Warnings, "ConfigMap shop-config was changed at")
	r.kubectl("delete", "secret", "shop-secret")
	says(r.T, r.plan(obs, target).Missing, "Secret shop-secret, which the target needs, is not there")
}

func scaled(r *room) {
	first := r.served(deployment("v1", "", ""))
	obs := r.served(deployment("v2", "", ""))
	r.apply(`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}, minReplicas: 2, maxReplicas: 9}
`)
	prop := r.plan(obs, first.Current)
	says(r.T, prop.Warnings, "HorizontalPodAutoscaler shop goes on scaling it between 2 and 9")
	r.kubectl("scale", "deployment/shop", "--replicas=5")
	if now := r.observe(r.shop()); now.Token != obs.Token {
		r.Error("scaling makes it another one")
	}
	if res := r.do("op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		r.Errorf("after scaling: %+v", res)
	}
	if n := r.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.replicas}"); n != "5" {
		r.Errorf("%s replicas", n)
	}
	r.kubectl("delete", "hpa", "shop")
	r.kubectl("scale", "deployment/shop", "--replicas=0")
	if c := r.settled(r.shop(), first.Current); !c.Vacuous {
		r.Errorf("scaled to zero: %+v", c)
	}
	if checks, err := r.p.Verify(r.Context(), r.shop(), first.Current); err != nil || slices.ContainsFunc(checks, func(c rollback.Check) bool { return c.State == rollback.CheckPass }) {
		r.Errorf("nothing serves, and a check passes: %+v %v", checks, err)
	}
}

func availability(r *room) {
	first := r.served(deployment("v1", "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 2}}", ""))
	r.apply(`
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {minAvailable: 2, selector: {matchLabels: {app: shop}}}
`)
	obs := r.served(deployment("v2", "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 2}}", ""))
	prop := r.plan(obs, first.Current)
	says(r.T, prop.Warnings, "at worst 1 of 3 pods")
	says(r.T, shortages(prop), "PodDisruptionBudget shop asks for 2 available pods; it does not bind a rollout, which goes down to 1: scale it to 4 pods")
	if prop.Blast != "3 pods" || prop.Estimate <= 0 {
		r.Errorf("blast %q, estimate %s", prop.Blast, prop.Estimate)
	}
	r.kubectl("patch", "deployment/shop", "-p", `{"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}`)
	if now := r.plan(obs, first.Current); !prop.Mechanism.Known() || now.Mechanism == prop.Mechanism || now.ChangeClass != prop.ChangeClass || prop.ChangeClass == "" {
		r.Errorf("another strategy is the same mechanism: %+v and %+v, or another change: %q and %q", prop.Mechanism, now.Mechanism, prop.ChangeClass, now.ChangeClass)
	}
	says(r.T, r.plan(r.observe(r.shop()), first.Current).Warnings, "at worst 0 of 3 pods", "Recreate")
}

// The rounding of kubectl's ResolveFenceposts.
func TestFenceposts(t *testing.T) {
	share := func(s string) *intstr.IntOrString { v := intstr.Parse(s); return &v }
	for _, c := range []struct {
		surge, away  string
		desired      int32
		wantS, wantA int32
	}{
		{"25%", "25%", 3, 1, 0}, {"25%", "25%", 10, 3, 2}, {"0", "0", 3, 0, 1}, {"0%", "10%", 5, 0, 1}, {"1", "0", 1, 1, 0}, {"100%", "100%", 4, 4, 4},
	} {
		if s, a := fenceposts(share(c.surge), share(c.away), c.desired); s != c.wantS || a != c.wantA {
			t.Errorf("%s %s of %d: %d %d", c.surge, c.away, c.desired, s, a)
		}
	}
}

func forgotten(r *room) {
	first := r.served(deployment("v1", "revisionHistoryLimit: 0", ""))
	r.served(deployment("v2", "revisionHistoryLimit: 0", ""))
	r.until("the old ReplicaSet is collected", func() bool {
		return strings.Count(r.kubectl("get", "replicasets", "-o", "name"), "replicaset") == 1
	})
	obs := r.observe(r.shop())
	old := labelled(r.T, obs, "r1 (archived)")
	if old.Digest != first.Current.Digest || len(old.Good) == 0 {
		r.Errorf("the archive has %+v", old)
	}
	if c := r.back(obs, old, "op1"); !c.Done {
		r.Error(c.Detail)
	}
	if now := r.observe(r.shop()); now.Current.Digest != first.Current.Digest {
		r.Errorf("now at %s", now.Current.Digest)
	}
}
