package rollouts_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
	"github.com/backout-dev/backout/test/servers"
)

// TestMain lets several Rollouts roll at once, however few processors there are: they mostly wait. And it lets this binary be
// the process that applies and is killed.
func TestMain(m *testing.M) {
	rollbacktest.Child(alone)
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestOnTheRealController(t *testing.T) {
	c := servers.StartCluster(t)
	w := &world{Cluster: c, argo: servers.StartRollouts(t, c)}
	var err error
	if w.k, err = kube.Open(kube.Options{Kubeconfig: c.Kubeconfig}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.k.Close() })
	t.Run("real", func(t *testing.T) {
		run := func(name string, f func(*testing.T, *world)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(t, w)
			})
		}
		run("promises", promises) // the longest first
		run("killed", killedAtEveryPoint)
		run("A3 rollback window", window)
		for name, f := range map[string]func(*testing.T, *world){
			"broken": broken, "watching": watching, "blue-green": blueGreen, "dropped": dropped, "moved tag": movedTag, "outage": outage,
			"A1 what was removed comes back": removed, "A2 steps are replayed": replay, "A4 stable": stable,
			"A5 dynamicStableScale": dynamic, "A6 workloadRef": reference, "A7 A8 drift and retry": drift,
			"R14 complete": complete, "R15 capacity": gate, "abort": abort,
		} {
			run(name, f)
		}
	})
	t.Run("the contract", func(t *testing.T) { reading(t, w) })
}

var deploys atomic.Int64

// foreign deploys a revision as a pipeline would: its template, and a change-cause of its own.
func (s *shop) foreign(ctx context.Context, to rollback.Revision) error {
	out, err := s.w.Kubectl(ctx, "", "-n", s.ns, "get", "rs", "-l", "app=cart", "-o", "json")
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
			Spec struct {
				Template obj `json:"template"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return err
	}
	for _, rs := range list.Items {
		numbers := rs.Metadata.Annotations["rollout.argoproj.io/revision"] + "," + rs.Metadata.Annotations["rollout.argoproj.io/revision-history"]
		if !strings.Contains(","+numbers+",", ","+strings.TrimPrefix(to.Label, "rev")+",") {
			continue
		}
		delete(rs.Spec.Template["metadata"].(obj)["labels"].(obj), "rollouts-pod-template-hash")
		patch, err := json.Marshal([]obj{
			{"op": "replace", "path": "/spec/template", "value": rs.Spec.Template},
			{"op": "add", "path": "/metadata/annotations/kubernetes.io~1change-cause", "value": fmt.Sprint("deploy ", deploys.Add(1))},
		})
		if err != nil {
			return err
		}
		if _, err := s.w.Kubectl(ctx, "", "-n", s.ns, "patch", "rollout", "cart", "--type=json", "-p", string(patch)); err != nil {
			return err
		}
		if _, err := s.w.Kubectl(ctx, "", "-n", s.ns, "patch", "rollout", "cart", "--subresource=status", "--type=merge", "-p", `{"status":{"abort":false}}`); err != nil {
			return err
		}
		return s.seen(ctx)
	}
	return fmt.Errorf("no revision %s", to.Label)
}

// settled waits until no rollout is under way: the way back would be its abort for as long as one is.
func (s *shop) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		o, err := s.w.k.Get(ctx, rolloutsKind, s.ns, "cart")
		if err == nil {
			status, _ := o.Object["status"].(map[string]any)
			if status["phase"] == "Healthy" && status["currentPodHash"] == status["stableRS"] && status["observedGeneration"] == fmt.Sprint(o.GetGeneration()) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a rollout is still under way: %w", cmp.Or(err, ctx.Err()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// seen waits until the controller has numbered what was deployed.
func (s *shop) seen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		obs, err := s.p.Observe(ctx, s.id)
		if err == nil && strings.Contains(string(obs.Raw), `"observed":true`) && strings.HasPrefix(obs.Current.Label, "rev") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the controller has not seen it: %s %w", obs.Raw, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func promises(t *testing.T, w *world) {
	s := w.shop(t, "promises")
	s.apply("cart:1", strategy(obj{"canary": obj{}}))
	s.until("Healthy")
	s.apply("cart:2", strategy(obj{"canary": obj{}}))
	s.until("Healthy")
	rollbacktest.Run(t, rollbacktest.Suite{
		Reverser: s.p, Unit: s.id, Timeout: 20 * time.Second, Foreign: s.foreign, Settled: s.settled,
		State: func(ctx context.Context) (string, error) {
			o, err := w.k.Get(ctx, rolloutsKind, s.ns, "cart")
			if err != nil {
				return "", err
			}
			return fmt.Sprint(o.Object["spec"], o.GetAnnotations()), nil
		},
	})
}

// A1: the native undo skips the way back when the bad change only removed something, and says that all is well.
func removed(t *testing.T, w *world) {
	s := w.shop(t, "removed")
	s.apply("cart:1", strategy(obj{"canary": obj{}}))
	s.until("Healthy")
	s.apply("cart:1", strategy(obj{"canary": obj{}}), container(func(c obj) { c["env"] = []obj{{"name": "A", "value": "1"}} }))
	s.until("Healthy")
	if out := s.argo("undo", "cart"); !strings.Contains(out, "skipped rollback") {
		t.Logf("the native undo no longer skips: %s", out)
	}
	prop := s.plan("rev1")
	if !strings.Contains(prop.Diff, "+          name: B") && !strings.Contains(prop.Diff, "name: B") {
		t.Errorf("the diff does not show what comes back: %s", prop.Diff)
	}
	to := s.revision("rev1")
	s.take("op1", prop)
	if got := s.get(".spec.template.spec.containers[0].env[*].name"); got != "A B" {
		t.Errorf("after the rollback the variables are %q", got)
	}
	s.converged(to)
}

func abort(t *testing.T, w *world) {
	s := w.shop(t, "abort")
	s.apply("cart:1")
	s.until("Healthy")
	s.apply("cart:2")
	s.until("Paused")
	obs := s.observe()
	if obs.Current.Label != "rev2" || len(obs.Current.Good) != 0 || len(obs.History) != 1 || len(obs.History[0].Good) == 0 {
		t.Fatalf("observed %+v", obs)
	}
	prop := s.plan("rev1")
	if len(prop.Steps) != 1 || prop.Steps[0].Action != "abort" {
		t.Fatalf("planned %+v", prop)
	}
	to := s.revision("rev1")
	s.take("op1", prop)
	if got := s.get(".status.abort"); got != "true" {
		t.Errorf("abort is %q", got)
	}
	if obs := s.observe(); obs.Current.Digest != to.Digest || obs.Stamp != "op1" {
		t.Errorf("after the abort %+v", obs)
	}
	if res := s.try("op1", prop.Steps[0]); res.Outcome != rollback.AlreadyApplied {
		t.Errorf("again: %+v", res)
	}
	if res := s.try("op2", prop.Steps[0]); res.Outcome != rollback.PreconditionFailed {
		t.Errorf("another: %+v", res)
	}
	s.converged(to)
	s.argo("retry", "rollout", "cart")
	s.until("Paused")
	if res := s.try("op1", prop.Steps[0]); res.Outcome != rollback.PreconditionFailed {
		t.Errorf("a late duplicate after somebody's retry: %+v", res)
	}
}
