package kubernetes

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// room is one namespace of the cluster that all tests share, and a provider that looks at it.
type room struct {
	*testing.T
	c  *servers.Cluster
	p  *Provider
	ns string
}

// soak is how long a revision has to serve here to be known good: the API server tells times in whole seconds.
const soak = time.Second

func newRoom(t *testing.T, c *servers.Cluster, user string) *room {
	t.Helper()
	ns := strings.ToLower(strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]), "-"))
	ns = strings.Trim(ns[:min(len(ns), 60)], "-")
	c.Do(t, "", "create", "namespace", ns)
	r := &room{t, c, nil, ns}
	r.p = r.provider(settings{Scope: kube.Scope{Kubeconfig: c.Kubeconfig, Context: user, Namespaces: []string{ns}}, MinSoak: soak, Hold: time.Second})
	return r
}

// provider is another one, that has seen nothing yet.
func (r *room) provider(set settings) *Provider {
	r.Helper()
	p, err := create(providers.Environment{Name: "k8s", Environment: "prod", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: &providertest.Archive{}}, func(into any) error {
		*into.(*settings) = set
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return p.(*Provider)
}

// limited are the settings of a user of this room alone, with the right that a test binds to [room.user].
func (r *room) limited() settings {
	r.Helper()
	set := r.p.set
	set.Kubeconfig, set.Context = r.c.As(r.T, r.user()), r.user()
	return set
}

func (r *room) user() string { return "user-of-" + r.ns }

func (r *room) kubectl(args ...string) string {
	r.Helper()
	return r.c.Do(r.T, "", append([]string{"-n", r.ns}, args...)...)
}

func (r *room) apply(text string, args ...string) {
	r.Helper()
	r.c.Do(r.T, text, append([]string{"-n", r.ns, "apply", "-f", "-"}, args...)...)
}

// pipeline is how somebody else reaches the cluster, who deploys.
func (r *room) pipeline() dynamic.Interface {
	r.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", r.c.Kubeconfig)
	if err != nil {
		r.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		r.Fatal(err)
	}
	return client
}

// until waits for what the cluster does by itself.
func (r *room) until(what string, holds func() bool) {
	r.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(end) || r.Context().Err() != nil {
			r.Fatalf("never: %s", what)
		}
		time.Sleep(150 * time.Millisecond)
	}
}

// deployment is one with three pods of an image, with more lines of its spec and of its container.
func deployment(image, spec, container string) string {
	if !strings.Contains(spec, "strategy") {
		spec = strings.TrimPrefix(spec+"\nstrategy: {rollingUpdate: {maxSurge: 3}}", "\n")
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
%s
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: app
        image: "registry.test/shop:%s"
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
%s
`, indent(spec, 2), image, indent(container, 8))
}

func indent(s string, n int) string {
	if s == "" {
		return ""
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

// served applies the manifest and waits until it has served for the soak, seen by the provider.
func (r *room) served(manifest string) rollback.Observation {
	r.Helper()
	r.apply(manifest)
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	return r.soaked(r.shop())
}

func (r *room) soaked(id rollback.UnitID) (obs rollback.Observation) {
	r.Helper()
	r.until("it has soaked", func() bool {
		obs = r.observe(id)
		return len(obs.Current.Good) > 0
	})
	return obs
}

// broken sets an image whose pods never become ready, and waits until one says so.
func (r *room) broken(tag string) rollback.Observation {
	r.Helper()
	r.kubectl("set", "image", "deployment/shop", "app=registry.test/shop:"+tag)
	r.until("a pod of "+tag+" cannot start", func() bool {
		return strings.Contains(r.kubectl("get", "pods", "-o", `jsonpath={range .items[*]}{.spec.containers[0].image} {.status.containerStatuses[0].state.waiting.reason}{"\n"}{end}`), tag+" ImagePullBackOff")
	})
	return r.observe(r.shop())
}

func (r *room) shop() rollback.UnitID { return rollback.UnitID("k8s:" + r.ns + "/shop") }

func (r *room) observe(id rollback.UnitID) rollback.Observation {
	r.Helper()
	obs, err := r.p.Observe(r.Context(), id)
	if err != nil {
		r.Fatal(err)
	}
	return obs
}

func (r *room) plan(obs rollback.Observation, to rollback.Revision) rollback.Proposal {
	r.Helper()
	prop, err := r.p.Plan(r.Context(), obs, to)
	if err != nil {
		r.Fatal(err)
	}
	if len(prop.Missing) == 0 && len(prop.Steps) == 0 {
		r.Fatal("a plan without steps")
	}
	return prop
}

func (r *room) do(op string, s rollback.Step) rollback.Result {
	r.Helper()
	res, err := r.p.Apply(r.Context(), rollback.Operation{ID: op, By: "ana"}, s)
	if err != nil {
		r.Fatal(err)
	}
	return res
}

// back takes the unit to a revision and waits until it is there.
func (r *room) back(obs rollback.Observation, to rollback.Revision, op string) rollback.Convergence {
	r.Helper()
	for _, s := range r.plan(obs, to).Steps {
		if s.Token == "" {
			s.Token = r.observe(s.Unit).Token
		}
		if res := r.do(op, s); res.Outcome != rollback.Applied {
			r.Fatalf("step %d: %s %s", s.N, res.Outcome, res.Detail)
		}
	}
	return r.settled(obs.Unit.ID, to)
}

func (r *room) settled(id rollback.UnitID, to rollback.Revision) (c rollback.Convergence) {
	r.Helper()
	r.until("it settles", func() bool {
		var err error
		if c, err = r.p.Status(r.Context(), id, to); err != nil {
			r.Fatal(err)
		}
		return c.Done || c.Failed
	})
	return c
}

func labelled(t *testing.T, o rollback.Observation, label string) rollback.Revision {
	t.Helper()
	for _, h := range append([]rollback.Revision{o.Current}, o.History...) {
		if h.Label == label {
			return h
		}
	}
	t.Fatalf("no revision %s: %+v", label, o.History)
	return rollback.Revision{}
}

func says(t *testing.T, texts []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, w) }) {
			t.Errorf("nothing says %q; there is:\n%s", w, strings.Join(texts, "\n"))
		}
	}
}

// TestWorkloadsOnACluster shares one control plane; each test has a namespace of its own, so that they can run beside each other.
func TestWorkloadsOnACluster(t *testing.T) {
	c := servers.StartCluster(t)
	for _, n := range []string{"node-2", "node-3"} {
		c.Do(t, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": %q}}`, n), "create", "-f", "-")
	}
	// They wait for the cluster far more than they work, so more of them run at once than there are processors.
	var all sync.WaitGroup
	turn := make(chan struct{}, 8)
	for _, e := range slices.Concat(environs(), sets(), edges(), configs()) {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			t.Run(e.name, func(t *testing.T) { e.test(newRoom(t, c, servers.Admin)) })
		})
	}
	all.Wait()
}
