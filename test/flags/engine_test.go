package flags_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/unleash"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

const (
	unit    = rollback.UnitID("unleash:production/new-checkout")
	flags   = "/api/admin/projects/default/features"
	there   = flags + "/new-checkout/environments/production"
	share   = `{"name": "flexibleRollout", "parameters": {"rollout": "SHARE", "stickiness": "default", "groupId": "g"}, "constraints": [], "segments": []}`
	timeout = 30 * time.Second
)

func ask(t *testing.T, method, url, token, body string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, data, err)
	}
	return data
}

// shop is a service that asks Unleash as an SDK does, and whose new checkout is broken for everybody who gets it.
func shop(t *testing.T, u *servers.Unleash) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var answer struct {
			Features []struct {
				Name    string
				Enabled bool
			}
		}
		if err := json.Unmarshal(ask(t, "GET", u.URL+"/api/client/features", servers.UnleashClientToken, ""), &answer); err != nil {
			t.Error(err)
		}
		for _, f := range answer.Features {
			if f.Name == "new-checkout" && f.Enabled {
				http.Error(w, "the new checkout is broken", http.StatusInternalServerError)
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func engine(t *testing.T, p rollback.Reverser, service string) *rollback.Engine {
	t.Helper()
	return oncall.Engine(t, rollback.Config{
		Reversers: map[string]rollback.Reverser{"unleash": p}, Hold: 500 * time.Millisecond, Deadline: timeout, Poll: 100 * time.Millisecond,
		CheckNames: func([]string) []string { return []string{"checkout"} },
		Checks: func(ctx context.Context, _ []string) ([]rollback.Check, error) {
			c := rollback.Check{Name: "checkout", State: rollback.CheckUnknown, Goal: "200"}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, service, http.NoBody)
			if err != nil {
				return nil, err
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
				c.Observed, c.State = resp.Status, rollback.CheckFail
				if resp.StatusCode == http.StatusOK {
					c.State = rollback.CheckPass
				}
			}
			return []rollback.Check{c}, nil
		},
	})
}

// culprit is the newest change of the flag.
func culprit(t *testing.T, p providers.ChangeSource) *providers.Change {
	t.Helper()
	for c, err := range p.Changes(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Unit == string(unit) {
			return &c
		}
	}
	t.Fatal("nothing is told of the flag")
	return nil
}

// A flag that broke a service goes back to what stood before, and the service itself says that it is well. A plan that somebody
// overtook is refused, with who it was. Switched on once more, it is killed.
func TestAFlagThatBrokeAServiceGoesBack(t *testing.T) {
	u := servers.StartUnleash(t)
	service := shop(t, u)
	p := oncall.Provider(t, unleash.Factory(), "unleash", "url: "+u.URL+"\nbearer_token: '"+servers.UnleashAdminToken+
		"'\nmin_soak: 0s\npropagation: 1s\nclients: [{environment: production, token: '"+servers.UnleashClientToken+"'}]\n").(*unleash.Provider)
	t.Cleanup(func() { _ = p.Close() })
	e := engine(t, p, service)
	admin := func(method, path, body string) {
		ask(t, method, u.URL+path, servers.UnleashAdminToken, body)
	}
	admin("POST", flags, `{"name": "new-checkout", "type": "release"}`)
	admin("POST", there+"/strategies", strings.Replace(share, "SHARE", "100", 1))
	admin("POST", there+"/on", "")

	bad := culprit(t, p)
	plan, err := e.Plan(t.Context(), rollback.Request{Change: bad})
	if err != nil || len(plan.Units) != 1 || plan.Units[0].Unit.ID != unit || plan.Units[0].Steps[0].Action != "restore" || plan.Unseen {
		t.Fatalf("%+v %v", plan, err)
	}
	if text := strings.Join(plan.Warnings, "\n"); !strings.Contains(text, "no compare-and-set") || !strings.Contains(text, "SDKs ask every 1s") {
		t.Errorf("warnings\n%s", text)
	}
	run := oncall.Execute(t, e, plan)
	if run.State != rollback.RunSucceeded {
		t.Fatalf("it ended as %s: %s; %+v", run.State, run.Detail, run.Checks)
	}
	if c := culprit(t, p); c.Kind != providers.KindRollback || !strings.HasPrefix(c.Title, "new-checkout: off") {
		t.Errorf("the timeline tells of it as %+v", c)
	}

	admin("POST", there+"/on", "")
	overtaken(t, e, func() { admin("POST", there+"/strategies", strings.Replace(share, "SHARE", "5", 1)) })
	if plan, err = e.Plan(t.Context(), rollback.Request{Unit: unit, To: "off"}); err != nil || plan.Units[0].Steps[0].Action != "kill" {
		t.Fatalf("%+v %v", plan, err)
	}
	if run = oncall.Execute(t, e, plan); run.State != rollback.RunSucceeded {
		t.Errorf("the kill ended as %s: %s; %+v", run.State, run.Detail, run.Checks)
	}
}

// overtaken has somebody else act after the look: before the confirmation, and after it.
func overtaken(t *testing.T, e *rollback.Engine, other func()) {
	t.Helper()
	plan, err := e.Plan(t.Context(), rollback.Request{Unit: unit, To: "off"})
	if err != nil {
		t.Fatal(err)
	}
	other()
	if run, err := e.Confirm(t.Context(), plan, oncall.Yes(plan)); err == nil {
		t.Errorf("a plan that somebody overtook was taken: %+v", run)
	}
	if plan, err = e.Plan(t.Context(), rollback.Request{Unit: unit, To: "off"}); err != nil {
		t.Fatal(err)
	}
	run, err := e.Confirm(t.Context(), plan, oncall.Yes(plan))
	if err != nil {
		t.Fatal(err)
	}
	other()
	if run, err = e.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSuperseded {
		t.Errorf("overtaken after the confirmation, it ended as %s: %s %v", run.State, run.Detail, err)
	}
}
