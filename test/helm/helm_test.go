// Package helm holds the whole way of a Helm release, from the plan to the verified end, on a real cluster with the real Helm.
package helm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

const unit = rollback.UnitID("helm:default/pay")

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: pay}
spec:
  replicas: 2
  selector: {matchLabels: {app: pay}}
  template:
    metadata: {labels: {app: pay}}
    spec: {containers: [{name: main, image: "%s"}]}
`

// world is a cluster with one release, and an engine that may take it back.
type world struct {
	c             *servers.Cluster
	helm, program string
	chart         string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	servers.NeedCluster(t) // before anything is built for it
	w := &world{helm: servers.Need(t, "helm"), chart: filepath.Join(t.TempDir(), "pay"), program: filepath.Join(t.TempDir(), "backout-helm")}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", w.program, ".")
	build.Dir = filepath.Join("..", "..", "cmd", "backout-helm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build backout-helm: %v\n%s", err, out)
	}
	w.c = servers.StartCluster(t)
	return w
}

// deploy upgrades to an image and does not wait, as many pipelines do: Helm calls it deployed whatever becomes of it.
func (w *world) deploy(t *testing.T, version, image string) {
	t.Helper()
	files := map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: pay\nversion: " + version + "\n", "templates/pay.yaml": fmt.Sprintf(deployment, image),
	}
	for name, text := range files {
		path := filepath.Join(w.chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), w.helm, "upgrade", "--install", "pay", w.chart)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.c.Kubeconfig)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helm upgrade: %v\n%s", err, out)
	}
}

func (w *world) engine(t *testing.T) *rollback.Engine {
	t.Helper()
	settings := fmt.Sprintf("kubeconfig: %q\nprogram: %q\nmin_soak: 1ms\n", w.c.Kubeconfig, w.program)
	p := oncall.Provider(t, helm.Factory(), "helm", settings)
	return oncall.Engine(t, rollback.Config{
		Reversers: map[string]rollback.Reverser{"helm": p.(rollback.Reverser)}, Tier: func(string) string { return policy.TierProd },
		Hold: time.Second, Deadline: time.Minute, Poll: 200 * time.Millisecond,
	})
}

// Of three revisions the middle one never became available. helm rollback would choose it; the engine chooses the one before.
func TestTheGoodRevisionIsChosenAndVerified(t *testing.T) {
	w := newWorld(t)
	w.deploy(t, "1.0.0", "pay:1")
	w.c.Do(t, "", "rollout", "status", "deployment/pay", "--timeout=30s")
	w.deploy(t, "1.1.0", "pay:broken")
	w.deploy(t, "1.2.0", "pay:badpull")
	e := w.engine(t)
	plan, err := e.Plan(t.Context(), rollback.Request{Unit: unit, Reason: "errors"})
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Units[0].To.Label; got != "v1" || plan.Unseen {
		t.Fatalf("it goes back to %s: %+v", got, plan)
	}
	ended := oncall.Execute(t, e, plan)
	if ended.State != rollback.RunSucceeded {
		t.Errorf("%s: %s %+v", ended.State, ended.Detail, ended.Steps)
	}
	for _, c := range ended.Checks {
		if c.State != rollback.CheckPass {
			t.Errorf("%+v", c)
		}
	}
	live := w.c.Do(t, "", "get", "deployment", "pay", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.readyReplicas}")
	if live != "pay:1 2" {
		t.Errorf("live: %q", live)
	}

	// A plan that was made before somebody's upgrade does nothing to it.
	w.deploy(t, "1.3.0", "pay:2")
	old, err := e.Plan(t.Context(), rollback.Request{Unit: unit, To: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	w.deploy(t, "1.4.0", "pay:3")
	_, err = e.Confirm(t.Context(), old, oncall.Yes(old))
	if err == nil || !strings.Contains(err.Error(), "plan changed") {
		t.Errorf("an old plan: %v", err)
	}

	w.outage(t, e)
	w.destroys(t, e)
}

// destroys goes back to where a volume was not: what is destroyed has to be named, and then it goes.
func (w *world) destroys(t *testing.T, e *rollback.Engine) {
	t.Helper()
	before := w.newest(t)
	claim := filepath.Join(w.chart, "templates", "claim.yaml")
	text := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: orders}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
	if err := os.WriteFile(claim, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.deploy(t, "1.5.0", "pay:2")
	plan, err := e.Plan(t.Context(), rollback.Request{Unit: unit, To: before})
	if err != nil || len(plan.Decision.Destroys) != 1 {
		t.Fatalf("%+v %v", plan, err)
	}
	unsaid := oncall.Yes(plan)
	unsaid.Destroys = nil
	_, err = e.Confirm(t.Context(), plan, unsaid)
	if err == nil || !strings.Contains(err.Error(), "--destroy persistentvolumeclaim/default/orders") {
		t.Errorf("without a word on the volume: %v", err)
	}
	if ended := oncall.Execute(t, e, plan); ended.State != rollback.RunSucceeded {
		t.Errorf("%s: %s", ended.State, ended.Detail)
	}
	if left := w.c.Do(t, "", "get", "pvc", "-o", "name"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// newest is the label of the newest revision.
func (w *world) newest(t *testing.T) string {
	t.Helper()
	return "v" + w.c.Do(t, "", "get", "secrets", "-l", "owner=helm", "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[-1:].metadata.labels.version}")
}

// outage takes the API server away while a run is at work, and back: it ends with what is true.
func (w *world) outage(t *testing.T, e *rollback.Engine) {
	t.Helper()
	plan, err := e.Plan(t.Context(), rollback.Request{Unit: unit, To: "v5"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	back := make(chan error, 1)
	go func() {
		w.begun(ctx)
		back <- w.c.Pause()(context.WithoutCancel(ctx))
	}()
	ended := oncall.Execute(t, e, plan)
	cancel()
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	live := w.c.Do(t, "", "get", "deployment", "pay", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	if good := live == "pay:2"; good != (ended.State == rollback.RunSucceeded) && ended.State != rollback.RunUnknown {
		t.Errorf("%s (%s), and live is %s", ended.State, ended.Detail, live)
	}
	t.Logf("with the API server gone in between: %s, %s", ended.State, ended.Detail)
}

// begun waits until the run has made its record.
func (w *world) begun(ctx context.Context) {
	for ctx.Err() == nil {
		if out, err := w.c.Kubectl(ctx, "", "get", "secrets", "-o", "name"); err == nil && strings.Contains(out, "pay.v7\n") {
			return
		}
	}
}
