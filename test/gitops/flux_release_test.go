package gitops_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/oncall"
)

// release is a HelmRelease of a chart in the repository, which puts back what somebody alters beside it.
func (d *desk) release() string {
	return fmt.Sprintf(`{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: web, namespace: %[1]q},
  spec: {interval: 1h, driftDetection: {mode: enabled}, install: {disableWait: true}, upgrade: {disableWait: true},
  chart: {spec: {chart: ./%[1]s/chart, reconcileStrategy: Revision, interval: 1h, sourceRef: {kind: GitRepository, name: shop}}}}}`, d.ns)
}

// released: a HelmRelease beneath a Kustomization whose source does not say whether it runs is suspended alone, and what is taken
// back stays although it corrects drift.
func released(d *desk) {
	writer := d.writer()
	d.source.Push(d.T, map[string]string{
		d.ns + "/root/web.yaml": d.release(), d.ns + "/chart/Chart.yaml": "{apiVersion: v2, name: web, version: 1.2.3}", d.ns + "/chart/templates/shop.yaml": shop,
	})
	d.began()
	d.good()
	d.until("the release has ended", func() bool { return d.of("helmrelease/web", ".status.history[0].status") == "deployed" })
	d.restored("helmrelease/web")
	d.pushed(map[string]string{"chart/templates/shop.yaml": bad})
	d.serves("v2-broken")
	d.until("the upgrade has ended", func() bool { return d.of("helmrelease/web", ".status.history[1].version") == "1" })
	p := d.planned()
	u := p.Units[0]
	if len(u.Steps) != 2 || u.Steps[0].Title != "suspend Flux HelmRelease "+d.ns+"/web" {
		d.Fatalf("%+v", u.Steps)
	}
	says(d.T, u.Warnings, "does not say whether that runs")
	d.done(p)
	d.stays("helmrelease/web")
	// What is not in git stays as somebody set it, whatever git brings next.
	d.pushed(map[string]string{"root/web.yaml": strings.Replace(d.release(), "{name: web,", "{name: web, labels: {touched: yes-it-was},", 1)})
	d.until("its Kustomization writes it again", func() bool { return d.of("helmrelease/web", ".metadata.labels.touched") != "" })
	d.stays("helmrelease/web")
	if got := d.of("helmrelease/web", ".spec.suspend"); got != "true" {
		d.Errorf("suspend is %q", got)
	}
	d.chartReverted()
	d.wholeRelease(writer())
	d.beneath()
}

// chartReverted: the chart is put back where it lies, which leaves the HelmRelease as it was.
func (d *desk) chartReverted() {
	d.Helper()
	before := d.of("helmchart/"+d.ns+"-web", ".status.artifact.revision")
	d.pushed(map[string]string{"chart/templates/shop.yaml": shop})
	d.until("the chart is packaged", func() bool { return d.of("helmchart/"+d.ns+"-web", ".status.artifact.revision") != before })
	m := d.looked(rollback.MeasureInForce, rollback.TellUnknown, 1)[0]
	says(d.T, []string{m.Detail}, "another chart or other values")
	says(d.T, []string{d.forced(m).Detail}, "Helm upgrade succeeded")
	if got := d.of("helmrelease/web", ".spec.suspend"); got != "" {
		d.Errorf("suspend is %q, and was not there", got)
	}
	d.stays("helmrelease/web")
	// Flux keeps no more of what it released than the last that went well and the one before.
	if told := d.changes("web"); len(told) != 2 || told[1].From != told[0].To || !strings.HasPrefix(told[1].To, "web 1.2.3+") {
		d.Errorf("%+v", told)
	}
}

// wholeRelease: the release itself goes back, by the program that writes releases. Flux leaves what was done beside it while it is
// suspended, and goes on from there when it is let go.
func (d *desk) wholeRelease(writer string) {
	d.Helper()
	h := d.helmDesk(writer)
	d.pushed(map[string]string{"chart/templates/shop.yaml": bad})
	d.serves("v2-broken")
	d.until("the upgrade has ended", func() bool { return d.of("helmrelease/web", ".status.history[0].version") == "4" })
	unit := rollback.UnitID("helm:" + d.ns + "/web")
	p, err := h.Plan(d.Context(), rollback.Request{Unit: unit, Reason: "errors"})
	if err != nil {
		d.Fatal(err)
	}
	if u := p.Units[0]; len(u.Steps) < 2 || u.Steps[0].Title != "suspend Flux HelmRelease "+d.ns+"/web" || u.To.Label != "v3" {
		d.Fatalf("to %s: %+v", u.To.Label, u.Steps)
	}
	h.done(p)
	d.stays("helmrelease/web")
	m := h.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0]
	says(d.T, []string{m.Detail}, "asks for the same chart")
	before := d.of("helmchart/"+d.ns+"-web", ".status.artifact.revision")
	d.pushed(map[string]string{"chart/templates/shop.yaml": shop})
	d.until("the chart is packaged", func() bool { return d.of("helmchart/"+d.ns+"-web", ".status.artifact.revision") != before })
	says(d.T, []string{h.forced(h.looked(rollback.MeasureInForce, rollback.TellUnknown, 1)[0]).Detail}, "Helm upgrade succeeded")
	d.stays("helmrelease/web")
}

// writer builds backout-helm while something else is waited for, and gives its path when that has ended.
func (d *desk) writer() func() string {
	d.Helper()
	program, ended := filepath.Join(d.TempDir(), "backout-helm"), make(chan struct{})
	build := exec.CommandContext(d.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "cmd", "backout-helm")
	var out []byte
	var err error
	go func() {
		defer close(ended)
		out, err = build.CombinedOutput()
	}()
	d.Cleanup(func() { <-ended })
	return func() string {
		if <-ended; err != nil {
			d.Fatalf("build backout-helm: %v\n%s", err, out)
		}
		return program
	}
}

// helmDesk is a console whose units are Helm releases, on the same namespace.
func (d *desk) helmDesk(program string) *desk {
	d.Helper()
	journal, err := store.Open(d.Context(), filepath.Join(d.TempDir(), "helm.db"), store.Options{})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = journal.Close() })
	h := *d
	h.journal = journal
	h.workloads = oncall.Provider(d.T, helm.Factory(), "helm", fmt.Sprintf("kubeconfig: %q\nnamespaces: [%s]\nprogram: %q\nmin_soak: 1ms\n", d.c.Kubeconfig, d.ns, program)).(rollback.Reverser)
	h.Engine, err = rollback.New(rollback.Config{
		Store: journal, Reversers: map[string]rollback.Reverser{"helm": h.workloads, "gitops": d.reconciler}, Tier: func(string) string { return policy.TierDev },
		Hold: time.Second, Deadline: time.Minute, Poll: 100 * time.Millisecond, Executor: "here:2",
		Checks: d.available, CheckNames: func([]string) []string { return []string{"available"} },
	})
	if err != nil {
		d.Fatal(err)
	}
	return &h
}

// beneath: what is said where the release itself is the unit, and how two operations share one suspension.
func (d *desk) beneath() {
	d.Helper()
	obs := rollback.Observation{Unit: rollback.Unit{ID: rollback.UnitID("helm:" + d.ns + "/web"), Kind: "helm release"}, Owners: []string{"Flux HelmRelease " + d.ns + "/web"}}
	d.kubectl("-n", d.ns, "patch", "kustomization/root", "--type=merge", "-p", `{"spec": {"wait": true}}`)
	s, err := d.reconciler.Suspend(d.Context(), obs, rollback.Revision{})
	if err != nil || len(s.Steps) != 1 || !strings.Contains(s.Steps[0].Title, "HelmRelease") {
		d.Fatalf("%+v %v", s, err)
	}
	says(d.T, s.Warnings, "wait: true")
	says(d.T, s.Warnings, "unmanaged")
	says(d.T, []string{s.LastingFix}, "chart ./"+d.ns+"/chart")
	m := s.Measures[0]
	d.shared(s.Steps[0], m)
	if holds, detail, err := d.reconciler.ExitHolds(d.Context(), m); holds || err != nil || !strings.Contains(detail, "same chart") {
		d.Errorf("%v %q %v", holds, detail, err)
	}
	d.kubectl("-n", d.ns, "patch", "helmrelease/web", "--type=merge", "-p", `{"spec": {"suspend": true, "values": {"replicas": 2}}}`)
	if holds, _, err := d.reconciler.ExitHolds(d.Context(), m); holds || err == nil {
		d.Errorf("other values are taken for good ones: %v %v", holds, err)
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
	if got := d.of("helmrelease/web", ".spec.suspend"); got != "true" {
		d.Errorf("suspend is %q while somebody needs it", got)
	}
	lift(one, rollback.Applied)
	lift(one, rollback.AlreadyApplied)
	if got := d.of("helmrelease/web", ".spec.suspend"); got != "" {
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
