package rollouts_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// A2: the way back from a completed rollout replays its steps, which the plan says; the promotion is a step of its own.
func replay(t *testing.T, w *world) {
	s := w.shop(t, "replay", "promote_full", true)
	steps := strategy(obj{"canary": obj{"steps": []obj{{"setWeight": 25}, {"pause": obj{"duration": "40s"}}, {"setWeight": 50}, {"pause": obj{"duration": 30}}}}})
	s.apply("cart:1", steps)
	s.until("Healthy")
	s.apply("cart:2", steps)
	s.until("Paused")
	s.argo("promote", "--full", "cart")
	s.until("Healthy")
	words := w.provider(t, "namespaces", []string{"replay"})
	prop, err := words.Plan(t.Context(), s.observe(), s.revision("rev1"))
	if err != nil || prop.Estimate != 70*time.Second || len(prop.Steps) != 1 || !said(prop.Warnings, "pauses of 1m10s") || !said(prop.Warnings, "promote --full cart") {
		t.Errorf("without the setting: %+v %v", prop, err)
	}
	to := s.revision("rev1")
	prop = s.plan("rev1")
	if len(prop.Steps) != 2 || prop.Steps[1].Action != "promote --full" || prop.Steps[1].From != prop.Steps[1].To {
		t.Fatalf("planned %+v", prop.Steps)
	}
	if res := s.try("op1", prop.Steps[1]); res.Outcome != rollback.PreconditionFailed {
		t.Errorf("the promotion before the template is back: %+v", res)
	}
	s.take("op1", prop)
	if res := s.try("op1", prop.Steps[1]); res.Outcome != rollback.AlreadyApplied {
		t.Errorf("the promotion again: %+v", res)
	}
	s.converged(to)
}

// A3: what the plan says of rollbackWindow is what the controller does.
func window(t *testing.T, w *world) {
	s := w.shop(t, "window")
	change := []func(obj){at("rollbackWindow", obj{"revisions": 2}), strategy(obj{"canary": obj{"steps": []obj{{"setWeight": 50}, {"pause": obj{}}}}})}
	for i := range 4 {
		s.apply("cart:"+strconv.Itoa(i+1), change...)
		if i > 0 {
			s.until("Paused")
			s.argo("promote", "--full", "cart")
		}
		s.until("Healthy")
	}
	if prop := s.plan("rev1"); said(prop.Warnings, "rollbackWindow covers it") || !said(prop.Warnings, "until somebody promotes it") {
		t.Errorf("two revisions between: %v", prop.Warnings)
	}
	to := s.revision("rev2")
	prop := s.plan("rev2")
	if !said(prop.Warnings, "rollbackWindow covers it (1 of fewer than 2") {
		t.Errorf("one revision between: %v", prop.Warnings)
	}
	s.take("op1", prop)
	s.converged(to) // without anybody's promotion
}

// A4: with one stable and two that were only tried, the way back is the stable one.
func stable(t *testing.T, w *world) {
	s := w.shop(t, "stable")
	s.apply("cart:3")
	s.until("Healthy")
	s.apply("cart:4")
	s.until("Paused")
	s.apply("cart:5")
	s.until("Paused")
	obs := s.observe()
	for _, r := range obs.History {
		if (len(r.Good) > 0) != (r.Label == "rev1") {
			t.Errorf("%s is known good by %q", r.Label, r.Good)
		}
	}
	if out := s.argo("undo", "cart"); !strings.Contains(out, "undo") {
		t.Error(out)
	}
	if got := s.get(".spec.template.spec.containers[0].image"); got != "cart:4" {
		t.Errorf("the native undo went to %s, it was known to go to the one that was never promoted", got)
	}
}

const ingress = `{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "cart"}, "spec": {"ingressClassName": "nginx", "rules": [{"host": "cart", "http":
 {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "stable", "port": {"number": 80}}}}]}}]}}`

func (s *shop) router() {
	for _, name := range []string{"stable", "canary"} {
		s.write("v1", "Service", name, obj{"selector": obj{"app": "cart"}, "ports": []obj{{"port": 80}}})
	}
	s.w.Do(s.t, ingress, "-n", s.ns, "apply", "-f", "-")
}

func routed(more obj) func(obj) {
	c := obj{
		"stableService": "stable", "canaryService": "canary", "trafficRouting": obj{"nginx": obj{"stableIngress": "cart"}},
		"steps": []obj{{"setWeight": 75}, {"pause": obj{}}},
	}
	for key, v := range more {
		c[key] = v
	}
	return strategy(obj{"canary": c})
}

// A5: with dynamicStableScale the stable revision is small when the abort comes; at no moment more traffic goes to it than
// its available pods can take.
func dynamic(t *testing.T, w *world) {
	s := w.shop(t, "dynamic")
	s.router()
	s.apply("cart:1", routed(obj{"dynamicStableScale": true}))
	s.until("Healthy")
	s.apply("cart:2", routed(obj{"dynamicStableScale": true}))
	s.until("Paused")
	s.await("a small stable revision", func() (bool, string) {
		var sizes []int64
		for _, rs := range s.sets("") {
			sizes = append(sizes, number(rs, "spec", "replicas"))
			if number(rs, "status", "availableReplicas") != number(rs, "spec", "replicas") {
				return false, "not yet scaled"
			}
		}
		slices.Sort(sizes)
		return slices.Equal(sizes, []int64{1, 3}), fmt.Sprint(sizes)
	})
	to, prop := s.revision("rev1"), s.plan("rev1")
	if !said(prop.Warnings, "dynamicStableScale: rev1 has 1 of 4 pods") || len(prop.Missing) > 0 {
		t.Errorf("planned %v %v", prop.Warnings, prop.Missing)
	}
	stable := s.get(".status.stableRS")
	s.take("op1", prop)
	s.await("all traffic back", func() (bool, string) {
		// Availability is read after the weight, and grows: so the weight can only look better than it was.
		weight, err := strconv.Atoi(s.get(".status.canary.weights.canary.weight"))
		if err != nil {
			t.Fatal(err)
		}
		available := number(s.sets("rollouts-pod-template-hash=" + stable)[0], "status", "availableReplicas")
		if int64(100-weight) > available*25 {
			t.Errorf("%d%% of the traffic goes to %d of 4 pods", 100-weight, available)
		}
		return weight == 0, strconv.Itoa(weight)
	})
	s.converged(to)
}

// R15: an abort that would send all traffic to too few pods is held back, by the plan and by the apply.
func gate(t *testing.T, w *world) {
	s := w.shop(t, "gate")
	s.router()
	s.apply("cart:1", routed(nil), at("replicas", 2))
	s.until("Healthy")
	s.apply("cart:2", routed(nil), at("replicas", 2))
	s.until("Paused")
	open := s.plan("rev1")
	if len(open.Missing) > 0 {
		t.Fatalf("with all pods: %v", open.Missing)
	}
	s.write("policy/v1", "PodDisruptionBudget", "cart", obj{"minAvailable": 5, "selector": obj{"matchLabels": obj{"app": "cart"}}})
	if prop := s.plan("rev1"); !said(prop.Missing, "only 2 of 2 pods of rev1 are available") || !said(prop.Missing, "PodDisruptionBudget cart") {
		t.Errorf("planned %v", prop.Missing)
	}
	if res := s.try("op1", open.Steps[0]); res.Outcome != rollback.PreconditionFailed || s.get(".status.abort") != "" {
		t.Errorf("held back: %+v", res)
	}
	s.w.Do(t, "", "-n", s.ns, "delete", "pdb", "cart")
	if res := s.try("op1", open.Steps[0]); res.Outcome != rollback.Applied {
		t.Errorf("with enough again: %+v", res)
	}
}

// A6: where the template is in a Deployment, that is what goes back, and what the controller made of it is looked at.
func reference(t *testing.T, w *world) {
	s := w.shop(t, "reference")
	deploy := func(image string) {
		s.write("apps/v1", "Deployment", "cart", obj{
			"replicas": 0, "selector": obj{"matchLabels": obj{"app": "cart"}},
			"template": obj{"metadata": obj{"labels": obj{"app": "cart"}}, "spec": obj{"containers": []obj{{"name": "cart", "image": image}}}},
		})
	}
	deploy("cart:1")
	s.write("argoproj.io/v1alpha1", "Rollout", "cart", obj{
		"replicas": 2, "workloadRef": obj{"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"}, "strategy": obj{"canary": obj{}},
	})
	s.until("Healthy")
	deploy("cart:2")
	s.await("the second revision", func() (bool, string) { o := s.observe(); return o.Current.Label == "rev2", string(o.Raw) })
	s.until("Healthy")
	s.await("it to be stable", func() (bool, string) {
		o := s.observe()
		return strings.Contains(string(o.Raw), `"in_progress":false`), string(o.Raw)
	})
	to, prop := s.revision("rev1"), s.plan("rev1")
	if !strings.Contains(prop.Steps[0].Title, "Deployment cart") {
		t.Errorf("planned %+v", prop.Steps)
	}
	s.take("op1", prop)
	if got := w.Do(t, "", "-n", s.ns, "get", "deployment", "cart", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); got != "cart:1" {
		t.Errorf("the Deployment has %s", got)
	}
	if obs := s.observe(); obs.Current.Digest != to.Digest || obs.Stamp != "op1" {
		t.Errorf("observed %+v", obs)
	}
	s.converged(to)
}

// A7 and A8: an abort leaves what a reconciler compares as it is, where an undo does not; and the abort can be left again.
func drift(t *testing.T, w *world) {
	s := w.shop(t, "drift")
	s.apply("cart:1")
	s.until("Healthy")
	w.Do(t, "", "-n", s.ns, "annotate", "rollout", "cart", "argocd.argoproj.io/tracking-id=shop:argoproj.io/Rollout:drift/cart")
	if o := s.observe().Owners; len(o) != 1 || o[0] != "Argo CD application shop" {
		t.Errorf("an undo would be undone by %q", o)
	}
	s.apply("cart:2")
	s.until("Paused")
	obs, spec := s.observe(), s.get(".spec")
	if len(obs.Owners) != 0 {
		t.Errorf("an abort would be undone by %q", obs.Owners)
	}
	s.take("op1", s.plan("rev1"))
	if s.get(".spec") != spec {
		t.Error("the abort changed the spec")
	}
	s.until("Degraded")
	prop := s.plan("rev2")
	if prop.Steps[0].Action != "retry" || !said(prop.Warnings, "delay before the old one goes is lost") {
		t.Errorf("planned %+v", prop)
	}
	s.take("op2", prop)
	s.until("Paused")
	if obs := s.observe(); obs.Current.Label != "rev2" || obs.Stamp != "op2" {
		t.Errorf("observed %+v", obs)
	}
}

// R14: an abort of what is complete would scale down what serves.
func complete(t *testing.T, w *world) {
	s := w.shop(t, "complete")
	s.apply("cart:1")
	s.until("Healthy")
	s.apply("cart:2")
	s.until("Paused")
	late := s.plan("rev1").Steps[0]
	s.argo("promote", "--full", "cart")
	s.until("Healthy")
	if res := s.try("op1", late); res.Outcome != rollback.PreconditionFailed || s.get(".status.abort") != "" {
		t.Errorf("aborted what was complete: %+v", res)
	}
	if prop := s.plan("rev1"); prop.Steps[0].Action != "undo" {
		t.Errorf("planned %+v", prop.Steps)
	}
}

// A blue-green Rollout: the abort before the promotion, and the way back while the old pods still run.
func blueGreen(t *testing.T, w *world) {
	s := w.shop(t, "bluegreen")
	s.router()
	bg := strategy(obj{"blueGreen": obj{"activeService": "stable", "previewService": "canary", "autoPromotionEnabled": false, "scaleDownDelaySeconds": 120}})
	s.apply("cart:1", bg)
	s.until("Healthy")
	s.apply("cart:2", bg)
	s.until("Paused")
	if prop := s.plan("rev1"); prop.Steps[0].Action != "abort" {
		t.Errorf("planned %+v", prop.Steps)
	}
	s.argo("promote", "cart")
	s.until("Healthy")
	to, prop := s.revision("rev1"), s.plan("rev1")
	if prop.Steps[0].Action != "undo" || !said(prop.Warnings, "scaleDownDelaySeconds") {
		t.Errorf("planned %+v", prop)
	}
	s.take("op1", prop)
	s.converged(to)
}
