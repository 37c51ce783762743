package gitops_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// ofFlux are the tests on Flux's own controllers.
func ofFlux(t *testing.T, c *servers.Cluster, fresh func(*testing.T, string) string) {
	f := servers.StartFlux(t, c)
	desk := func(t *testing.T, ns string) *desk {
		t.Helper()
		d := newDesk(t, c, nil, fresh(t, ns), c.Kubeconfig, servers.Admin)
		var err error
		if d.source, err = f.Repository(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Run("the promises of every provider", func(t *testing.T) { conforms(desk(t, "conforms")) }) // it counts goroutines, so alone
	t.Run("a Kustomization beneath another", func(t *testing.T) { t.Parallel(); nested(desk(t, "nested")) })
	t.Run("a HelmRelease that corrects drift", func(t *testing.T) { t.Parallel(); released(desk(t, "released")) })
}

// child is a Kustomization of what is below the directory of the namespace, as its parent's source has it.
func (d *desk) child(more string) string {
	return fmt.Sprintf(`{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: apps, namespace: %[1]q},
  spec: {path: ./%[1]s/apps, targetNamespace: %[1]q, interval: 1h, prune: true, wait: true, sourceRef: {kind: GitRepository, name: shop}%[2]s}}`, d.ns, more)
}

// began makes Flux deploy a namespace's directory of the repository: a source, and a Kustomization named root.
func (d *desk) began() {
	d.Helper()
	d.c.Do(d.T, fmt.Sprintf(`
{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: shop, namespace: %[1]q}, spec: {url: %[2]q, ref: {branch: main}, interval: 1h}}
---
{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: root, namespace: %[1]q},
  spec: {path: ./%[1]s/root, interval: 1h, prune: true, sourceRef: {kind: GitRepository, name: shop}}}
`, d.ns, d.source.URL), "apply", "-f", "-")
}

// pushed commits files below the namespace's directory, and has Flux see it.
func (d *desk) pushed(files map[string]string) (commit string) {
	d.Helper()
	below := map[string]string{}
	for name, text := range files {
		below[d.ns+"/"+name] = text
	}
	commit = d.source.Push(d.T, below)
	d.request("gitrepository/shop")
	d.until("Flux sees "+commit, func() bool {
		return strings.HasSuffix(d.of("gitrepository/shop", ".status.artifact.revision"), commit)
	})
	return commit
}

// request asks a controller to look at an object, as people do.
func (d *desk) request(object string) (token string) {
	d.Helper()
	token = time.Now().Format(time.RFC3339Nano)
	d.kubectl("-n", d.ns, "annotate", "--overwrite", object, "reconcile.fluxcd.io/requestedAt="+token)
	return token
}

// reconciled has a controller look at an object, and waits until it has.
func (d *desk) reconciled(object string) {
	d.Helper()
	token := d.request(object)
	d.until(object+" was looked at", func() bool { return d.of(object, ".status.lastHandledReconcileAt") == token })
}

// good waits until what Flux deployed serves and is known to.
func (d *desk) good() {
	d.Helper()
	d.until("the workload is there", func() bool { return d.there(d.ns, "deployment/shop") })
	d.kubectl("-n", d.ns, "rollout", "status", "deployment/shop", "--timeout=60s")
	d.until("known good", func() bool {
		o, err := d.workloads.Observe(d.Context(), d.unit())
		return err == nil && len(o.Current.Good) > 0
	})
}

// serves waits until the workload has an image.
func (d *desk) serves(version string) {
	d.Helper()
	d.until(version+" is there", func() bool { return d.image() == "registry.test/shop:"+version })
}

// restored: without a suspension Flux puts back what its source says. What is altered never serves, so that it is none to go back to.
func (d *desk) restored(owner string) {
	d.Helper()
	d.kubectl("-n", d.ns, "set", "image", "deployment/shop", "app=registry.test/shop:v0-broken")
	d.request(owner)
	d.serves("v1")
}

// stays has controllers look again at what is held back, and sees that they let the rollback be.
func (d *desk) stays(objects ...string) {
	d.Helper()
	for _, o := range objects {
		d.reconciled(o)
	}
	if got := d.image(); got != "registry.test/shop:v1" {
		d.Errorf("Flux deployed %s again", got)
	}
}

// forced lifts a measure of which only a person can say that it may be.
func (d *desk) forced(m rollback.MeasureRun) rollback.Result {
	d.Helper()
	got, res, err := d.Lift(d.Context(), m.ID, rollback.LiftRequest{By: oncall.Ana(), Force: true, Reason: "the revert is merged"})
	if err != nil || got.State != rollback.MeasureLifted || res.Outcome != rollback.Applied {
		d.Errorf("%s: %q %+v %v", m.ID, got.State, res, err)
	}
	return res
}

// alerted are the alerts of the record that are there now.
func (d *desk) alerted() (out []string) {
	d.Helper()
	for a, err := range ledger.New("record", d.journal, time.Now).Alerts(d.Context(), providers.Window{}) {
		if err != nil {
			d.Fatal(err)
		}
		if a.State == providers.AlertFiring {
			out = append(out, a.Name+": "+a.Summary)
		}
	}
	return out
}

// changes are what the provider tells of one reconciler, in their order.
func (d *desk) changes(of string) (out []providers.Change) {
	d.Helper()
	for c, err := range d.reconciler.Changes(d.Context(), providers.Window{}) {
		if err != nil {
			d.Fatal(err)
		}
		if strings.HasPrefix(c.ID, d.ns+"/"+of+"@") {
			out = append(out, c)
		}
	}
	return out
}
