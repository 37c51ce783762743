package rollouts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/jsonpath"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/providers/rollouts"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

type obj = map[string]any

// world is a cluster with the real controller.
type world struct {
	*servers.Cluster
	k    *kube.Cluster // as its admin: a process for every look would be most of what these tests cost
	argo *servers.Rollouts

	between time.Time // the two failures that broken prepared
}

// shop is one Rollout in a namespace of its own.
type shop struct {
	t  *testing.T
	w  *world
	ns string
	p  *rollouts.Provider
	id rollback.UnitID
}

func (w *world) shop(t *testing.T, ns string, settings ...any) *shop {
	t.Helper()
	w.Do(t, "", "create", "namespace", ns)
	s := &shop{t: t, w: w, ns: ns, id: rollback.UnitID("rollouts:" + ns + "/cart")}
	s.p = w.provider(t, append([]any{"namespaces", []string{ns}}, settings...)...)
	return s
}

// provider makes one from settings as they stand in a configuration file.
func (w *world) provider(t *testing.T, settings ...any) *rollouts.Provider {
	t.Helper()
	p := made(t, w.Kubeconfig, &providertest.Archive{}, settings...)
	t.Cleanup(func() { p.Close() })
	return p
}

func made(t *testing.T, kubeconfig string, archive providers.Archive, settings ...any) *rollouts.Provider {
	t.Helper()
	set := obj{"kubeconfig": kubeconfig, "min_soak": "1ms"}
	for i := 0; i < len(settings); i += 2 {
		set[settings[i].(string)] = settings[i+1]
	}
	text, err := yaml.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rollouts.Factory().New(providers.Environment{
		Name: "rollouts", Environment: "prod", Dir: "/", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: archive,
	}, func(into any) error {
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		return dec.Decode(into)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*rollouts.Provider)
}

// apply writes the Rollout with an image and what else differs.
func (s *shop) apply(image string, change ...func(spec obj)) {
	s.t.Helper()
	spec := obj{
		"replicas": 4, "progressDeadlineSeconds": 600, "selector": obj{"matchLabels": obj{"app": "cart"}},
		"strategy": obj{"canary": obj{"steps": []obj{{"setWeight": 25}, {"pause": obj{}}}}},
		"template": obj{
			"metadata": obj{"labels": obj{"app": "cart"}},
			"spec":     obj{"containers": []obj{{"name": "cart", "image": image, "env": []obj{{"name": "A", "value": "1"}, {"name": "B", "value": "2"}}}}},
		},
	}
	for _, f := range change {
		f(spec)
	}
	s.write("argoproj.io/v1alpha1", "Rollout", "cart", spec)
}

func (s *shop) write(version, kind, name string, spec obj) {
	s.t.Helper()
	raw, err := json.Marshal(obj{"apiVersion": version, "kind": kind, "metadata": obj{"name": name, "namespace": s.ns}, "spec": spec})
	if err != nil {
		s.t.Fatal(err)
	}
	s.w.Do(s.t, string(raw), "apply", "-f", "-")
}

func strategy(v obj) func(obj) { return func(spec obj) { spec["strategy"] = v } }

func at(key string, v any) func(obj) { return func(spec obj) { spec[key] = v } }

// container changes the one container of the template.
func container(f func(obj)) func(obj) {
	return func(spec obj) { f(spec["template"].(obj)["spec"].(obj)["containers"].([]obj)[0]) }
}

// argo runs the plugin's command on the Rollout.
func (s *shop) argo(args ...string) string {
	s.t.Helper()
	return s.w.argo.Do(s.t, append(args, "-n", s.ns)...)
}

var (
	rolloutsKind = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}
	setsKind     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
)

// get reads a field of the Rollout, by the path that kubectl's jsonpath takes.
func (s *shop) get(path string) string {
	s.t.Helper()
	return s.fields(path)[0]
}

// fields reads several at one moment.
func (s *shop) fields(paths ...string) (out []string) {
	s.t.Helper()
	o, err := s.w.k.Get(s.t.Context(), rolloutsKind, s.ns, "cart")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range paths {
		var text bytes.Buffer
		j := jsonpath.New(path).AllowMissingKeys(true)
		if err := j.Parse("{" + path + "}"); err != nil {
			s.t.Fatal(err)
		}
		if err := j.Execute(&text, o.Object); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, text.String())
	}
	return out
}

// sets are the ReplicaSets of the Rollout with these labels.
func (s *shop) sets(labels string) (out []*kube.Object) {
	s.t.Helper()
	for o, err := range s.w.k.List(s.t.Context(), setsKind, s.ns, kube.Selection{Labels: labels}) {
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func number(o *kube.Object, path ...string) int64 {
	n, _, _ := unstructured.NestedInt64(o.Object, path...)
	return n
}

// until waits for a phase, and that the controller has seen everything.
func (s *shop) until(phase string) {
	s.t.Helper()
	s.await(phase, func() (bool, string) {
		f := s.fields(".status.phase", ".status.observedGeneration", ".metadata.generation", ".status.message")
		return f[0] == phase && f[1] == f[2], strings.Join(f, " ")
	})
}

func (s *shop) await(what string, ok func() (bool, string)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 100*time.Second)
	defer cancel()
	for {
		yes, got := ok()
		if yes {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited for %s, it is %s", what, got)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *shop) observe() rollback.Observation {
	s.t.Helper()
	obs, err := s.p.Observe(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	return obs
}

func (s *shop) revision(label string) rollback.Revision {
	s.t.Helper()
	obs := s.observe()
	all := append([]rollback.Revision{obs.Current}, obs.History...)
	i := slices.IndexFunc(all, func(r rollback.Revision) bool { return r.Label == label })
	if i < 0 {
		s.t.Fatalf("no %s in %v", label, all)
	}
	return all[i]
}

func (s *shop) plan(label string) rollback.Proposal {
	s.t.Helper()
	prop, err := s.p.Plan(s.t.Context(), s.observe(), s.revision(label))
	if err != nil {
		s.t.Fatal(err)
	}
	return prop
}

// take applies all steps of a plan.
func (s *shop) take(op string, prop rollback.Proposal) {
	s.t.Helper()
	if len(prop.Missing) > 0 {
		s.t.Fatalf("the plan cannot run: %v", prop.Missing)
	}
	for _, step := range prop.Steps {
		if res := s.try(op, step); res.Outcome != rollback.Applied {
			s.t.Fatalf("%s: %+v", step.Title, res)
		}
	}
}

func (s *shop) try(op string, step rollback.Step) rollback.Result {
	s.t.Helper()
	res, err := s.p.Apply(s.t.Context(), rollback.Operation{ID: op, Fence: 1}, step)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

// converged waits until the status is done.
func (s *shop) converged(to rollback.Revision) rollback.Convergence {
	s.t.Helper()
	var c rollback.Convergence
	s.await("convergence on "+to.Label, func() (bool, string) {
		var err error
		c, err = s.p.Status(s.t.Context(), s.id, to)
		return err == nil && c.Done, fmt.Sprint(c, err)
	})
	return c
}

func said(list []string, what string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, what) })
}
