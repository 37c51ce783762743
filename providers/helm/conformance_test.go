package helm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
	"github.com/backout-dev/backout/test/servers"
)

// contract holds the provider to what every provider promises. It is no parallel test: it looks for goroutines left behind.
func (r *release) contract(t *testing.T) {
	begin := time.Now().Add(-time.Second)
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	until := time.Now()
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	at := func(server func(testing.TB) string) func(*testing.T) providers.Provider {
		return func(t *testing.T) providers.Provider {
			return r.provider(t, func(s map[string]any) { s["kubeconfig"] = servers.KubeconfigTo(t, server(t), "admin-token") })
		}
	}
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return r.provider(t, nil) },
		Window: providers.Window{Since: begin, Until: until},
		Hang:   at(servers.Silent),
		Faults: map[string]providertest.Fault{
			"nobody":   {Class: providers.ClassRetryable, New: at(func(testing.TB) string { return "https://127.0.0.1:1" })},
			"nonsense": {Class: providers.ClassRetryable, New: at(servers.Nonsense)},
			"no such context": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return r.provider(t, func(s map[string]any) { s["context"] = "none" })
			}},
			"no right": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return r.provider(t, func(s map[string]any) { s["context"] = "limited" })
			}},
		},
	})
}

func keepsThePromises(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	eyes := r.provider(t, nil)
	rollbacktest.Run(t, rollbacktest.Suite{
		Reverser: r.writing(t, nil), Unit: rollback.UnitID(r.id()), Timeout: time.Minute,
		State: func(ctx context.Context) (string, error) {
			return r.c.Kubectl(ctx, "", "get", "secrets,configmaps", "-n", r.namespace, "-o", "custom-columns=N:.metadata.name,V:.metadata.resourceVersion,S:.metadata.labels.status")
		},
		// Helm's own rollback may lose against one that runs at the same time ("already exists"): then it comes after it.
		Foreign: func(ctx context.Context, to rollback.Revision) error {
			var last error
			for range 5 {
				obs, err := eyes.Observe(ctx, rollback.UnitID(r.id())) // its label may be one that was pruned since
				if err != nil {
					return err
				}
				label := ""
				for _, rev := range append(obs.History, obs.Current) {
					if rev.Digest == to.Digest && label == "" {
						label = rev.Label
					}
				}
				if last = r.try(t, "rollback", r.name, strings.TrimPrefix(label, "v")); last == nil {
					return nil
				}
			}
			return last
		},
	})
}
