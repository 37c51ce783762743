package gitops_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// automated is how the applications here sync, as Argo CD keeps it.
const automated = `{"prune":true,"selfHeal":true}`

func app(r *servers.Repository, name, ns string) string {
	return fmt.Sprintf(`{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": %q, "namespace": "argocd"},
 "spec": {"project": "default", "source": {"repoURL": %q, "path": %[1]q, "targetRevision": "main"}, "syncPolicy": {"automated": %[3]s},
 "destination": {"server": "https://kubernetes.default.svc", "namespace": %[4]q}}}`, name, r.URL, automated, ns)
}

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "7"); err != nil { // however few processors there are: they mostly wait
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// All reconcilers are in one cluster, and the tests have a namespace and a repository each: they mostly wait, and do that at once.
func TestReconcilersLeaveARollbackAlone(t *testing.T) {
	c := servers.StartCluster(t)
	fresh := func(t *testing.T, ns string) string {
		t.Helper()
		c.Do(t, "", "create", "namespace", ns)
		return ns
	}
	ofFlux(t, c, fresh)
	ofArgoCD(t, c, fresh)
}

// ofArgoCD are the tests on Argo CD.
func ofArgoCD(t *testing.T, c *servers.Cluster, fresh func(*testing.T, string) string) {
	a := servers.StartArgoCD(t, c)
	reach := &between{set: "team", application: "member", opened: make(chan struct{})}
	kubeconfig := c.Between(t, reach.handler)
	a.StartApplicationSets(t, kubeconfig)
	for name, test := range map[string]struct {
		ns, kubeconfig, user string
		run                  func(*desk)
	}{
		"an application that heals itself": {"heals", c.Kubeconfig, servers.Admin, heals},
		"a sync that waits":                {"waves", c.Kubeconfig, servers.Admin, waits},
		"an application of applications":   {"child", c.Kubeconfig, servers.Admin, ofApps},
		"an ApplicationSet":                {"member", kubeconfig, servers.Admin, func(d *desk) { ofSet(d, reach) }},
		"without the right":                {"guarded", c.Kubeconfig, servers.Limited, noRight},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, c, a, fresh(t, test.ns), test.kubeconfig, test.user)
			var err error
			if d.source, err = a.Repository(t.Context(), test.ns); err != nil {
				t.Fatal(err)
			}
			test.run(d)
		})
	}
}

// heals: the whole way, from the bad commit to auto-sync being on again on a source that is good.
func heals(d *desk) {
	d.source.Push(d.T, map[string]string{"heals/shop.yaml": "# first" + shop})
	d.c.Do(d.T, app(d.source, "heals", d.ns), "apply", "-f", "-")
	synced := d.watched()
	_, culprit := d.broken("heals", "heals/shop.yaml")
	d.until("the watch tells of the bad sync", func() bool { return slices.Contains(synced(), culprit) })
	p := d.planned()
	u := p.Units[0]
	if len(u.Steps) != 2 || u.Steps[0].Provider != "gitops" || len(u.Measures) != 1 || u.Measures[0].What != "auto-sync of Argo CD application argocd/heals is off" {
		d.Fatalf("steps %+v, measures %+v", u.Steps, u.Measures)
	}
	for _, want := range []string{"git revert " + culprit, d.source.URL, "main", "heals"} {
		says(d.T, []string{u.LastingFix}, want)
	}
	d.nameless(u)
	run := d.done(p)
	says(d.T, []string{d.field("application/heals", `.metadata.annotations.backout\.dev/suspended`)}, `"reason":"errors"`)
	generation := d.of("deployment/shop", ".metadata.generation")
	d.compared("heals")
	m := d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0]
	says(d.T, []string{m.Detail}, "still renders")
	if _, _, err := d.Lift(d.Context(), m.ID, rollback.LiftRequest{By: oncall.Ana()}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("lifted although its source is bad: %v", err)
	}
	// A later commit that leaves the bad image in place is no cure, and one that only alters something else either.
	d.source.Push(d.T, map[string]string{"heals/shop.yaml": strings.Replace(bad, `v2-broken"`, "v2-broken\"\n        args: [again]", 1)})
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0].Detail}, "/spec/containers/app/image")
	d.seen("heals", d.source.Push(d.T, map[string]string{"heals/shop.yaml": strings.Replace(bad, "v2-broken", "v3", 1)}))
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0].Detail}, "/env/MODE/value")
	reverted := d.source.Push(d.T, map[string]string{"heals/shop.yaml": shop})
	// Argo CD would still deploy what it saw last.
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0].Detail}, "knows only")
	d.seen("heals", reverted)
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellYes, 1)[0].Detail}, "as it runs")
	d.withoutTheAPI(run.Measures[0].Measure)
	d.lift(m.ID)
	if got := d.field("application/heals", ".spec.syncPolicy.automated"); got != automated {
		d.Errorf("auto-sync is %s, and was %s", got, automated)
	}
	if got := d.field("application/heals", ".metadata.annotations"); strings.Contains(got, "backout") {
		d.Errorf("something is left: %s", got)
	}
	d.synced("heals", reverted)
	if got := d.of("deployment/shop", ".metadata.generation"); got != generation || d.image() != "registry.test/shop:v1" {
		d.Errorf("generation %s, then %s: it was deployed again; it serves %s", generation, got, d.image())
	}
	d.told(culprit)
}

// watched follows the provider, and gives the commits that it told of since.
func (d *desk) watched() func() []string {
	ctx, cancel := context.WithCancel(d.Context())
	var mu sync.Mutex
	var commits []string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range d.reconciler.Watch(ctx) {
			if err == nil && e.Change != nil {
				mu.Lock()
				commits = append(commits, e.Change.Commit)
				mu.Unlock()
			}
		}
	}()
	d.Cleanup(func() { cancel(); <-ended })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(commits)
	}
}

// nameless: where nothing of the object names its application, those that list it are asked.
func (d *desk) nameless(u rollback.UnitPlan) {
	d.Helper()
	obs := u.Observed
	obs.Owners = []string{"Argo CD application (which one nothing says; it wrote as argocd-controller)"}
	s, err := d.reconciler.Suspend(d.Context(), obs, u.To)
	if err != nil || len(s.Measures) != 1 || s.Measures[0].What != u.Measures[0].What {
		d.Errorf("%+v %v", s, err)
	}
}

// compared waits until Argo CD has compared an application with its source after now, and sees that it lets it be.
func (d *desk) compared(name string) {
	d.Helper()
	since := time.Now().Truncate(time.Second)
	d.until(name+" is compared", func() bool {
		s := d.refreshed(name).Status
		return s.ReconciledAt.After(since) && s.Sync.Status == "OutOfSync"
	})
	if got := d.image(); got != "registry.test/shop:v1" {
		d.Errorf("Argo CD deployed %s again", got)
	}
}

// seen waits until Argo CD has compared an application with a commit.
func (d *desk) seen(name, commit string) {
	d.Helper()
	d.until(name+" was compared with "+commit, func() bool { return d.refreshed(name).Status.Sync.Revision == commit })
}

// withoutTheAPI: where Argo CD's API is not known, its own comparison is what tells.
func (d *desk) withoutTheAPI(m rollback.Measure) {
	d.Helper()
	alone := newDesk(d.T, d.c, nil, d.ns, d.c.Kubeconfig, servers.Admin)
	d.until("the cluster tells it too", func() bool {
		d.refreshed("heals")
		holds, _, err := alone.reconciler.ExitHolds(d.Context(), m)
		return err == nil && holds
	})
}

// told: the timeline has each sync, with its commit and on whose behalf.
func (d *desk) told(commit string) {
	d.Helper()
	var last providers.Change
	found := false
	for c, err := range d.reconciler.Changes(d.Context(), providers.Window{}) {
		if err != nil {
			d.Fatal(err)
		}
		if c.Commit == commit && strings.HasPrefix(c.ID, "argocd/heals@") {
			found = c.Author.Name == "Argo CD" && c.Author.Kind == "automation" && !c.At().IsZero() && c.From != ""
		}
		if strings.HasPrefix(c.ID, "argocd/heals@") {
			last = c
		}
	}
	if !found {
		d.Errorf("the bad sync is not told; the last one is %+v", last)
	}
}

// waits: a sync of the bad commit waits for what it deployed to get well. It would go on with the rest of that commit as soon as
// the good version is back, so it is ended.
func waits(d *desk) {
	const later = `{apiVersion: v1, kind: ConfigMap, metadata: {name: later, annotations: {argocd.argoproj.io/sync-wave: "1"}}}`
	d.source.Push(d.T, map[string]string{"waves/shop.yaml": "# first" + shop})
	d.c.Do(d.T, app(d.source, "waves", d.ns), "apply", "-f", "-")
	d.served("waves", "waves/shop.yaml")
	d.source.Push(d.T, map[string]string{"waves/shop.yaml": bad, "waves/later.yaml": later})
	d.until("the sync waits for the bad one", func() bool {
		d.refreshed("waves")
		return strings.HasSuffix(d.image(), "v2-broken") && strings.Contains(d.field("application/waves", ".status.operationState.message"), "waiting for")
	})
	p := d.planned()
	says(d.T, []string{p.Units[0].Steps[0].Title}, "end the sync that runs")
	d.done(p)
	if got := d.field("application/waves", ".operation") + d.field("application/waves", ".status.operationState.phase"); got != "Failed" {
		d.Errorf("the sync is %s", got)
	}
	d.compared("waves")
	if out, err := d.c.Kubectl(d.Context(), "", "-n", d.ns, "get", "configmap/later"); err == nil {
		d.Errorf("the sync went on: %s", out)
	}
}

// ofApps: the parent puts the child's auto-sync back, so it is held back first; what is seen when somebody lets it go.
func ofApps(d *desk) {
	d.source.Push(d.T, map[string]string{"child/shop.yaml": "# first" + shop, "root/child.yaml": app(d.source, "child", d.ns)})
	d.c.Do(d.T, app(d.source, "root", "argocd"), "apply", "-f", "-")
	d.until("the parent made the child", func() bool { return d.there("argocd", "application/child") })
	good, _ := d.broken("child", "child/shop.yaml")
	// What a person would do by hand does not last: the parent turns it on again.
	d.kubectl("-n", "argocd", "patch", "application/child", "--type=json", "-p", `[{"op": "remove", "path": "/spec/syncPolicy/automated"}]`)
	d.until("the parent turns auto-sync on again", func() bool { return d.field("application/child", ".spec.syncPolicy.automated") == automated })
	p := d.planned()
	u := p.Units[0]
	if len(u.Steps) != 3 || !strings.Contains(u.Steps[0].Title, "argocd/root") || !strings.Contains(u.Steps[1].Title, "argocd/child") {
		d.Fatalf("%+v", u.Steps)
	}
	says(d.T, u.Warnings, "says in its own source that Argo CD application argocd/child runs")
	d.done(p)
	// The next commit of the parent: what broke production elsewhere.
	next := strings.Replace(app(d.source, "child", d.ns), `"name": "child",`, `"name": "child", "labels": {"touched": "yes"},`, 1)
	d.source.Push(d.T, map[string]string{"root/child.yaml": next})
	d.until("the parent sees the commit", func() bool { return d.refreshed("root").Status.Sync.Status == "OutOfSync" })
	d.compared("child")
	both := d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	// The parent's source gives the child another one: what the child renders now no longer tells.
	d.source.Push(d.T, map[string]string{"root/child.yaml": strings.Replace(next, `"targetRevision": "main"`, `"targetRevision": "`+good+`"`, 1)})
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellUnknown, 2)[0].Detail}, "another source by now")
	d.source.Push(d.T, map[string]string{"root/child.yaml": next})
	// Somebody lets the parent go: it turns the child on, and the bad version comes back. That is an alert of the record.
	d.kubectl("-n", "argocd", "patch", "application/root", "--type=merge", "-p", `{"spec": {"syncPolicy": {"automated": `+automated+`}}}`)
	d.until("the bad one is back", func() bool { d.refreshed("root"); return strings.HasSuffix(d.image(), "v2-broken") })
	d.looked(rollback.MeasureElsewhere, rollback.TellNo, 2)
	// Lifting what somebody else lifted touches nothing.
	for _, m := range []rollback.MeasureRun{both[1], both[0]} {
		if got, res, err := d.Lift(d.Context(), m.ID, rollback.LiftRequest{By: oncall.Ana()}); err != nil || got.State != rollback.MeasureLifted || res.Outcome != rollback.AlreadyApplied {
			d.Errorf("%q %+v %v", got.State, res, err)
		}
	}
}

// noRight: who may not turn auto-sync off learns it from the plan, which has all steps in it, and nothing is done.
func noRight(d *desk) {
	d.source.Push(d.T, map[string]string{"guarded/shop.yaml": "# first" + shop})
	d.c.Do(d.T, app(d.source, "guarded", d.ns), "apply", "-f", "-")
	d.kubectl("create", "clusterrole", "look", "--verb=get,list,watch", "--resource=*.*")
	d.kubectl("create", "clusterrolebinding", "look", "--clusterrole=look", "--user="+servers.Limited)
	d.kubectl("-n", d.ns, "create", "role", "deploy", "--verb=patch", "--resource=deployments.apps")
	d.kubectl("-n", d.ns, "create", "rolebinding", "deploy", "--role=deploy", "--user="+servers.Limited)
	d.broken("guarded", "guarded/shop.yaml")
	p := d.planned()
	u := p.Units[0]
	if p.Verdict != rollback.Blocked || len(u.Steps) != 2 {
		d.Errorf("%s, %+v", p.Verdict, u.Steps)
	}
	says(d.T, u.Missing, "the right to patch applications.argoproj.io guarded in namespace argocd")
	if _, err := d.Confirm(d.Context(), p, oncall.Yes(p)); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("confirmed without the right: %v", err)
	}
	if got := d.field("application/guarded", ".spec.syncPolicy.automated"); got != automated {
		d.Errorf("auto-sync is %s", got)
	}
}
