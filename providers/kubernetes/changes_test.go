package kubernetes_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kubernetes"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

// reading makes a provider of the cluster with these settings.
func reading(t *testing.T, c *servers.Cluster, kept providers.Archive, settings string) *kubernetes.Provider {
	t.Helper()
	env := providers.Environment{
		Name: "k8s", Environment: "prod", Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: kept,
	}
	p, err := kubernetes.Factory().New(env, func(into any) error {
		return yaml.Unmarshal([]byte("kubeconfig: "+c.Kubeconfig+"\n"+settings), into)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*kubernetes.Provider)
}

// watching follows a provider until the test ends.
type watching struct {
	t      *testing.T
	events chan providers.Event
}

func watch(t *testing.T, p providers.Watcher) *watching {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	w := &watching{t: t, events: make(chan providers.Event, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(w.events)
		for e, err := range p.Watch(ctx) {
			if err == nil {
				w.events <- e
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range w.events {
		}
		<-ended
	})
	return w
}

// change waits for a change that is as wanted.
func (w *watching) change(what string, want func(c *providers.Change) bool) providers.Change {
	w.t.Helper()
	for e := range w.events {
		if e.Change != nil && want(e.Change) {
			return *e.Change
		}
	}
	w.t.Fatalf("never saw %s", what)
	return providers.Change{}
}

func (w *watching) alert(what string, want func(a *providers.Alert) bool) providers.Alert {
	w.t.Helper()
	for e := range w.events {
		if e.Alert != nil && want(e.Alert) {
			return *e.Alert
		}
	}
	w.t.Fatalf("never saw %s", what)
	return providers.Alert{}
}

func deployment(namespace, name, image, extra string) string {
	return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: ` + name + `, namespace: ` + namespace + `, ` + extra + `},
  spec: {replicas: 3, progressDeadlineSeconds: 4, selector: {matchLabels: {app: ` + name + `}}, template: {metadata: {labels: {app: ` + name + `}},
    spec: {containers: [{name: app, image: "` + image + `", envFrom: [{configMapRef: {name: settings, optional: true}}]}]}}}}`
}

func TestARealCluster(t *testing.T) {
	c := servers.StartCluster(t)
	// The user who may read nothing is given a right by a later part.
	t.Run("the promises of a provider", func(t *testing.T) { conformance(t, c) })
	t.Run("at once", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *servers.Cluster){
			"a rollout is told while it happens": rollouts,
			"alerts open and end":                alertsOpenAndEnd,
			"what served is remembered":          watchedServing,
			"configuration and scale":            configuration,
			"StatefulSets and DaemonSets":        otherWorkloads,
			"what hangs together":                together,
			"rights in some namespaces":          someNamespaces,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, c)
			})
		}
	})
	t.Run("the API server goes away", func(t *testing.T) { throughACrash(t, c) })
}

func rollouts(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "shop")
	c.Do(t, deployment("shop", "checkout", "registry.test/checkout:v1", "labels: {app.kubernetes.io/name: payments}"), "apply", "-f", "-")
	c.Do(t, "", "rollout", "status", "-n", "shop", "deployment/checkout", "--timeout=60s")
	kept := &providertest.Archive{}
	p := reading(t, c, kept, "namespaces: [shop]")
	w := watch(t, p)
	w.change("the first revision", func(c *providers.Change) bool { return c.To == "checkout:v1" && c.From == "" })

	second := deployment("shop", "checkout", "registry.test/checkout:v2",
		`annotations: {kubernetes.io/change-cause: faster, backout.dev/commit: 0123456789abcdef0123456789abcdef01234567, backout.dev/assisted-by: "Claude Code"}, labels: {app.kubernetes.io/name: payments}`)
	digest := "sha256:" + strings.Repeat("b", 64)
	c.Do(t, strings.Replace(second, "template: {metadata: {", `template: {metadata: {annotations: {test.backout.dev/digest: "`+digest+`"}, `, 1), "apply", "-f", "-")
	done := w.change("the second revision, complete", func(c *providers.Change) bool {
		return c.To == "checkout:v2" && c.Status == "complete" && len(c.Rollout) > 1
	})
	secondRevision(t, done, digest)
	c.Do(t, "", "rollout", "undo", "-n", "shop", "deployment/checkout")
	back := w.change("the way back", func(c *providers.Change) bool { return c.Kind == providers.KindRollback })
	if back.To != "checkout:v1" || back.From != "checkout:v2" || len(back.Reverts) != 1 || back.Reverts[0] != done.ID || back.Author.Name != "kubectl" {
		t.Errorf("the way back: %+v", back)
	}
}

func secondRevision(t *testing.T, done providers.Change, digest string) {
	t.Helper()
	if done.From != "checkout:v1" || done.Service != "payments" || done.Unit != "k8s:shop/checkout" || done.Kind != providers.KindDeploy ||
		done.Title != "checkout: checkout:v1 → checkout:v2 (faster)" || done.Commit != "0123456789abcdef0123456789abcdef01234567" ||
		done.Author.Name != "kubectl-client-side-apply" || done.Assistance.State != providers.AssistanceAssisted || done.Environment != "prod" {
		t.Errorf("the second revision: %+v", done)
	}
	if last := done.Rollout[len(done.Rollout)-1]; last.Share != 1 || done.Rollout[0].Share >= 1 {
		t.Errorf("exposed share: %+v", done.Rollout)
	}
	if n := len(done.Artifacts); n != 2 || done.Artifacts[0] != digest || done.Artifacts[1] == done.Artifacts[0] {
		t.Errorf("the image's and the template's digest: %v", done.Artifacts)
	}
}
