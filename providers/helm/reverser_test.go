package helm_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/rollback"
)

// writing is a provider that has its program.
func (r *release) writing(t *testing.T, change func(map[string]any)) *helm.Provider {
	t.Helper()
	return r.provider(t, func(s map[string]any) {
		s["program"] = r.program
		if change != nil {
			change(s)
		}
	})
}

func (r *release) observe(t *testing.T, p *helm.Provider) rollback.Observation {
	t.Helper()
	obs, err := p.Observe(t.Context(), rollback.UnitID(r.id()))
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

// labelled finds a revision of an observation.
func labelled(t *testing.T, obs rollback.Observation, label string) rollback.Revision {
	t.Helper()
	for _, rev := range append([]rollback.Revision{obs.Current}, obs.History...) {
		if rev.Label == label {
			return rev
		}
	}
	t.Fatalf("no %s in %+v", label, obs)
	return rollback.Revision{}
}

func (r *release) plan(t *testing.T, p *helm.Provider, label string) (rollback.Observation, rollback.Revision, rollback.Proposal) {
	t.Helper()
	obs := r.observe(t, p)
	to := labelled(t, obs, label)
	prop, err := p.Plan(t.Context(), obs, to)
	if err != nil {
		t.Fatal(err)
	}
	return obs, to, prop
}

func (r *release) apply(t *testing.T, p *helm.Provider, op string, step rollback.Step) rollback.Result {
	t.Helper()
	res, err := p.Apply(t.Context(), rollback.Operation{ID: op, Fence: 1}, step)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// converged waits until the unit is at the revision, and gives the checks.
func (r *release) converged(t *testing.T, p *helm.Provider, to rollback.Revision) []rollback.Check {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		c, err := p.Status(ctx, rollback.UnitID(r.id()), to)
		if err != nil {
			t.Fatal(err)
		}
		if c.Done {
			checks, err := p.Verify(ctx, rollback.UnitID(r.id()), to)
			if err != nil {
				t.Fatal(err)
			}
			return checks
		}
	}
}

func has(lines []string, text string) bool {
	return slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, text) })
}

func backToTheGoodOne(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	r.deploy(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:2")})
	r.write(t, "1.2.0", map[string]string{"web.yaml": deployment("web", "shop:broken")})
	if err := r.try(t, "upgrade", r.name, r.chart, "--wait", "--timeout", "2s"); err == nil {
		t.Fatal("the broken upgrade went through")
	}
	p := r.writing(t, nil)
	obs, to, prop := r.plan(t, p, "v2")
	if len(to.Good) == 0 || !strings.Contains(to.Good[0], "2 pods of web serve it now") || obs.Current.Label != "v3" || len(obs.Current.Good) != 0 {
		t.Errorf("known good: %+v, now %+v", to, obs.Current)
	}
	if len(prop.Missing) != 0 || len(prop.Destroys) != 0 || !strings.Contains(prop.Diff, "shop:2") || prop.Blast != "1 of 1 objects, pods of 1 workloads" {
		t.Errorf("the plan: %+v", prop)
	}
	res := r.apply(t, p, "op1", prop.Steps[0])
	if res.Outcome != rollback.Applied || res.Token == "" {
		t.Fatalf("%+v", res)
	}
	for _, c := range r.converged(t, p, to) {
		if c.State != rollback.CheckPass {
			t.Errorf("%+v", c)
		}
	}
	afterTheRollback(t, r, p, to, prop.Steps[0])
	r.deploy(t, "1.3.0", map[string]string{"web.yaml": deployment("web", "shop:3")}) // Helm itself goes on as before
}

func afterTheRollback(t *testing.T, r *release, p *helm.Provider, to rollback.Revision, step rollback.Step) {
	t.Helper()
	now := r.observe(t, p)
	if now.Current.Digest != to.Digest || now.Stamp != "op1" || now.Current.Label != "v4" {
		t.Errorf("afterwards: %+v", now)
	}
	if again := r.apply(t, p, "op1", step); again.Outcome != rollback.AlreadyApplied {
		t.Errorf("the same once more: %+v", again)
	}
	if late := r.apply(t, p, "op2", step); late.Outcome != rollback.PreconditionFailed {
		t.Errorf("another operation on the old condition: %+v", late)
	}
	if rev := labelled(t, now, "v3"); len(rev.Good) != 0 {
		t.Errorf("what was taken back counts as good: %+v", rev)
	}
}

// Helm calls deployed what it has applied. A revision whose pods never became ready is not known good.
func neverReadyIsNotGood(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	for _, version := range []string{"1.1.0", "1.2.0"} {
		r.write(t, version, map[string]string{"web.yaml": deployment("web", "shop:broken-"+version)})
		r.do(t, "upgrade", r.name, r.chart)
	}
	obs := r.observe(t, r.provider(t, nil))
	if first := labelled(t, obs, "v1"); len(first.Good) == 0 {
		t.Errorf("v1 serves: %+v", first)
	}
	if second := labelled(t, obs, "v2"); len(second.Good) != 0 {
		t.Errorf("v2 never served: %+v", second)
	}
	if len(obs.Current.Good) != 0 {
		t.Errorf("v3 does not serve: %+v", obs.Current)
	}
}

const claim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
`

const kept = `apiVersion: v1
kind: ConfigMap
metadata:
  name: kept
  annotations: {helm.sh/resource-policy: keep}
`

func deletionsAreListed(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	r.write(t, "1.1.0", map[string]string{"a.yaml": config("a", "2"), "b.yaml": config("b", "1"), "kept.yaml": kept, "claim.yaml": claim})
	r.do(t, "upgrade", r.name, r.chart)
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Warnings, "deletes ConfigMap deletions/b") || has(prop.Warnings, "kept") || !has(prop.Destroys, "PersistentVolumeClaim deletions/data") {
		t.Errorf("%+v", prop)
	}
	old := prop.Steps[0]
	old.Args = map[string]string{"revision": "1", "deletes": "/configmaps/deletions/b"}
	if res := r.apply(t, p, "op1", old); res.Outcome != rollback.Failed || !strings.Contains(res.Detail, "would delete /persistentvolumeclaims/deletions/data, which the plan did not list") {
		t.Errorf("what came after the plan: %+v", res)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Errorf("%+v", res)
	}
	r.converged(t, p, to)
	left := r.c.Do(t, "", "get", "-n", r.namespace, "configmap", "-o", "name")
	if strings.Contains(left, "configmap/b\n") || !strings.Contains(left, "configmap/kept\n") {
		t.Errorf("left: %s", left)
	}
}

// Two at once: both want the record that follows, and the API server gives its name out once.
func oneOfTwoActs(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	p := r.writing(t, nil)
	_, _, prop := r.plan(t, p, "v1")
	results := make(chan rollback.Result)
	for _, op := range []string{"one", "two"} {
		go func() {
			res, _ := r.writing(t, nil).Apply(t.Context(), rollback.Operation{ID: op}, prop.Steps[0])
			results <- res
		}()
	}
	a, b := <-results, <-results
	if a.Outcome == rollback.PreconditionFailed {
		a, b = b, a
	}
	if a.Outcome != rollback.Applied || b.Outcome != rollback.PreconditionFailed {
		t.Errorf("%+v and %+v", a, b)
	}
	if obs := r.observe(t, p); obs.Current.Label != "v3" || len(obs.History) != 2 {
		t.Errorf("%+v", obs)
	}
}
