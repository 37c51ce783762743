//go:build unix

package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/backout-dev/backout/providers/kubernetes"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

const shop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  strategy: {rollingUpdate: {maxSurge: 3}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: app
        image: "registry.test/shop:v1"
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
`

const db = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: app
        image: "registry.test/db:v1"
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
`

// desk is one person's console: an engine with a journal of its own.
type desk struct {
	*testing.T
	c        *servers.Cluster
	ns       string
	provider rollback.Reverser
	*rollback.Engine
}

// ways are how a desk may differ from others; the zero value is one that reaches the cluster directly.
type ways struct {
	kubeconfig string
	fail       func(point string) error
	around     func(rollback.Reverser) rollback.Reverser // what lies between the engine and the provider
	tune       func(*rollback.Config)
}

func newDesk(t *testing.T, c *servers.Cluster, ns string, w ways) *desk {
	t.Helper()
	if w.kubeconfig == "" {
		w.kubeconfig = c.Kubeconfig
	}
	d := &desk{T: t, c: c, ns: ns, provider: provider(t, w.kubeconfig, ns)}
	if w.around != nil {
		d.provider = w.around(d.provider)
	}
	cfg := rollback.Config{
		Reversers: map[string]rollback.Reverser{"k8s": d.provider}, Tier: func(string) string { return policy.TierDev },
		Hold: time.Second, Deadline: 3 * time.Minute, Poll: 100 * time.Millisecond, Executor: "here:1", Fail: w.fail,
	}
	if w.tune != nil {
		w.tune(&cfg)
	}
	d.Engine = oncall.Engine(t, cfg)
	return d
}

func (d *desk) kubectl(args ...string) string {
	d.Helper()
	return d.c.Do(d.T, "", append([]string{"-n", d.ns}, args...)...)
}

func (d *desk) until(what string, holds func() bool) {
	d.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("never: %s", what)
		}
	}
}

func (d *desk) unit(name string) rollback.UnitID { return rollback.UnitID("k8s:" + d.ns + "/" + name) }

// good waits until what serves is known good.
func (d *desk) good(unit rollback.UnitID) rollback.Revision {
	d.Helper()
	var o rollback.Observation
	d.until("known good", func() bool {
		var err error
		o, err = d.provider.Observe(d.Context(), unit)
		return err == nil && len(o.Current.Good) > 0
	})
	return o.Current
}

func (d *desk) stuck(tag string) {
	d.Helper()
	d.until("a pod of "+tag+" cannot start", func() bool {
		return strings.Contains(d.kubectl("get", "pods", "-o", `jsonpath={range .items[*]}{.spec.containers[0].image} {.status.containerStatuses[0].state.waiting.reason}{"\n"}{end}`), tag+" ImagePullBackOff")
	})
}

func (d *desk) confirmed(p rollback.Plan) rollback.Run {
	d.Helper()
	run, err := d.Confirm(d.Context(), p, oncall.Yes(p))
	if err != nil {
		d.Fatal(err)
	}
	return run
}

// threeRevisions: the first was good, the second never became available, the third does not either.
func (d *desk) threeRevisions() rollback.Revision {
	d.Helper()
	d.c.Do(d.T, shop, "-n", d.ns, "apply", "-f", "-")
	d.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	good := d.good(d.unit("shop"))
	for _, tag := range []string{"v2-broken", "v3-broken"} {
		d.kubectl("set", "image", "deployment/shop", "app=registry.test/shop:"+tag)
		d.stuck(tag)
	}
	return good
}

func TestWholeRollbacks(t *testing.T) {
	c := servers.StartCluster(t)
	namespace := func(t *testing.T, name string) string {
		t.Helper()
		c.Do(t, "", "create", "namespace", name)
		return name
	}
	t.Run("from the plan to verified, and not back again", func(t *testing.T) { verified(newDesk(t, c, namespace(t, "verified"), ways{})) })
	t.Run("configuration", func(t *testing.T) { configurationGoesBack(t, c) })
	t.Run("a stuck pod is a step", func(t *testing.T) { stuckPod(newDesk(t, c, namespace(t, "stuck"), ways{})) })
	t.Run("two at once", func(t *testing.T) {
		ns := namespace(t, "both")
		both(newDesk(t, c, ns, ways{}), newDesk(t, c, ns, ways{}))
	})
	t.Run("two consoles at once, two hundred times", func(t *testing.T) { races(t, c) })
	t.Run("two consoles at once on a ConfigMap", func(t *testing.T) { racesForConfiguration(t, c) })
	t.Run("stories", func(t *testing.T) { stories(t, c) })
	t.Run("the program twice at once", func(t *testing.T) { programs(t, c) })
	t.Run("the control plane goes away", func(t *testing.T) { goesAway(t, c) })
}

func verified(d *desk) {
	good := d.threeRevisions()
	p, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit("shop"), Reason: "errors"})
	if err != nil {
		d.Fatal(err)
	}
	if u := p.Units[0]; u.To.Digest != good.Digest || u.To.Label != "r1" || p.Unseen {
		d.Errorf("it chose %+v, unseen %v", u.To, p.Unseen)
	}
	run, err := d.Execute(d.Context(), d.confirmed(p).ID)
	if err != nil || run.State != rollback.RunSucceeded {
		d.Fatalf("ended %q: %s %v", run.State, run.Detail, err)
	}
	if got := d.kubectl("get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.availableReplicas}"); got != "registry.test/shop:v1 3" {
		d.Errorf("it serves %s", got)
	}
	// K3: once more does not go back to the bad one.
	if p, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit("shop")}); !errors.Is(err, rollback.ErrNoTarget) {
		d.Errorf("once more: %v %+v", err, p.Units)
	}
}

func stuckPod(d *desk) {
	d.c.Do(d.T, db, "-n", d.ns, "apply", "-f", "-")
	d.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	good := d.good(d.unit("statefulset.db"))
	d.kubectl("set", "image", "statefulset/db", "app=registry.test/db:v2-broken")
	d.stuck("v2-broken")
	p, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit("statefulset.db")})
	if err != nil || p.Units[0].To.Digest != good.Digest || len(p.Units[0].Steps) != 2 {
		d.Fatalf("%+v %v", p.Units, err)
	}
	run, err := d.Execute(d.Context(), d.confirmed(p).ID)
	if err != nil || run.State != rollback.RunSucceeded {
		d.Fatalf("ended %q: %s %v", run.State, run.Detail, err)
	}
}

// both: two people with a journal each take the same unit back at once. One does, and the other is told.
func both(a, b *desk) {
	a.threeRevisions()
	for _, d := range []*desk{a, b} { // each has seen it before
		if _, err := d.provider.Observe(a.Context(), a.unit("shop")); err != nil {
			a.Fatal(err)
		}
	}
	var runs [2]rollback.Run
	var plans [2]rollback.Plan
	for i, d := range []*desk{a, b} {
		p, err := d.Plan(a.Context(), rollback.Request{Unit: a.unit("shop"), Reason: "errors"})
		if err != nil {
			a.Fatal(err)
		}
		plans[i] = p
	}
	ids := [2]string{a.confirmed(plans[0]).ID, b.confirmed(plans[1]).ID}
	before := a.kubectl("get", "deployment/shop", "-o", "jsonpath={.metadata.generation}")
	var all sync.WaitGroup
	for i, d := range []*desk{a, b} {
		all.Go(func() {
			var err error
			if runs[i], err = d.Execute(context.WithoutCancel(a.Context()), ids[i]); err != nil {
				a.Error(err)
			}
		})
	}
	all.Wait()
	ends := map[rollback.RunState]int{runs[0].State: 1}
	ends[runs[1].State]++
	if ends[rollback.RunSucceeded] != 1 || ends[rollback.RunAlreadyGood]+ends[rollback.RunSuperseded] != 1 {
		a.Errorf("%q (%s) and %q (%s)", runs[0].State, runs[0].Detail, runs[1].State, runs[1].Detail)
	}
	var was, is int
	_, _ = fmt.Sscan(before, &was)
	_, _ = fmt.Sscan(a.kubectl("get", "deployment/shop", "-o", "jsonpath={.metadata.generation}"), &is)
	if is != was+1 {
		a.Errorf("generation %d, then %d: there was more than one effect", was, is)
	}
}

// client is how somebody else reaches the cluster, who deploys.
func client(t *testing.T, c *servers.Cluster) dynamic.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 1000, 1000
	pipeline, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline
}

// deploy is what a pipeline does: it sets another image.
func deploy(d *desk, kind dynamic.ResourceInterface, name, tag string) *unstructured.Unstructured {
	d.Helper()
	patch := fmt.Sprintf(`[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.test/%s:%s"}]`, name, tag)
	o, err := kind.Patch(d.Context(), name, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		d.Fatal(err)
	}
	return o
}

func provider(t *testing.T, kubeconfig, ns string) rollback.Reverser {
	t.Helper()
	settings := fmt.Sprintf("kubeconfig: %q\nnamespaces: [%s]\nmin_soak: 1s\nhold: 1s\n", kubeconfig, ns)
	return oncall.Provider(t, kubernetes.Factory(), "k8s", settings).(rollback.Reverser)
}
