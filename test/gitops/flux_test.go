package gitops_test

import (
	"errors"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
)

// nested: a Kustomization that waits for health, and whose parent's source says that it runs. Both are suspended, what is taken
// back stays, and both are as before when they are let go.
func nested(d *desk) {
	first := d.source.Push(d.T, map[string]string{d.ns + "/root/apps.yaml": d.child(", suspend: false"), d.ns + "/apps/shop.yaml": shop})
	d.began()
	d.good()
	d.until("Flux calls it applied", func() bool {
		return strings.HasSuffix(d.of("kustomization/apps", ".status.lastAppliedRevision"), first)
	})
	d.restored("kustomization/apps")
	culprit := d.pushed(map[string]string{"apps/shop.yaml": bad})
	d.serves("v2-broken")
	p := d.planned()
	u := p.Units[0]
	if len(u.Steps) != 3 || !strings.HasSuffix(u.Steps[0].Title, "/root") || !strings.HasSuffix(u.Steps[1].Title, "/apps") {
		d.Fatalf("%+v", u.Steps)
	}
	says(d.T, u.Warnings, "says in its own source that Flux Kustomization "+d.ns+"/apps runs")
	says(d.T, u.Warnings, "what it deploys is not updated (objects: 1)")
	// Flux itself does not call the bad commit applied: it still waits for its health.
	says(d.T, []string{u.LastingFix}, "main of "+d.source.URL+" (path ./"+d.ns+"/apps): revert what "+culprit+" brought there (git revert "+culprit+")")
	d.ownerless(u)
	d.done(p)
	d.stays("kustomization/apps", "kustomization/root")
	both := d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	says(d.T, []string{both[0].Detail}, "is still at "+culprit[:7])
	d.letGo()
	d.fluxTold(first, culprit)
	d.resumedElsewhere()
}

// ownerless: where nothing of the object names its Kustomization, the one that lists it is found.
func (d *desk) ownerless(u rollback.UnitPlan) {
	d.Helper()
	obs := u.Observed
	obs.Owners = []string{"Flux Kustomization (which one nothing says; it wrote as kustomize-controller)"}
	s, err := d.reconciler.Suspend(d.Context(), obs, u.To)
	if err != nil || len(s.Measures) != 2 || s.Measures[1].What != u.Measures[1].What {
		d.Errorf("%+v %v", s, err)
	}
}

// letGo reverts in git and lifts. That the new commit is good only a person can say; once Flux runs on it and leaves alone what was
// put back, it can be told.
func (d *desk) letGo() {
	d.Helper()
	generation := d.of("deployment/shop", ".metadata.generation")
	reverted := d.pushed(map[string]string{"apps/shop.yaml": shop})
	both := d.looked(rollback.MeasureInForce, rollback.TellUnknown, 2)
	says(d.T, []string{both[1].Detail}, "the cluster cannot tell")
	if _, _, err := d.Lift(d.Context(), both[1].ID, rollback.LiftRequest{By: oncall.Ana()}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("lifted although nobody can tell: %v", err)
	}
	says(d.T, []string{d.forced(both[1]).Detail}, "it has deployed "+reverted[:7])
	d.until("Flux is done", func() bool {
		return strings.HasSuffix(d.of("kustomization/apps", ".status.lastAppliedRevision"), reverted)
	})
	root := d.looked(rollback.MeasureInForce, rollback.TellYes, 1)[0]
	says(d.T, []string{root.Detail}, "found deployment "+d.ns+"/shop already as that says")
	d.lift(root.ID)
	for object, want := range map[string]string{"kustomization/root": "", "kustomization/apps": "false"} {
		if got := d.of(object, ".spec.suspend"); got != want {
			d.Errorf("suspend of %s is %q, and was %q", object, got, want)
		}
		if got := d.of(object, ".metadata.annotations"); strings.Contains(got, "backout") {
			d.Errorf("something is left at %s: %s", object, got)
		}
	}
	d.stays("kustomization/root", "kustomization/apps")
	if got := d.of("deployment/shop", ".metadata.generation"); got != generation {
		d.Errorf("generation %s, then %s: it was deployed again", generation, got)
	}
}

// fluxTold: what was deployed, in its order. Flux remembers what came back under the commit by which it came back.
func (d *desk) fluxTold(first, culprit string) {
	d.Helper()
	told := d.changes("apps")
	if len(told) != 3 {
		d.Fatalf("%d changes: %+v", len(told), told)
	}
	if c := told[0]; c.Commit != "" || c.Kind != providers.KindDeploy {
		d.Errorf("by which commit it first came (%s) is not known any more: %+v", first, c)
	}
	if c := told[1]; c.Commit != culprit || c.Service != "apps" || c.From != told[0].To {
		d.Errorf("%+v", c)
	}
	if c := told[2]; c.Kind != providers.KindRollback || c.Commit == "" || c.EffectiveFrom.Before(told[1].EffectiveFrom) {
		d.Errorf("%+v", c)
	}
}

// resumedElsewhere: somebody resumes the parent, which resumes the child, which brings back the bad version. That is an alert.
func (d *desk) resumedElsewhere() {
	d.Helper()
	d.pushed(map[string]string{"apps/shop.yaml": bad})
	d.serves("v2-broken")
	d.done(d.planned())
	both := d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	d.kubectl("-n", d.ns, "patch", "kustomization/root", "--type=merge", "-p", `{"spec": {"suspend": false}}`) // as flux resume does
	d.until("the parent resumed its child", func() bool { return d.of("kustomization/apps", ".spec.suspend") == "false" })
	d.serves("v2-broken")
	d.looked(rollback.MeasureElsewhere, rollback.TellNo, 2)
	alerts := d.alerted()
	for _, name := range []string{"root", "apps"} {
		says(d.T, alerts, "Flux Kustomization "+d.ns+"/"+name+" is suspended")
	}
	for _, m := range []rollback.MeasureRun{both[1], both[0]} {
		if got, res, err := d.Lift(d.Context(), m.ID, rollback.LiftRequest{By: oncall.Ana()}); err != nil || got.State != rollback.MeasureLifted || res.Outcome != rollback.AlreadyApplied {
			d.Errorf("%q %+v %v", got.State, res, err)
		}
	}
}
