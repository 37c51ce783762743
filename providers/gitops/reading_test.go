package gitops

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

func read(t *testing.T, word, doc string) *node {
	t.Helper()
	o := &kube.Object{}
	if err := json.Unmarshal([]byte(doc), &o.Object); err != nil {
		t.Fatal(err)
	}
	return &node{kindOf(word), o}
}

func lone(t *testing.T) *Provider {
	t.Helper()
	p, err := Factory().New(providers.Environment{Name: "gitops", Environment: "dev", Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		func(into any) error { return yaml.Unmarshal([]byte("kubeconfig: none\nunits_of: [k8s]\n"), into) })
	if err != nil {
		t.Fatal(err)
	}
	return p.(*Provider)
}

func TestWhatRunsByItself(t *testing.T) {
	for _, c := range []struct {
		word, doc string
		want      bool
	}{
		{kube.OwnerApplication, `{"spec": {"syncPolicy": {"automated": {}}}}`, true},
		{kube.OwnerApplication, `{"spec": {"syncPolicy": {"automated": {"enabled": true}}}}`, true},
		{kube.OwnerApplication, `{"spec": {"syncPolicy": {"automated": {"enabled": false, "selfHeal": true}}}}`, false},
		{kube.OwnerApplication, `{"spec": {"syncPolicy": {"syncOptions": ["Replace=true"]}}}`, false},
		{kube.OwnerApplication, `{"spec": {}}`, false},
		{ownerSet, `{"spec": {}}`, true},
		{ownerSet, `{"spec": {"syncPolicy": {"applicationsSync": "create-update"}}}`, true},
		{ownerSet, `{"spec": {"syncPolicy": {"applicationsSync": "create-only"}}}`, false},
		{kube.OwnerKustomization, `{"spec": {"suspend": false}}`, true},
		{kube.OwnerHelmRelease, `{"spec": {"suspend": true}}`, false},
	} {
		if got := read(t, c.word, c.doc).running(); got != c.want {
			t.Errorf("%s %s: %v", c.word, c.doc, got)
		}
	}
}

// A sync that runs is ended with the policy that asked for it, on the condition that it still does.
func TestASyncThatRunsIsEnded(t *testing.T) {
	for name, c := range map[string]struct{ doc, want string }{
		"one that runs": {`"operation": {"sync": {}}, "status": {"operationState": {"phase": "Running"}}`, `"/status/operationState/phase","value":"Terminating"`},
		"one not begun": {`"operation": {"sync": {}}, "status": {"operationState": {"phase": "Succeeded"}}`, `{"op":"remove","path":"/operation"}`},
		"one that ends": {`"operation": {"sync": {}}, "status": {"operationState": {"phase": "Terminating"}}`, ""},
		"none":          {`"status": {"operationState": {"phase": "Succeeded"}}`, ""},
	} {
		p := read(t, kube.OwnerApplication, `{"metadata": {"uid": "u"}, "spec": {"syncPolicy": {"automated": {}}}, `+c.doc+`}`).begin()
		p.stop("")
		got := string(raw(p.ops))
		if c.want != "" && !strings.Contains(got, c.want) || c.want == "" && strings.Contains(got, `"replace"`) {
			t.Errorf("%s: %s", name, got)
		}
		if !strings.Contains(got, `{"op":"test","path":"/spec/syncPolicy/automated","value":{}}`) || !strings.Contains(got, `{"op":"test","path":"/metadata/uid","value":"u"}`) {
			t.Errorf("%s has no condition: %s", name, got)
		}
	}
}

// Two units under one reconciler: the second finds it held back by the same hand, and the last one that goes turns it on.
func TestTwoShareOneReconciler(t *testing.T) {
	const doc = `{"metadata": {"name": "shop", "namespace": "argocd", "uid": "u", "annotations": {"backout.dev/suspended": %q}}, "spec": {"syncPolicy": {}}}`
	first := stamp{Was: raw(map[string]any{"prune": true}), Holders: []holder{{Op: "A", Step: 1, By: "ana"}}}
	with := func(s stamp) *node {
		return read(t, kube.OwnerApplication, strings.Replace(doc, "%q", string(raw(string(raw(s)))), 1))
	}
	args := map[string]string{argKind: kube.OwnerApplication, argUID: "u", argWas: string(first.Was)}
	a := &attempt{p: lone(t), op: rollback.Operation{ID: "B"}, n: 4, args: args}
	ops, res := a.prepare(with(first))
	if res != nil || strings.Contains(string(raw(ops)), `"op":"remove"`) {
		t.Fatalf("%+v %s", res, raw(ops))
	}
	both := first
	both.Holders = append(both.Holders, holder{Op: "B", Step: 4})
	if _, res = a.prepare(with(both)); res == nil || res.Outcome != rollback.AlreadyApplied || res.Token != "B/4" {
		t.Errorf("again: %+v", res)
	}
	mine, theirs := rollback.Measure{Token: "B/4", Args: args}, rollback.Measure{Op: "A", Args: args}
	if ops, res = lift(with(both), mine, time.Now()); res != nil || strings.Contains(string(raw(ops)), `"path":"/spec/syncPolicy/automated","value":{`) {
		t.Errorf("the first that goes turned it on: %+v %s", res, raw(ops))
	}
	if ops, res = lift(with(first), theirs, time.Now()); res != nil || !strings.Contains(string(raw(ops)), `"path":"/spec/syncPolicy/automated","value":{"prune":true}`) {
		t.Errorf("the last one left it off: %+v %s", res, raw(ops))
	}
	if _, res = lift(with(first), mine, time.Now()); res == nil || res.Outcome != rollback.AlreadyApplied {
		t.Errorf("what is gone was lifted: %+v", res)
	}
}

func TestWhatSomebodyElseDidStays(t *testing.T) {
	args := map[string]string{argKind: kube.OwnerApplication, argUID: "u", argWas: `{"prune":true}`}
	a := &attempt{p: lone(t), op: rollback.Operation{ID: "B"}, n: 1, args: args}
	for name, doc := range map[string]string{
		"off by hand":  `{"metadata": {"uid": "u"}, "spec": {}}`,
		"other policy": `{"metadata": {"uid": "u"}, "spec": {"syncPolicy": {"automated": {"prune": false}}}}`,
		"made anew":    `{"metadata": {"uid": "v"}, "spec": {"syncPolicy": {"automated": {"prune": true}}}}`,
	} {
		if _, res := a.prepare(read(t, kube.OwnerApplication, doc)); res == nil || res.Outcome != rollback.PreconditionFailed {
			t.Errorf("%s: %+v", name, res)
		}
	}
	m := rollback.Measure{Token: "B/1", Args: args}
	if _, res := lift(read(t, kube.OwnerApplication, `{"metadata": {"uid": "u"}, "spec": {}}`), m, time.Now()); res == nil || res.Outcome != rollback.PreconditionFailed {
		t.Errorf("somebody else's suspension was lifted: %+v", res)
	}
	if _, res := lift(read(t, kube.OwnerApplication, `{"metadata": {"uid": "u"}, "spec": {"syncPolicy": {"automated": {}}}}`), m, time.Now()); res == nil || res.Outcome != rollback.AlreadyApplied {
		t.Errorf("what runs was lifted: %+v", res)
	}
}

func TestSyncsAreChanges(t *testing.T) {
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	n := read(t, kube.OwnerApplication, `{"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"destination": {"namespace": "web"}}, "status": {"history": [
 {"id": 0, "revision": "`+one+`", "deployedAt": "2026-01-02T03:04:05Z", "initiatedBy": {"username": "mei"}},
 {"id": 1, "revision": "`+two+`", "deployedAt": "2026-01-02T04:04:05Z", "deployStartedAt": "2026-01-02T04:04:00Z", "initiatedBy": {"automated": true}},
 {"id": 2, "revision": "`+one+`", "deployedAt": "2026-01-02T05:04:05Z"}],
 "operationState": {"phase": "Failed", "message": "cannot\u001b[31m apply", "startedAt": "2026-01-02T06:00:00Z", "syncResult": {"revision": "`+two+`"}, "operation": {"initiatedBy": {"automated": true}}}}}`)
	got := lone(t).changesOf(n)
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.Author.Name != "mei" || c.Commit != one || c.Kind != providers.KindDeploy || c.Environment != "dev" || c.From != "" {
		t.Errorf("%+v", c)
	}
	if c := got[1]; c.Author.Kind != "automation" || c.From != one[:7] || c.EffectiveFrom.Second() != 0 {
		t.Errorf("%+v", c)
	}
	if c := got[2]; c.Kind != providers.KindRollback {
		t.Errorf("%+v", c)
	}
	if c := got[3]; c.Status != "Failed" || strings.Contains(c.Title, "\x1b") || c.Commit != two {
		t.Errorf("%+v", c)
	}
}

func TestReleasesAndRevisionsAreChanges(t *testing.T) {
	p := lone(t)
	h := p.changesOf(read(t, kube.OwnerHelmRelease, `{"metadata": {"name": "web", "namespace": "flux"}, "status": {"history": [
 {"version": 2, "chartName": "web", "chartVersion": "1.1.0", "status": "failed", "lastDeployed": "2026-01-03T00:00:00Z"},
 {"version": 1, "chartName": "web", "chartVersion": "1.0.0", "status": "superseded", "lastDeployed": "2026-01-02T00:00:00Z"}]}}`))
	if len(h) != 2 || h[1].From != "web 1.0.0" || h[1].To != "web 1.1.0" || h[1].Status != "failed" {
		t.Errorf("%+v", h)
	}
	k := p.changesOf(read(t, kube.OwnerKustomization, `{"metadata": {"name": "apps", "namespace": "flux"}, "status": {"history": [
 {"digest": "sha256:b", "firstReconciled": "2026-01-03T00:00:00Z", "lastReconciledStatus": "HealthCheckFailed", "metadata": {"revision": "main@sha1:`+strings.Repeat("b", 40)+`"}},
 {"digest": "sha256:a", "firstReconciled": "2026-01-02T00:00:00Z", "lastReconciledStatus": "ReconciliationSucceeded", "metadata": {"revision": "main@sha1:`+strings.Repeat("a", 40)+`"}}]}}`))
	if len(k) != 2 || k[1].From != "aaaaaaa" || k[1].Commit != strings.Repeat("b", 40) || k[1].Status != "HealthCheckFailed" {
		t.Errorf("%+v", k)
	}
}

// What is asked about the units of others only, and what cannot be asked at all, is told apart.
func TestWhoseUnits(t *testing.T) {
	p := lone(t)
	obs := rollback.Observation{Unit: rollback.Unit{ID: "other:web/shop"}, Owners: []string{"Argo CD application shop"}}
	if s, err := p.Suspend(t.Context(), obs, rollback.Revision{}); err != nil || len(s.Steps) != 0 {
		t.Errorf("%+v %v", s, err)
	}
	obs.Unit.ID = "k8s:web/shop"
	if s, err := p.Suspend(t.Context(), obs, rollback.Revision{}); err == nil {
		t.Errorf("without a cluster: %+v", s)
	}
	obs.Owners = []string{"Helm release web/shop", "a script"}
	if s, err := p.Suspend(t.Context(), obs, rollback.Revision{}); err != nil || len(s.Steps) != 0 {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := p.Observe(t.Context(), "gitops:a/b"); !errors.Is(err, rollback.ErrNotFound) {
		t.Error(err)
	}
}

func TestUnitsAreObjects(t *testing.T) {
	for id, want := range map[string]string{"k8s:web/shop": "deployment web/shop", "k8s:web/statefulset.db": "statefulset web/db", "helm:web/shop": ""} {
		u := rollback.Unit{ID: rollback.UnitID(id), Kind: map[string]string{"k8s:web/shop": "deployment", "k8s:web/statefulset.db": "statefulset", "helm:web/shop": "helm release"}[id]}
		if got := workloadOf(u); got.String() != want || parseWorkload(want).String() != want {
			t.Errorf("%s is %q", id, got)
		}
	}
}

// Where an application got another source, no commit of that source is to be reverted.
func TestTheFixIsWhereTheChangeWas(t *testing.T) {
	const doc = `{"metadata": {"name": "shop", "namespace": "argocd"}, "status": {"history": [
 {"revision": "a", "source": {"repoURL": "r", "targetRevision": "v1"}}, {"revision": "b", "source": {"repoURL": "r", "targetRevision": "LAST"}}]}}`
	p := lone(t)
	moved := p.fix(t.Context(), read(t, kube.OwnerApplication, strings.Replace(doc, "LAST", "v2", 1)), "v2 of r", "b")
	if !strings.Contains(moved, "it was v1 of r") || strings.Contains(moved, "git revert") {
		t.Error(moved)
	}
	if same := p.fix(t.Context(), read(t, kube.OwnerApplication, strings.Replace(doc, "LAST", "v1", 1)), "v1 of r", "b"); !strings.Contains(same, "git revert b") {
		t.Error(same)
	}
}
