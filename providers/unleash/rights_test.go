package unleash_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/unleash"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// tokenOf is a token of somebody new with a role of the whole server: 2 may edit, 3 may look.
func tokenOf(t *testing.T, u *servers.Unleash, a *ana, name string, role string) string {
	t.Helper()
	const password = "Long-enough-4711!"
	a.do(t, "POST", "/api/admin/user-admin", `{"username": "`+name+`", "name": "`+name+`", "email": "`+name+`@example.com", "rootRole": `+role+`, "password": "`+password+`", "sendEmail": false}`)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	who := &ana{url: u.URL, client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	who.do(t, "POST", "/auth/simple/login", `{"username": "`+name+`", "password": "`+password+`"}`)
	var made struct{ Secret string }
	if err := json.Unmarshal(who.do(t, "POST", "/api/admin/user/tokens", `{"description": "backout", "expiresAt": "2130-01-01T00:00:00Z"}`), &made); err != nil || made.Secret == "" {
		t.Fatalf("no token: %v", err)
	}
	return made.Secret
}

// rights is the probe of each kind of token, and that what it says is what the server then does.
func rights(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-rights"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	a.do(t, "PUT", in(flag, "/strategies/"+a.strategies(t, flag)[0]), full)
	log := len(a.do(t, "GET", "/api/admin/search/events?feature=IS:"+flag, ""))
	for name, c := range map[string]struct{ token, state, text string }{
		"an admin":  {servers.UnleashAdminToken, "yes", ""},
		"an editor": {tokenOf(t, u, a, "editor", "2"), "yes", ""},
		"a viewer":  {tokenOf(t, u, a, "viewer", "3"), "no", "no permission UPDATE_FEATURE, UPDATE_FEATURE_STRATEGY in production of project default"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := tryMake(strings.Replace(settings(u.URL), servers.UnleashAdminToken, c.token, 1))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			rightsOf(t, p, flag, c.state, c.text)
		})
	}
	if now := len(a.do(t, "GET", "/api/admin/search/events?feature=IS:"+flag, "")); now != log {
		t.Errorf("looking left something in the log of the flag: %d bytes, then %d", now, log)
	}
}

func rightsOf(t *testing.T, p *unleash.Provider, flag, state, text string) {
	t.Helper()
	obs := observe(t, p, flag)
	looks, err := p.ProbePlan(t.Context(), obs, obs.History[0])
	if err != nil || len(looks) != 2 || looks[0].State != "yes" || looks[1].State != state || looks[1].Rule != rollback.LostRight || !strings.Contains(looks[1].Text, text) {
		t.Errorf("%+v %v", looks, err)
	}
	if looks, err := p.ProbePlan(t.Context(), obs, rollback.Revision{Digest: "sha256:none", Label: "event 1"}); err != nil || len(looks) != 1 || looks[0].Rule != rollback.LostArtifact {
		t.Errorf("what is not in the log: %+v %v", looks, err)
	}
}

// flagState is for whom a flag is on and since when there is one, as rules ask for it.
func flagState(t *testing.T, u *servers.Unleash, a *ana) {
	const flag = "new-state"
	a.create(t, flag)
	a.do(t, "POST", in(flag, "/strategies"), half)
	a.do(t, "POST", in(flag, "/on"), "")
	p := provider(t, u.URL)
	made := observe(t, p, flag).Flag
	if made == nil || made.Name != flag || !made.On || made.Created.IsZero() || !strings.Contains(made.Words, "50%") {
		t.Fatalf("%+v", made)
	}
	a.do(t, "PUT", in(flag, "/strategies/"+a.strategies(t, flag)[0]), strings.Replace(half, `"50"`, `"0"`, 1))
	if f := observe(t, p, flag).Flag; f.On || !f.Created.Equal(made.Created) {
		t.Errorf("on for nobody: %+v", f)
	}
	a.do(t, "DELETE", projects+"/"+flag, "")
	a.do(t, "POST", "/api/admin/archive/revive/"+flag, "")
	if f := observe(t, p, flag).Flag; !f.Created.After(made.Created) {
		t.Errorf("it was taken out of the archive and is the same as ever: %+v, then %+v", f, made)
	}
}
