//go:build unix

package releases

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
)

func TestPlanShowsWhatChangesAndHidesSecrets(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.release("r41", "app.txt", "one\ntwo\n", ".env", "KEY=old-secret\n", "conf.ini", "password = hunter2\nurl = http://u:pw@db/x\n", "logo.png", "a\x00b", "gone.txt", "x\n", "same", "s")
	s.release("r42", "app.txt", "one\n\x1b[31mthree\n", ".env", "KEY=new-secret\n", "conf.ini", "password = hunter3\nurl = http://u:pw2@db/x\n", "logo.png", "a\x00c", "new.txt", "y\n", "same", "s")
	s.must(os.Symlink("../../shared/uploads", filepath.Join(s.dir("r41"), "uploads")))
	s.must(os.Chmod(filepath.Join(s.dir("r42"), "same"), 0o755))
	s.deploy("r42")
	p := s.provider("reload", []string{"systemctl", "reload", "pricing"})
	obs := observe(t, p)
	prop, err := p.Plan(t.Context(), obs, labelled(t, obs, "r41"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-three", "+two", "binary logo.png", ".env differs", "(not shown)", "-y", "+x", "mode of same", "uploads: not there, then link to"} {
		if !strings.Contains(prop.Diff, want) {
			t.Errorf("the diff lacks %q:\n%s", want, prop.Diff)
		}
	}
	for _, secret := range []string{"old-secret", "hunter", ":pw@", ":pw2@", "\x1b"} {
		if strings.Contains(prop.Diff, secret) {
			t.Errorf("the diff tells %q:\n%s", secret, prop.Diff)
		}
	}
	if len(prop.NotRestored) != 2 || !strings.Contains(prop.NotRestored[1], "shared/uploads") || prop.Estimate != 0 || prop.Blast != "1 host" || len(prop.Missing) != 0 {
		t.Errorf("got %+v", prop)
	}
	if step := prop.Steps[0]; !strings.Contains(step.Title, "switch current to r41, then run systemctl reload pricing") || step.Token != obs.Token {
		t.Errorf("step %+v", step)
	}
}

func TestAReleaseThatVanished(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	obs := observe(t, p)
	to := labelled(t, obs, "r41")
	step := way(t, p, "r41")
	s.must(os.RemoveAll(s.dir("r41")))
	prop, err := p.Plan(t.Context(), obs, to)
	if err != nil || len(prop.Missing) != 1 || !strings.Contains(prop.Missing[0], "r41") {
		t.Errorf("plan %+v, %v", prop, err)
	}
	if res := apply(t, p, "op1", step); res.Outcome != rollback.Failed || !strings.Contains(res.Detail, "gone") {
		t.Errorf("apply %+v", res)
	}
	s.release("r41", "app.txt", "other content")
	if res := apply(t, p, "op1", step); res.Outcome != rollback.Failed || !strings.Contains(res.Detail, "other content") {
		t.Errorf("apply %+v", res)
	}
}

func TestAReleaseThatVanishedWhileItServed(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	s.must(os.RemoveAll(s.dir("r42")))
	obs, err := p.Observe(t.Context(), pricing)
	if err == nil || !strings.Contains(err.Error(), "r42") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("what serves is gone, and it was observed as %+v, %v", obs.Current, err)
	}
	if c, err := p.Status(t.Context(), pricing, obs.Current); err == nil && (c.Done || !c.Failed) {
		t.Errorf("status %+v, %v", c, err)
	}
	checks, err := p.Verify(t.Context(), pricing, obs.Current)
	if err != nil || checks[0].State == rollback.CheckPass {
		t.Errorf("verify %+v, %v", checks, err)
	}
	if len(all(t, p)) == 0 {
		t.Error("that a release is gone is no reason to lose what happened")
	}
}

// What the link points to is the target's own word; the unit's checks are not, and a plan names them beforehand.
func TestOnlyTheChecksLookFromOutside(t *testing.T) {
	p := twoReleases(t).provider("checks", []map[string]any{{"name": "answers", "command": []string{"true"}}})
	if w, ok := rollback.Reverser(p).(rollback.Watchful); !ok || w.LookTimeout() != p.timeout {
		t.Error("the engine is not told how long a look may take")
	}
	obs := observe(t, p)
	prop, err := p.Plan(t.Context(), obs, labelled(t, obs, "r41"))
	if err != nil || !slices.Equal(prop.Checks, []string{"answers"}) {
		t.Errorf("the plan names the checks %q, %v", prop.Checks, err)
	}
	checks, err := p.Verify(t.Context(), pricing, obs.Current)
	if err != nil || len(checks) != 2 || !checks[0].Inside || checks[1].Inside || checks[1].State != rollback.CheckPass {
		t.Errorf("verify %+v, %v", checks, err)
	}
}

func TestWhatIsNoUnit(t *testing.T) {
	s := newShop(t, t.TempDir())
	p := s.provider()
	wants := func(what, text string) {
		t.Helper()
		if obs, err := p.Observe(t.Context(), pricing); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: observed %+v, %v", what, obs.Current, err)
		}
	}
	wants("no link", "no link at")
	s.must(os.Mkdir(filepath.Join(s.base, "current"), 0o755))
	wants("a directory", "not a link")
	s.must(os.Remove(filepath.Join(s.base, "current")))
	s.must(s.tryDeploy("/usr"))
	wants("elsewhere", "not in releases")
	if _, err := p.Observe(t.Context(), "releases:local/other"); err == nil || !strings.Contains(err.Error(), "releases:local/pricing") {
		t.Errorf("got %v", err)
	}
	if h := p.Health(); h.State != providers.HealthFailing || h.Detail == "" {
		t.Errorf("health %+v", h)
	}
}

func TestAbsoluteAndLinkedPathsAreTheSameUnit(t *testing.T) {
	s := twoReleases(t)
	alias := filepath.Join(t.TempDir(), "alias")
	s.must(os.Symlink(s.base, alias))
	s.must(s.tryDeploy(filepath.Join(alias, "releases", "r42")))
	if obs := observe(t, s.provider()); obs.Current.Label != "r42" {
		t.Errorf("got %+v", obs.Current)
	}
}

// reloads is a unit whose reload fails while a file named broken is there.
func reloads(t *testing.T) (*shop, *Provider) {
	t.Helper()
	s := twoReleases(t)
	s.must(os.WriteFile(filepath.Join(s.base, "reload.sh"), []byte("#!/bin/sh\nreadlink current >> reloads\n[ ! -e broken ] || { echo no pid >&2; exit 1; }\necho fine\n"), 0o755))
	return s, s.provider("reload", []string{"./reload.sh"})
}

func TestAReloadThatFailsIsSaidAndDoneAgain(t *testing.T) {
	s, p := reloads(t)
	step := way(t, p, "r41")
	to := labelled(t, observe(t, p), "r41")
	status := func() rollback.Convergence {
		t.Helper()
		c, err := p.Status(t.Context(), pricing, to)
		s.must(err)
		return c
	}
	s.must(os.WriteFile(filepath.Join(s.base, "broken"), nil, 0o644))
	if res := apply(t, p, "op1", step); res.Outcome != rollback.Applied || !strings.Contains(res.Detail, "the reload failed") || !strings.Contains(res.Detail, "no pid") {
		t.Errorf("got %+v", res)
	}
	if c := status(); c.Done || !c.Failed || !strings.Contains(c.Detail, "no pid") {
		t.Errorf("status %+v", c)
	}
	s.must(os.Remove(filepath.Join(s.base, "broken")))
	for range 2 { // the second time there is nothing left to do
		if res := apply(t, p, "op1", step); res.Outcome != rollback.AlreadyApplied {
			t.Errorf("got %+v", res)
		}
	}
	if c := status(); !c.Done || c.Failed {
		t.Errorf("status %+v", c)
	}
	said, err := os.ReadFile(filepath.Join(s.base, "reloads"))
	if n := strings.Count(string(said), "\n"); err != nil || n != 2 || strings.Contains(string(said), "r42") {
		t.Errorf("%d reloads, %q, %v", n, said, err)
	}
}

func TestChecksFromOutside(t *testing.T) {
	s := twoReleases(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			fmt.Fprint(w, "all is well")
		case "/slow":
			<-r.Context().Done()
		default:
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	defer web.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.must(closed.Close())
	p := s.provider("checks", []obj{
		{"name": "ok", "http": web.URL + "/ok", "expect_body": "well"},
		{"name": "body", "http": web.URL + "/ok", "expect_body": "happy"},
		{"name": "down", "http": web.URL + "/down"},
		{"name": "expected", "http": web.URL + "/down", "expect_status": 503},
		{"name": "slow", "http": web.URL + "/slow", "timeout": "50ms"},
		{"name": "tcp", "tcp": web.Listener.Addr().String()},
		{"name": "closed", "tcp": closed.Addr().String()},
		{"name": "program", "command": []string{"test", "-e", "current/app.txt"}},
		{"name": "bad program", "command": []string{"test", "-e", "current/none"}},
		{"name": "no program", "command": []string{"/nonexistent"}},
	})
	checks, err := p.Verify(t.Context(), pricing, observe(t, p).Current)
	s.must(err)
	var got []string
	for _, c := range checks {
		got = append(got, c.Name+" "+string(c.State))
	}
	want := "current pass,ok pass,body fail,down fail,expected pass,slow fail,tcp pass,closed fail,program pass,bad program fail,no program unknown"
	if strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
}

func TestDigestIsOfTheContentAlone(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.release("a", "x/y", "1", "x.z", "2")
	s.release("b", "x.z", "2", "x/y", "1", "empty/../q", "q")
	s.must(os.Remove(filepath.Join(s.dir("b"), "q")))
	s.must(os.MkdirAll(filepath.Join(s.dir("b"), stampDir, "op.1"), 0o755))
	s.must(os.Chmod(filepath.Join(s.dir("b"), "x.z"), 0o600))
	s.must(os.Chtimes(filepath.Join(s.dir("b"), "x.z"), time.Unix(1, 0), time.Unix(1, 0)))
	s.deploy("a")
	p := s.provider()
	digest := func(label string) string {
		t.Helper()
		d, err := p.digests.digest(t.Context(), p.host, p.units[0], label)
		s.must(err)
		return d
	}
	a := digest("a")
	if b := digest("b"); a != b {
		t.Errorf("the same content is %s and %s", a, b)
	}
	for _, change := range []func(){
		func() { s.release("b", "x.z", "3") },
		func() { s.release("b", "x.z", "2", "more", "") },
		func() {
			s.must(os.Remove(filepath.Join(s.dir("b"), "more")))
			s.must(os.Chmod(filepath.Join(s.dir("b"), "x.z"), 0o755))
		},
		func() {
			s.must(os.Remove(filepath.Join(s.dir("b"), "x.z")))
			s.must(os.Symlink("2", filepath.Join(s.dir("b"), "x.z")))
		},
	} {
		change()
		if b := digest("b"); a == b {
			t.Error("other content, and the same digest")
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	unit := func(more ...any) []obj {
		u := obj{"name": "a", "path": "/srv/a"}
		for i := 0; i < len(more); i += 2 {
			u[more[i].(string)] = more[i+1]
		}
		return []obj{u}
	}
	for _, s := range []obj{
		{},
		{"units": unit("name", "")},
		{"units": unit("path", "")},
		{"units": unit("current", "a/b")},
		{"units": unit("current", "releases")},
		{"units": unit("reload", []string{""})},
		{"units": unit("checks", []obj{{"name": "x"}})},
		{"units": unit("checks", []obj{{"name": "x", "http": "h", "tcp": "t"}})},
		{"units": append(unit(), unit()...)},
		{"units": unit(), "host": "-oProxyCommand=x"},
		{"units": unit(), "host": "a b"},
		{"units": unit(), "host": "h;x"},
		{"units": unit("path", "relative"), "host": "web1"},
		{"units": unit(), "scope": "a/b"},
		{"units": unit(), "surprise": 1},
	} {
		if _, err := tryMake(&providertest.Archive{}, s); err == nil {
			t.Errorf("%v was taken", s)
		}
	}
}

// What cannot be looked at may well guard against others: nothing is known of it.
func TestADirectoryThatIsNotThereIsUnknown(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	s.must(os.RemoveAll(s.base))
	for u, err := range p.Units(t.Context()) {
		if err != nil || u.CAS != rollback.CASUnknown && exchangeNames != nil {
			t.Errorf("%q, %v, want unknown", u.CAS, err)
		}
	}
}
