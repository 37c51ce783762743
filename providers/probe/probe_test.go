package probe_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/probe"
	"github.com/backout-dev/backout/providers/providertest"
)

// target is a real HTTP server that a test breaks and mends.
type target struct {
	*httptest.Server
	status atomic.Int64
	asked  atomic.Int64
	token  atomic.Value
}

func serve(t *testing.T) *target {
	t.Helper()
	s := &target{}
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.token.Store(r.Header.Get("X-Token"))
		w.WriteHeader(int(s.status.Load()))
		_, _ = w.Write([]byte("all is well"))
	}))
	t.Cleanup(s.Close)
	return s
}

func build(text string) (providers.Provider, error) {
	env := providers.Environment{Name: "probes", Environment: "prod", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{}}
	return probe.Factory().New(env, func(into any) error {
		dec := yaml.NewDecoder(strings.NewReader(text))
		dec.KnownFields(true)
		return dec.Decode(into)
	})
}

func provider(t *testing.T, text string) *probe.Provider {
	t.Helper()
	p, err := build(text)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*probe.Provider)
}

func quick(name, where string) string {
	return "- {name: " + name + ", service: pricing, " + where + ", interval: 10ms, timeout: 2s}\n"
}

// watched runs the checks until the test is over and gives the next alert that is reported.
func watched(t *testing.T, p *probe.Provider) func() providers.Alert {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	alerts, ended := make(chan providers.Alert, 100), make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range p.Watch(ctx) {
			if err != nil {
				t.Errorf("watch: %v", err)
				return
			}
			alerts <- *e.Alert
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return func() providers.Alert {
		t.Helper()
		select {
		case a := <-alerts:
			return a
		case <-ctx.Done():
			t.Fatal("no alert within 30 s")
		}
		return providers.Alert{}
	}
}

func TestConformance(t *testing.T) {
	var early time.Time
	providertest.Run(t, providertest.Suite{
		New: func(t *testing.T) providers.Provider {
			s := serve(t)
			s.status.Store(http.StatusInternalServerError)
			p := provider(t, "checks:\n"+quick("pricing", "http: "+s.URL))
			next := watched(t, p)
			early = next().StartsAt // one alert that opened now
			return p
		},
		Empty: []string{"Alerts"}, // checked below with a window around the alert
		Hang: func(t *testing.T) providers.Provider {
			l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return provider(t, "checks:\n"+quick("pricing", "http: http://"+l.Addr().String()))
		},
	})
	if early.IsZero() {
		t.Fatal("no alert was seen")
	}
}

func TestAnAlertOpensAndClosesWithItsService(t *testing.T) {
	s := serve(t)
	p := provider(t, "checks:\n"+quick("pricing up", "http: "+s.URL))
	next := watched(t, p)
	s.status.Store(http.StatusServiceUnavailable)
	a := next()
	if a.State != providers.AlertFiring || a.Service != "pricing" || a.Environment != "prod" || a.Summary != "answered 503, 3 times in a row" {
		t.Fatalf("opened as %+v", a)
	}
	s.status.Store(http.StatusNoContent)
	b := next()
	if b.ID != a.ID || b.State != providers.AlertResolved || b.EndsAt.Before(a.StartsAt) {
		t.Fatalf("closed as %+v, opened as %+v", b, a)
	}
	before, after := providers.Window{Until: a.StartsAt}, providers.Window{Since: a.StartsAt}
	if n := count(t, p, before); n != 0 {
		t.Errorf("%d alerts before the first one began", n)
	}
	if n := count(t, p, after); n != 1 {
		t.Errorf("%d alerts since it began, want 1", n)
	}
	signals, err := p.Signals(t.Context(), after, []string{"pricing"})
	if err != nil || len(signals) != 2 || len(signals[0].Points) == 0 {
		t.Fatalf("signals %+v, %v", signals, err)
	}
}

func count(t *testing.T, p *probe.Provider, w providers.Window) int {
	t.Helper()
	n := 0
	for _, err := range p.Alerts(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestAFreshProcessAsksTheTargetItself(t *testing.T) {
	s := serve(t)
	query := []providers.AlertQuery{{ID: "pricing@2026-03-01T12:00:00.000Z"}, {ID: "gone@2026-03-01T12:00:00.000Z"}}
	state := func(ctx context.Context) providers.AlertStatus {
		t.Helper()
		got, err := provider(t, "checks:\n"+quick("pricing", "http: "+s.URL)).AlertStates(ctx, query)
		if err != nil || got[query[1].ID].State != providers.AlertUnknown {
			t.Fatalf("%v, %v: a check that is not configured must be unknown", got, err)
		}
		return got[query[0].ID]
	}
	if st := state(t.Context()); st.State != providers.AlertResolved || s.asked.Load() != 2 {
		t.Fatalf("%+v after %d requests, want resolved after 2", st, s.asked.Load())
	}
	s.status.Store(http.StatusBadGateway)
	if st := state(t.Context()); st.State != providers.AlertFiring || st.Detail != "answered 502" {
		t.Fatalf("%+v, want firing at once", st)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if st := state(ctx); st.State != providers.AlertUnknown || !st.SeenAt.IsZero() {
		t.Fatalf("%+v without time to ask, want unknown", st)
	}
}

func TestSuccessesCountOverSeveralShortCalls(t *testing.T) {
	s := serve(t)
	p := provider(t, "checks:\n- {name: slow, service: pricing, http: "+s.URL+", interval: 300ms}\n")
	query := []providers.AlertQuery{{ID: "slow@2026-03-01T12:00:00.000Z"}}
	deadline := time.Now().Add(20 * time.Second)
	var seen []providers.AlertState
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond) // less than the interval
		got, err := p.AlertStates(ctx, query)
		<-ctx.Done()
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		st := got[query[0].ID].State
		if seen = append(seen, st); st == providers.AlertResolved {
			break
		}
	}
	if len(seen) < 2 || seen[len(seen)-1] != providers.AlertResolved || seen[0] == providers.AlertResolved {
		t.Fatalf("states over several calls: %v", seen)
	}
}

func TestChecks(t *testing.T) {
	s := serve(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	p := provider(t, `checks:
- {name: good, service: a, http: `+s.URL+`, expect_body: is well, secret_header: {name: X-Token, value: s3cret}}
- {name: text, service: a, http: `+s.URL+`, expect_body: is ill}
- {name: status, service: a, http: `+s.URL+`, expect_status: 204}
- {name: slow, service: a, http: `+s.URL+`, max_latency: 1ns}
- {name: tcp, service: a, tcp: `+strings.TrimPrefix(s.URL, "http://")+`}
- {name: refused, service: a, tcp: `+nobody+`}
- {name: other, service: b, tcp: `+nobody+`}
`)
	if names := p.CheckNames([]string{"b"}); len(names) != 1 || names[0] != "other" {
		t.Errorf("of b it would look at %q", names)
	}
	results, err := p.Checks(t.Context(), []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]providers.CheckState{
		"good": providers.CheckPass, "text": providers.CheckFail, "status": providers.CheckFail, "slow": providers.CheckFail,
		"tcp": providers.CheckPass, "refused": providers.CheckFail,
	}
	for _, r := range results {
		if r.State != want[r.Name] || r.Observed == "" || r.Goal == "" || strings.Contains(r.Observed+r.Goal, "s3cret") {
			t.Errorf("%+v, want %s", r, want[r.Name])
		}
		if slow := r.Name == "slow"; slow != (r.Value != nil) || slow != (r.Limit != nil) || (slow && *r.Value <= *r.Limit) {
			t.Errorf("%s has the number %v of %v", r.Name, r.Value, r.Limit)
		}
	}
	if len(results) != len(want) {
		t.Errorf("%d results, want %d", len(results), len(want))
	}
}

func TestBadSettings(t *testing.T) {
	for text, want := range map[string]string{
		"checks: []":                                                                        "there are none",
		"checks: [{service: a, http: http://x}]":                                            "name",
		"checks: [{name: a, http: http://x}]":                                               "service",
		"checks: [{name: a, service: a}]":                                                   "give http or tcp",
		"checks: [{name: a, service: a, http: ftp://x}]":                                    "not an address",
		"checks: [{name: a, service: a, http: http://u:p@x}]":                               "secret_header",
		"checks: [{name: a, service: a, tcp: host}]":                                        "host:port",
		"checks: [{name: a, service: a, tcp: h:1, interval: -1s}]":                          "negative",
		"checks: [{name: a, service: a, tcp: h:1}, {name: a, service: b, tcp: h:1}]":        "another check",
		"{ca_file: /does/not/exist, checks: [{name: a, service: a, tcp: h:1}]}":             "ca_file",
		"checks: [{name: a, service: a, http: http://x, expect_status: 99}]":                "not an HTTP status",
		"checks: [{name: a, service: a, http: http://x, headers: {X: \"a\\r\\nEvil: b\"}}]": "line break",
	} {
		if _, err := build(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one about %q", text, err, want)
		}
	}
}
