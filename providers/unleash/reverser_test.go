package unleash_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/unleash"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
	"github.com/backout-dev/backout/test/servers"
)

// door stands before the real server and can be shut: what comes meanwhile waits, or is answered with nonsense.
type door struct {
	url     string
	mu      sync.Mutex
	shut    chan struct{}
	garbage bool
	inside  sync.WaitGroup

	connected *sync.Cond // on mu
	open      int
}

func before(t *testing.T, to string) *door {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	d := &door{}
	d.connected = sync.NewCond(&d.mu)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.inside.Add(1)
		defer d.inside.Done()
		d.mu.Lock()
		shut, garbage := d.shut, d.garbage
		d.mu.Unlock()
		if garbage {
			_, _ = w.Write([]byte(`{"events": [{"id": "x"}], "features": 7}`))
			return
		}
		if shut != nil && r.Method != http.MethodGet {
			<-shut // the effect arrives, and late: who asked has gone by then
		}
		proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if s == http.StateNew {
			d.open++
		}
		if s == http.StateClosed {
			d.open--
			d.connected.Broadcast()
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	d.url = srv.URL
	return d
}

// left waits until nobody is connected any more and all that was asked for has arrived.
func (d *door) left() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.open > 0 {
		d.connected.Wait()
	}
}

func (d *door) hang() (release func()) {
	shut := make(chan struct{})
	d.mu.Lock()
	d.shut = shut
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		d.shut = nil
		d.mu.Unlock()
		close(shut)
		d.inside.Wait()
	}
}

func (d *door) spoil() (restore func()) {
	set := func(on bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.garbage = on
	}
	set(true)
	return func() { set(false) }
}

// reverser is the suite of every reverser, on the real server: between two shares of people, and between on and off.
func reverser(t *testing.T, u *servers.Unleash, a *ana) {
	for flag, to := range map[string]string{"new-share": "half", "new-kill": "off"} {
		t.Run(flag, func(t *testing.T) {
			a.create(t, flag)
			a.do(t, "POST", in(flag, "/strategies"), half)
			a.do(t, "POST", in(flag, "/on"), "")
			id := a.strategies(t, flag)[0]
			a.do(t, "PUT", in(flag, "/strategies/"+id), full)
			d := before(t, u.URL)
			p := provider(t, d.url)
			obs := observe(t, p, flag)
			target := obs.History[0]
			if to == "off" {
				target = obs.History[len(obs.History)-1]
			}
			suite := rollbacktest.Suite{
				Reverser: p, Unit: obs.Unit.ID, To: target.Digest, Hang: d.hang, Garbage: d.spoil,
				State: func(ctx context.Context) (string, error) {
					data, err := a.try(ctx, "GET", in(flag, ""), "")
					return string(data), err
				},
				Foreign: func(ctx context.Context, r rollback.Revision) error {
					method, path, body := "POST", in(flag, "/on"), ""
					switch {
					case to == "off" && r.Digest == target.Digest:
						path = in(flag, "/off")
					case to == "half" && r.Digest == target.Digest:
						method, path, body = "PUT", in(flag, "/strategies/"+id), half
					case to == "half":
						method, path, body = "PUT", in(flag, "/strategies/"+id), full
					}
					_, err := a.try(ctx, method, path, body)
					return err
				},
			}
			if to == "off" {
				mine := before(t, u.URL)
				suite.Kill = func(ctx context.Context, op rollback.Operation, step rollback.Step) error {
					err := applyAndKill(ctx, mine.url, op, step)
					mine.left() // what it had asked for arrives all the same
					return err
				}
			}
			rollbacktest.Run(t, suite)
		})
	}
}

func apply(t *testing.T, p *unleash.Provider, op string, obs rollback.Observation, to rollback.Revision) (rollback.Result, rollback.Step) {
	t.Helper()
	prop, err := p.Plan(t.Context(), obs, to)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Apply(t.Context(), rollback.Operation{ID: op}, prop.Steps[0])
	if err != nil {
		t.Fatal(err)
	}
	return res, prop.Steps[0]
}

func labelled(t *testing.T, obs rollback.Observation, label string) rollback.Revision {
	t.Helper()
	for _, r := range obs.History {
		if r.Label == label {
			return r
		}
	}
	t.Fatalf("no revision %s in %+v", label, obs.History)
	return rollback.Revision{}
}

// Kill switches off and alters nothing else; restore brings back what stood before. SDKs see both.
func killAndRestore(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-both"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	a.do(t, "PUT", in(flag, "/strategies/"+a.strategies(t, flag)[0]), full)
	p := provider(t, u.URL)
	good := observe(t, p, flag)
	off := labelled(t, good, "off")
	prop, err := p.Plan(t.Context(), good, off)
	if err != nil || prop.Steps[0].Action != "kill" || !strings.Contains(prop.Diff, `-  "enabled": true`) || strings.Contains(prop.Diff, "rollout\": \"50") {
		t.Fatalf("%+v %v", prop, err)
	}
	if res, _ := apply(t, p, "op-kill", good, off); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	verified(t, p, flag, off, "off")
	now := observe(t, p, flag)
	if now.Stamp != "op-kill" || now.History[0].Digest != good.Current.Digest || len(now.History[0].Good) > 0 {
		t.Fatalf("after the kill: stamp %q, history %+v", now.Stamp, now.History[0])
	}
	before := now.History[1] // half: what stood before the one that was killed
	res, step := apply(t, p, "op-restore", now, before)
	if res.Outcome != rollback.Applied || step.Action != "restore" {
		t.Fatalf("%+v %+v", res, step)
	}
	verified(t, p, flag, before, "on, flexibleRollout 50%")
	if tags := string(a.do(t, "GET", "/api/admin/features/"+flag+"/tags", "")) + string(a.do(t, "GET", "/api/admin/tags/simple", "")); strings.Contains(tags, "backout-op") {
		t.Errorf("tags are left: %s", tags)
	}
	toldAsRollbacks(t, p, flag, 3) // off; half again, and on
}

func toldAsRollbacks(t *testing.T, p *unleash.Provider, flag string, want int) {
	t.Helper()
	n := 0
	for _, c := range all(t, p, providers.Window{}) {
		if c.Unit == "unleash:production/"+flag && c.Kind == providers.KindRollback {
			n++
		}
	}
	if n != want {
		t.Errorf("%d of the changes are told of as rollbacks, not %d", n, want)
	}
}

func verified(t *testing.T, p *unleash.Provider, flag string, to rollback.Revision, words string) {
	t.Helper()
	unit := rollback.UnitID("unleash:production/" + flag)
	// What SDKs are told comes from a cache of the server, which is behind by a moment.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		checks, err := p.Verify(ctx, unit, to)
		if err != nil || len(checks) != 2 || checks[0].State != rollback.CheckPass {
			t.Fatalf("%+v %v", checks, err)
		}
		if checks[1].State == rollback.CheckPass {
			if checks[1].Observed != words || checks[0].Observed != words {
				t.Errorf("%+v", checks)
			}
			break
		}
	}
	if c, err := p.Status(t.Context(), unit, to); err != nil || !c.Done {
		t.Errorf("%+v %v", c, err)
	}
}

// Strategies that were added, changed and taken away come back as they were, in their order.
func strategies(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-strategies"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), europe)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	p := provider(t, u.URL)
	then := observe(t, p, flag)
	ids := a.strategies(t, flag)
	a.do(t, "DELETE", in(flag, "/strategies/"+ids[0]), "")
	a.do(t, "PUT", in(flag, "/strategies/"+ids[1]), full)
	a.do(t, "POST", in(flag, "/strategies"), half)
	now := observe(t, p, flag)
	back := labelled(t, now, then.Current.Label)
	if back.Digest != then.Current.Digest {
		t.Fatalf("the log tells %+v, it was %+v", back, then.Current)
	}
	if res, _ := apply(t, p, "op-strategies", now, back); res.Outcome != rollback.Applied {
		t.Fatalf("%+v", res)
	}
	verified(t, p, flag, back, "on, flexibleRollout 10% with 1 condition; flexibleRollout 50%")
	// And once more, from what it made itself: the log of several calls is one period.
	again := observe(t, p, flag)
	if again.Current.Digest != then.Current.Digest || again.History[0].Digest != now.Current.Digest {
		t.Errorf("history after it: %+v", again.History)
	}
}

// Somebody else's change between the plan and the apply stays, and who made it is said; so is one in the middle of it.
func between(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-between"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	p := provider(t, u.URL)
	obs := observe(t, p, flag)
	prop, err := p.Plan(t.Context(), obs, labelled(t, obs, "off"))
	if err != nil {
		t.Fatal(err)
	}
	a.do(t, "PUT", in(flag, "/strategies/"+a.strategies(t, flag)[0]), full)
	res, err := p.Apply(t.Context(), rollback.Operation{ID: "op-late"}, prop.Steps[0])
	if err != nil || res.Outcome != rollback.PreconditionFailed || !strings.Contains(res.Detail, "admin changed it: strategy flexibleRollout 50% is now flexibleRollout 100%") {
		t.Errorf("%+v %v", res, err)
	}
	if now := observe(t, p, flag); now.Stamp != "" || !strings.Contains(string(a.do(t, "GET", in(flag, ""), "")), `"enabled":true`) {
		t.Errorf("%+v", now)
	}
	if _, err := p.Plan(t.Context(), obs, labelled(t, obs, "off")); err == nil || !strings.Contains(err.Error(), "look again") {
		t.Errorf("a plan from an old look: %v", err)
	}
	forged := prop.Steps[0]
	forged.Args = map[string]string{"configuration": `{"enabled": true}`}
	if res, err = p.Apply(t.Context(), rollback.Operation{ID: "op-forged"}, forged); err != nil || res.Outcome != rollback.Failed {
		t.Errorf("%+v %v", res, err)
	}
}

// What depends on a flag, and on what it depends itself, is said.
func dependencies(t *testing.T, u *servers.Unleash, a *ana) {
	a.create(t, "new-parent")
	a.create(t, "new-child")
	a.do(t, "POST", projects+"/new-child/dependencies", `{"feature": "new-parent"}`)
	for _, flag := range []string{"new-parent", "new-child"} {
		a.do(t, "POST", in(flag, "/strategies"), half)
		a.do(t, "POST", in(flag, "/on"), "")
	}
	p := provider(t, u.URL)
	for flag, text := range map[string]string{
		"new-parent": "new-child depends on new-parent, whatever it says itself", "new-child": "as far as new-parent lets it",
	} {
		obs := observe(t, p, flag)
		ties, err := p.Ties(t.Context(), obs, labelled(t, obs, "off"))
		if err != nil || len(ties) != 1 || ties[0].Verdict != rollback.Conditional || !strings.Contains(ties[0].Text, text) {
			t.Errorf("%s: %+v %v", flag, ties, err)
		}
	}
}

// A flag that is called stale is not switched by anybody, and one that is archived is not there.
func staleAndArchived(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-stale"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	p := provider(t, u.URL)
	obs := observe(t, p, flag)
	prop, err := p.Plan(t.Context(), obs, labelled(t, obs, "off"))
	if err != nil || obs.Frozen != "" {
		t.Fatalf("%q %v", obs.Frozen, err)
	}
	a.do(t, "PATCH", projects+"/"+flag, `[{"op": "replace", "path": "/stale", "value": true}]`)
	if now := observe(t, p, flag); !strings.Contains(now.Frozen, "stale") {
		t.Errorf("frozen %q", now.Frozen)
	}
	a.do(t, "DELETE", projects+"/"+flag, "")
	if _, err := p.Observe(t.Context(), obs.Unit.ID); err == nil || !strings.Contains(err.Error(), "archived") {
		t.Errorf("observed: %v", err)
	}
	if res, err := p.Apply(t.Context(), rollback.Operation{ID: "op-gone"}, prop.Steps[0]); err != nil || res.Outcome != rollback.PreconditionFailed {
		t.Errorf("%+v %v", res, err)
	}
	for unit, err := range p.Units(t.Context()) {
		if err != nil || strings.HasSuffix(string(unit.ID), flag) {
			t.Errorf("%+v %v", unit, err)
		}
	}
}

// history: only what the log fits to is told.
func history(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-history"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	p := provider(t, u.URL)
	obs := observe(t, p, flag)
	// on; then off with its strategy; then off with none, as it was created; and the way to switch it off.
	if n := len(obs.History); n != 3 || len(obs.Raw) > 0 || obs.History[0].Digest != obs.History[2].Digest || !obs.History[2].Staged || len(obs.History[1].Good) == 0 {
		t.Errorf("%+v %s", obs.History, obs.Raw)
	}
	a.do(t, "DELETE", projects+"/"+flag, "")
	a.do(t, "POST", "/api/admin/archive/revive/"+flag, "")
	obs = observe(t, p, flag)
	var raw struct{ History string }
	if err := json.Unmarshal(obs.Raw, &raw); err != nil || !strings.Contains(raw.History, "feature-revived") {
		t.Errorf("%s: %v", obs.Raw, err)
	}
}

// away: a server that is not there is unknown, never well, and heals by itself.
func away(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-away"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	p := provider(t, u.URL)
	obs := observe(t, p, flag)
	prop, err := p.Plan(t.Context(), obs, labelled(t, obs, "off"))
	if err != nil {
		t.Fatal(err)
	}
	u.Stop()
	res, err := p.Apply(t.Context(), rollback.Operation{ID: "op-away"}, prop.Steps[0])
	if err != nil || res.Outcome != rollback.OutcomeUnknown {
		t.Errorf("%+v %v", res, err)
	}
	if h := p.Health(); h.State != providers.HealthFailing || strings.Contains(h.Detail, servers.UnleashAdminToken) {
		t.Errorf("%+v", h)
	}
	u.Start(t)
	if res, err = p.Apply(t.Context(), rollback.Operation{ID: "op-away"}, prop.Steps[0]); err != nil || res.Outcome != rollback.Applied {
		t.Errorf("%+v %v", res, err)
	}
}
