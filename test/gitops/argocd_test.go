package gitops_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// automated is how the applications here sync, as Argo CD keeps it.
const automated = `{"prune":true,"selfHeal":true}`

func app(a *servers.ArgoCD, name, ns string) string {
	return fmt.Sprintf(`{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": %q, "namespace": "argocd"},
 "spec": {"project": "default", "source": {"repoURL": %q, "path": %[1]q, "targetRevision": "main"}, "syncPolicy": {"automated": %[3]s},
 "destination": {"server": "https://kubernetes.default.svc", "namespace": %[4]q}}}`, name, a.RepoURL, automated, ns)
}

func TestReconcilersLeaveARollbackAlone(t *testing.T) {
	c := servers.StartCluster(t)
	fresh := func(t *testing.T, ns string) string {
		t.Helper()
		c.Do(t, "", "create", "namespace", ns)
		return ns
	}
	t.Run("Flux", func(t *testing.T) { ofFlux(t, c, fresh) })
	a := servers.StartArgoCD(t, c)
	t.Run("an application that heals itself", func(t *testing.T) { heals(newDesk(t, c, a, fresh(t, "heals"), servers.Admin)) })
	t.Run("a sync that waits", func(t *testing.T) { waits(newDesk(t, c, a, fresh(t, "waves"), servers.Admin)) })
	t.Run("an application of applications", func(t *testing.T) { ofApps(newDesk(t, c, a, fresh(t, "child"), servers.Admin)) })
	t.Run("an ApplicationSet", func(t *testing.T) {
		a.StartApplicationSets(t)
		ofSet(newDesk(t, c, a, fresh(t, "member"), servers.Admin))
	})
	t.Run("without the right", func(t *testing.T) { noRight(newDesk(t, c, a, fresh(t, "guarded"), servers.Limited)) })
}

// heals: the whole way, from the bad commit to auto-sync being on again on a source that is good.
func heals(d *desk) {
	d.argo.Push(d.T, map[string]string{"heals/shop.yaml": "# first" + shop})
	d.c.Do(d.T, app(d.argo, "heals", d.ns), "apply", "-f", "-")
	synced := d.watched()
	_, culprit := d.broken("heals", "heals/shop.yaml")
	d.until("the watch tells of the bad sync", func() bool { return slices.Contains(synced(), culprit) })
	p := d.planned()
	u := p.Units[0]
	if len(u.Steps) != 2 || u.Steps[0].Provider != "gitops" || len(u.Measures) != 1 || u.Measures[0].What != "auto-sync of Argo CD application argocd/heals is off" {
		d.Fatalf("steps %+v, measures %+v", u.Steps, u.Measures)
	}
	for _, want := range []string{"git revert " + culprit, d.argo.RepoURL, "main", "heals"} {
		says(d.T, []string{u.LastingFix}, want)
	}
	d.nameless(u)
	run := d.done(p)
	says(d.T, []string{d.field("application/heals", `.metadata.annotations.backout\.dev/suspended`)}, `"reason":"errors"`)
	generation := d.kubectl("-n", d.ns, "get", "deployment/shop", "-o", "jsonpath={.metadata.generation}")
	d.compared("heals")
	m := d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0]
	says(d.T, []string{m.Detail}, "still renders")
	if _, _, err := d.Lift(d.Context(), m.ID, rollback.LiftRequest{By: ana}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("lifted although its source is bad: %v", err)
	}
	// A later commit that leaves the bad image in place is no cure, and one that only alters something else either.
	d.argo.Push(d.T, map[string]string{"heals/shop.yaml": strings.Replace(bad, `v2-broken"`, "v2-broken\"\n        args: [again]", 1)})
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0].Detail}, "/spec/containers/app/image")
	d.seen("heals", d.argo.Push(d.T, map[string]string{"heals/shop.yaml": strings.Replace(bad, "v2-broken", "v3", 1)}))
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellNo, 1)[0].Detail}, "/env/MODE/value")
	reverted := d.argo.Push(d.T, map[string]string{"heals/shop.yaml": shop})
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
	if got := d.kubectl("-n", d.ns, "get", "deployment/shop", "-o", "jsonpath={.metadata.generation}"); got != generation || d.image() != "registry.test/shop:v1" {
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
	alone := newDesk(d.T, d.c, nil, d.ns, servers.Admin)
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
	d.argo.Push(d.T, map[string]string{"waves/shop.yaml": "# first" + shop})
	d.c.Do(d.T, app(d.argo, "waves", d.ns), "apply", "-f", "-")
	d.served("waves", "waves/shop.yaml")
	d.argo.Push(d.T, map[string]string{"waves/shop.yaml": bad, "waves/later.yaml": later})
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
	d.argo.Push(d.T, map[string]string{"child/shop.yaml": "# first" + shop, "root/child.yaml": app(d.argo, "child", d.ns)})
	d.c.Do(d.T, app(d.argo, "root", "argocd"), "apply", "-f", "-")
	d.until("the parent made the child", func() bool {
		_, err := d.c.Kubectl(d.Context(), "", "-n", "argocd", "get", "application/child")
		return err == nil
	})
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
	next := strings.Replace(app(d.argo, "child", d.ns), `"name": "child",`, `"name": "child", "labels": {"touched": "yes"},`, 1)
	d.argo.Push(d.T, map[string]string{"root/child.yaml": next})
	d.until("the parent sees the commit", func() bool { return d.refreshed("root").Status.Sync.Status == "OutOfSync" })
	d.compared("child")
	both := d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	// The parent's source gives the child another one: what the child renders now no longer tells.
	d.argo.Push(d.T, map[string]string{"root/child.yaml": strings.Replace(next, `"targetRevision": "main"`, `"targetRevision": "`+good+`"`, 1)})
	says(d.T, []string{d.looked(rollback.MeasureInForce, rollback.TellUnknown, 2)[0].Detail}, "another source by now")
	d.argo.Push(d.T, map[string]string{"root/child.yaml": next})
	// Somebody lets the parent go: it turns the child on, and the bad version comes back. That is an alert of the record.
	d.kubectl("-n", "argocd", "patch", "application/root", "--type=merge", "-p", `{"spec": {"syncPolicy": {"automated": `+automated+`}}}`)
	d.until("the bad one is back", func() bool { d.refreshed("root"); return strings.HasSuffix(d.image(), "v2-broken") })
	d.looked(rollback.MeasureElsewhere, rollback.TellNo, 2)
	// Lifting what somebody else lifted touches nothing.
	for _, m := range []rollback.MeasureRun{both[1], both[0]} {
		if got, res, err := d.Lift(d.Context(), m.ID, rollback.LiftRequest{By: ana}); err != nil || got.State != rollback.MeasureLifted || res.Outcome != rollback.AlreadyApplied {
			d.Errorf("%q %+v %v", got.State, res, err)
		}
	}
}

// ofSet: an ApplicationSet writes the sync policy of its applications again at once, unless it is told to leave it.
func ofSet(d *desk) {
	d.argo.Push(d.T, map[string]string{"member/shop.yaml": "# first" + shop})
	template := strings.Replace(app(d.argo, "member", d.ns), `"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", `, "", 1)
	template = strings.Replace(template, `, "namespace": "argocd"`, "", 1)
	d.c.Do(d.T, `{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"name": "team", "namespace": "argocd"},
 "spec": {"generators": [{"list": {"elements": [{"team": "a"}]}}], "template": `+template+`}}`, "apply", "-f", "-")
	d.until("the set made its application", func() bool {
		_, err := d.c.Kubectl(d.Context(), "", "-n", "argocd", "get", "application/member")
		return err == nil
	})
	d.broken("member", "member/shop.yaml")
	p := d.planned()
	if u := p.Units[0]; len(u.Steps) != 3 || !strings.Contains(u.Steps[0].Title, "ApplicationSet argocd/team") {
		d.Fatalf("%+v", u.Steps)
	}
	d.done(p)
	// The set's controller looks again, and leaves it.
	d.kubectl("-n", "argocd", "annotate", "applicationset/team", "argocd.argoproj.io/application-set-refresh=true")
	d.until("the set was looked at", func() bool {
		return !strings.Contains(d.field("applicationset/team", ".metadata.annotations"), "application-set-refresh")
	})
	d.compared("member")
	d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	reverted := d.argo.Push(d.T, map[string]string{"member/shop.yaml": shop})
	d.seen("member", reverted)
	both := d.looked(rollback.MeasureInForce, rollback.TellYes, 2)
	if _, _, err := d.Lift(d.Context(), both[0].ID, rollback.LiftRequest{By: ana}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("the highest one was lifted first: %v", err)
	}
	d.lift(both[1].ID)
	d.lift(both[0].ID)
	if got := d.field("applicationset/team", ".spec.ignoreApplicationDifferences"); got != "" {
		d.Errorf("the set still ignores %s", got)
	}
	d.synced("member", reverted)
	if got := d.field("application/member", ".spec.syncPolicy.automated"); got != automated || d.image() != "registry.test/shop:v1" {
		d.Errorf("auto-sync is %s, it serves %s", got, d.image())
	}
}

// noRight: who may not turn auto-sync off learns it from the plan, which has all steps in it, and nothing is done.
func noRight(d *desk) {
	admin := newDesk(d.T, d.c, d.argo, d.ns, servers.Admin)
	d.argo.Push(d.T, map[string]string{"guarded/shop.yaml": "# first" + shop})
	d.c.Do(d.T, app(d.argo, "guarded", d.ns), "apply", "-f", "-")
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
	if _, err := d.Confirm(d.Context(), p, rollback.Confirmation{PlanHash: p.Hash, By: ana, Typed: p.Decision.Name, Reason: "errors", Via: "command line"}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("confirmed without the right: %v", err)
	}
	if got := admin.field("application/guarded", ".spec.syncPolicy.automated"); got != automated {
		d.Errorf("auto-sync is %s", got)
	}
}
