//go:build unix

package kubernetes_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// settings is a ConfigMap beside the shop, which reads one key of it.
func settings(line string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {" + line + "}\n---\n"
}

func reading(tag, key string) string {
	manifest := strings.NewReplacer("shop:v1", "shop:"+tag, "{rollingUpdate: {maxSurge: 3}}", "{type: Recreate}").Replace(shop) // nothing serves meanwhile
	return manifest + "        env: [{name: POOL, valueFrom: {configMapKeyRef: {name: settings, key: " + key + "}}}]\n"
}

// configurationGoesBack: R6, R13 and K12.
func configurationGoesBack(t *testing.T, c *servers.Cluster) {
	for name, test := range map[string]func(*desk){
		"with the workload that read it": configWithWorkload, "alone": configByItself, "only where it was kept": configNotKept,
	} {
		ns := "config-" + strings.ReplaceAll(name, " ", "-")
		c.Do(t, "", "create", "namespace", ns)
		t.Run(name, func(t *testing.T) { test(newDesk(t, c, ns, ways{})) })
	}
}

func (d *desk) apply(manifest string) {
	d.Helper()
	d.c.Do(d.T, manifest, "-n", d.ns, "apply", "-f", "-")
}

// released is v1 with its configuration, known good, and then v2 with another key in the same release.
func (d *desk) released() (good rollback.Revision) {
	d.Helper()
	d.apply(settings(`pool: "20"`) + reading("v1", "pool"))
	d.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	good = d.good(d.unit("shop"))
	d.good(d.unit("configmap.settings"))
	d.apply(settings(`size: "2"`) + reading("v2-broken", "size"))
	d.stuck("v2-broken")
	return good
}

func configWithWorkload(d *desk) {
	good := d.released()
	p, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit("shop"), Reason: "errors"})
	if err != nil {
		d.Fatal(err)
	}
	var order []string
	for _, u := range p.Units {
		order = append(order, u.Unit.Kind)
		for _, s := range u.Steps {
			order = append(order, s.Action)
		}
	}
	if !slices.Equal(order, []string{"configmap", "set content", "deployment", "set pod template"}) || p.Units[1].To.Digest != good.Digest {
		d.Fatalf("the plan is %q: %+v", order, p.Units)
	}
	if _, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit("shop"), Only: []rollback.UnitID{d.unit("shop")}}); !errors.Is(err, rollback.ErrNotAlone) {
		d.Errorf("without its configuration: %v", err)
	}
	run, err := d.Execute(d.Context(), d.confirmed(p).ID)
	if err != nil || run.State != rollback.RunSucceeded {
		d.Fatalf("ended %q: %s %v", run.State, run.Detail, err)
	}
	got := d.kubectl("get", "deployment/shop", "configmap/settings", "-o", "jsonpath={.items[0].status.availableReplicas} {.items[0].spec.template.spec.containers[0].image} {.items[1].data}")
	if got != `3 registry.test/shop:v1 {"pool":"20"}` {
		d.Errorf("it serves %s", got)
	}
	// And forward again, its configuration first.
	forward, err := d.Plan(d.Context(), rollback.Request{Run: run.ID})
	if err != nil || len(forward.Units) != 2 || forward.Units[0].Unit.Kind != "configmap" {
		d.Errorf("%+v %v", forward.Units, err)
	}
}

// configByItself: the change was one of the configuration alone, and those that read it begin anew with what it held.
func configByItself(d *desk) {
	d.apply(settings(`pool: "20"`) + reading("v1", "pool"))
	d.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	good := d.good(d.unit("configmap.settings"))
	before := d.kubectl("get", "pods", "-o", "name")
	d.apply(settings(`pool: "0"`))
	d.kubectl("rollout", "restart", "deployment/shop")
	d.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	change := providers.Change{ID: "c1", Provider: "k8s", Kind: providers.KindConfig, Unit: string(d.unit("configmap.settings")), Service: "settings", Title: "configmap settings changed"}
	p, err := d.Plan(d.Context(), rollback.Request{Change: &change, Reason: "errors"})
	if err != nil {
		d.Fatal(err)
	}
	if len(p.Units) != 1 || p.Units[0].To.Digest != good.Digest || len(p.Units[0].Steps) != 2 || p.Units[0].Steps[1].Action != "restart workload" || p.Unseen {
		d.Fatalf("%+v", p.Units)
	}
	run, err := d.Execute(d.Context(), d.confirmed(p).ID)
	if err != nil || run.State != rollback.RunSucceeded {
		d.Fatalf("ended %q: %s %v", run.State, run.Detail, err)
	}
	if got := d.kubectl("get", "configmap/settings", "-o", "jsonpath={.data.pool}"); got != "20" {
		d.Errorf("it holds %s", got)
	}
	for _, pod := range strings.Fields(d.kubectl("get", "pods", "-o", "name")) {
		if strings.Contains(before, pod) {
			d.Errorf("%s is from before", pod)
		}
	}
}

// configNotKept: nobody saw what the configuration held, so a plan that would start pods without their key is blocked.
func configNotKept(d *desk) {
	d.released()
	late := newDesk(d.T, d.c, d.ns, ways{})
	p, err := late.Plan(d.Context(), rollback.Request{Unit: d.unit("shop"), To: "r1", Reason: "errors"})
	if err != nil || p.Verdict != rollback.Blocked || p.Decision.Allowed {
		d.Fatalf("%s %+v %v", p.Verdict, p.Decision, err)
	}
	said := false
	for _, f := range p.Units[0].Findings {
		said = said || f.Rule == "C config" && strings.Contains(f.Text, "has no key pool") && strings.Contains(f.Text, "put the key back from its source")
	}
	if !said {
		d.Errorf("nothing says which key: %+v", p.Units[0].Findings)
	}
}
