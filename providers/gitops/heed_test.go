package gitops

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Who is held back is asked to look in the same patch, whatever was asked before.
func TestWhoIsHeldBackIsAskedToLook(t *testing.T) {
	for _, c := range []struct{ word, doc, want string }{
		{kube.OwnerApplication, `{"metadata": {"uid": "u"}, "spec": {}}`, `{"op":"add","path":"/metadata/annotations/argocd.argoproj.io~1refresh","value":"normal"}`},
		{kube.OwnerApplication, `{"metadata": {"uid": "u", "annotations": {"argocd.argoproj.io/refresh": "hard"}}, "spec": {}}`, `refresh","value":"hard"}`},
		{ownerSet, `{"metadata": {"uid": "u"}, "spec": {}}`, `{"op":"add","path":"/metadata/annotations/argocd.argoproj.io~1application-set-refresh","value":"true"}`},
		{kube.OwnerKustomization, `{"metadata": {"uid": "u"}, "spec": {}}`, `"/metadata/annotations/reconcile.fluxcd.io~1requestedAt"`},
		{kube.OwnerHelmRelease, `{"metadata": {"uid": "u"}, "spec": {}}`, `"/metadata/annotations/reconcile.fluxcd.io~1requestedAt"`},
	} {
		n := read(t, c.word, c.doc)
		was := raw(n.at(n.field...))
		if c.word == kube.OwnerApplication {
			n.object.Object["spec"] = map[string]any{"syncPolicy": map[string]any{"automated": map[string]any{}}}
			was = json.RawMessage(`{}`)
		}
		a := &attempt{p: lone(t), op: rollback.Operation{ID: "A"}, n: 1, args: map[string]string{argUID: "u", argWas: string(was), argFor: "shop"}}
		ops, res := a.prepare(n)
		if res != nil || !strings.Contains(string(raw(ops)), c.want) {
			t.Errorf("%s: %+v %s", n.word, res, raw(ops))
		}
	}
}

// A controller of Argo CD has heard when it has taken away what asked it.
func TestArgoCDHasHeard(t *testing.T) {
	const asked = `{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal", "argocd.argoproj.io/application-set-refresh": "true"}}}`
	for _, word := range []string{kube.OwnerApplication, ownerSet} {
		if read(t, word, asked).quiet() {
			t.Errorf("%s: it has not heard yet", word)
		}
		if !read(t, word, `{"metadata": {}}`).quiet() {
			t.Errorf("%s: it has heard", word)
		}
	}
	if got := lone(t).ApplyTimeout(); got < argoHeeds+time.Second {
		t.Errorf("a step may take %s: too short to hear", got)
	}
}

// A sync that the controller began with an old copy is ended; one that a person began meanwhile, or that ends, is left alone.
func TestALateSyncIsEnded(t *testing.T) {
	for name, c := range map[string]struct{ doc, want string }{
		"begun by itself":  {`"spec": {}, "operation": {"initiatedBy": {"automated": true}}`, `{"op":"remove","path":"/operation"}`},
		"running":          {`"spec": {}, "operation": {"initiatedBy": {"automated": true}}, "status": {"operationState": {"phase": "Running"}}`, `"value":"Terminating"`},
		"ending":           {`"spec": {}, "operation": {"initiatedBy": {"automated": true}}, "status": {"operationState": {"phase": "Terminating"}}`, ""},
		"by a person":      {`"spec": {}, "operation": {"initiatedBy": {"username": "ana"}}`, ""},
		"let go meanwhile": {`"spec": {"syncPolicy": {"automated": {}}}, "operation": {"initiatedBy": {"automated": true}}`, ""},
	} {
		n := read(t, kube.OwnerApplication, `{"metadata": {"uid": "u"}, `+c.doc+`}`)
		if n.quiet() {
			t.Errorf("%s: it is at something", name)
		}
		ops, res := endLate(n)
		got := string(raw(ops))
		if n.late() != (c.want != "") || (res == nil) != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: late %v, %+v %s", name, n.late(), res, got)
		}
		for _, condition := range []string{`{"op":"test","path":"/metadata/uid","value":"u"}`, `{"op":"test","path":"/spec/syncPolicy","value":null}`} {
			if c.want != "" && !strings.Contains(got, condition) {
				t.Errorf("%s lacks %s: %s", name, condition, got)
			}
		}
	}
}
