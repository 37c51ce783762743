package helm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// freeze makes a ConfigMap one that the API server refuses to change, until it is deleted.
func (r *release) freeze(t *testing.T, name string) {
	t.Helper()
	r.c.Do(t, "", "patch", "configmap", "-n", r.namespace, name, "--type=merge", `-p={"immutable":true}`)
}

// values writes a chart of ConfigMaps, each "name=value".
func values(pairs ...string) map[string]string {
	out := map[string]string{}
	for _, p := range pairs {
		name, v, _ := strings.Cut(p, "=")
		out[name+".yaml"] = config(name, v)
	}
	return out
}

// holds looks what ConfigMaps hold, each "name=value"; "-" is not there.
func (r *release) holds(t *testing.T, pairs ...string) {
	t.Helper()
	for _, p := range pairs {
		name, want, _ := strings.Cut(p, "=")
		if got := r.value(t, name); got != want {
			t.Errorf("%s is %q, wanted %q", name, got, want)
		}
	}
}

// fails upgrades to a chart that the API server refuses in part.
func (r *release) fails(t *testing.T, version string, templates map[string]string) {
	t.Helper()
	r.write(t, version, templates)
	if err := r.try(t, "upgrade", r.name, r.chart); err == nil {
		t.Fatal("the upgrade went through")
	}
}

// H7: a rollback that the cluster refuses half way leaves a mixture. It is told object by object, and the same operation
// finishes it, with the deletions that the first attempt did not come to.
func halfRollbackIsFinished(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", values("a=1", "b=1"))
	r.deploy(t, "1.1.0", values("a=2", "b=2", "new=2"))
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if len(prop.Missing) != 0 {
		t.Fatalf("%+v", prop)
	}
	r.freeze(t, "b") // after the plan: it could not know
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.OutcomeUnknown || !strings.Contains(res.Detail, "is not whole") {
		t.Fatalf("%+v", res)
	}
	r.holds(t, "a=1", "b=2", "new=2")
	if c, err := p.Status(t.Context(), rollback.UnitID(r.id()), to); err != nil || !c.Failed || c.Done {
		t.Errorf("%+v, %v", c, err)
	}
	again, err := p.Plan(t.Context(), r.observe(t, p), labelled(t, r.observe(t, p), "v1"))
	if err != nil || !has(again.Missing, "ConfigMap half/b cannot be taken back in place") || !has(again.Warnings, "ConfigMap half/a is as it has it") ||
		!has(again.Warnings, "ConfigMap half/b is as the revision before has it") || !has(again.Warnings, "object by object, with kubectl") {
		t.Errorf("%+v, %v", again, err)
	}
	r.c.Do(t, "", "delete", "configmap", "-n", r.namespace, "b")
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.holds(t, "a=1", "b=1", "new=-")
	passed(t, r.converged(t, p, to))
}

// H8, R4: an upgrade failed before it deleted what its chart no longer has. Going back to the revision that has it was once
// refused for ever; the plan says how the objects stand and the way back works.
func whatAFailedUpgradeLeft(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", values("a=1", "b=1", "old=1"))
	r.freeze(t, "b")
	r.fails(t, "1.1.0", values("a=2", "b=2", "new=2"))
	r.holds(t, "a=2", "b=1", "old=1", "new=2")
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	for _, line := range []string{
		"still there although v2 does not have it: ConfigMap remains/old", "v2 ended half way", "ConfigMap remains/a is as it has it",
		"ConfigMap remains/b is as the revision before has it", "ConfigMap remains/new is as it has it", "deletes ConfigMap remains/new",
	} {
		if !has(prop.Warnings, line) {
			t.Errorf("no word of %q: %q", line, prop.Warnings)
		}
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v, missing %q", res, prop.Missing)
	}
	r.holds(t, "a=1", "b=1", "old=1", "new=-")
	passed(t, r.converged(t, p, to))
}

// R4: what cannot work is in the plan, with the way that is left: each object on its own.
func strangersAreNotTaken(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", values("a=1", "mine=1"))
	r.deploy(t, "1.1.0", values("a=2", "new=2"))
	r.c.Do(t, config("mine", "theirs"), "create", "-n", r.namespace, "-f", "-")
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	if !has(prop.Missing, "ConfigMap stranger/mine is there and is not of this release") {
		t.Errorf("%+v", prop)
	}
	if !has(prop.Warnings, "helm get manifest pay -n stranger --revision 1 prints: change ConfigMap stranger/a, ConfigMap stranger/mine; delete ConfigMap stranger/new") {
		t.Errorf("%q", prop.Warnings)
	}
}

// R30: what a failed upgrade made and no later revision has is nobody's any more. It is told, because no rollback takes it.
func leftBehindIsTold(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", values("a=1", "b=1"))
	r.freeze(t, "b")
	r.fails(t, "1.1.0", values("a=2", "b=2", "new=2"))
	r.deploy(t, "1.2.0", values("a=3", "b=1"))
	r.holds(t, "new=2")
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	if !has(prop.NotRestored, "in neither revision: ConfigMap behind/new of v2") {
		t.Errorf("%q", prop.NotRestored)
	}
}

// R29: a deletion list that is longer than a rollback's usually is stands among what is destroyed, each object by name, and
// the writer lets nothing go that the list does not have.
func massDeletion(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", values("a=1"))
	r.deploy(t, "1.1.0", values("a=2", "b=2", "c=2", "d=2"))
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Destroys, "3-of-4 objects, far more of pay than a rollback usually deletes: ConfigMap mass/b, ConfigMap mass/c, ConfigMap mass/d") {
		t.Errorf("%+v", prop)
	}
	out := r.ask(t, 1, 2, []string{"/configmaps/mass/b"})
	if !strings.Contains(out, `"outcome":"unknown"`) || !strings.Contains(out, "/configmaps/mass/c is not among the deletions that were confirmed") {
		t.Errorf("%s", out)
	}
	r.holds(t, "a=1", "b=-", "c=2", "d=2")
	r.deploy(t, "1.2.0", values("a=2", "c=2", "d=2"))
	_, _, prop = r.plan(t, p, "v1")
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.holds(t, "a=1", "c=-", "d=-")
	passed(t, r.converged(t, p, to))
}

// R30, H14: afterwards the digest of all live objects is that of what the revision says of them, whatever its templates drew
// by lot. Somebody's hand changes it, and the check says where.
func liveIsTheTarget(t *testing.T, r *release) {
	drawn := func(v string) map[string]string {
		out := values("a=" + v)
		out["drawn.yaml"] = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"drawn"},"data":{"value":"{{ randAlphaNum 20 }}","at":"{{ now }}"}}`
		out["web.yaml"] = strings.ReplaceAll(deployment("web", "shop:"+v), "containers: [{", `containers: [{resources: {limits: {cpu: "0.5", memory: 1024Mi}}, `)
		return out
	}
	r.deploy(t, "1.0.0", drawn("1"))
	then := r.value(t, "drawn")
	r.deploy(t, "1.1.0", drawn("2"))
	if r.value(t, "drawn") == then {
		t.Fatal("the template draws nothing")
	}
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	checks := r.converged(t, p, to)
	passed(t, checks)
	r.holds(t, "a=1", "drawn="+then)
	found := contentOf(t, checks)
	if found.Goal != fmt.Sprintf("3 objects, %s", found.Observed) {
		t.Errorf("%+v", found)
	}
	r.c.Do(t, "", "patch", "configmap", "-n", r.namespace, "a", "--type=merge", `-p={"data":{"value":"hand"}}`)
	r.c.Do(t, "", "scale", "-n", r.namespace, "deployment", "web", "--replicas=3") // how many there are is no content
	checks, err := p.Verify(t.Context(), rollback.UnitID(r.id()), to)
	if found := contentOf(t, checks); err != nil || found.State != rollback.CheckFail || !strings.HasSuffix(found.Observed, ": ConfigMap exact/a at .data.value") {
		t.Errorf("%+v, %v", found, err)
	}
}

func contentOf(t *testing.T, checks []rollback.Check) rollback.Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == "content of the objects" {
			return c
		}
	}
	t.Fatalf("no look at the content: %+v", checks)
	return rollback.Check{}
}

// H18: Helm says that it went well when everything is applied. Whether it serves is looked at: a revision whose pods never get
// ready is deployed, and has not arrived.
func helmsWordIsNotHealth(t *testing.T, r *release) {
	r.write(t, "1.0.0", map[string]string{"web.yaml": strings.Replace(deployment("web", "shop:broken"), "600", "1", 1)})
	r.do(t, "install", r.name, r.chart)
	// The second one does not get ready either: of a rollout that follows a complete one the controller may never tell the deadline, where
	// its first look finds as many new pods as the last one left.
	r.write(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:broken-2")})
	r.do(t, "upgrade", r.name, r.chart)
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	if got := changesOf(t, p)[0]; got.Status != "deployed" {
		t.Errorf("Helm says %s", got.Status)
	}
	r.until(t, "the failure is told", func() bool {
		// The controller sets no alarm for the deadline of every rollout: it has to look again.
		r.c.Do(t, "", "annotate", "-n", r.namespace, "deployment", "web", "--overwrite", fmt.Sprint("looked=", time.Now().UnixNano()))
		c, err := p.Status(t.Context(), rollback.UnitID(r.id()), to)
		if err != nil || c.Done {
			t.Fatalf("%+v %v", c, err)
		}
		return c.Failed
	})
	checks, err := p.Verify(t.Context(), rollback.UnitID(r.id()), to)
	if err != nil || checks[len(checks)-1].Name != "pods ready" || checks[len(checks)-1].State != rollback.CheckFail {
		t.Errorf("%+v %v", checks, err)
	}
}

// H11: the hooks of the old chart run, also a Job that an earlier run has left: it stops the rollback. The plan says so, and
// what was begun is ended as failed instead of locking the release.
func leftHookCollides(t *testing.T, r *release) {
	hook := `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"migrate","annotations":{"helm.sh/hook":"pre-rollback","helm.sh/hook-delete-policy":"hook-succeeded"}},
 "spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"migrate:1"}]}}}}`
	first := values("a=1")
	first["hook.yaml"] = hook
	for version, templates := range []map[string]string{first, values("a=2")} {
		r.write(t, fmt.Sprintf("1.%d.0", version), templates)
		r.do(t, "upgrade", "--install", r.name, r.chart, "--server-side=false") // by the server's side, it would be taken for this run's own
	}
	r.c.Do(t, hook, "create", "-n", r.namespace, "-f", "-")
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Warnings, "runs the pre-rollback hook Job migrate of the old chart; one that is left of an earlier run stops it") {
		t.Errorf("%q", prop.Warnings)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.OutcomeUnknown || !strings.Contains(res.Detail, "already exists") {
		t.Errorf("%+v", res)
	}
	if obs := r.observe(t, p); obs.InFlight != "" || obs.Stamp != "op1" {
		t.Errorf("%+v", obs)
	}
	r.holds(t, "a=2")
	if c, err := p.Status(t.Context(), rollback.UnitID(r.id()), to); err != nil || !c.Failed {
		t.Errorf("%+v %v", c, err)
	}
}
