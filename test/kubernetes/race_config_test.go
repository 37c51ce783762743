//go:build unix

package kubernetes_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// racesForConfiguration is the same for a ConfigMap, whose content comes from each console's own archive. Nothing looks at one from outside, so
// that the one that did it says "applied, unverified". A ConfigMap has no generation: its writes are counted as the API server
// tells of them.
func racesForConfiguration(t *testing.T, c *servers.Cluster) {
	pipeline := client(t, c)
	l := &lane{T: t, ns: "race-configuration"}
	c.Do(t, "", "create", "namespace", l.ns)
	c.Do(t, settings(`pool: "20"`), "-n", l.ns, "apply", "-f", "-")
	held := pipeline.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(l.ns)
	for k := range l.console {
		r := newRacer(t, c, l.ns)
		l.console[k] = r
		var good rollback.Observation
		r.until("its content is kept", func() bool {
			var err error
			good, err = r.provider.Observe(t.Context(), r.unit("configmap.settings"))
			return err == nil
		})
		r.ask = rollback.Request{Unit: r.unit("configmap.settings"), To: good.Current.Digest, Reason: "errors"}
	}
	for n := range rounds {
		before, err := held.Patch(t.Context(), "settings", types.JSONPatchType, []byte(`[{"op": "replace", "path": "/data/pool", "value": "`+string(rune('0'+n))+`"}]`), metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		heard, how := l.race()
		now, writes := written(t, held, before)
		if pool, _, _ := unstructured.NestedString(now.Object, "data", "pool"); pool != "20" || writes != 1 {
			t.Errorf("round %d, %s: %d effects, and it holds %s", n, how, writes, pool)
		}
		winners := 0
		for i, h := range heard {
			if h.err == nil && h.run.State == rollback.RunUnverified {
				if winners++; !heard[1-i].plain(l.console[i].op) {
					t.Errorf("round %d, %s: one did it, and the other was told %s", n, how, heard[1-i])
				}
			}
		}
		if winners != 1 {
			t.Errorf("round %d, %s: %d say that they did it: %s | %s", n, how, winners, heard[0], heard[1])
		}
	}
}

// written is what an object is now, and how often it was written since.
func written(t *testing.T, held dynamic.ResourceInterface, before *unstructured.Unstructured) (*unstructured.Unstructured, int) {
	t.Helper()
	now, err := held.Get(t.Context(), before.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := held.Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + before.GetName(), ResourceVersion: before.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if now.GetResourceVersion() == before.GetResourceVersion() {
		return now, 0
	}
	n := 0
	for e := range w.ResultChan() {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type != watch.Modified {
			t.Fatalf("%s %v", e.Type, e.Object)
		}
		if n++; o.GetResourceVersion() == now.GetResourceVersion() {
			break
		}
	}
	return now, n
}
