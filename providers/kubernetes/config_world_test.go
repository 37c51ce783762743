package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// configs are the tests of configuration: what the archive keeps of it, and how it goes back.
func configs() []edge {
	return []edge{
		{"a secret in a template is not archived", withheld},
		{"a ConfigMap alone", configAlone},
		{"K12 R13 what a revision read goes back with it", configTied},
		{"a Secret is restored from its source", secretTied},
		{"a ConfigMap that cannot go back", configStuck},
		{"what is promised of a ConfigMap", configPromises},
		{"a ConfigMap is watched", configWatched},
	}
}

func window() providers.Window { return providers.Window{} }

// configPromises runs what is promised of every reverser.
func configPromises(r *room) {
	w := r.through()
	unit := r.settings()
	r.apply(configMap("pool: \"20\""))
	contents := map[string]json.RawMessage{}
	note := func() rollback.Observation {
		obs := r.observe(unit)
		c, err := r.p.config(r.Context(), unit)
		if err != nil {
			r.Fatal(err)
		}
		contents[obs.Current.Digest] = kube.Value(c.object.Object["data"])
		return obs
	}
	note()
	r.apply(configMap("pool: \"2\""))
	obs := note()
	pipeline := r.pipeline()
	var n atomic.Int64
	rollbacktest.Run(r.T, rollbacktest.Suite{
		Reverser: r.p, Unit: unit, To: obs.History[0].Digest,
		State: func(ctx context.Context) (string, error) {
			c, err := r.p.config(ctx, unit)
			if err != nil {
				return "", err
			}
			return fmt.Sprint(c.object.GetUID(), c.object.Object["data"], c.object.GetAnnotations()), nil
		},
		Foreign: func(ctx context.Context, to rollback.Revision) error {
			patch := fmt.Sprintf(`[{"op": "add", "path": "/data", "value": %s}, {"op": "add", "path": "/metadata/annotations/run", "value": "%d"}]`, contents[to.Digest], n.Add(1))
			_, err := pipeline.Resource(configMaps).Namespace(r.ns).Patch(ctx, "settings", types.JSONPatchType, []byte(patch), metav1.PatchOptions{FieldManager: "pipeline"})
			return err
		},
		Kill: r.kill, Hang: w.hang, Garbage: w.spoil,
	})
}

// configWatched: whoever watches sees how well a content serves, without anybody asking for it.
func configWatched(r *room) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		for range r.p.Watch(ctx) { // what it tells is tested elsewhere
		}
	}()
	r.apply(configMap("pool: \"20\"") + "---\n" + deployment("v1", "", readsPool))
	at := place{configKind, r.ns, "settings"}
	r.until("the content is known to have served", func() bool {
		held, err := r.p.chronicle.contents(r.Context(), at)
		return err == nil && len(held) == 1 && held[0].Served >= soak && len(held[0].Users) == 1
	})
}
