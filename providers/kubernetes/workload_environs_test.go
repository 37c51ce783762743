package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// environs are what is around a workload: other revisions, owners, admission, rights, and the promises of every reverser.
func environs() []edge {
	return []edge{
		{"K19 injected at admission", injected},
		{"K20 pods cannot be made", refused},
		{"rights", rights},
		{"under way", underWay},
		{"promises deployment", func(r *room) { promises(r, "deployment") }},
		{"promises daemonset", func(r *room) { promises(r, "daemonset") }},
		{"evidence of the controller", controllersWord},
		{"evidence is remembered", rememberedEvidence},
	}
}

// writtenTwice: two ReplicaSets of one content, as an upgrade of the API server leaves them. The oldest is the one that serves.
func writtenTwice(r *room) {
	obs := r.served(deployment("v1", "", ""))
	r.again("1")
	r.until("both are there", func() bool {
		return strings.Count(r.kubectl("get", "replicasets", "-o", "name"), "replicaset") == 2
	})
	now := r.observe(r.shop())
	if now.Current.Digest != obs.Current.Digest || len(now.Current.Good) == 0 {
		r.Errorf("now %+v", now.Current)
	}
	for _, h := range now.History {
		if h.Digest == obs.Current.Digest {
			r.Errorf("the content that serves is offered as %s", h.Label)
		}
	}
}

// again writes the content of a revision down once more, under the number 7.
func (r *room) again(revision string) {
	r.Helper()
	r.copyReplicaSet(revision, func(o map[string]any) {
		o["metadata"].(map[string]any)["name"] = "shop-again"
		object(o, "metadata", "annotations")["deployment.kubernetes.io/revision"] = "7"
		object(o, "spec")["replicas"] = 0
		object(o, "metadata", "labels")["pod-template-hash"] = "again"
		object(o, "spec", "selector", "matchLabels")["pod-template-hash"] = "again"
		object(o, "spec", "template", "metadata", "labels")["pod-template-hash"] = "again"
	})
}

// copyReplicaSet makes one more ReplicaSet of the Deployment out of the one with a number.
func (r *room) copyReplicaSet(revision string, change func(map[string]any)) {
	r.Helper()
	var all struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal([]byte(r.kubectl("get", "replicasets", "-o", "json")), &all); err != nil {
		r.Fatal(err)
	}
	for _, o := range all.Items {
		if text(o, "metadata", "annotations", "deployment.kubernetes.io/revision") != revision {
			continue
		}
		meta := object(o, "metadata")
		for _, k := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"} {
			delete(meta, k)
		}
		delete(o, "status")
		change(o)
		raw, err := json.Marshal(o)
		if err != nil {
			r.Fatal(err)
		}
		r.c.Do(r.T, string(raw), "-n", r.ns, "create", "-f", "-")
		return
	}
	r.Fatalf("no ReplicaSet of revision %s", revision)
}

// duplicates: numbers say nothing. Two have one number, and one has none: kubectl takes that for revision 0 and may choose it.
func duplicates(r *room) {
	r.served(deployment("v1", "", ""))
	r.served(deployment("v2", "", ""))
	r.served(deployment("v3", "", ""))
	name := func(image string) string {
		return r.kubectl("get", "replicasets", "-o", `jsonpath={.items[?(@.spec.template.spec.containers[0].image=="registry.test/shop:`+image+`")].metadata.name}`)
	}
	r.kubectl("annotate", "replicaset", name("v1"), "deployment.kubernetes.io/revision=2", "--overwrite")
	obs := r.observe(r.shop())
	digests := map[string]bool{}
	for _, h := range obs.History {
		if h.Label == "r2" {
			digests[h.Digest] = true
		}
	}
	if len(digests) != 2 {
		r.Errorf("two revisions have the number 2: %+v", obs.History)
	}
	fresh := r.provider(r.p.set) // what is not in the cluster is not in this archive
	r.kubectl("annotate", "replicaset", name("v2"), "deployment.kubernetes.io/revision-")
	obs, err := fresh.Observe(r.Context(), r.shop())
	if err != nil || len(obs.History) != 1 {
		r.Errorf("one of them has no number now: %+v %v", obs.History, err)
	}
}

func owned(r *room) {
	first := r.served(deployment("v1", "", ""))
	r.served(deployment("v2", "", ""))
	if len(first.Owners) != 0 {
		r.Errorf("owners of its own: %q", first.Owners)
	}
	r.kubectl("annotate", "deployment/shop", "argocd.argoproj.io/tracking-id=storefront:apps/Deployment:x/shop", "meta.helm.sh/release-name=shop", "meta.helm.sh/release-namespace="+r.ns)
	r.kubectl("label", "deployment/shop", "kustomize.toolkit.fluxcd.io/name=apps", "kustomize.toolkit.fluxcd.io/namespace=flux-system")
	obs := r.observe(r.shop())
	want := []string{"Argo CD application storefront", "Flux Kustomization flux-system/apps", "Helm release " + r.ns + "/shop"}
	if !slices.Equal(obs.Owners, want) {
		r.Errorf("owners %q, want %q", obs.Owners, want)
	}
	says(r.T, r.plan(obs, first.Current).Warnings, "Argo CD application storefront still wants the version")
	// Nothing but the field manager says whose it is.
	r.kubectl("annotate", "deployment/shop", "argocd.argoproj.io/tracking-id-")
	r.kubectl("label", "deployment/shop", "touched=yes", "--field-manager=argocd-controller")
	says(r.T, r.observe(r.shop()).Owners, "Argo CD application (which one nothing says")
}

// webhook is a server of admission reviews that answers with a JSON patch for every pod.
func webhook(r *room, patch string) (url, bundle string, calls *atomic.Int32) {
	calls = &atomic.Int32{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var review struct {
			Request struct {
				UID string `json:"uid"`
			} `json:"request"`
		}
		if json.NewDecoder(q.Body).Decode(&review) != nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		calls.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": map[string]any{
			"uid": review.Request.UID, "allowed": true, "patchType": "JSONPatch", "patch": base64.StdEncoding.EncodeToString([]byte(patch)),
		}})
	}))
	r.Cleanup(s.Close)
	return s.URL, base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})), calls
}

func (r *room) admission(kind, url, bundle string) {
	r.apply(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: %sWebhookConfiguration
metadata: {name: %s}
webhooks:
- name: pods.test.backout.dev
  clientConfig: {url: %q, caBundle: %s}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[2]s}}
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 2
  failurePolicy: Fail
`, kind, r.ns, url, bundle))
	r.Cleanup(func() {
		ctx := context.WithoutCancel(r.Context())
		_, _ = r.c.Kubectl(ctx, "", "delete", strings.ToLower(kind)+"webhookconfiguration", r.ns)
	})
}

func injected(r *room) {
	url, bundle, calls := webhook(r, `[{"op": "add", "path": "/spec/containers/-", "value": {"name": "mesh", "image": "registry.test/mesh:v9"}}]`)
	r.admission("Mutating", url, bundle)
	first := r.served(deployment("v1", "", ""))
	obs := r.served(deployment("v2", "", ""))
	if c := r.back(obs, first.Current, "op1"); !c.Done {
		r.Error(c.Detail)
	}
	checks, err := r.p.Verify(r.Context(), r.shop(), first.Current)
	if err != nil {
		r.Fatal(err)
	}
	if calls.Load() == 0 || checks[0].State != rollback.CheckPass || !strings.Contains(checks[0].Observed, "mesh=registry.test/mesh:v9") {
		r.Errorf("after %d reviews: %+v", calls.Load(), checks[0])
	}
}

func refused(r *room) {
	first := r.served(deployment("v1", "", ""))
	obs := r.served(deployment("v2", "", ""))
	url, bundle, _ := webhook(r, `[]`)
	r.admission("Validating", strings.Replace(url, "127.0.0.1", "127.0.0.2", 1)+"/nobody", bundle) // not in the certificate
	c := r.back(obs, first.Current, "op1")
	if !c.Failed || !strings.Contains(c.Detail, "pods cannot be made") {
		r.Errorf("%+v", c)
	}
}

func rights(r *room) {
	first := r.served(deployment("v1", "", ""))
	r.served(deployment("v2", "", ""))
	r.kubectl("create", "role", "look", "--verb=get,list", "--resource=deployments,replicasets,pods")
	r.kubectl("create", "rolebinding", "look", "--role=look", "--user="+r.user())
	set := r.limited()
	limited := *r
	limited.p = r.provider(set)
	r.kubectl("create", "clusterrole", r.ns, "--verb=list", "--resource=namespaces")
	r.kubectl("create", "clusterrolebinding", r.ns, "--clusterrole="+r.ns, "--user="+r.user())
	all := set
	all.Namespaces = nil
	found, refusals := 0, 0
	for u, err := range r.provider(all).Units(r.Context()) {
		switch {
		case err != nil:
			refusals++ // of StatefulSets and DaemonSets
		case u.ID != r.shop():
			r.Errorf("a unit that may not be read: %s", u.ID)
		default:
			found++
		}
	}
	if found != 1 || refusals != 2 {
		r.Errorf("%d units and %d refusals where one namespace may be read", found, refusals)
	}
	obs := limited.observe(r.shop())
	// Without the right to patch also the trial is refused: both are said.
	says(r.T, limited.plan(obs, first.Current).Missing, "the right to patch deployments in namespace "+r.ns)
	if res := limited.do("op1", rollback.Step{Unit: r.shop(), Action: actionTemplate, From: obs.Current.Digest, To: first.Current.Digest, Token: obs.Token, Args: map[string]string{argSource: "replicaset/" + r.kubectl("get", "replicasets", "-o", `jsonpath={.items[?(@.spec.template.spec.containers[0].image=="registry.test/shop:v1")].metadata.name}`)}}); res.Outcome != rollback.Failed {
		r.Errorf("%+v", res)
	}
}

// underWay: going back while a rollout is under way stops it, and the step says so. A broken one is what most people go back from.
func underWay(r *room) {
	first := r.served(deployment("v1", "strategy: {rollingUpdate: {maxSurge: 1}}", ""))
	deadline := func(seconds int) { // short only for what never becomes ready: nothing else is held to it on a busy machine
		r.kubectl("patch", "deployment/shop", "-p", fmt.Sprintf(`{"spec": {"progressDeadlineSeconds": %d}}`, seconds))
	}
	obs := r.broken("v2-broken")
	step := r.plan(obs, first.Current).Steps[0]
	if !strings.Contains(step.Title, "stops the rollout under way (") {
		r.Error(step.Title)
	}
	deadline(3)
	r.until("the status of the broken one tells that it failed", func() bool {
		c, err := r.p.Status(r.Context(), r.shop(), obs.Current)
		return err == nil && c.Failed && strings.Contains(c.Detail, "progress deadline")
	})
	deadline(600)
	if c := r.back(r.observe(r.shop()), first.Current, "op1"); !c.Done {
		r.Error(c.Detail)
	}
	checks, err := r.p.Verify(r.Context(), r.shop(), first.Current)
	if err != nil || len(checks) != 2 || !checks[0].Inside || checks[1].Inside {
		r.Errorf("%+v %v", checks, err)
	}
	r.until("readiness held", func() bool {
		checks, err := r.p.Verify(r.Context(), r.shop(), first.Current)
		return err == nil && checks[1].State == rollback.CheckPass
	})
}

// controllersWord: nobody looked while the first revision served; that it did follows from what the controller wrote down.
func controllersWord(r *room) {
	r.apply(deployment("v1", "progressDeadlineSeconds: 5", ""))
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	r.until("it has served for longer than its deadline and the soak", func() bool {
		obs := r.observe(r.shop())
		return obs.At.Sub(obs.Current.Since) > soak+6*time.Second
	})
	r.apply(deployment("v2", "progressDeadlineSeconds: 5", ""))
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	fresh := r.provider(r.p.set)
	obs, err := fresh.Observe(r.Context(), r.shop())
	if err != nil {
		r.Fatal(err)
	}
	says(r.T, labelled(r.T, obs, "r1").Good, "the Deployment says that its rollout was complete within its deadline")
}

// promises runs what is promised of every reverser.
func promises(r *room, kind string) {
	name, unit := kind+"/shop", r.shop()
	manifest := deployment("v1", "", "")
	switch kind {
	case "statefulset":
		unit = rollback.UnitID("k8s:" + r.ns + "/statefulset.shop")
		manifest = strings.NewReplacer("kind: Deployment", "kind: StatefulSet", "replicas: 3", "replicas: 1\n  serviceName: shop", "strategy: {rollingUpdate: {maxSurge: 3}}", "podManagementPolicy: Parallel").Replace(manifest)
	case "daemonset":
		unit = rollback.UnitID("k8s:" + r.ns + "/daemonset.shop")
		manifest = strings.NewReplacer("kind: Deployment", "kind: DaemonSet", "replicas: 3", "updateStrategy: {rollingUpdate: {maxUnavailable: 3}}", "strategy: {rollingUpdate: {maxSurge: 3}}", "minReadySeconds: 0").Replace(manifest)
	}
	r.apply(manifest)
	r.kubectl("rollout", "status", name, "--timeout=60s")
	r.kubectl("set", "image", name, "app=registry.test/shop:v2")
	r.kubectl("rollout", "status", name, "--timeout=60s")
	templates := map[string]json.RawMessage{}
	obs := r.observe(unit)
	l, err := r.p.look(r.Context(), unit)
	if err != nil {
		r.Fatal(err)
	}
	for _, h := range l.revs {
		templates[h.digest], _ = json.Marshal(cleanTemplate(h.template))
	}
	pipeline := r.pipeline()
	w := r.through()
	var n atomic.Int64
	rollbacktest.Run(r.T, rollbacktest.Suite{
		Reverser: r.p, Unit: unit, To: obs.History[0].Digest,
		// What the controllers write by themselves is no effect of a look.
		State: func(ctx context.Context) (string, error) {
			w, err := r.p.workload(ctx, unit)
			if err != nil {
				return "", err
			}
			return fmt.Sprint(w.object.GetUID(), w.object.Object["spec"]), nil
		},
		// Somebody else deploys as pipelines do: the template, and why.
		Foreign: func(ctx context.Context, to rollback.Revision) error {
			patch := fmt.Sprintf(`[{"op": "add", "path": "/spec/template", "value": %s}, {"op": "add", "path": "/metadata/annotations", "value": {"kubernetes.io/change-cause": "pipeline run %d"}}]`,
				templates[to.Digest], n.Add(1))
			_, err := pipeline.Resource(l.kind.resource).Namespace(r.ns).Patch(ctx, l.object.GetName(), types.JSONPatchType, []byte(patch), metav1.PatchOptions{FieldManager: "pipeline"})
			return err
		},
		Relabel: func(context.Context) error {
			if kind == "deployment" {
				r.again("2")
			}
			return nil
		},
		Kill: r.kill, Hang: w.hang, Garbage: w.spoil,
	})
}

// rememberedEvidence: what was known good in one look is so for ever, also where the soak ended in the midst of that look. The
// clock goes on by a tenth of the soak whenever it is read.
func rememberedEvidence(r *room) {
	r.served(deployment("v1", "", ""))
	began := time.Now()
	for start := range 12 {
		p := r.provider(r.p.set)
		var read atomic.Int64
		p.now = func() time.Time { return began.Add(soak / 10 * time.Duration(int64(start)+read.Add(1))) }
		r.p.set.MinSoak, p.set.MinSoak = soak, began.Sub(r.observe(r.shop()).Current.Since)+soak
		obs, err := p.Observe(r.Context(), r.shop())
		if err != nil {
			r.Fatal(err)
		}
		w, err := p.workload(r.Context(), r.shop())
		if err != nil {
			r.Fatal(err)
		}
		kept, err := p.remembered(r.Context(), w)
		if err != nil {
			r.Fatal(err)
		}
		if now, later := len(obs.Current.Good) > 0, kept[obs.Current.Digest].Served >= p.set.MinSoak; now != later {
			r.Errorf("%d tenths of the soak: known good %v, remembered as that %v", start, now, later)
		}
	}
}
