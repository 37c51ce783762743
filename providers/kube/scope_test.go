package kube_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const twoContexts = `apiVersion: v1
kind: Config
clusters: [{name: one, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {}}]
contexts:
- {name: prod-eu, context: {cluster: one, user: me}}
- {name: lab, context: {cluster: one, user: me}}
current-context: prod-eu
`

func reached(t *testing.T, text string) *kube.Reach {
	t.Helper()
	var set struct {
		kube.Scope `yaml:",inline"`
	}
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&set); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config"), twoContexts)
	r, err := set.Reach(providers.Environment{Dir: dir, Environment: "test"}, "backout/test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestScope(t *testing.T) {
	all := reached(t, "{kubeconfig: config, exclude_namespaces: [kube-system], environments: {shop: staging, shop-*: qa, shop-eu-*: eu, prod-*: production}}")
	if all.Context() != "prod-eu" || all.Limited() || !slices.Equal(all.Namespaces(), []string{""}) || all.Timeout() != 15*time.Second {
		t.Errorf("everything: context %s, namespaces %q, timeout %s", all.Context(), all.Namespaces(), all.Timeout())
	}
	for namespace, covered := range map[string]bool{"shop": true, "kube-system": false} {
		if all.Covers(namespace) != covered {
			t.Errorf("covers %s: %t", namespace, !covered)
		}
	}
	for namespace, want := range map[string]string{"shop": "staging", "shop-1": "qa", "shop-eu-1": "eu", "bank": "production"} {
		if got := all.EnvironmentOf(namespace); got != want {
			t.Errorf("the environment of %s is %s, want %s", namespace, got, want)
		}
	}
	some := reached(t, "{kubeconfig: config, context: lab, namespaces: [shop], exclude_namespaces: [shop], environments: {prod-*: production}, timeout: 3s}")
	if some.Context() != "lab" || !some.Covers("shop") || some.Covers("bank") || some.EnvironmentOf("shop") != "test" || some.Timeout() != 3*time.Second {
		t.Errorf("some: context %s, environment %s, timeout %s", some.Context(), some.EnvironmentOf("shop"), some.Timeout())
	}
	if _, err := (kube.Scope{Timeout: -time.Second}).Reach(providers.Environment{}, ""); err == nil {
		t.Error("a timeout below zero is taken")
	}
}

// A cluster whose configuration cannot be read is there to tell why, and asks nobody.
func TestScopeWithoutConfiguration(t *testing.T) {
	r := reached(t, "{kubeconfig: nowhere}")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := r.Get(ctx, configMaps, "default", "one")
	var why *providers.Error
	if !errors.As(err, &why) || providers.ClassOf(err) != providers.ClassPermanent {
		t.Errorf("the answer is %v", err)
	}
}

func TestServiceLabel(t *testing.T) {
	labels := map[string]string{"app": "pay", "team.example/service": "payments"}
	for _, c := range []struct {
		set  kube.ServiceLabel
		want string
	}{{nil, "pay"}, {kube.ServiceLabel{"team.example/service", "app"}, "payments"}, {kube.ServiceLabel{"none"}, "name"}} {
		if got := c.set.Of(labels, "name"); got != c.want {
			t.Errorf("%v: %s, want %s", c.set, got, c.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
