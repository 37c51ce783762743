package kubernetes_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

func alertsOpenAndEnd(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "ill")
	c.Do(t, deployment("ill", "cart", "registry.test/cart:v1", "labels: {a: b}"), "apply", "-f", "-")
	c.Do(t, "", "rollout", "status", "-n", "ill", "deployment/cart", "--timeout=60s")
	kept := &providertest.Archive{}
	p := reading(t, c, kept, "namespaces: [ill]\nnot_ready_after: 1s")
	w := watch(t, p)
	w.change("the first revision", func(c *providers.Change) bool { return c.To == "cart:v1" })

	c.Do(t, "", "set", "image", "-n", "ill", "deployment/cart", "app=registry.test/cart:badpull")
	pull := w.alert("that an image cannot be pulled", func(a *providers.Alert) bool { return a.Name == "ImagePullError" })
	if pull.State != providers.AlertFiring || pull.Service != "cart" || pull.StartsAt.IsZero() || !strings.Contains(pull.Summary, "Back-off pulling image") {
		t.Errorf("the image: %+v", pull)
	}
	stuck := w.alert("that the rollout is stuck", func(a *providers.Alert) bool { return a.Name == "ProgressDeadlineExceeded" })
	ask := func(id string) providers.AlertStatus {
		states, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: id}})
		if err != nil {
			t.Error(err)
		}
		return states[id]
	}
	if s := ask(pull.ID); s.State != providers.AlertFiring {
		t.Errorf("asked now: %+v", s)
	}
	for a, err := range reading(t, c, kept, "namespaces: [ill]").Alerts(t.Context(), providers.Window{}) {
		if err != nil || (a.Name == pull.Name && a.ID != pull.ID) {
			t.Errorf("another process tells of another alert: %+v %v", a, err)
		}
	}
	c.Do(t, "", "set", "image", "-n", "ill", "deployment/cart", "app=registry.test/cart:crash")
	crash := w.alert("that a pod crashes", func(a *providers.Alert) bool { return a.Name == "CrashLooping" })
	c.Do(t, "", "set", "image", "-n", "ill", "deployment/cart", "app=registry.test/cart:v2")
	open := map[string]bool{pull.ID: true, stuck.ID: true, crash.ID: true}
	allEnd(t, p, w, open)
	c.Do(t, "", "rollout", "status", "-n", "ill", "deployment/cart", "--timeout=60s")
	ended := 0
	await(t, "the end of all of it in the archive", func() bool {
		ended = 0
		for a := range reading(t, c, kept, "namespaces: [ill]").Alerts(t.Context(), providers.Window{}) {
			if a.State == providers.AlertResolved {
				ended++
			}
		}
		return ended >= 3
	})
	if s := ask(crash.ID); s.State != providers.AlertResolved {
		t.Errorf("asked after the end: %+v", s)
	}
}

// allEnd waits until the open alerts have ended. Those that ended while another was waited for are told by Alerts.
func allEnd(t *testing.T, p providers.AlertSource, w *watching, open map[string]bool) {
	t.Helper()
	for len(open) > 0 {
		for a, err := range p.Alerts(t.Context(), providers.Window{}) {
			if err != nil {
				t.Fatal(err)
			}
			if a.State == providers.AlertResolved && open[a.ID] {
				if !a.EndsAt.After(a.StartsAt.Add(-time.Second)) {
					t.Errorf("it ended before it began: %+v", a)
				}
				delete(open, a.ID)
			}
		}
		if len(open) > 0 {
			w.alert("an end", func(a *providers.Alert) bool { return a.State == providers.AlertResolved })
		}
	}
}
