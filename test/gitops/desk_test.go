package gitops_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/jsonpath"

	"github.com/backout-dev/backout/providers/gitops"
	"github.com/backout-dev/backout/providers/kubernetes"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

const shop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: app
        image: "registry.test/shop:v1"
        env: [{name: MODE, value: "calm"}]
`

// bad has another image, and lacks what the good one has.
var bad = strings.NewReplacer("shop:v1", "shop:v2-broken", `        env: [{name: MODE, value: "calm"}]`, "").Replace(shop)

// desk is one person's console: an engine with a journal of its own, on one namespace and the reconcilers above it.
type desk struct {
	*testing.T
	c          *servers.Cluster
	argo       *servers.ArgoCD
	source     *servers.Repository // what its reconcilers read
	journal    *store.DB
	ns         string
	objects    dynamic.Interface
	workloads  rollback.Reverser
	reconciler *gitops.Provider
	*rollback.Engine
}

// newDesk reaches the cluster as a user of a kubeconfig. Without an Argo CD it only has Flux, or does not know the other's API.
func newDesk(t *testing.T, c *servers.Cluster, a *servers.ArgoCD, ns, kubeconfig, user string) *desk {
	t.Helper()
	d := &desk{T: t, c: c, argo: a, ns: ns}
	d.workloads = oncall.Provider(t, kubernetes.Factory(), "k8s", fmt.Sprintf("kubeconfig: %q\ncontext: %s\nnamespaces: [%s]\nmin_soak: 1ms\nhold: 1s\n", kubeconfig, user, ns)).(rollback.Reverser)
	settings := fmt.Sprintf("kubeconfig: %q\ncontext: %s\n", kubeconfig, user)
	if a != nil {
		settings += fmt.Sprintf("argocd: {url: %q, bearer_token: %q}\n", a.URL, a.Token)
	}
	d.reconciler = oncall.Provider(t, gitops.Factory(), "gitops", settings).(*gitops.Provider)
	reach, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	reach.QPS = -1 // it is a test's own server
	if d.objects, err = dynamic.NewForConfig(reach); err != nil {
		t.Fatal(err)
	}
	journal, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := journal.Close(); err != nil {
			t.Error(err)
		}
		_ = d.reconciler.Close()
	})
	d.journal = journal
	d.Engine, err = rollback.New(rollback.Config{
		Store: journal, Reversers: map[string]rollback.Reverser{"k8s": d.workloads, "gitops": d.reconciler}, Tier: func(string) string { return policy.TierDev },
		Hold: time.Second, Deadline: time.Minute, Poll: 100 * time.Millisecond, Executor: "here:1",
		Checks: d.available, CheckNames: func([]string) []string { return []string{"available"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// available looks whether the unit serves.
func (d *desk) available(_ context.Context, _ []string) ([]rollback.Check, error) {
	out, err := d.read(d.ns, "deployment/shop", ".status.availableReplicas")
	c := rollback.Check{Name: "available", State: rollback.CheckFail, Observed: out}
	if out == "1" {
		c.State = rollback.CheckPass
	}
	return []rollback.Check{c}, err
}

func (d *desk) unit() rollback.UnitID { return rollback.UnitID("k8s:" + d.ns + "/shop") }

func (d *desk) kubectl(args ...string) string {
	d.Helper()
	return strings.TrimSpace(d.c.Do(d.T, "", args...))
}

// read gives one field of an object as kubectl prints it. Tests look often, and a kubectl for each look would be most of what they cost.
func (d *desk) read(ns, object, path string) (string, error) {
	kind, name, _ := strings.Cut(object, "/")
	group := map[string]schema.GroupVersion{
		"deployment": {Group: "apps", Version: "v1"}, "application": {Group: "argoproj.io", Version: "v1alpha1"}, "applicationset": {Group: "argoproj.io", Version: "v1alpha1"},
		"kustomization": {Group: "kustomize.toolkit.fluxcd.io", Version: "v1"}, "helmrelease": {Group: "helm.toolkit.fluxcd.io", Version: "v2"},
		"gitrepository": {Group: "source.toolkit.fluxcd.io", Version: "v1"}, "helmchart": {Group: "source.toolkit.fluxcd.io", Version: "v1"},
	}[kind]
	plural, _ := meta.UnsafeGuessKindToResource(group.WithKind(kind))
	o, err := d.objects.Resource(plural).Namespace(ns).Get(d.Context(), name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	field := jsonpath.New(path).AllowMissingKeys(true)
	if err := field.Parse("{" + path + "}"); err != nil {
		return "", err
	}
	var text strings.Builder
	if err = field.Execute(&text, o.Object); err != nil && strings.Contains(err.Error(), "out of bounds") {
		err = nil // a list that is too short for it lacks it, as a key may be missing
	}
	return strings.TrimSpace(text.String()), err
}

// must is read for what has to be there.
func (d *desk) must(ns, object, path string) string {
	d.Helper()
	text, err := d.read(ns, object, path)
	if err != nil {
		d.Fatal(err)
	}
	return text
}

// there reports whether an object is.
func (d *desk) there(ns, object string) bool {
	_, err := d.read(ns, object, ".metadata.name")
	return err == nil
}

// field reads one field of an object in the namespace of Argo CD.
func (d *desk) field(object, path string) string {
	d.Helper()
	return d.must("argocd", object, path)
}

// of reads one field of an object in the namespace of the desk.
func (d *desk) of(object, path string) string {
	d.Helper()
	return d.must(d.ns, object, path)
}

func (d *desk) image() string {
	d.Helper()
	return d.of("deployment/shop", ".spec.template.spec.containers[0].image")
}

func (d *desk) until(what string, holds func() bool) {
	d.Helper()
	for end := time.Now().Add(45 * time.Second); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			kinds := "applications"
			if d.argo == nil {
				kinds = "gitrepositories,kustomizations,helmreleases,helmcharts"
			}
			out, err := d.c.Kubectl(d.Context(), "", "get", kinds, "-A", "-o", "yaml")
			d.Fatalf("never: %s\n%s %v", what, out, err)
		}
	}
}

type application struct {
	Status struct {
		ReconciledAt time.Time
		Sync         struct{ Status, Revision string }
		Health       struct{ Status string }
	}
}

// refreshed asks Argo CD to compare an application with its source now, and gives what came of it. Its server answers when it
// has seen the comparison begin and end; where another controller writes the application meanwhile it may wait for ever, so
// that it is asked again.
func (d *desk) refreshed(name string) (a application) {
	d.Helper()
	var err error
	for range 6 {
		ctx, cancel := context.WithTimeout(d.Context(), 10*time.Second)
		err = d.argo.Ask(ctx, http.MethodGet, "/api/v1/applications/"+name+"?refresh=normal", nil, &a)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	if err != nil {
		d.Fatal(err)
	}
	return a
}

// synced waits until an application has deployed a commit.
func (d *desk) synced(name, commit string) {
	d.Helper()
	d.until(name+" is at "+commit, func() bool {
		s := d.refreshed(name).Status.Sync
		return s.Status == "Synced" && s.Revision == commit
	})
}

// served deploys a version through git, and waits until it is known to be good.
func (d *desk) served(name, path string) (good string) {
	d.Helper()
	good = d.source.Push(d.T, map[string]string{path: shop})
	d.synced(name, good)
	d.kubectl("-n", d.ns, "rollout", "status", "deployment/shop", "--timeout=60s")
	d.until("known good", func() bool {
		o, err := d.workloads.Observe(d.Context(), d.unit())
		return err == nil && len(o.Current.Good) > 0
	})
	return good
}

// broken deploys a version that served and then one that cannot; it gives the good commit and the bad one.
func (d *desk) broken(name, path string) (good, culprit string) {
	d.Helper()
	good = d.served(name, path)
	culprit = d.source.Push(d.T, map[string]string{path: bad})
	d.synced(name, culprit)
	d.until("the bad one is there", func() bool { return strings.HasSuffix(d.image(), "v2-broken") })
	return good, culprit
}

func (d *desk) planned() rollback.Plan {
	d.Helper()
	p, err := d.Plan(d.Context(), rollback.Request{Unit: d.unit(), Reason: "errors"})
	if err != nil {
		d.Fatal(err)
	}
	return p
}

// done runs a plan to its end.
func (d *desk) done(p rollback.Plan) rollback.Run {
	d.Helper()
	run, err := d.Confirm(d.Context(), p, oncall.Yes(p))
	if err != nil {
		d.Fatalf("%v: %s %+v %q", err, p.Verdict, p.Units[0].Findings, p.Units[0].Missing)
	}
	if run, err = d.Execute(d.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
		d.Fatalf("ended %q: %s %v %+v", run.State, run.Detail, err, run.Steps)
	}
	if got := d.image(); got != "registry.test/shop:v1" {
		d.Errorf("it serves %s", got)
	}
	return run
}

// looked is what a look says of each measure of a run, in the order in which they were set.
func (d *desk) looked(state rollback.MeasureState, exit rollback.Tell, n int) []rollback.MeasureRun {
	d.Helper()
	all, err := d.Probe(d.Context(), oncall.Ana())
	if err != nil || len(all) != n {
		d.Fatalf("%d measures, want %d: %v", len(all), n, err)
	}
	for _, m := range all {
		if m.State != state || m.ExitHolds != exit {
			d.Errorf("%s (%s): %q, in force %q, may be lifted %q: %s", m.ID, m.What, m.State, m.InForce, m.ExitHolds, m.Detail)
		}
	}
	return all
}

func (d *desk) lift(id string) {
	d.Helper()
	m, res, err := d.Lift(d.Context(), id, rollback.LiftRequest{By: oncall.Ana()})
	if err != nil || m.State != rollback.MeasureLifted || res.Outcome != rollback.Applied {
		d.Errorf("%s: %q %+v %v", id, m.State, res, err)
	}
}

func says(t *testing.T, texts []string, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(texts, "\n"), want) {
		t.Errorf("nothing says %q: %q", want, texts)
	}
}
