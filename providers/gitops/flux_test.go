package gitops

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const twoStates = `{"metadata": {"name": "apps", "namespace": "flux"}, "status": {"history": [
 {"digest": "sha256:aaaaaaaaaa", "firstReconciled": "2026-01-02T00:00:10Z", "lastReconciled": "2026-01-02T02:00:00Z", "lastReconciledDuration": "1s",
  "lastReconciledStatus": "ReconciliationSucceeded", "totalReconciliations": 9, "metadata": {"revision": "main@sha1:%[2]s"}},
 {"digest": "sha256:bbbbbbbbbb", "firstReconciled": "2026-01-02T01:05:00Z", "lastReconciled": "2026-01-02T01:30:00Z", "lastReconciledDuration": "5m0.2s",
  "lastReconciledStatus": "HealthCheckFailed", "totalReconciliations": 5, "metadata": {"revision": "main@sha1:%[1]s"}}]}}`

// Flux writes down when it had waited for a content in vain, and the commit by which it came back over the one by which it came.
func TestWhatCameBackIsToldWhereItDid(t *testing.T) {
	bad, reverted := strings.Repeat("b", 40), strings.Repeat("c", 40)
	got := lone(t).changesOf(read(t, kube.OwnerKustomization, fmt.Sprintf(twoStates, bad, reverted)))
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.Commit != "" || c.To != "aaaaaaa" || c.Kind != providers.KindDeploy {
		t.Errorf("%+v", c)
	}
	if c := got[1]; c.Commit != bad || !c.EffectiveFrom.Equal(time.Date(2026, 1, 2, 0, 59, 59, 0, time.UTC)) || c.From != "aaaaaaa" {
		t.Errorf("%+v", c)
	}
	if c := got[2]; c.Commit != reverted || c.Kind != providers.KindRollback || !c.EffectiveFrom.Equal(time.Date(2026, 1, 2, 1, 30, 0, 0, time.UTC)) || c.From != bad[:7] {
		t.Errorf("%+v", c)
	}
}

func TestAnOutcomeThatChangesIsNoOtherDeployment(t *testing.T) {
	doc := fmt.Sprintf(strings.ReplaceAll(twoStates, "sha256:bbbbbbbbbb", "sha256:aaaaaaaaaa"), strings.Repeat("a", 40), strings.Repeat("a", 40))
	got := lone(t).changesOf(read(t, kube.OwnerKustomization, doc))
	if len(got) != 1 || got[0].Status != "ReconciliationSucceeded" {
		t.Errorf("%+v", got)
	}
}

// What is at work, what only waits, and what is done are told apart by what Flux writes into its conditions.
func TestHowFarFluxIs(t *testing.T) {
	const doc = `{"metadata": {"name": "apps", "namespace": "flux", "generation": 3, "annotations": {"reconcile.fluxcd.io/requestedAt": "b"}}, "spec": {}, "status": {%s}}`
	ready := func(status, reason, message string) string {
		return fmt.Sprintf(`"conditions": [{"type": "Ready", "status": %q, "reason": %q, "message": %s, "observedGeneration": 3}]`, status, reason, raw(message))
	}
	at := func(message string) string {
		return fmt.Sprintf(`"conditions": [{"type": "Ready", "status": "Unknown", "reason": "Progressing", "observedGeneration": 3},
 {"type": "Reconciling", "status": "True", "reason": "Progressing", "message": %q}]`, message)
	}
	for name, c := range map[string]struct {
		status, words, busy string
		done, quiet         bool
	}{
		"nothing written":  {``, "not taken that up", "", false, false},
		"of before":        {ready("True", "ReconciliationSucceeded", "") + `, "lastHandledReconcileAt": "a"`, "is at it", "", false, false},
		"detecting drift":  {at("Detecting drift for revision x") + `, "lastAttemptedRevision": "x"`, "Detecting drift", "Detecting drift for revision x", false, false},
		"waits for health": {at("Running health checks for revision x") + `, "lastAttemptedRevision": "x"`, "has deployed x, and waits", "", true, true},
		"deployed":         {ready("True", "ReconciliationSucceeded", "") + `, "lastHandledReconcileAt": "b", "lastAppliedRevision": "x", "lastAttemptedRevision": "x"`, "it has deployed x", "", true, true},
		"failed":           {ready("False", "BuildFailed", "no\u001b such file") + `, "lastHandledReconcileAt": "b"`, "it fails: no", "", true, true},
	} {
		n := read(t, kube.OwnerKustomization, fmt.Sprintf(doc, c.status))
		words, done := n.turn()
		if !strings.Contains(words, c.words) || strings.Contains(words, "\x1b") || done != c.done || n.busy() != c.busy || n.quiet() != c.quiet {
			t.Errorf("%s: %q, done %v, busy %q, quiet %v", name, words, done, n.busy(), n.quiet())
		}
	}
}

// What could not be built was not deployed; what has no good health was.
func TestWhatWasDeployedLast(t *testing.T) {
	const doc = `{"status": {"lastAppliedRevision": "old", "lastAttemptedRevision": "new", "conditions": [{"type": "Ready", "status": "False", "reason": %q}]}}`
	for reason, want := range map[string]string{"BuildFailed": "old", "ArtifactFailed": "old", "HealthCheckFailed": "new", "ReconciliationFailed": "new", "ReconciliationSucceeded": "new"} {
		if got := read(t, kube.OwnerKustomization, fmt.Sprintf(doc, reason)).deployed(); got != want {
			t.Errorf("%s: %q", reason, got)
		}
	}
}
