package rollouts_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
)

// What the cluster has dropped is kept from the moment that backout has seen it, without what looks like a secret: and it is a
// way back while what was left out still stands in the cluster.
func dropped(t *testing.T, w *world) {
	s := w.shop(t, "dropped")
	secret := func(value string) func(obj) {
		return container(func(c obj) { c["env"] = []obj{{"name": "DB_PASSWORD", "value": value}} })
	}
	all := func(value string) []func(obj) {
		return []func(obj){at("revisionHistoryLimit", 1), strategy(obj{"canary": obj{}}), at("replicas", 1), secret(value)}
	}
	kept := &providertest.Archive{}
	s.p = made(t, w.Kubeconfig, kept, "namespaces", []string{"dropped"})
	var first, lost rollback.Revision
	for i, value := range []string{"hunter1", "hunter2", "hunter2", "hunter2"} {
		s.apply(fmt.Sprint("cart:", i+1), all(value)...)
		s.until("Healthy")
		now := s.observe().Current
		switch i {
		case 0:
			lost = now
		case 1:
			first = now
		}
	}
	s.await("two revisions to be dropped", func() (bool, string) {
		n := len(s.sets(""))
		return n == 2, fmt.Sprint(n)
	})
	for key, data := range kept.Held("rollouts") {
		if strings.Contains(string(data), "hunter") {
			t.Errorf("the archive holds a secret in %s", key)
		}
	}
	obs := s.observe()
	if len(obs.History) != 3 {
		t.Fatalf("%+v", obs.History)
	}
	gone, err := s.p.Plan(t.Context(), obs, lost)
	if err != nil || !said(gone.Missing, "the value of DB_PASSWORD looks like a secret") || len(gone.Steps) != 0 {
		t.Errorf("%+v %v", gone, err)
	}
	prop, err := s.p.Plan(t.Context(), obs, first)
	if err != nil || !said(prop.Warnings, "the cluster has dropped rev2; its template comes from backout's archive") {
		t.Fatalf("%+v %v", prop, err)
	}
	s.take("op1", prop)
	s.converged(first)
	if got := s.get(".spec.template.spec.containers[0].image") + " " + s.get(".spec.template.spec.containers[0].env[0].value"); got != "cart:2 hunter2" {
		t.Errorf("it serves %s", got)
	}
	if obs := s.observe(); obs.Current.Digest != first.Digest || obs.Stamp != "op1" {
		t.Errorf("%+v", obs)
	}
}

// A tag that was pushed again leads to something else than what was known good: the template alone does not show it.
func movedTag(t *testing.T, w *world) {
	s := w.shop(t, "moved")
	bits := func(digest string) func(obj) {
		return func(spec obj) {
			spec["template"].(obj)["metadata"].(obj)["annotations"] = obj{"test.backout.dev/digest": "sha256:" + strings.Repeat(digest, 64)}
		}
	}
	s.apply("cart:stable", bits("a"), strategy(obj{"canary": obj{}}))
	s.until("Healthy")
	s.observe() // and backout looks meanwhile
	s.apply("cart:next", bits("b"), strategy(obj{"canary": obj{}}))
	s.until("Healthy")
	s.await("only new pods", func() (bool, string) {
		for _, rs := range s.sets("") {
			if strings.Contains(fmt.Sprint(rs.Object["spec"]), "cart:stable") && number(rs, "status", "replicas") > 0 {
				return false, "an old one is there"
			}
		}
		return true, ""
	})
	if prop := s.plan("rev1"); said(prop.Warnings, "has moved") {
		t.Errorf("it has not: %q", prop.Warnings)
	}
	// Somebody else's pod shows what the registry gives out for the tag now.
	w.Do(t, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "annotations": {"test.backout.dev/digest": "sha256:`+strings.Repeat("c", 64)+`"}},
 "spec": {"containers": [{"name": "main", "image": "cart:stable"}]}}`, "-n", "moved", "create", "-f", "-")
	w.Do(t, "", "-n", "moved", "wait", "--for=condition=Ready", "pod/other", "--timeout=30s")
	prop := s.plan("rev1")
	if !said(prop.Warnings, "the tag cart:stable has moved: it leads to sha256:cccc") || !said(prop.Warnings, "led to sha256:aaaa") {
		t.Errorf("%q", prop.Warnings)
	}
}

// The API server goes away in the middle of an Apply: a write arrived and its answer is lost, or it never arrived, and nothing
// is answered until it is back. Nobody says that nothing happened, and the next run of the operation knows what is so. The wire
// drops what the real API server says, because the real one is everybody's here; a real one is killed in test/rollouts.
func outage(t *testing.T, w *world) {
	s := w.shop(t, "outage")
	s.apply("cart:1")
	s.until("Healthy")
	s.apply("cart:2")
	s.until("Paused")
	to, prop := s.revision("rev1"), s.plan("rev1")
	wire := newWire(t, w)
	through := made(t, wire.kubeconfig, &providertest.Archive{}, "namespaces", []string{"outage"}, "timeout", "2s")
	t.Cleanup(func() { _ = through.Close() })
	var away atomic.Bool
	server, writes := wire.to, 0
	for at, arrives := range []bool{false, true, false, true} { // the announcement and the abort itself, each lost and each unanswered
		writes = 0
		wire.through(http.HandlerFunc(func(out http.ResponseWriter, q *http.Request) {
			if q.Method == http.MethodPatch && !away.Load() {
				if writes++; writes == at/2+1 {
					away.Store(true)
					if arrives {
						server.ServeHTTP(httptest.NewRecorder(), q)
					}
				}
			}
			if away.Load() {
				panic(http.ErrAbortHandler)
			}
			server.ServeHTTP(out, q)
		}))
		op := fmt.Sprint("op", at)
		res, err := through.Apply(context.WithoutCancel(t.Context()), rollback.Operation{ID: op, Fence: 1}, prop.Steps[0])
		if err != nil || res.Outcome != rollback.OutcomeUnknown {
			t.Errorf("%d: %+v %v", at, res, err)
		}
		away.Store(false)
		wire.through(server)
		if res := s.try(op, prop.Steps[0]); res.Outcome != rollback.Applied && res.Outcome != rollback.AlreadyApplied {
			t.Fatalf("%d: %+v", at, res)
		}
		if obs := s.observe(); obs.Stamp != op || obs.Current.Digest != to.Digest {
			t.Errorf("%d: %+v", at, obs)
		}
		s.argo("retry", "rollout", "cart")
		s.until("Paused")
		to, prop = s.revision("rev1"), s.plan("rev1")
	}
}
