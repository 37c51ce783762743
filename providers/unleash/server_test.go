package unleash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/unleash"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

const (
	projects = "/api/admin/projects/default/features"
	half     = `{"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "default", "groupId": "g"}, "constraints": [], "segments": []}`
	full     = `{"name": "flexibleRollout", "parameters": {"rollout": "100", "stickiness": "default", "groupId": "g"}, "constraints": [], "segments": []}`
	europe   = `{"name": "flexibleRollout", "title": "europe", "parameters": {"rollout": "10", "stickiness": "default", "groupId": "g"},
 "constraints": [{"contextName": "userId", "operator": "IN", "values": ["1", "2"]}], "variants": [{"name": "a", "weight": 1000, "weightType": "variable", "stickiness": "default"}], "segments": []}`
)

// ana is somebody else who works on the same server: a person who logged in, not backout's token.
type ana struct {
	url    string
	client *http.Client
}

func login(t *testing.T, u *servers.Unleash) *ana {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &ana{url: u.URL, client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	a.do(t, "POST", "/auth/simple/login", `{"username": "admin", "password": "`+servers.UnleashPassword+`"}`)
	return a
}

func (a *ana) try(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if resp.StatusCode > 299 {
		err = fmt.Errorf("%s %s: %s %s", method, path, resp.Status, data)
	}
	return data, err
}

func (a *ana) do(t *testing.T, method, path, body string) []byte {
	t.Helper()
	data, err := a.try(t.Context(), method, path, body)
	// Unleash answers so as well where its database did not tell in time what somebody may; ana may everything.
	for end := time.Now().Add(20 * time.Second); err != nil && strings.Contains(err.Error(), "PermissionError") && time.Now().Before(end); {
		time.Sleep(200 * time.Millisecond) // between two looks
		data, err = a.try(t.Context(), method, path, body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// create makes a flag.
func (a *ana) create(t *testing.T, flag string) {
	t.Helper()
	a.do(t, "POST", projects, `{"name": "`+flag+`", "type": "release"}`)
}

// in is the path of a flag in production.
func in(flag, rest string) string { return projects + "/" + flag + "/environments/production" + rest }

func (a *ana) strategies(t *testing.T, flag string) []string {
	t.Helper()
	var all []struct{ ID string }
	if err := json.Unmarshal(a.do(t, "GET", in(flag, "/strategies"), ""), &all); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

func settings(url string, extra ...string) string {
	return "url: " + url + "\nbearer_token: '" + servers.UnleashAdminToken + "'\nmin_soak: 0s\npropagation: 0s\npoll: 5ms\n" +
		"services: {'new-*': checkout}\nclients: [{environment: production, token: '" + servers.UnleashClientToken + "'}]\n" + strings.Join(extra, "\n")
}

func tryMake(text string) (*unleash.Provider, error) {
	env := providers.Environment{
		Name: "unleash", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{}, Dir: "/",
	}
	p, err := unleash.Factory().New(env, func(into any) error {
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		return d.Decode(into)
	})
	if err != nil {
		return nil, err
	}
	return p.(*unleash.Provider), nil
}

func provider(t *testing.T, url string, extra ...string) *unleash.Provider {
	t.Helper()
	p, err := tryMake(settings(url, extra...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func observe(t *testing.T, p *unleash.Provider, flag string) rollback.Observation {
	t.Helper()
	obs, err := p.Observe(t.Context(), rollback.UnitID("unleash:production/"+flag))
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

func all(t *testing.T, p *unleash.Provider, w providers.Window) []providers.Change {
	t.Helper()
	var out []providers.Change
	for c, err := range p.Changes(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// One server serves every test here: it takes five seconds to start.
func TestUnleash(t *testing.T) {
	u := servers.StartUnleash(t)
	a := login(t, u)
	for name, test := range map[string]func(*testing.T, *servers.Unleash, *ana){
		"changes": changes, "history": history, "reverser": reverser, "kill and restore": killAndRestore,
		"restore of strategies": strategies, "between": between, "dependencies": dependencies, "stale and archived": staleAndArchived,
		"server away": away, "rights": rights, "flag": flagState, "conformance": conformance,
	} {
		t.Run(name, func(t *testing.T) { test(t, u, a) })
	}
}
