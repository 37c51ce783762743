package kubernetes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

func otherWorkloads(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "kinds")
	object := func(kind, name, more, image string) string {
		return `{apiVersion: apps/v1, kind: ` + kind + `, metadata: {name: ` + name + `, namespace: kinds}, spec: {` + more + ` selector: {matchLabels: {app: ` + name + `}},
		  template: {metadata: {labels: {app: ` + name + `}}, spec: {containers: [{name: a, image: "registry.test/` + image + `"}]}}}}`
	}
	c.Do(t, object("StatefulSet", "db", "serviceName: db, replicas: 2,", "db:v1"), "apply", "-f", "-")
	c.Do(t, object("DaemonSet", "agent", "", "agent:v1"), "apply", "-f", "-")
	c.Do(t, "", "rollout", "status", "-n", "kinds", "statefulset/db", "--timeout=60s")
	p := reading(t, c, &providertest.Archive{}, "namespaces: [kinds]\nenvironments: {\"kin*\": staging}")
	w := watch(t, p)
	w.change("the DaemonSet", func(c *providers.Change) bool { return c.Unit == "k8s:kinds/daemonset.agent" && c.To == "agent:v1" })

	c.Do(t, object("StatefulSet", "db", "serviceName: db, replicas: 2,", "db:v2"), "apply", "-f", "-")
	db := w.change("the StatefulSet, all of it", func(c *providers.Change) bool {
		return c.Unit == "k8s:kinds/statefulset.db" && c.To == "db:v2" && len(c.Rollout) > 1 && c.Rollout[len(c.Rollout)-1].Share == 1
	})
	if db.From != "db:v1" || db.Environment != "staging" || db.Author.Name == "" {
		t.Errorf("the StatefulSet: %+v", db)
	}
	c.Do(t, object("DaemonSet", "agent", "", "agent:v2"), "apply", "-f", "-")
	w.change("the DaemonSet anew", func(c *providers.Change) bool { return c.From == "agent:v1" && c.To == "agent:v2" })
	c.Do(t, "", "rollout", "undo", "-n", "kinds", "statefulset/db")
	back := w.change("the StatefulSet, back", func(c *providers.Change) bool { return c.Kind == providers.KindRollback })
	if back.From != "db:v2" || back.To != "db:v1" || len(back.Reverts) != 1 || back.Reverts[0] != db.ID {
		t.Errorf("back: %+v", back)
	}
}

func together(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "web")
	c.Do(t, deployment("web", "front", "registry.test/front:v1", `annotations: {meta.helm.sh/release-name: shop, meta.helm.sh/release-namespace: web}`), "apply", "-f", "-")
	c.Do(t, "", "create", "service", "clusterip", "www", "-n", "web", "--tcp=80:80")
	c.Do(t, "", "patch", "service", "www", "-n", "web", "-p", `{"spec": {"selector": {"app": "front"}}}`)
	p := reading(t, c, &providertest.Archive{}, "namespaces: [web]")
	services, edges, err := p.Topology(t.Context())
	if err != nil || len(services) != 1 || services[0].Name != "front" {
		t.Errorf("services: %v %v", services, err)
	}
	want := map[string]bool{
		"k8s:web/front config k8s:web/configmap.settings": true, "k8s:web/front owner Helm release web/shop": true, "www calls front": true,
	}
	for _, e := range edges {
		key := e.From + " " + string(e.Kind) + " " + e.To
		if !want[key] || e.Evidence == "" {
			t.Errorf("an edge that nobody asked for: %+v", e)
		}
		delete(want, key)
	}
	for e := range want {
		t.Errorf("no edge %s", e)
	}
}

// Who may read one namespace sees it, and is told which others are not seen.
func someNamespaces(t *testing.T, c *servers.Cluster) {
	for _, namespace := range []string{"mine", "theirs"} {
		c.Do(t, "", "create", "namespace", namespace)
		c.Do(t, deployment(namespace, "app", "registry.test/app:v1", "labels: {a: b}"), "apply", "-f", "-")
	}
	c.Do(t, "", "create", "role", "see", "-n", "mine", "--verb=get,list,watch", "--resource=deployments.apps,replicasets.apps,pods,configmaps")
	c.Do(t, "", "create", "rolebinding", "see", "-n", "mine", "--role=see", "--user=limited")
	c.Do(t, "", "create", "clusterrole", "names", "--verb=list", "--resource=namespaces")
	c.Do(t, "", "create", "clusterrolebinding", "names", "--clusterrole=names", "--user=limited")
	p := reading(t, c, &providertest.Archive{}, "context: limited\nexclude_namespaces: [default, kube-system, kube-public, kube-node-lease]")
	units := map[string]int{}
	await(t, "the Deployment's first revision", func() bool {
		for ch, err := range p.Changes(t.Context(), providers.Window{}) {
			if err != nil {
				t.Fatal(err)
			}
			units[ch.Unit]++
		}
		return len(units) > 0
	})
	if len(units) != 1 || units["k8s:mine/app"] == 0 {
		t.Errorf("seen: %v", units)
	}
	h := p.Health()
	if h.State != providers.HealthOK || !strings.Contains(h.Detail, "sees mine alone, may not read namespace ") ||
		!strings.Contains(h.Detail, "theirs") || !strings.Contains(h.Detail, "secrets, services, statefulsets in mine") {
		t.Errorf("health: %+v", h)
	}
}

// The API server goes away and comes back; what happens then is told, and while it is away nothing is said to be well.
func throughACrash(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "crash")
	c.Do(t, deployment("crash", "app", "registry.test/app:v1", "labels: {a: b}"), "apply", "-f", "-")
	p := reading(t, c, &providertest.Archive{}, "namespaces: [crash]")
	w := watch(t, p)
	w.change("the first revision", func(c *providers.Change) bool { return c.To == "app:v1" })
	for _, err := range p.Changes(t.Context(), providers.Window{}) { // waits until the watch has told everything
		if err != nil {
			t.Fatal(err)
		}
	}
	resume := c.Pause()
	await(t, "that the cluster is away", func() bool { return p.Health().State == providers.HealthFailing })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var failed error
	for _, err := range p.Changes(ctx, providers.Window{}) {
		failed = err
	}
	if failed == nil {
		t.Error("changes were read from a cluster that is away")
	}
	if err := resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "that the cluster is back", func() bool { return p.Health().State == providers.HealthOK })
	c.Do(t, "", "set", "image", "-n", "crash", "deployment/app", "app=registry.test/app:v2")
	w.change("the second revision", func(c *providers.Change) bool { return c.From == "app:v1" && c.To == "app:v2" })
}
