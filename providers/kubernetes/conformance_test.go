package kubernetes_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kubernetes"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

func conformance(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "conform")
	c.Do(t, deployment("conform", "early", "registry.test/early:badpull", "labels: {a: b}"), "apply", "-f", "-")
	stuck := func() bool {
		out := c.Do(t, "", "get", "pods", "-n", "conform", "-l", "app=early")
		return strings.Count(out, "ImagePullBackOff") == 3
	}
	await(t, "pods that cannot be pulled", stuck)
	between := second(t)
	c.Do(t, deployment("conform", "late", "registry.test/late:badpull", "labels: {a: b}"), "apply", "-f", "-")
	await(t, "later pods that cannot be pulled", func() bool {
		return strings.Count(c.Do(t, "", "get", "pods", "-n", "conform"), "ImagePullBackOff") == 6
	})
	await(t, "a rollout that is stuck", func() bool {
		return strings.Contains(c.Do(t, "", "get", "deployment/late", "-n", "conform", "-o", "yaml"), "ProgressDeadlineExceeded")
	})
	kept := &providertest.Archive{}
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return reading(t, c, kept, "namespaces: [conform]") },
		Window: providers.Window{Until: between},
		Hang:   func(t *testing.T) providers.Provider { return elsewhere(t, servers.Silent(t), "admin-token") },
		Faults: map[string]providertest.Fault{
			"nobody": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, "https://127.0.0.1:1", "admin-token")
			}},
			"nonsense": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, servers.Nonsense(t), "admin-token")
			}},
			"no kubeconfig": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return reading(t, &servers.Cluster{Kubeconfig: filepath.Join(t.TempDir(), "none")}, &providertest.Archive{}, "")
			}},
			"a wrong token": {Class: providers.ClassAuth, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, c.Server, "no-token")
			}},
			"no right to anything": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, c.Server, "limited-token")
			}},
			"no right in the namespace": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return reading(t, c, &providertest.Archive{}, "context: limited\nnamespaces: [conform]")
			}},
		},
	})
}

// second is a moment that lies clearly between what was and what comes: the API server counts in whole seconds.
func second(t *testing.T) time.Time {
	t.Helper()
	at := time.Now().Truncate(time.Second).Add(2 * time.Second)
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	<-timer.C
	return at
}

func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !there(); {
		if time.Now().After(deadline) {
			t.Fatalf("never saw %s", what)
		}
		<-time.After(10 * time.Millisecond) // others need the processor for what is awaited
	}
}

// elsewhere reads with a kubeconfig of its own.
func elsewhere(t *testing.T, server, token string) *kubernetes.Provider {
	t.Helper()
	return reading(t, &servers.Cluster{Kubeconfig: servers.KubeconfigTo(t, server, token)}, &providertest.Archive{}, "")
}
