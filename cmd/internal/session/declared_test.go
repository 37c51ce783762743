package session

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
)

const declaredConfig = `rollback: {deadline: 10m}
providers: {prom: {type: prometheus, url: "http://127.0.0.1:9"}}
verify:
  - unit: "kubernetes:shop/*"
    hold: 2m
    promql: [{query: "sum(rate(errors_total{service=\"cart\"}[1m])) or vector(0)", max: 0.01, window: 3m}]
  - service: cart
    environment: prod
    hold: 90s
    http: [{url: "https://cart.example.com/health", max_latency: 300ms, samples: 3}]
  - name: smoke
    command: [{argv: [./smoke.sh, --fast], env: [SMOKE_TOKEN]}]
`

// declarer is a session as far as declarations need one.
func declarer(t *testing.T, text string) *Session {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "backout.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{Path: path, Providers: []config.ProviderSchema{{Type: "prometheus", Fields: []config.Field{{Name: "url", Type: config.String}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return &Session{opts: Options{Config: cfg, Dir: dir, Now: time.Now}}
}

func cart() rollback.Unit {
	return rollback.Unit{ID: "kubernetes:shop/cart", Service: "cart", Environment: "prod"}
}

func told(d rollback.Declaration) []string {
	var out []string
	for _, c := range d.Checks {
		line := c.Name + " | " + c.What() + " | " + c.Goal + " | " + c.Source
		if c.Guest {
			line += " | guest"
		}
		out = append(out, line)
	}
	return out
}

func TestDeclared(t *testing.T) {
	s := declarer(t, declaredConfig)
	d := s.Declared(cart(), nil)
	want := []string{
		`sum(rate(errors_total{service="cart"}[1… | PromQL at prom: sum(rate(errors_total{service="cart"}[1m])) or vector(0), over 3m | at most 0.01 for 3m0s | backout.yaml:4`,
		"cart.example.com/health | GET https://cart.example.com/health | 200 to 399 within 300ms, 3 times in a row | backout.yaml:7",
	}
	if diff := cmp.Diff(want, told(d)); diff != "" || d.Hold != 2*time.Minute {
		t.Errorf("hold %s (-want +got)\n%s", d.Hold, diff)
	}
	if d := s.Declared(rollback.Unit{ID: "kubernetes:other/x", Service: "x"}, nil); len(d.Checks) != 0 || d.Hold != 0 {
		t.Errorf("another unit: %+v", d)
	}
}

func TestDeclaredByAnnotations(t *testing.T) {
	s := declarer(t, declaredConfig)
	stranger := rollback.Unit{ID: "kubernetes:other/x", Service: "x", Environment: "prod"}
	d := s.Declared(stranger, map[string]string{
		"backout.dev/verify":        "smoke, nosuch",
		"backout.dev/verify-http":   "http://x.example.com/ready",
		"backout.dev/verify-promql": `[{query: up, min: 1}, {query: up, min: 1, window: 9m}, {query: up, min: 1, provider: other}]`,
		"backout.dev/verify-hold":   "3m",
	})
	want := []string{
		"smoke.sh | run ./smoke.sh --fast | exit code 0 | backout.yaml:11",
		`backout.dev/verify | cannot be looked at: the configuration has no entry under verify with the name "nosuch" |  | annotation backout.dev/verify | guest`,
		"x.example.com/ready | GET http://x.example.com/ready | 200 to 399 | annotation backout.dev/verify-http | guest",
		"up | PromQL at prom: up | at least 1 | annotation backout.dev/verify-promql | guest",
		"up | cannot be looked at: a window of 9m0s and the hold do not fit into rollback.deadline (10m0s) | at least 1 for 9m0s | annotation backout.dev/verify-promql | guest",
		`up | cannot be looked at: provider: no provider "other" of type prometheus; there are prom | at least 1 | annotation backout.dev/verify-promql | guest`,
	}
	if diff := cmp.Diff(want, told(d)); diff != "" || d.Hold != 3*time.Minute {
		t.Errorf("hold %s (-want +got)\n%s", d.Hold, diff)
	}
	// What an annotation cannot have: a program, a hold of no time, one beyond the deadline, one over the configuration's,
	// an address asked all the time.
	for ask, want := range map[[2]string]string{
		{"backout.dev/verify-command", `[{argv: [touch, /tmp/x]}]`}:                 "a program is never taken from an annotation",
		{"backout.dev/verify-hold", "1h"}:                                           "1h0m0s is not shorter than rollback.deadline",
		{"backout.dev/verify-htp", "http://x"}:                                      "is no annotation that is read",
		{"backout.dev/verify-http", "{url: 'http://x', headers: {Cookie: secret}}"}: "is not a setting",
	} {
		d := s.Declared(stranger, map[string]string{ask[0]: ask[1]})
		if len(d.Checks) != 1 || !d.Checks[0].Guest || !strings.Contains(d.Checks[0].Bad, want) || d.Checks[0].Command != nil {
			t.Errorf("%s: %+v, want %q", ask[0], d.Checks, want)
		}
	}
	if d := s.Declared(stranger, map[string]string{"backout.dev/verify-hold": "1ms"}); d.Hold != 10*time.Second || len(d.Notes) != 1 {
		t.Errorf("a hold of no time: %+v", d)
	}
	if d := s.Declared(cart(), map[string]string{"backout.dev/verify-hold": "11s"}); d.Hold != 2*time.Minute {
		t.Errorf("an annotation over the configuration: %s", d.Hold)
	}
	if c := s.Declared(stranger, map[string]string{"backout.dev/verify-http": "{url: 'http://x', every: 1ms, samples: 20, timeout: 1h}"}).Checks[0]; c.Every != 2*time.Second || c.HTTP.Samples != 5 || c.HTTP.Timeout != 10*time.Second {
		t.Errorf("asked all the time: %+v", c)
	}
}

func TestLookRunsAProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: runs shell scripts")
	}
	t.Setenv("SMOKE_TOKEN", "t0psecret")
	t.Setenv("OTHER_TOKEN", "n0tgiven")
	s := &Session{opts: Options{Now: time.Now}}
	script := func(text string) rollback.DeclaredCheck {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "smoke.sh"), []byte("#!/bin/sh\n"+text), 0o700); err != nil { //nolint:gosec // a program has to be one
			t.Fatal(err)
		}
		return rollback.DeclaredCheck{Name: "smoke", Timeout: 20 * time.Second, Command: &rollback.CommandCheck{Argv: []string{"./smoke.sh", "$HOME; false"}, Dir: dir, Env: []string{"SMOKE_TOKEN"}}}
	}
	for text, want := range map[string]rollback.Check{
		`test "$1" = '$HOME; false' && test "$SMOKE_TOKEN" = t0psecret && test -z "$OTHER_TOKEN" && test "$BACKOUT_UNIT $BACKOUT_SERVICE $BACKOUT_ENVIRONMENT $BACKOUT_CHECK" = 'kubernetes:shop/cart cart prod smoke'`: {State: rollback.CheckPass, Observed: "exit code 0 in "},
		"echo \"3 carts are lost, with $SMOKE_TOKEN\" >&2; exit 3": {State: rollback.CheckFail, Observed: "exit code 3: 3 carts are lost, with "},
		"yes":         {State: rollback.CheckUnknown, Observed: "too much output"},
		"kill -9 $$":  {State: rollback.CheckUnknown, Observed: "was ended by a signal"},
		"rm smoke.sh": {State: rollback.CheckPass},
	} {
		got := s.Look(t.Context(), cart(), script(text))
		if got.State != want.State || !strings.Contains(got.Observed, want.Observed) || strings.Contains(got.Observed, "t0psecret") {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	gone := script("true")
	gone.Command.Argv = []string{"./nosuch"}
	if got := s.Look(t.Context(), cart(), gone); got.State != rollback.CheckUnknown || !strings.Contains(got.Observed, "cannot be run") {
		t.Errorf("no such program: %+v", got)
	}
	// A plan in which a target's own text became a program, however that may have come about, runs nothing.
	guest := script("touch ran")
	guest.Guest = true
	if got := s.Look(t.Context(), cart(), guest); got.State != rollback.CheckUnknown {
		t.Errorf("a guest's program: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(guest.Command.Dir, "ran")); err == nil {
		t.Error("a guest's program was run")
	}
}

func TestLookAsksAnAddress(t *testing.T) {
	var status atomic.Int32
	status.Store(200)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer srv.Close()
	s := &Session{opts: Options{Now: time.Now}}
	check := rollback.DeclaredCheck{HTTP: &rollback.HTTPCheck{URL: srv.URL, Samples: 2, MaxLatency: time.Minute}}
	if got := s.Look(t.Context(), cart(), check); got.State != rollback.CheckPass || got.Value == nil {
		t.Errorf("%+v", got)
	}
	status.Store(503)
	if got := s.Look(t.Context(), cart(), check); got.State != rollback.CheckFail || got.Observed != "answered 503 (1 of 2)" {
		t.Errorf("%+v", got)
	}
	check.Guest = true
	if got := s.Look(t.Context(), cart(), check); got.State != rollback.CheckUnknown || !strings.Contains(got.Observed, "this machine itself") {
		t.Errorf("for a guest: %+v", got)
	}
	for _, c := range []rollback.DeclaredCheck{{}, {PromQL: &rollback.PromQLCheck{Provider: "gone", Query: "up"}}} {
		if got := s.Look(t.Context(), cart(), c); got.State != rollback.CheckUnknown || got.Observed == "" {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}
