package servers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

type application struct {
	Status struct {
		Sync    struct{ Status, Revision string }
		Health  struct{ Status string }
		History []struct {
			ID       int64
			Revision string
		}
		OperationState struct{ Phase, Message string }
	}
}

func applications(t *testing.T, c *servers.Cluster) {
	a := servers.StartArgoCD(t, c)
	source, err := a.Repository(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	c.Do(t, "", "create", "namespace", "gitops")
	first := source.Push(t, map[string]string{"shop.yaml": shop})
	ask := func(method, path string, in any) (app application) {
		t.Helper()
		if err := a.Ask(t.Context(), method, "/api/v1/applications"+path, in, &app); err != nil {
			t.Fatal(err)
		}
		return app
	}
	until := func(sync, health, revision string) application {
		t.Helper()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(45 * time.Second); ; <-tick.C {
			app := ask(http.MethodGet, "/shop?refresh=normal", nil)
			s := app.Status
			if s.Sync.Status == sync && s.Health.Status == health && s.OperationState.Phase == "Succeeded" && s.History[len(s.History)-1].Revision == revision {
				return app
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is not %s and %s: %+v", sync, health, s)
			}
		}
	}
	image := func(want string) {
		t.Helper()
		c.Do(t, "", "-n", "gitops", "wait", "deployment/shop", "--for=jsonpath={.spec.template.spec.containers[0].image}=registry.test/shop:"+want, "--timeout=20s")
	}
	ask(http.MethodPost, "", map[string]any{
		"metadata": map[string]any{"name": "shop"},
		"spec": map[string]any{
			"project": "default", "source": map[string]any{"repoURL": source.URL, "path": ".", "targetRevision": "main"},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": "gitops"},
		},
	})
	ask(http.MethodPost, "/shop/sync", map[string]any{})
	until("Synced", "Healthy", first)
	second := source.Push(t, map[string]string{"shop.yaml": strings.ReplaceAll(shop, "shop:v1", "shop:v2")})
	ask(http.MethodPost, "/shop/sync", map[string]any{"revision": second})
	app := until("Synced", "Healthy", second)
	image("v2")
	if h := app.Status.History; len(h) != 2 || h[0].Revision != first {
		t.Fatalf("the history is %+v", h)
	}
	ask(http.MethodPost, "/shop/rollback", map[string]any{"name": "shop", "id": app.Status.History[0].ID})
	image("v1")
	until("OutOfSync", "Healthy", first)
}
