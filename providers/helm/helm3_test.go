package helm_test

import (
	"testing"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// Releases that Helm 3 made, by the real Helm 3: their history is read, they are taken back, and Helm 3 goes on with them.
func helm3sReleases(t *testing.T, r *release) {
	r.other = servers.Need(t, "helm3")
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1"), "a.yaml": config("a", "1")})
	r.deploy(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:2"), "a.yaml": config("a", "2"), "new.yaml": config("new", "2")})
	r.do(t, "rollback", r.name, "1")
	r.deploy(t, "1.2.0", map[string]string{"web.yaml": deployment("web", "shop:3"), "a.yaml": config("a", "3"), "new.yaml": config("new", "3")})
	p := r.writing(t, nil)
	got := changesOf(t, p)
	if len(got) != 4 {
		t.Fatalf("%d changes: %+v", len(got), got)
	}
	if back := got[1]; back.Title != "helm rollback to revision v1" || len(back.Reverts) != 1 || back.Reverts[0] != got[2].ID || back.Artifacts[0] != got[3].Artifacts[0] {
		t.Errorf("Helm 3's own rollback: %+v", back)
	}
	if last := got[0]; last.Title != "helm upgrade to pay-1.2.0 (app app-1.2.0)" || last.Author.Name != "ana" || last.Status != "deployed" {
		t.Errorf("the upgrade: %+v", last)
	}
	_, to, prop := r.plan(t, p, "v1")
	if len(prop.Missing) != 0 || !has(prop.Warnings, "deletes ConfigMap helm3/new") {
		t.Errorf("%+v", prop)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	passed(t, r.converged(t, p, to))
	r.holds(t, "a=1", "new=-")
	r.deploy(t, "1.3.0", map[string]string{"web.yaml": deployment("web", "shop:4"), "a.yaml": config("a", "4")})
	if obs := r.observe(t, p); obs.Current.Label != "v6" || obs.Stamp != "" {
		t.Errorf("after Helm 3's next upgrade: %+v", obs)
	}
	r.holds(t, "a=4")
}
