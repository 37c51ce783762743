package servers_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

// TestOnACluster is one test, because a control plane takes 600 MB.
func TestOnACluster(t *testing.T) {
	c := servers.StartCluster(t)
	t.Run("a Deployment rolls out, gets stuck and comes back", func(t *testing.T) { deployment(t, c) })
	t.Run("a Helm release is upgraded and rolled back", func(t *testing.T) { release(t, c) })
	t.Run("a canary pauses, is aborted and comes back", func(t *testing.T) { canary(t, c) })
	t.Run("an Application is synced and rolled back", func(t *testing.T) { applications(t, c) })
}

const shop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  progressDeadlineSeconds: 5
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: app, image: "registry.test/shop:v1"}]
`

func deployment(t *testing.T, c *servers.Cluster) {
	c.Do(t, shop, "apply", "-f", "-")
	c.Do(t, "", "rollout", "status", "deployment/shop", "--timeout=60s")
	c.Do(t, "", "set", "image", "deployment/shop", "app=registry.test/shop:v2-broken")
	if out, err := c.Kubectl(t.Context(), "", "rollout", "status", "deployment/shop", "--timeout=60s"); err == nil || !strings.Contains(out, "exceeded its progress deadline") {
		t.Errorf("a broken image should get stuck: %v %s", err, out)
	}
	if pods := c.Do(t, "", "get", "pods"); !strings.Contains(pods, "ImagePullBackOff") {
		t.Errorf("no pod says why:\n%s", pods)
	}
	c.Do(t, "", "rollout", "undo", "deployment/shop")
	c.Do(t, "", "rollout", "status", "deployment/shop", "--timeout=60s")
}

func release(t *testing.T, c *servers.Cluster) {
	program := servers.Need(t, "helm")
	c.Do(t, "", "create", "namespace", "helm")
	chart := t.TempDir()
	for name, text := range map[string]string{
		"Chart.yaml":          "{apiVersion: v2, name: shop, version: 1.0.0}",
		"values.yaml":         "{tag: v1}",
		"templates/shop.yaml": strings.ReplaceAll(shop, "shop:v1", "shop:{{ .Values.tag }}"),
	} {
		path := filepath.Join(chart, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	helm := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, append(args, "--namespace=helm", "--kubeconfig="+c.Kubeconfig)...)
		cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := helm(args...)
		if err != nil {
			t.Fatalf("helm %v: %v: %s", args, err, out)
		}
		return out
	}
	if v := must("version", "--short"); !strings.HasPrefix(v, "v4.3.1") {
		t.Errorf("another version: %s", v)
	}
	must("install", "pay", chart, "--wait")
	if out, err := helm("upgrade", "pay", chart, "--set=tag=v2-broken", "--wait", "--timeout=3s"); err == nil {
		t.Errorf("an upgrade to a broken image went well: %s", out)
	}
	must("rollback", "pay", "1", "--wait")
	if out := must("history", "pay"); !strings.Contains(out, "failed") || !strings.Contains(out, "Rollback to 1") {
		t.Errorf("the history:\n%s", out)
	}
	if image := c.Do(t, "", "-n", "helm", "get", "deployment/shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); image != "registry.test/shop:v1" {
		t.Errorf("after the rollback the image is %s", image)
	}
}

const cart = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: cart}
spec:
  replicas: 4
  progressDeadlineSeconds: 30
  selector: {matchLabels: {app: cart}}
  strategy: {canary: {steps: [{setWeight: 25}, {pause: {}}]}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers: [{name: app, image: "registry.test/cart:v1"}]
`

func canary(t *testing.T, c *servers.Cluster) {
	r := servers.StartRollouts(t, c)
	c.Do(t, "", "create", "namespace", "canary")
	c.Do(t, cart, "-n", "canary", "apply", "-f", "-")
	phase := func(want string) {
		t.Helper()
		c.Do(t, "", "-n", "canary", "wait", "rollout/cart", "--for=jsonpath={.status.phase}="+want, "--timeout=30s")
	}
	// The controller must have looked at the object as it is now: a phase of before would do for a wait.
	seen := func() {
		t.Helper()
		generation := c.Do(t, "", "-n", "canary", "get", "rollout/cart", "-o", "jsonpath={.metadata.generation}")
		c.Do(t, "", "-n", "canary", "wait", "rollout/cart", "--for=jsonpath={.status.observedGeneration}="+generation, "--timeout=30s")
	}
	phase("Healthy")
	r.Do(t, "-n", "canary", "set", "image", "cart", "app=registry.test/cart:v2")
	seen()
	phase("Paused")
	if weights := c.Do(t, "", "-n", "canary", "get", "replicasets", "-o", "jsonpath={range .items[*]}{.spec.replicas} {end}"); !strings.Contains(weights, "1 ") || !strings.Contains(weights, "3 ") {
		t.Errorf("a quarter is not at the new revision: %s", weights)
	}
	r.Do(t, "-n", "canary", "abort", "cart")
	phase("Degraded")
	if why := c.Do(t, "", "-n", "canary", "get", "rollout/cart", "-o", "jsonpath={.status.message}"); !strings.HasPrefix(why, "RolloutAborted") {
		t.Errorf("degraded because of %q", why)
	}
	r.Do(t, "-n", "canary", "set", "image", "cart", "app=registry.test/cart:v1")
	seen()
	phase("Healthy")
	if out, err := r.Plugin(t.Context(), "-n", "canary", "status", "cart", "--timeout", fmt.Sprint(30*time.Second)); err != nil {
		t.Errorf("the plugin sees it otherwise: %v %s", err, out)
	}
}
