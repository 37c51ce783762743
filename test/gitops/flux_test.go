package gitops_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// fluxKinds are Flux's kinds of object with the fields that are used here. Its controllers are not run: what they would write is
// written in their name, with the field managers that they use. So what is shown is what backout reads and writes, and what
// the API server makes of both; not that Flux itself acts on it.
func fluxKinds() string {
	var out []string
	for _, k := range [][4]string{
		{"kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"},
		{"helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases"},
		{"source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories"},
	} {
		out = append(out, fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: %[3]s, plural: %[4]s}
  versions:
  - name: %[2]s
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {suspend: {type: boolean}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
`, k[0], k[1], k[2], k[3]))
	}
	return strings.Join(out, "---")
}

const (
	badCommit  = "main@sha1:1111111111111111111111111111111111111111"
	nextCommit = "main@sha1:2222222222222222222222222222222222222222"
)

// byFlux writes objects as its controller does.
func (d *desk) byFlux(controller, objects string) {
	d.Helper()
	d.c.Do(d.T, objects, "apply", "--server-side", "--force-conflicts", "--field-manager="+controller, "-f", "-")
}

// status writes an object's status.
func (d *desk) status(object, json string) {
	d.Helper()
	d.kubectl("-n", d.ns, "patch", object, "--subresource=status", "--type=merge", "-p", `{"status": `+json+`}`)
}

func (d *desk) suspended(object string) string {
	d.Helper()
	return d.kubectl("-n", d.ns, "get", object, "-o", "jsonpath={.spec.suspend}")
}

func kustomization(ns, suspend string) string {
	return fmt.Sprintf(`{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "apps", "namespace": %q,
 "labels": {"kustomize.toolkit.fluxcd.io/name": "root", "kustomize.toolkit.fluxcd.io/namespace": %[1]q}},
 "spec": {"path": "./apps", "interval": "1m", "sourceRef": {"kind": "GitRepository", "name": "shop"}%s}}`, ns, suspend)
}

// flux: the parent declares that the child runs, so both are suspended, and both are as before when they are let go.
func flux(d *desk) {
	d.fluxKnown()
	d.c.Do(d.T, fmt.Sprintf(`
{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: shop, namespace: %[1]q}, spec: {url: "https://git.example.test/shop", ref: {branch: main}}}
---
{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: root, namespace: %[1]q}, spec: {path: ./clusters, wait: true, sourceRef: {kind: GitRepository, name: shop}}}
`, d.ns), "apply", "-f", "-")
	d.byFlux("kustomize-controller", kustomization(d.ns, `, "suspend": false`))
	d.deployed()
	p := d.planned()
	u := p.Units[0]
	if len(u.Steps) != 3 || !strings.HasSuffix(u.Steps[0].Title, "/root") || !strings.HasSuffix(u.Steps[1].Title, "/apps") {
		d.Fatalf("%+v", u.Steps)
	}
	says(d.T, u.Warnings, "says in its own source that Flux Kustomization "+d.ns+"/apps runs")
	says(d.T, []string{u.LastingFix}, "main of https://git.example.test/shop (path ./apps)")
	d.done(p)
	both := d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	says(d.T, []string{both[0].Detail}, "is still at")
	d.removedFromGit()
	// Git that declares it turns it on again: somebody else lifted it.
	d.byFlux("kustomize-controller", kustomization(d.ns, `, "suspend": false`))
	if now, err := d.Probe(d.Context(), ana, both[1].ID); err != nil || now[0].State != rollback.MeasureElsewhere {
		d.Errorf("%+v %v", now, err)
	}
	d.letGo(both)
	d.fluxTold()
	beneath(d)
}

// deployed makes the workload of the Kustomization: a good version, then a bad one.
func (d *desk) deployed() {
	d.Helper()
	own := `metadata: {name: shop, namespace: ` + d.ns + `, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: ` + d.ns + `}}`
	d.byFlux("kustomize-controller", strings.Replace(shop, "metadata: {name: shop}", own, 1))
	d.kubectl("-n", d.ns, "rollout", "status", "deployment/shop", "--timeout=60s")
	d.until("known good", func() bool {
		o, err := d.workloads.Observe(d.Context(), d.unit())
		return err == nil && len(o.Current.Good) > 0
	})
	d.byFlux("kustomize-controller", strings.Replace(bad, "metadata: {name: shop}", own, 1))
	d.status("gitrepository/shop", `{"artifact": {"revision": "`+badCommit+`"}}`)
	d.status("kustomization/apps", `{"lastAppliedRevision": "`+badCommit+`", "conditions": [{"type": "Ready", "reason": "ReconciliationSucceeded", "lastTransitionTime": "2026-01-02T03:04:05Z"}]}`)
}

// removedFromGit: what git no longer declares stays suspended, because git is not who set it.
func (d *desk) removedFromGit() {
	d.Helper()
	d.byFlux("kustomize-controller", kustomization(d.ns, ""))
	if got := d.suspended("kustomization/apps"); got != "true" {
		d.Errorf("suspend is %q", got)
	}
	d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
}

// letGo lifts what is left: another revision may be good, and only a person can say so.
func (d *desk) letGo(both []rollback.MeasureRun) {
	d.Helper()
	if m, res, err := d.Lift(d.Context(), both[1].ID, rollback.LiftRequest{By: ana}); err != nil || m.State != rollback.MeasureLifted || res.Outcome != rollback.AlreadyApplied {
		d.Errorf("%q %+v %v", m.State, res, err)
	}
	d.status("gitrepository/shop", `{"artifact": {"revision": "`+nextCommit+`"}}`)
	root := d.looked(rollback.MeasureInForce, rollback.TellUnknown, 1)[0]
	says(d.T, []string{root.Detail}, "the cluster cannot tell")
	if _, _, err := d.Lift(d.Context(), root.ID, rollback.LiftRequest{By: ana}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("lifted although nobody can tell: %v", err)
	}
	m, res, err := d.Lift(d.Context(), root.ID, rollback.LiftRequest{By: ana, Force: true, Reason: "the revert is merged"})
	if err != nil || m.State != rollback.MeasureLifted || res.Outcome != rollback.Applied {
		d.Errorf("%q %+v %v", m.State, res, err)
	}
	says(d.T, []string{res.Detail}, "has not taken that up yet") // there is none that could
	if got := d.suspended("kustomization/root"); got != "" {
		d.Errorf("suspend is %q, and was not there", got)
	}
}

func (d *desk) fluxTold() {
	d.Helper()
	for c, err := range d.reconciler.Changes(d.Context(), providers.Window{}) {
		if err != nil {
			d.Fatal(err)
		}
		if c.Commit == strings.TrimPrefix(badCommit, "main@sha1:") && c.Service == "apps" && c.At().Year() == 2026 {
			return
		}
	}
	d.Error("what was applied is not told")
}

// beneath: a HelmRelease that its Kustomization waits for is suspended alone, because git does not say whether it runs.
func beneath(d *desk) {
	d.byFlux("kustomize-controller", fmt.Sprintf(`{"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web", "namespace": %q,
 "labels": {"kustomize.toolkit.fluxcd.io/name": "root", "kustomize.toolkit.fluxcd.io/namespace": %[1]q}},
 "spec": {"interval": "1m", "chart": {"spec": {"chart": "web", "version": "1.2.3"}}, "values": {"replicas": 1}}}`, d.ns))
	obs := rollback.Observation{Unit: rollback.Unit{ID: rollback.UnitID("helm:" + d.ns + "/web"), Kind: "helm release"}, Owners: []string{"Flux HelmRelease " + d.ns + "/web"}}
	s, err := d.reconciler.Suspend(d.Context(), obs, rollback.Revision{})
	if err != nil || len(s.Steps) != 1 || !strings.Contains(s.Steps[0].Title, "HelmRelease") {
		d.Fatalf("%+v %v", s, err)
	}
	says(d.T, s.Warnings, "wait: true")
	says(d.T, s.Warnings, "unmanaged")
	says(d.T, []string{s.LastingFix}, "chart web 1.2.3")
	m := s.Measures[0]
	d.shared(s.Steps[0], m)
	if holds, detail, err := d.reconciler.ExitHolds(d.Context(), m); holds || err != nil || !strings.Contains(detail, "same chart and values") {
		d.Errorf("%v %q %v", holds, detail, err)
	}
	d.kubectl("-n", d.ns, "patch", "helmrelease/web", "--type=merge", "-p", `{"spec": {"chart": {"spec": {"version": "1.2.2"}}}}`)
	if holds, _, err := d.reconciler.ExitHolds(d.Context(), m); holds || err == nil {
		d.Errorf("another chart is taken for a good one: %v %v", holds, err)
	}
	// Nobody is taken for one that runs elsewhere: that is unknown, and never "no reconciler".
	obs.Owners = []string{"Flux HelmRelease elsewhere/web"}
	if s, err := d.reconciler.Suspend(d.Context(), obs, rollback.Revision{}); err == nil {
		d.Errorf("%+v", s)
	}
}

// shared: an effect happens once for an operation and a step; a second operation holds the same one back with it, and only the
// last that goes lets it run.
func (d *desk) shared(step rollback.Step, m rollback.Measure) {
	d.Helper()
	apply := func(op string, want rollback.Outcome) rollback.Measure {
		d.Helper()
		res, err := d.reconciler.Apply(d.Context(), rollback.Operation{ID: op, By: "ana", Reason: "errors"}, step)
		if err != nil || res.Outcome != want || res.Token == "" {
			d.Errorf("%s: %+v %v", op, res, err)
		}
		set := m
		set.Op, set.Token = op, res.Token
		return set
	}
	inForce := func(m rollback.Measure, want bool) {
		d.Helper()
		if yes, detail, err := d.reconciler.Probe(d.Context(), m); err != nil || yes != want {
			d.Errorf("in force %v: %q %v", yes, detail, err)
		}
	}
	lift := func(m rollback.Measure, want rollback.Outcome) {
		d.Helper()
		if res, err := d.reconciler.Lift(d.Context(), rollback.Operation{ID: "lift"}, m); err != nil || res.Outcome != want {
			d.Errorf("%+v %v", res, err)
		}
	}
	one := apply("one", rollback.Applied)
	apply("one", rollback.AlreadyApplied)
	two := apply("two", rollback.Applied)
	inForce(one, true)
	lift(two, rollback.Applied)
	inForce(two, false)
	inForce(one, true)
	lift(two, rollback.AlreadyApplied)
	if got := d.suspended("helmrelease/web"); got != "true" {
		d.Errorf("suspend is %q while somebody needs it", got)
	}
	lift(one, rollback.Applied)
	lift(one, rollback.AlreadyApplied)
	if got := d.suspended("helmrelease/web"); got != "" {
		d.Errorf("suspend is %q, and was not there", got)
	}
	// Somebody suspends it by hand: that is theirs, and neither taken over nor lifted.
	d.kubectl("-n", d.ns, "patch", "helmrelease/web", "--type=merge", "-p", `{"spec": {"suspend": true}}`)
	res, err := d.reconciler.Apply(d.Context(), rollback.Operation{ID: "three"}, step)
	if err != nil || res.Outcome != rollback.PreconditionFailed {
		d.Errorf("%+v %v", res, err)
	}
	lift(one, rollback.PreconditionFailed)
	d.kubectl("-n", d.ns, "patch", "helmrelease/web", "--type=json", "-p", `[{"op": "remove", "path": "/spec/suspend"}]`)
}
