package rollouts_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/providers/rollouts"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

const cart = `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "cart", "namespace": "default"}, "spec": {"replicas": 4,
 "progressDeadlineSeconds": 3, "selector": {"matchLabels": {"app": "cart"}}, "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}},
 "template": {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [{"name": "cart", "image": "IMAGE"}]}}}}`

func provider(t *testing.T, c *servers.Cluster) *rollouts.Provider {
	t.Helper()
	p, err := rollouts.Factory().New(providers.Environment{
		Name: "rollouts", Environment: "dev", Dir: "/", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: &memory{},
	}, func(into any) error {
		return yaml.Unmarshal([]byte("kubeconfig: "+c.Kubeconfig+"\nmin_soak: 1ms\n"), into)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.(*rollouts.Provider).Close() })
	return p.(*rollouts.Provider)
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
	run := carriedOut(t, e, plan)
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
	outage(t, c, p, e)
}

// outage takes the API server away while a run is at its write, and back: it ends with what is true.
func outage(t *testing.T, c *servers.Cluster, p *rollouts.Provider, e *rollback.Engine) {
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
	run := carriedOut(t, e, plan)
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

// carriedOut confirms a plan and runs it to its end.
func carriedOut(t *testing.T, e *rollback.Engine, plan rollback.Plan) rollback.Run {
	t.Helper()
	by := policy.Principal{ID: "mei", Kind: policy.Human}
	run, err := e.Confirm(t.Context(), plan, rollback.Confirmation{PlanHash: plan.Hash, By: by, Typed: "cart", Reason: "cannot be pulled", Via: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if run, err = e.Execute(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	return run
}

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
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	e, err := rollback.New(rollback.Config{
		Store: db, Reversers: map[string]rollback.Reverser{"rollouts": p}, Hold: time.Second, Deadline: 50 * time.Second, Poll: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
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

// memory is an archive in memory.
type memory struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (m *memory) Put(_ context.Context, provider, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil {
		m.m = map[string][]byte{}
	}
	m.m[provider+"\x00"+key] = slices.Clone(data)
	return nil
}

func (m *memory) Get(_ context.Context, provider, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.m[provider+"\x00"+key]; ok {
		return b, nil
	}
	return nil, providers.ErrNotFound
}

func (m *memory) Keys(context.Context, string, string) ([]string, error) { return nil, nil }
