package rollouts_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/providers/rollouts"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

const cart = `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "cart", "namespace": "default"}, "spec": {"replicas": 4,
 "progressDeadlineSeconds": 3, "selector": {"matchLabels": {"app": "cart"}}, "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}},
 "template": {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [{"name": "cart", "image": "IMAGE"}]}}}}`

func provider(t *testing.T, c *servers.Cluster) *rollouts.Provider {
	t.Helper()
	p := oncall.Provider(t, rollouts.Factory(), "rollouts", "kubeconfig: "+c.Kubeconfig+"\nmin_soak: 1ms\n").(*rollouts.Provider)
	t.Cleanup(func() { p.Close() })
	return p
}

func deploy(t *testing.T, c *servers.Cluster, image, phase string) {
	t.Helper()
	c.Do(t, strings.Replace(cart, "IMAGE", image, 1), "apply", "-f", "-")
	c.Do(t, "", "wait", "--for=jsonpath={.status.phase}="+phase, "rollout/cart", "--timeout=60s")
}

// A canary that cannot be pulled is taken back by a whole run, and the timeline tells what happened.
func TestARunAbortsACanaryThatCannotBePulled(t *testing.T) {
	c := servers.StartCluster(t)
	servers.StartRollouts(t, c)
	p := provider(t, c)
	deploy(t, c, "cart:1", "Healthy")
	deploy(t, c, "cart:broken", "Degraded")
	culprit, alerts := culpritOf(t, p), alertsOf(t, p)
	if culprit == nil || culprit.Status != "ProgressDeadlineExceeded" || len(alerts) != 1 || alerts[0].Name != "ProgressDeadlineExceeded" {
		t.Fatalf("the culprit is %+v, the alerts are %+v", culprit, alerts)
	}
	e := engine(t, p)
	plan := planned(t, e, culprit)
	run := oncall.Execute(t, e, plan)
	if run.State != rollback.RunSucceeded {
		t.Errorf("it ended as %s: %s; %+v", run.State, run.Detail, run.Checks)
	}
	status, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: alerts[0].ID}})
	if err != nil || status[alerts[0].ID].State != providers.AlertResolved {
		t.Errorf("the alert is %+v %v", status, err)
	}
	if again := alertsOf(t, p); len(again) != 2 || again[1].Name != "RolloutAborted" || again[0].EndsAt.IsZero() {
		t.Errorf("afterwards the alerts are %+v", again)
	}
	// Asked once more, nothing is left to do.
	if plan, err := e.Plan(t.Context(), rollback.Request{Change: culprit}); err != nil || plan.Verdict != rollback.NoOp {
		t.Errorf("a second plan: %s %v", plan.Verdict, err)
	}
	outage(t, c, e)
}

// outage takes the API server away while a run is at its write, and back: it ends with what is true.
func outage(t *testing.T, c *servers.Cluster, e *rollback.Engine) {
	t.Helper()
	deploy(t, c, "cart:badpull", "Degraded")
	plan, err := e.Plan(t.Context(), rollback.Request{Unit: "rollouts:default/cart", To: "rev1"})
	if err != nil || plan.Units[0].Steps[0].Action != "abort" {
		t.Fatalf("%+v %v", plan, err)
	}
	k, err := kube.Open(kube.Options{Kubeconfig: c.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	marks := func(ctx context.Context) string {
		o, err := k.Get(ctx, kindOf, "default", "cart")
		if err != nil {
			return ""
		}
		return o.GetAnnotations()["backout.dev/intent"] + o.GetAnnotations()["backout.dev/op"]
	}
	before := marks(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	back := make(chan error, 1)
	go func() {
		for ctx.Err() == nil { // until the run has announced what it is about to do, or has done it
			if now := marks(ctx); now != "" && now != before {
				break
			}
		}
		back <- c.Pause()(context.WithoutCancel(ctx))
	}()
	run := oncall.Execute(t, e, plan)
	cancel()
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	aborted := c.Do(t, "", "get", "rollout", "cart", "-o", "jsonpath={.status.abort}") == "true"
	if run.State == rollback.RunSucceeded && !aborted || run.State == rollback.RunAborted && aborted {
		t.Errorf("it ended as %s (%s), and the Rollout is aborted: %t", run.State, run.Detail, aborted)
	}
	t.Logf("with the API server gone in between: %s, %s", run.State, run.Detail)
}

var kindOf = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}

// planned makes the plan for a culprit, which is to abort.
func planned(t *testing.T, e *rollback.Engine, culprit *providers.Change) rollback.Plan {
	t.Helper()
	plan, err := e.Plan(t.Context(), rollback.Request{Change: culprit})
	if err != nil {
		t.Fatal(err)
	}
	if u := plan.Units[0]; u.To.Label != "rev1" || len(u.Steps) != 1 || u.Steps[0].Action != "abort" {
		t.Fatalf("planned %+v", u)
	}
	return plan
}

func engine(t *testing.T, p *rollouts.Provider) *rollback.Engine {
	t.Helper()
	return oncall.Engine(t, rollback.Config{
		Reversers: map[string]rollback.Reverser{"rollouts": p}, Hold: time.Second, Deadline: 50 * time.Second, Poll: 200 * time.Millisecond,
	})
}

func culpritOf(t *testing.T, p *rollouts.Provider) (found *providers.Change) {
	t.Helper()
	for c, err := range p.Changes(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.To == "rev2" {
			found = &c
		}
	}
	return found
}

func alertsOf(t *testing.T, p *rollouts.Provider) (out []providers.Alert) {
	t.Helper()
	for a, err := range p.Alerts(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}
