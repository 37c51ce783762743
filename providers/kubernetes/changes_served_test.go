package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// Nobody looked at the unit before it broke; a console that was open saw it serve. What never got ready was not seen to.
func watchedServing(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "watched")
	c.Do(t, deployment("watched", "cart", "registry.test/cart:v1", "labels: {}"), "apply", "-f", "-")
	c.Do(t, "", "rollout", "status", "-n", "watched", "deployment/cart", "--timeout=60s")
	p := reading(t, c, &providertest.Archive{}, "namespaces: [watched]\nmin_soak: 1ms")
	w := watch(t, p)
	w.change("the first revision", func(c *providers.Change) bool { return c.To == "cart:v1" })
	for _, err := range p.Changes(t.Context(), providers.Window{}) { // waits until the watch was told of everything
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tag := range []string{"v2-broken", "v3"} {
		c.Do(t, deployment("watched", "cart", "registry.test/cart:"+tag, "labels: {}"), "apply", "-f", "-")
		w.change(tag, func(c *providers.Change) bool { return c.To == "cart:"+tag })
	}
	w.change("v3, complete", func(c *providers.Change) bool { return c.To == "cart:v3" && c.Status == "complete" })
	o, err := p.Observe(t.Context(), "k8s:watched/cart")
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]bool{"r1": true, "r2": false} {
		i := -1
		for j := range o.History {
			if o.History[j].Label == label {
				i = j
			}
		}
		if i < 0 {
			t.Fatalf("%s is not in its history: %+v", label, o.History)
		}
		if got := watchedGood(o.History[i]); got != want {
			t.Errorf("%s was watched serving: %v, want %v: %q", label, got, want, o.History[i].Good)
		}
	}
}

func watchedGood(r rollback.Revision) bool {
	for _, g := range r.Good {
		if strings.HasPrefix(g, "watched serving for ") && strings.Contains(g, "with all of 3 pods ready") {
			return true
		}
	}
	return false
}
