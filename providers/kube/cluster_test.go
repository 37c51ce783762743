package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/test/servers"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func opened(t *testing.T, c *servers.Cluster, user string) *kube.Cluster {
	t.Helper()
	k, err := kube.Open(kube.Options{Kubeconfig: c.Kubeconfig, Context: user})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func configMap(name string, data map[string]any) *kube.Object {
	return &kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": data,
	}}
}

func text(s string) json.RawMessage {
	b, _ := json.Marshal(s)
	return b
}

func TestAgainstARealAPIServer(t *testing.T) {
	c := servers.StartCluster(t)
	t.Run("writes hold their condition", func(t *testing.T) { writes(t, opened(t, c, servers.Admin)) })
	t.Run("what it serves and what it allows is told", func(t *testing.T) { serves(t, opened(t, c, servers.Admin)) })
	t.Run("what may not be read is said", func(t *testing.T) { limits(t, c) })
	t.Run("kubeconfigs are merged", func(t *testing.T) { merged(t, c) })
	t.Run("together", func(t *testing.T) {
		for name, f := range map[string]func(*testing.T, *servers.Cluster){
			"a plugin logs in": plugins, "a plugin fails": pluginsThatFail, "a token runs out": expiry, "in a pod": inCluster, "a connection breaks": disconnects, "held back": throttled,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(t, c)
			})
		}
	})
	t.Run("follows through a crash", func(t *testing.T) { follows(t, c) })
	t.Run("a version is gone", func(t *testing.T) { gone(t, c) })
}

func writes(t *testing.T, k *kube.Cluster) {
	if _, err := k.Get(t.Context(), configMaps, "default", "none"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("a missing object: %v", err)
	}
	made, err := k.Create(t.Context(), configMaps, "default", configMap("one", map[string]any{"a": "1"}), kube.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Create(t.Context(), configMaps, "default", configMap("one", nil), kube.Write{}); !errors.Is(err, kube.ErrExists) {
		t.Errorf("a second of that name: %v", err)
	}
	set := func(from, to string) []kube.Operation {
		return []kube.Operation{{Op: "test", Path: "/data/a", Value: text(from)}, {Op: "replace", Path: "/data/a", Value: text(to)}}
	}
	if o, err := k.Patch(t.Context(), configMaps, "default", "one", set("1", "2"), kube.Write{DryRun: true}); err != nil || o.GetResourceVersion() == "" {
		t.Errorf("dry run: %v", err)
	}
	if _, err := k.Patch(t.Context(), configMaps, "default", "one", set("2", "3"), kube.Write{}); !errors.Is(err, kube.ErrConditionFailed) {
		t.Errorf("a condition that does not hold: %v", err)
	}
	if _, err := k.Patch(t.Context(), configMaps, "default", "one", set("1", "2"), kube.Write{}); err != nil {
		t.Error(err)
	}
	stale := made.DeepCopy()
	if _, err := k.Replace(t.Context(), configMaps, "default", stale, kube.Write{}); !errors.Is(err, kube.ErrConditionFailed) {
		t.Errorf("a stale object: %v", err)
	}
	if err := k.Delete(t.Context(), configMaps, "default", "one", "another", kube.Write{}); !errors.Is(err, kube.ErrConditionFailed) {
		t.Errorf("another object of that name: %v", err)
	}
	if err := k.Delete(t.Context(), configMaps, "default", "one", made.GetUID(), kube.Write{}); err != nil {
		t.Error(err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Microsecond)
	defer cancel()
	if _, err := k.Create(late, configMaps, "default", configMap("late", nil), kube.Write{}); !errors.Is(err, kube.ErrUnknown) {
		t.Errorf("what was cut off is unknown: %v", err)
	}
}

func serves(t *testing.T, k *kube.Cluster) {
	if kinds, err := k.Kinds(t.Context(), "v1"); err != nil || kinds["ConfigMap"] != (kube.Kind{Resource: configMaps, Namespaced: true}) {
		t.Errorf("the kinds of v1: %v, %v", kinds["ConfigMap"], err)
	}
	if _, err := k.Kinds(t.Context(), "extensions/v1beta1"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("an apiVersion that is gone: %v", err)
	}
	if yes, _, err := k.May(t.Context(), "patch", configMaps, "", "default", ""); err != nil || !yes {
		t.Errorf("the admin may not: %v", err)
	}
}

func limits(t *testing.T, c *servers.Cluster) {
	k := opened(t, c, servers.Limited)
	for _, err := range k.List(t.Context(), configMaps, "", kube.Selection{}) {
		if providers.ClassOf(err) != providers.ClassPermanent {
			t.Errorf("a list without the right: %v", err)
		}
	}
	if yes, _, err := k.May(t.Context(), "list", configMaps, "", "", ""); err != nil || yes {
		t.Errorf("the limited user may list: %v %v", yes, err)
	}
	// A right in some namespaces is used there, and what is said of the others names them.
	c.Do(t, "", "create", "namespace", "theirs")
	c.Do(t, "", "create", "role", "look", "-n", "theirs", "--verb=list", "--resource=configmaps")
	c.Do(t, "", "create", "rolebinding", "look", "-n", "theirs", "--role=look", "--user="+servers.Limited)
	for _, err := range k.List(t.Context(), configMaps, "theirs", kube.Selection{}) {
		if err != nil {
			t.Errorf("a list with the right: %v", err)
		}
	}
	for _, err := range k.List(t.Context(), configMaps, "default", kube.Selection{}) {
		if providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "list configmaps in namespace default in limited") {
			t.Errorf("a list in another namespace: %v", err)
		}
	}
}

// A watch goes on where it was after the API server crashed, and tells the rest of the world what it missed.
func follows(t *testing.T, c *servers.Cluster) {
	k := opened(t, c, servers.Admin)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(chan string, 100)
	errs := make(chan error, 100)
	go func() {
		defer close(seen)
		for e, err := range k.Follow(ctx, configMaps, "default", kube.Selection{}) {
			switch {
			case err != nil:
				errs <- err
			case e.Complete:
				seen <- "complete"
			case e.Deleted:
				seen <- "deleted " + e.Object.GetName()
			default:
				seen <- e.Object.GetName()
			}
		}
	}()
	await := func(what string) {
		t.Helper()
		for s := range seen {
			if s == what {
				return
			}
		}
		t.Fatalf("never saw %s", what)
	}
	await("complete")
	c.Do(t, "", "create", "configmap", "before")
	await("before")
	resume := c.Pause()
	if err := <-errs; err == nil {
		t.Error("the crash is not told")
	}
	if err := resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Do(t, "", "create", "configmap", "after")
	await("after")
	c.Do(t, "", "delete", "configmap", "after")
	await("deleted after")
}
