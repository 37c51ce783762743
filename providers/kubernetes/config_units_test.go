package kubernetes

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
)

func (r *room) settings() rollback.UnitID {
	return rollback.UnitID("k8s:" + r.ns + "/configmap.settings")
}

// configMap is one with these lines under data.
func configMap(lines string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {team: checkout}, annotations: {note: keep}}\ndata:\n" + indent(lines, 2) + "\n"
}

const readsPool = "env: [{name: POOL, valueFrom: {configMapKeyRef: {name: settings, key: pool}}}]"

// aside lets whole seconds pass, as the API server tells times.
func (r *room) aside() {
	r.Helper()
	end := time.Now().Truncate(time.Second).Add(2 * time.Second)
	r.until("another second", func() bool { return time.Now().After(end) })
}

func (r *room) ties(obs rollback.Observation, to rollback.Revision) []rollback.Tie {
	r.Helper()
	ties, err := r.p.Ties(r.Context(), obs, to)
	if err != nil {
		r.Fatal(err)
	}
	return ties
}

// A ConfigMap goes back to what it was seen to hold with its workloads well, key by key, and they begin anew; nothing else of it
// is touched.
func configAlone(r *room) {
	r.apply(configMap("pool: \"20\"\nDB_PASSWORD: correct-horse"))
	r.served(deployment("v1", "", readsPool))
	good := r.soaked(r.settings())
	r.aside()
	r.apply(configMap("pool: \"2\"\nDB_PASSWORD: battery-staple\nextra: x"))
	r.kubectl("rollout", "restart", "deployment/shop")
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	obs := r.observe(r.settings())
	prop := r.planned(obs, good.Current)
	if c := r.back(obs, obs.History[0], "op1"); !c.Done {
		r.Error(c.Detail)
	}
	if got := r.kubectl("get", "configmap/settings", "-o", "jsonpath={.data} {.metadata.labels.team} {.metadata.annotations.note}"); got != `{"DB_PASSWORD":"correct-horse","pool":"20"} checkout keep` {
		r.Error(got)
	}
	if now := r.observe(r.settings()); now.Stamp != "op1" || now.Current.Digest != good.Current.Digest {
		r.Errorf("%+v", now)
	}
	checks, err := r.p.Verify(r.Context(), r.settings(), good.Current)
	if err != nil || len(checks) != 2 || checks[0].State != rollback.CheckPass || checks[1].Inside || !strings.HasPrefix(checks[1].Name, "deployment shop: all pods ready") {
		r.Errorf("%+v %v", checks, err)
	}
	if again := r.do("op1", prop.Steps[1]); again.Outcome != rollback.AlreadyApplied {
		r.Errorf("restarted twice: %+v", again)
	}
	if stale := r.do("op2", prop.Steps[0]); stale.Outcome != rollback.PreconditionFailed {
		r.Errorf("an old plan: %+v", stale)
	}
}

// planned checks the plan of a ConfigMap whose readers began anew since.
func (r *room) planned(obs rollback.Observation, good rollback.Revision) rollback.Proposal {
	r.Helper()
	if len(obs.History) != 1 || obs.History[0].Digest != good.Digest || len(obs.History[0].Good) == 0 || obs.Current.Digest == good.Digest {
		r.Fatalf("%+v", obs)
	}
	if ties := r.ties(obs, obs.History[0]); len(ties) != 1 || ties[0].Verdict != rollback.Conditional || !strings.Contains(ties[0].Text, "never ran with") {
		r.Errorf("%+v", ties)
	}
	prop := r.plan(obs, obs.History[0])
	if len(prop.Steps) != 2 || !strings.Contains(prop.Steps[0].Title, "DB_PASSWORD, extra, pool") || !strings.Contains(prop.Steps[1].Title, "restart Deployment shop") || prop.Blast != "3 pods" {
		r.Errorf("%+v", prop)
	}
	if strings.Contains(prop.Diff, "horse") || strings.Contains(prop.Diff, "staple") || !strings.Contains(prop.Diff, `+pool: "20"`) {
		r.Errorf("the difference is\n%s", prop.Diff)
	}
	says(r.T, prop.NotRestored, "labels, annotations")
	return prop
}

// K12, R6, R13: the revision to go back to needs a key that the ConfigMap no longer has, or read what it held before.
func configTied(r *room) {
	r.apply(configMap("pool: \"20\""))
	first := r.served(deployment("v1", "", readsPool))
	kept := r.observe(r.settings())
	r.aside()
	r.apply(configMap("size: \"5\"") + "---\n" + deployment("v2", "", strings.ReplaceAll(readsPool, "pool", "size")))
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	obs := r.observe(r.shop())
	target := labelled(r.T, obs, "r1")
	ties := r.ties(obs, target)
	if len(ties) != 1 || ties[0].Verdict != rollback.Coupled || ties[0].Unit != r.settings() || ties[0].To != kept.Current.Digest || ties[0].First != r.settings() || !strings.Contains(ties[0].Text, "needs key pool") {
		r.Fatalf("%+v", ties)
	}
	alone := r.plan(obs, target)
	together, err := r.p.PlanWith(r.Context(), obs, target, []rollback.Companion{{Unit: r.settings(), To: kept.Current}})
	if err != nil {
		r.Fatal(err)
	}
	says(r.T, alone.Missing, "key pool of ConfigMap settings")
	if len(together.Missing) > 0 || strings.Contains(fmt.Sprint(together.NotRestored, together.Warnings), "settings") {
		r.Errorf("%+v", together)
	}
	r.tiedBack(first.Current)
	r.tiedUnkept(obs, target)
}

// tiedBack is the other way: the content of then does not have what the current version needs.
func (r *room) tiedBack(first rollback.Revision) {
	r.Helper()
	now := r.observe(r.settings())
	if ties := r.ties(now, now.History[0]); len(ties) != 1 || ties[0].Verdict != rollback.Coupled || ties[0].Unit != r.shop() || !strings.Contains(ties[0].Text, "needs key size") {
		r.Errorf("%+v", ties)
	}
	if prop, err := r.p.PlanWith(r.Context(), now, now.History[0], []rollback.Companion{{Unit: r.shop(), To: first}}); err != nil || len(prop.Steps) != 1 {
		r.Errorf("it is restarted twice: %+v %v", prop.Steps, err)
	}
}

// tiedUnkept is for an archive that never saw what it held.
func (r *room) tiedUnkept(obs rollback.Observation, target rollback.Revision) {
	r.Helper()
	fresh := r.provider(r.p.set)
	if ties, err := fresh.Ties(r.Context(), obs, target); err != nil || len(ties) != 1 || ties[0].Verdict != rollback.Blocked || !strings.Contains(ties[0].Text, "not archived") {
		r.Errorf("%+v %v", ties, err)
	}
	r.kubectl("patch", "configmap", "settings", "-p", `{"data": {"pool": "7"}}`)
	if ties, err := fresh.Ties(r.Context(), obs, target); err != nil || len(ties) != 1 || ties[0].Verdict != rollback.Unknown {
		r.Errorf("%+v %v", ties, err)
	}
}

// A Secret is never put back; what it lacks blocks, and what changed in it is named by key.
func secretTied(r *room) {
	r.kubectl("create", "secret", "generic", "login", "--from-literal=password=correct-horse", "--from-literal=user=shop")
	r.served(deployment("v1", "", "env: [{name: P, valueFrom: {secretKeyRef: {name: login, key: password}}}]"))
	for range 2 { // what it was, then what it is
		for _, err := range r.p.Changes(r.Context(), window()) {
			if err != nil {
				r.Fatal(err)
			}
		}
		r.aside()
		r.kubectl("patch", "secret", "login", "-p", `{"stringData": {"password": "battery-staple"}}`)
	}
	r.apply(deployment("v2", "", ""))
	r.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	obs := r.observe(r.shop())
	r.p.set.MinSoak = time.Hour // it did not serve beside the new one for long enough
	ties := r.ties(obs, labelled(r.T, obs, "r1"))
	if len(ties) != 1 || ties[0].Verdict != rollback.Unknown || ties[0].Unit != "" || !strings.Contains(ties[0].Text, "(key password)") || !strings.Contains(ties[0].Text, "restore Secret login from its source system") {
		r.Errorf("%+v", ties)
	}
	r.kubectl("patch", "secret", "login", "--type=json", "-p", `[{"op": "remove", "path": "/data/password"}]`)
	ties = r.ties(obs, labelled(r.T, obs, "r1"))
	if len(ties) != 1 || ties[0].Verdict != rollback.Blocked || !strings.Contains(ties[0].Text, "has no key password") {
		r.Errorf("%+v", ties)
	}
}

// What cannot be put back is said: an immutable one, one that nobody kept, one without a known good content.
func configStuck(r *room) {
	r.apply(configMap("pool: \"20\""))
	r.observe(r.settings())
	r.aside()
	r.apply(configMap("pool: \"2\""))
	obs := r.observe(r.settings())
	if len(obs.History) != 1 || len(obs.History[0].Good) > 0 {
		r.Fatalf("nothing reads it, so nothing is known good: %+v", obs)
	}
	says(r.T, r.plan(obs, obs.History[0]).Warnings, "who does is not known")
	says(r.T, r.plan(obs, rollback.Revision{Digest: "sha256:00", Label: "gone"}).Missing, "not in the archive")
	r.kubectl("patch", "configmap", "settings", "-p", `{"immutable": true}`)
	r.kubectl("annotate", "configmap", "settings", "backout.dev/freeze=until the audit is over")
	frozen := r.observe(r.settings())
	says(r.T, r.plan(frozen, obs.History[0]).Missing, "is immutable")
	if !strings.Contains(frozen.Frozen, "until the audit is over") {
		r.Errorf("frozen: %q", frozen.Frozen)
	}
	units := 0
	for u, err := range r.p.Units(r.Context()) {
		if err != nil {
			r.Fatal(err)
		}
		if u.Kind == configKind {
			units++
		}
	}
	if units != 1 { // kube-root-ca.crt is its controller's
		r.Errorf("%d units", units)
	}
}
