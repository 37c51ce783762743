package gitops_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/gitops"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// conforms holds the provider to what every provider promises, on what Kustomizations applied at two times. These lie further apart
// than a test may take, so that what Flux would write is written by hand; Flux leaves it, because they are suspended.
func conforms(d *desk) {
	for name, at := range map[string]string{"early": "2026-01-02T03:04:05Z", "late": "2026-03-04T05:06:07Z"} {
		d.c.Do(d.T, fmt.Sprintf(`{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": %q, "namespace": %q},
 "spec": {"suspend": true, "interval": "1h", "prune": false, "path": ".", "sourceRef": {"kind": "GitRepository", "name": "none"}}}`, name, d.ns), "apply", "-f", "-")
		d.kubectl("-n", d.ns, "patch", "kustomization/"+name, "--subresource=status", "--type=merge", "-p", `{"status": {"lastAppliedRevision": "main@sha1:1111111111111111111111111111111111111111",
 "conditions": [{"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "", "lastTransitionTime": "`+at+`"}]}}`)
	}
	reading := func(config, user string) func(t *testing.T) providers.Provider {
		return func(t *testing.T) providers.Provider {
			return oncall.Provider(t, gitops.Factory(), "gitops", fmt.Sprintf("kubeconfig: %q\ncontext: %s\nnamespaces: [%s]\n", config, user, d.ns))
		}
	}
	at := func(server, token string) func(t *testing.T) providers.Provider {
		return func(t *testing.T) providers.Provider {
			return reading(servers.KubeconfigTo(t, server, token), servers.Admin)(t)
		}
	}
	providertest.Run(d.T, providertest.Suite{
		New:    reading(d.c.Kubeconfig, servers.Admin),
		Window: providers.Window{Until: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)},
		Hang:   func(t *testing.T) providers.Provider { return at(servers.Silent(t), "admin-token")(t) },
		Faults: map[string]providertest.Fault{
			"nobody":        {Class: providers.ClassRetryable, New: at("https://127.0.0.1:1", "admin-token")},
			"no kubeconfig": {Class: providers.ClassPermanent, New: reading(filepath.Join(d.TempDir(), "none"), servers.Admin)},
			"a wrong token": {Class: providers.ClassAuth, New: at(d.c.Server, "no-token")},
			"no right":      {Class: providers.ClassPermanent, New: at(d.c.Server, "limited-token")},
		},
	})
}
