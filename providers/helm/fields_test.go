package helm_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// definition is a kind of its own for a test, which a namespace's name makes unique.
func definition(plural, kind, description string) string {
	return fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"%s.shop.example","annotations":{"about":%q}},"spec":{"group":"shop.example","scope":"Namespaced",
		"names":{"plural":%[1]q,"kind":%[3]q},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`, plural, description, kind)
}

// H9: of a custom resource that was applied from the client's side, Helm only sends what differs between the two revisions:
// what a hand changed stays. The plan says it before, and the check afterwards does not call it good.
func customResourcesKeepDrift(t *testing.T, r *release) {
	r.c.Do(t, definition("registers", "Register", ""), "apply", "-f", "-")
	r.c.Do(t, "", "wait", "--for=condition=Established", "crd/registers.shop.example")
	for _, v := range []string{"1", "2"} {
		r.write(t, "1."+v+".0", map[string]string{"r.yaml": "apiVersion: shop.example/v1\nkind: Register\nmetadata: {name: front}\nspec: {a: \"" + v + "\", b: \"1\"}\n"})
		r.do(t, "upgrade", "--install", r.name, r.chart, "--server-side=false")
	}
	r.c.Do(t, "", "patch", "registers.shop.example", "front", "-n", r.namespace, "--type=merge", `-p={"spec":{"b":"9"}}`)
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Warnings, "Register custom/front is a custom resource: what was changed by hand stays") {
		t.Errorf("%q", prop.Warnings)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	if got := r.c.Do(t, "", "get", "registers.shop.example", "front", "-n", r.namespace, "-o", "jsonpath={.spec.a}{.spec.b}"); got != "19" {
		t.Errorf("helm has learnt, and this test with it: a and b are %s", got)
	}
	if found := contentOf(t, r.converged(t, p, to)); found.State != rollback.CheckFail || !strings.Contains(found.Observed, "Register custom/front at .spec.b") {
		t.Errorf("%+v", found)
	}
}

// H12: what a chart has in crds/ is installed once, and then neither upgraded nor taken back.
func crdsStay(t *testing.T, r *release) {
	about := func() string {
		return r.c.Do(t, "", "get", "crd", "drawers.shop.example", "-o", "jsonpath={.metadata.annotations.about} {.metadata.resourceVersion}")
	}
	chart := func(v string) map[string]string {
		out := values("a=" + v)
		out["crds/drawers.yaml"] = definition("drawers", "Drawer", "of "+v)
		return out
	}
	r.deploy(t, "1.0.0", chart("1"))
	r.deploy(t, "1.1.0", chart("2"))
	r.c.Do(t, definition("drawers", "Drawer", "of an operator"), "apply", "-f", "-")
	before := about()
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.NotRestored, "the CustomResourceDefinitions of the chart's crds directory") || len(prop.Destroys) != 0 {
		t.Errorf("%+v", prop)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.converged(t, p, to)
	if after := about(); after != before || !strings.HasPrefix(after, "of an operator ") {
		t.Errorf("it was %q, it is %q", before, after)
	}
}

// H15: values that came from elsewhere are frozen in the release, so an old credential comes back with it.
func secretsGoBackToo(t *testing.T, r *release) {
	elsewhere := filepath.Join(t.TempDir(), "values.yaml")
	for _, password := range []string{"before-rotation", "after-rotation"} {
		if err := os.WriteFile(elsewhere, []byte("password: "+password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.write(t, "1.0.0", map[string]string{"s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \"{{ .Values.password }}\"}\n"})
		r.do(t, "upgrade", "--install", r.name, r.chart, "-f", elsewhere)
	}
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.Warnings, "Secret sealed/db goes back to what it held in v1: what was rotated since no longer works") || strings.Contains(fmt.Sprint(prop), "-rotation") {
		t.Errorf("%+v", prop)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	checks := r.converged(t, p, to)
	passed(t, checks)
	if got := r.password(t); got != "before-rotation" || strings.Contains(fmt.Sprint(checks), "-rotation") {
		t.Errorf("it holds %s; %+v", got, checks)
	}
}

func (r *release) password(t *testing.T) string {
	t.Helper()
	v, _, _ := unstructured.NestedString(r.get(t, secrets, "db").Object, "data", "password")
	text, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// H15, R12: Secrets that are the same in both revisions and were rotated beside them. Helm sends them all the same: it stops
// at one, and of the other, which the chart gives in clear, it takes the old content back without a word.
func rotatedByHandIsSeen(t *testing.T, r *release) {
	chart := func(v string) map[string]string {
		out := values("a=" + v)
		out["db.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: first}\n"
		out["key.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\ndata: {password: Zmlyc3Q=}\n"
		return out
	}
	r.deploy(t, "1.0.0", chart("1"))
	r.deploy(t, "1.1.0", chart("2"))
	for _, name := range []string{"db", "key"} {
		r.c.Do(t, "", "patch", "secret", name, "-n", r.namespace, "--type=merge", `-p={"stringData":{"password":"second"}}`)
	}
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	for _, name := range []string{"db", "key"} {
		if !has(prop.Warnings, "Secret rotated/"+name+" goes back to what it held in v1") {
			t.Errorf("no word of %s: %q", name, prop.Warnings)
		}
	}
	if !has(prop.Missing, "Secret rotated/key has fields that somebody else has set since") || len(prop.Missing) != 1 || has(prop.NotRestored, ".data") {
		t.Errorf("%q, %q", prop.Missing, prop.NotRestored)
	}
	if err := r.try(t, "rollback", r.name, "1"); err == nil || r.password(t) != "first" {
		t.Errorf("helm's own rollback does otherwise (%v), and the plan with it", err)
	}
}

// R12: an autoscaler owns the replicas that the chart sets too. Helm would stop at it half way; the plan says so and names it.
func autoscalerIsNamed(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	r.deploy(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:2")})
	r.c.Do(t, `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web-load"},"spec":{"minReplicas":4,"maxReplicas":6,
		"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
		"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]}}`, "apply", "-n", r.namespace, "-f", "-")
	// No metrics are measured here, so the real autoscaler does the one thing that it does without: it sees to its minimum.
	r.until(t, "the autoscaler acts", func() bool {
		n, _, _ := unstructured.NestedInt64(r.get(t, deployments, "web").Object, "spec", "replicas")
		return n == 4
	})
	_, _, prop := r.plan(t, r.writing(t, nil), "v1")
	if !has(prop.Missing, "HorizontalPodAutoscaler web-load sets its replicas") || !has(prop.Missing, `conflict with "kube-controller-manager"`) || !has(prop.Missing, ".spec.replicas") {
		t.Errorf("%+v", prop)
	}
	if err := r.try(t, "rollback", r.name, "1"); err == nil {
		t.Error("helm's own rollback does not stop at it: the plan need not say so")
	}
}

// R12: what others have set beside the chart stays whatever is done, and the plan says by whom.
func foreignFieldsStay(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	r.deploy(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:2")})
	r.c.Do(t, "", "set", "env", "-n", r.namespace, "deployment/web", "DEBUG=1")
	p := r.writing(t, nil)
	_, to, prop := r.plan(t, p, "v1")
	if !has(prop.NotRestored, "Deployment beside/web keeps what others have set beside the chart: .spec.template.spec.containers[name=main].env (by kubectl-set)") || len(prop.Missing) != 0 {
		t.Errorf("%+v", prop)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.converged(t, p, to)
	if got := r.c.Do(t, "", "get", "deployment", "web", "-n", r.namespace, "-o", "jsonpath={.spec.template.spec.containers[0].env[0].name}"); got != "DEBUG" {
		t.Errorf("the variable is %q: what the plan says is not so", got)
	}
}

// H17: after a crash two records may say that they are deployed. The highest counts, and a rollback leaves one.
func twoDeployed(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", values("a=1"))
	r.deploy(t, "1.1.0", values("a=2"))
	r.restate(t, 1, "deployed") // as a client leaves it that was killed between the two writes
	p := r.writing(t, nil)
	obs, to, prop := r.plan(t, p, "v1")
	if obs.Current.Label != "v2" || obs.InFlight != "" {
		t.Errorf("%+v", obs)
	}
	if res := r.apply(t, p, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	r.converged(t, p, to)
	if got := r.c.Do(t, "", "get", "secrets", "-n", r.namespace, "-l", "owner=helm,status=deployed", "-o", "jsonpath={.items[*].metadata.labels.version}"); got != "3" {
		t.Errorf("deployed: %s", got)
	}
}

// restate writes another status into a stored record.
func (r *release) restate(t *testing.T, revision int, status string) {
	t.Helper()
	o := r.get(t, secrets, fmt.Sprintf("sh.helm.release.v1.%s.v%d", r.name, revision))
	var full map[string]any
	z, err := gzip.NewReader(bytes.NewReader(decoded(t, string(r.payload(t, o)))))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&full); err != nil {
		t.Fatal(err)
	}
	full["info"].(map[string]any)["status"] = status
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(full); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	stored := base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(packed.Bytes())))
	patch := fmt.Sprintf(`-p={"data":{"release":%q},"metadata":{"labels":{"status":%q}}}`, stored, status)
	r.c.Do(t, "", "patch", "secret", "-n", r.namespace, o.GetName(), "--type=merge", patch)
}

// payload is what is stored of a record.
func (r *release) payload(t *testing.T, o *kube.Object) []byte {
	t.Helper()
	text, _, _ := unstructured.NestedString(o.Object, "data", "release")
	return decoded(t, text)
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ask gives the writer a question of its own.
func (r *release) ask(t *testing.T, revision, expect int, deletes []string) string {
	t.Helper()
	sum := func(n int) string {
		s := sha256.Sum256(r.payload(t, r.get(t, secrets, fmt.Sprintf("sh.helm.release.v1.%s.v%d", r.name, n))))
		return hex.EncodeToString(s[:])
	}
	text, err := json.Marshal(map[string]any{
		"protocol": 2, "kubeconfig": r.c.Kubeconfig, "context": servers.Admin, "namespace": r.namespace, "release": r.name, "driver": "secret",
		"revision": revision, "target": sum(revision), "expect": expect, "current": sum(expect), "begun": expect, "deletes": deletes,
		"stamp": "backout op=asked.1", "timeout_seconds": 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := r.command(t)
	cmd.Path, cmd.Args = r.program, []string{r.program}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, string(text)+"\n"); err != nil { // and it stays open: the writer dies with who asks
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	return out.String()
}
