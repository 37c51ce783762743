package kubernetes_test

import (
	"net/http"
	"net/http/httptest"
	"os"
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
	kept := &archive{}
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return reading(t, c, kept, "namespaces: [conform]") },
		Window: providers.Window{Until: between},
		Hang:   func(t *testing.T) providers.Provider { return elsewhere(t, "https://"+silent(t), "admin-token") },
		Faults: map[string]providertest.Fault{
			"nobody": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, "https://127.0.0.1:1", "admin-token")
			}},
			"no kubeconfig": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return reading(t, &servers.Cluster{Kubeconfig: filepath.Join(t.TempDir(), "none")}, &archive{}, "")
			}},
			"a wrong token": {Class: providers.ClassAuth, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, c.Server, "no-token")
			}},
			"no right to anything": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return elsewhere(t, c.Server, "limited-token")
			}},
			"no right in the namespace": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return reading(t, c, &archive{}, "context: limited\nnamespaces: [conform]")
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
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
  clusters: [{name: a, cluster: {server: "` + server + `", insecure-skip-tls-verify: true}}], users: [{name: a, user: {token: ` + token + `}}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return reading(t, &servers.Cluster{Kubeconfig: path}, &archive{}, "")
}

// silent takes requests and never answers.
func silent(t *testing.T) string {
	quit := make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-quit:
		}
	}))
	t.Cleanup(func() { close(quit); s.Close() })
	return s.Listener.Addr().String()
}
