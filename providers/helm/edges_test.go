package helm_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// A client that is killed leaves its lock for ever. backout tells it from one at work, and frees it by the next record.
func killedClientIsRecognised(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	r.write(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:broken")})
	client := r.command(t, "upgrade", r.name, r.chart, "--wait", "--timeout", "1m")
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	wary := r.writing(t, nil)
	r.image(t, "web", "shop:broken")
	if obs := r.observe(t, wary); !strings.Contains(obs.InFlight, "pending-upgrade of revision v2") {
		t.Errorf("while it works: %+v", obs)
	}
	if err := client.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = client.Wait()
	if err := r.try(t, "upgrade", r.name, r.chart); err == nil || !strings.Contains(err.Error(), "another operation") {
		t.Fatalf("the release is not locked: %v", err)
	}
	if obs := r.observe(t, wary); obs.InFlight == "" {
		t.Error("a moment later, nobody can know that it is gone")
	}
	p := r.writing(t, func(s map[string]any) { s["pending_after"] = "2s" })
	for r.observe(t, p).InFlight != "" {
	}
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Warnings, "was left pending-upgrade") || len(prop.Missing) != 0 {
		t.Errorf("%+v", prop)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.converged(t, p, to)
	r.deploy(t, "1.2.0", map[string]string{"web.yaml": deployment("web", "shop:3")})
}

// Somebody's hand in between is no proof of anything.
func changedObjectKeepsTheLock(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1"), "web.yaml": deployment("web", "shop:1")})
	r.write(t, "1.1.0", map[string]string{"a.yaml": config("a", "2"), "web.yaml": deployment("web", "shop:broken")})
	client := r.command(t, "upgrade", r.name, r.chart, "--wait", "--timeout", "1m")
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	r.image(t, "web", "shop:broken")
	_ = client.Process.Kill()
	_ = client.Wait()
	r.c.Do(t, "", "patch", "configmap", "-n", r.namespace, "a", "--type=merge", `-p={"data":{"value":"hand"}}`)
	p := r.provider(t, func(s map[string]any) { s["pending_after"] = "1s" })
	for {
		held := r.observe(t, p).InFlight
		if held == "" {
			t.Fatal("the lock counts as free")
		}
		if strings.Contains(held, "ConfigMap changed/a is neither") {
			return
		}
	}
}

const badHook = `apiVersion: v1
kind: ConfigMap
metadata:
  name: Not_A_Name
  annotations: {helm.sh/hook: pre-rollback}
`

// Helm leaves its record pending when a hook fails, and locks the release. backout's writer does not.
func failingHookLeavesNoLock(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1"), "hook.yaml": badHook})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Warnings, "runs the pre-rollback hook ConfigMap Not_A_Name of the old chart") {
		t.Errorf("%+v", prop.Warnings)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.OutcomeUnknown || !strings.Contains(res.Detail, "is not whole") {
		t.Errorf("%+v", res)
	}
	obs := r.observe(t, p)
	if obs.Stamp != "op1" || obs.InFlight != "" || obs.Current.Digest != to.Digest {
		t.Errorf("%+v", obs)
	}
	if c, err := p.Status(t.Context(), rollback.UnitID(r.id()), to); err != nil || !c.Failed || c.Done {
		t.Errorf("%+v, %v", c, err)
	}
	r.deploy(t, "1.2.0", map[string]string{"a.yaml": config("a", "3")})
	if err := r.try(t, "rollback", r.name, "1"); err == nil {
		t.Fatal("the hook of helm's own rollback went through")
	}
	if got := changesOf(t, p)[0]; got.Status != "pending-rollback" {
		t.Errorf("helm's own is %s: it has learnt, and this test with it", got.Status)
	}
}

func goneVersionIsMissing(t *testing.T, r *release) {
	crd := `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"tills.shop.example"},"spec":{"group":"shop.example","scope":"Namespaced",
		"names":{"plural":"tills","singular":"till","kind":"Till"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`
	r.c.Do(t, crd, "apply", "-f", "-")
	r.c.Do(t, "", "wait", "--for=condition=Established", "crd/tills.shop.example")
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1"), "till.yaml": "apiVersion: shop.example/v1\nkind: Till\nmetadata: {name: front}\n"})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	p := r.writing(t, nil)
	r.c.Do(t, "", "delete", "crd", "tills.shop.example")
	_, _, prop := r.plan(t, p, "v1")
	if !has(prop.Missing, "Till gone/front (shop.example/v1) is of a version or kind that this cluster does not serve") {
		t.Errorf("%+v", prop.Missing)
	}
	// The writer finds it too, before it writes anything.
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Failed || r.observe(t, p).Current.Label != "v2" {
		t.Errorf("%+v", res)
	}
}

// Server-side apply stops at a field that somebody else has set since.
func foreignFieldIsNamed(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	r.deploy(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:2")})
	r.c.Do(t, "", "scale", "-n", r.namespace, "deployment", "web", "--replicas=5")
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	if !has(prop.Missing, "somebody else has set since") || !has(prop.Missing, ".spec.replicas") {
		t.Errorf("%+v", prop)
	}
}

func immutableFieldIsMissing(t *testing.T, r *release) {
	fixed := func(v string) map[string]string {
		return map[string]string{"a.yaml": config("a", v) + "immutable: true\n"}
	}
	r.deploy(t, "1.0.0", fixed("1"))
	r.c.Do(t, "", "delete", "configmap", "-n", r.namespace, "a")
	r.deploy(t, "1.1.0", fixed("2"))
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	if !has(prop.Missing, "cannot be taken back in place") {
		t.Errorf("%+v", prop)
	}
}

func prunedHistoryIsNoEvidence(t *testing.T, r *release) {
	for _, v := range []string{"1", "2", "3", "4"} {
		r.write(t, "1."+v+".0", map[string]string{"a.yaml": config("a", v)})
		r.do(t, "upgrade", "--install", r.name, r.chart, "--history-max", "3")
	}
	p := r.writing(t, nil)
	obs := r.observe(t, p)
	if len(obs.History) != 2 || len(labelled(t, obs, "v2").Good) == 0 {
		t.Errorf("%+v", obs)
	}
	r.c.Do(t, "", "delete", "secret", "-n", r.namespace, "sh.helm.release.v1.pay.v3")
	obs = r.observe(t, p)
	if second := labelled(t, obs, "v2"); len(second.Good) != 0 {
		t.Errorf("nobody knows how long it served: %+v", second)
	}
	prop, err := p.Plan(t.Context(), obs, rollback.Revision{Digest: "sha256:none", Label: "v1"})
	if err != nil || !has(prop.Missing, "no longer in the history") {
		t.Errorf("%+v, %v", prop, err)
	}
}

func missingRightsAreNamed(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2"), "b.yaml": config("b", "2")})
	r.c.Do(t, "", "create", "role", "-n", r.namespace, "reader", "--verb=get,list,watch", "--resource=secrets,configmaps")
	r.c.Do(t, "", "create", "rolebinding", "-n", r.namespace, "reader", "--role=reader", "--user="+servers.Limited)
	_, _, prop := r.plan(t, r.provider(t, func(s map[string]any) { s["context"], s["program"] = servers.Limited, r.program }), "v1")
	for _, right := range []string{"create secrets", "update secrets", "patch configmaps", "delete configmaps"} {
		if !has(prop.Missing, "the right to "+right) {
			t.Errorf("no word of %s: %q", right, prop.Missing)
		}
	}
	none := r.provider(t, func(s map[string]any) { s["context"] = servers.Limited; delete(s, "namespaces") })
	for range none.Units(t.Context()) {
	}
	if h := none.Health(); !strings.Contains(h.Detail, "setting namespaces") {
		t.Errorf("%+v", h)
	}
}

func missingProgramIsNamed(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	p := r.provider(t, func(s map[string]any) { s["program"] = "/nowhere/backout-helm" })
	_, _, prop := r.plan(t, p, "v1")
	if !has(prop.Missing, "/nowhere/backout-helm") {
		t.Errorf("%+v", prop.Missing)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Failed {
		t.Errorf("%+v", res)
	}
}

const credentials = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {url: \"%s\"}\n"

func secretsStayHidden(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"s.yaml": strings.ReplaceAll(credentials, "%s", "hunter1")})
	r.deploy(t, "1.1.0", map[string]string{"s.yaml": strings.ReplaceAll(credentials, "%s", "hunter2")})
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	if strings.Contains(prop.Diff, "hunter") || !strings.Contains(prop.Diff, "(hidden-") || !has(prop.Warnings, "what was rotated since no longer works") {
		t.Errorf("%+v", prop)
	}
}

// A release that was uninstalled with its history is not what its last record says.
func uninstalledIsNotLive(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	r.do(t, "uninstall", r.name, "--keep-history")
	p := r.writing(t, nil)
	obs, to, prop := r.plan(t, p, "v1")
	if obs.Current.Digest == to.Digest || obs.Current.Label != "v1 (uninstalled)" {
		t.Errorf("%+v", obs)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.converged(t, p, to)
}
