//go:build unix

package kubernetes_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// stories are what people told of rollbacks on Kubernetes that went wrong, each on the real thing; docs/proofs.md has where each
// was told.
func stories(t *testing.T, c *servers.Cluster) {
	all := map[string]func(*desk){
		"apply-after-undo":    appliedAfterwards,
		"undone-twice":        undoneTwice,
		"still-terminating":   stillTerminating,
		"point-of-no-return":  frozen,
		"only-the-template":   notRestored,
		"in-the-middle-of-it": inTheMiddle,
		"all-pods-at-once":    allAtOnce,
	}
	var both sync.WaitGroup
	for name, test := range all {
		both.Go(func() {
			t.Run(name, func(t *testing.T) {
				c.Do(t, "", "create", "namespace", name)
				test(newDesk(t, c, name, ways{}))
			})
		})
	}
	both.Wait()
}

func (d *desk) image(tag string) string { return strings.Replace(shop, "shop:v1", "shop:"+tag, 1) }

// served applies a manifest and waits until that is known good.
func (d *desk) served(manifest string) rollback.Revision {
	d.Helper()
	d.apply(manifest)
	d.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	return d.good(d.unit("shop"))
}

func (d *desk) planned() rollback.Plan {
	d.Helper()
	p, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit("shop"), Reason: "errors"})
	if err != nil {
		d.Fatal(err)
	}
	return p
}

func (d *desk) succeeds(p rollback.Plan) {
	d.Helper()
	run, err := d.Execute(d.Context(), d.confirmed(p).ID)
	if err != nil || run.State != rollback.RunSucceeded {
		d.Fatalf("ended %q: %s %v", run.State, run.Detail, err)
	}
}

func (d *desk) says(texts []string, want ...string) {
	d.Helper()
	said := strings.Join(texts, "\n")
	for _, w := range want {
		if !strings.Contains(said, w) {
			d.Errorf("nothing says %q; there is:\n%s", w, said)
		}
	}
}

// An undo brought back what the bad version had dropped, and the next apply of a manifest without it left it there.
func appliedAfterwards(d *desk) {
	old := strings.Replace(shop, "        readinessProbe", "        env: [{name: OLD, value: one}, {name: BOTH, value: two}]\n        readinessProbe", 1)
	old = strings.TrimRight(old, "\n") + "\n      - {name: sidecar, image: \"registry.test/sidecar:v1\"}\n"
	d.served(old)
	without := func(tag string) string {
		return strings.Replace(d.image(tag), "        readinessProbe", "        env: [{name: BOTH, value: two}]\n        readinessProbe", 1)
	}
	d.apply(without("v2-broken"))
	d.stuck("v2-broken")
	p := d.planned()
	d.says(p.Warnings, "what was applied last does not have them: container sidecar, environment variable OLD of container app;")
	d.succeeds(p)
	d.apply(without("v3"))
	left := d.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[*].name} {.spec.template.spec.containers[0].env[*].name}")
	if left != "app sidecar BOTH OLD" && left != "app sidecar OLD BOTH" {
		d.Errorf("what the next apply left is %q", left)
	}
}

// Undoing twice went back to the bad version. Here the second time offers what was good before that, and nothing else.
func undoneTwice(d *desk) {
	oldest := d.served(d.image("v0"))
	older := d.served(d.image("v1"))
	d.apply(d.image("v2-broken"))
	d.stuck("v2-broken")
	p := d.planned()
	if p.Units[0].To.Digest != older.Digest {
		d.Fatalf("first to %s", p.Units[0].To.Label)
	}
	bad := p.Units[0].From.Digest
	d.succeeds(p)
	p = d.planned()
	if to := p.Units[0].To.Digest; to != oldest.Digest || to == bad {
		d.Errorf("then to %s", p.Units[0].To.Label)
	}
}

// "Rolled back" was printed while pods of the bad version went on serving, because they did not end. It is not so here before
// they do.
func stillTerminating(d *desk) {
	d.served(shop)
	d.served(d.image("v2"))
	pods := strings.Fields(d.kubectl("get", "pods", "-o", `jsonpath={.items[?(@.spec.containers[0].image=="registry.test/shop:v2")].metadata.name}`))
	for _, name := range pods {
		d.kubectl("patch", "pod", name, "--type=json", "-p", `[{"op": "add", "path": "/metadata/finalizers", "value": ["test.backout.dev/stays"]}]`)
	}
	run := d.confirmed(d.planned())
	over := make(chan rollback.Run, 1)
	go func() {
		ended, err := d.Execute(d.Context(), run.ID)
		if err != nil {
			d.Error(err)
		}
		over <- ended
	}()
	d.until("the new pods are there and the old ones serve still", func() bool {
		now, err := d.Engine.Run(d.Context(), run.ID)
		return err == nil && now.State == rollback.RunConverging && strings.Contains(now.Detail, "of another version still serve") && strings.Contains(now.Detail, "3 of 3 pods updated, 3 available")
	})
	for _, name := range pods {
		d.kubectl("patch", "pod", name, "--type=json", "-p", `[{"op": "remove", "path": "/metadata/finalizers"}]`)
	}
	if ended := <-over; ended.State != rollback.RunSucceeded {
		d.Errorf("ended %q: %s", ended.State, ended.Detail)
	}
}

// After a migration that cannot be taken back, people asked for a way to stop rollbacks. It lies on the target, so that every
// console heeds it, also one that had confirmed before.
func frozen(d *desk) {
	good := d.served(shop)
	d.apply(d.image("v2-broken"))
	d.stuck("v2-broken")
	confirmed := d.confirmed(d.planned())
	d.kubectl("annotate", "deployment/shop", "backout.dev/freeze=migration 42 dropped what v1 reads")
	run, err := d.Execute(d.Context(), confirmed.ID)
	if err != nil || run.State != rollback.RunAborted || !strings.Contains(run.Detail, "frozen: migration 42 dropped what v1 reads") {
		d.Errorf("confirmed before: %q: %s %v", run.State, run.Detail, err)
	}
	p := d.planned()
	if p.Verdict != rollback.Blocked {
		d.Errorf("planned afterwards: %s", p.Verdict)
	}
	if _, err := d.Confirm(d.Context(), p, oncall.Yes(p)); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("confirmed afterwards: %v", err)
	}
	if image := d.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); image != "registry.test/shop:v2-broken" {
		d.Errorf("it serves %s", image)
	}
	d.kubectl("annotate", "--overwrite", "deployment/shop", "backout.dev/freeze="+time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)+" over since")
	if p = d.planned(); p.Units[0].To.Digest != good.Digest {
		d.Errorf("when it is over: to %s", p.Units[0].To.Label)
	}
	d.succeeds(p)
}

// An undo restored neither replicas nor anything else outside the pod template, and nobody said so.
func notRestored(d *desk) {
	d.served(shop)
	d.apply(strings.NewReplacer("replicas: 3", "replicas: 4", "maxSurge: 3", "maxSurge: 2").Replace(d.image("v2-broken")))
	d.stuck("v2-broken")
	p := d.planned()
	d.says(p.Units[0].NotRestored, "replicas, strategy, selector, minReadySeconds", "data written since")
	d.succeeds(p)
	if got := d.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.replicas} {.spec.strategy.rollingUpdate.maxSurge}"); got != "4 2" {
		d.Errorf("outside the template: %s", got)
	}
}

// A console refused to roll back exactly while a botched rollout was under way, which is when one wants to.
func inTheMiddle(d *desk) {
	good := d.served(strings.Replace(shop, "maxSurge: 3", "maxSurge: 1", 1))
	d.apply(strings.Replace(d.image("v2-broken"), "maxSurge: 3", "maxSurge: 1", 1))
	d.stuck("v2-broken")
	p := d.planned()
	if u := p.Units[0]; u.To.Digest != good.Digest || !strings.Contains(u.Steps[0].Title, "stops the rollout under way (") {
		d.Errorf("%s: %s", u.To.Label, u.Steps[0].Title)
	}
	d.succeeds(p)
}

// A revert replaced everything at once: the plan says how many pods are away at a time, and when that is all of them.
func allAtOnce(d *desk) {
	d.served(strings.Replace(shop, "{rollingUpdate: {maxSurge: 3}}", "{type: Recreate}", 1))
	d.served(strings.Replace(d.image("v2"), "{rollingUpdate: {maxSurge: 3}}", "{type: Recreate}", 1))
	p := d.planned()
	if u := p.Units[0]; u.Pace != (rollback.Pace{Away: 3, Of: 3}) || u.Estimate <= 0 {
		d.Errorf("pace %+v, estimate %s", u.Pace, u.Estimate)
	}
	d.says(p.Warnings, "all 3 are replaced at once")
}
