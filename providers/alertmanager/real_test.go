package alertmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/alertmanager"
	"github.com/backout-dev/backout/test/servers"
)

// shop is a service with one metric, which a real Prometheus scrapes.
type shop struct{ bad atomic.Bool }

func (s *shop) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ratio := 0.001
	if s.bad.Load() {
		ratio = 0.4
	}
	fmt.Fprintf(w, "# TYPE app_error_ratio gauge\napp_error_ratio %g\n", ratio)
}

// monitored starts a real Alertmanager, and a real Prometheus with one rule on the shop.
func monitored(t *testing.T) (*shop, *servers.Alertmanager, *servers.Prometheus) {
	t.Helper()
	servers.Need(t, "prometheus")
	s := &shop{}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	am := servers.StartAlertmanager(t)
	prom := servers.StartPrometheus(t, servers.PrometheusConfig{
		Targets:      []servers.Target{{Addr: strings.TrimPrefix(srv.URL, "http://"), Labels: map[string]string{"service": "checkout", "env": "prod"}}},
		Alertmanager: strings.TrimPrefix(am.URL, "http://"),
		Resend:       time.Second,
		Interval:     200 * time.Millisecond,
		Rules: `groups:
- name: shop
  rules:
  - alert: HighErrorRatio
    expr: app_error_ratio > 0.05
    for: 1s
    labels: {severity: page}
    annotations: {summary: "error ratio {{ $value }}"}
`,
	})
	return s, am, prom
}

func silence(t *testing.T, am *servers.Alertmanager) {
	t.Helper()
	body, _ := json.Marshal(map[string]any{
		"matchers": []map[string]any{{"name": "alertname", "value": "HighErrorRatio", "isRegex": false, "isEqual": true}},
		"startsAt": time.Now().UTC(), "endsAt": time.Now().UTC().Add(time.Minute), "createdBy": "ana", "comment": "rolling back",
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, am.URL+"/api/v2/silences", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("silence: %s", resp.Status)
	}
}

// until skips reports, faults of a restart included, until the state is reached; never is a state that must not come.
func until(t *testing.T, next func() report, state, never providers.AlertState) providers.Alert {
	t.Helper()
	for {
		r := next()
		if r.err != nil {
			continue
		}
		if r.alert.State == never {
			t.Fatalf("reported %q, which must not come: %+v", never, r.alert)
		}
		if r.alert.State == state {
			return *r.alert
		}
	}
}

func TestRealAlertFiresIsSilencedAndResolves(t *testing.T) {
	t.Parallel()
	s, am, _ := monitored(t)
	p := provider(t, am.URL, "poll: 200ms")
	t.Cleanup(func() { _ = p.Close() })
	next := watch(t, p)
	s.bad.Store(true)
	a := until(t, next, providers.AlertFiring, providers.AlertResolved)
	told := []string{a.Name, a.Service, a.Environment, a.Severity, a.Summary}
	if want := []string{"HighErrorRatio", "checkout", "prod", "page", "error ratio 0.4"}; !slices.Equal(told, want) {
		t.Fatalf("the alert arrived as %q, want %q", told, want)
	}
	if a.StartsAt.IsZero() || !a.EndsAt.IsZero() || !strings.HasPrefix(a.URL, "http://") {
		t.Fatalf("the alert arrived as %+v", a)
	}
	silence(t, am)
	quiet := until(t, next, providers.AlertSuppressed, providers.AlertResolved)
	if !slices.Equal(quiet.SilencedBy, []string{"ana: rolling back"}) {
		t.Fatalf("silenced by %q", quiet.SilencedBy)
	}
	if st := ask(t, p, a.ID, a.StartsAt); st.State != providers.AlertSuppressed || st.Detail != "ana: rolling back" {
		t.Fatalf("asked: %+v", st)
	}
	s.bad.Store(false)
	over := until(t, next, providers.AlertResolved, providers.AlertUnknown)
	if over.ID != a.ID || over.EndsAt.Before(over.StartsAt) || over.EndsAt.IsZero() {
		t.Fatalf("resolved as %+v", over)
	}
	if st := ask(t, p, a.ID, a.StartsAt); st.State != providers.AlertResolved {
		t.Fatalf("asked: %+v", st)
	}
	// A process that never saw the alert relies on the instance's age alone.
	fresh := provider(t, am.URL, "clock_tolerance: 100ms")
	// The server tells its time in full seconds, and by that the alert has to have begun in the past.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for told := a.StartsAt.Truncate(time.Second).Add(time.Second); time.Now().Before(told); {
		<-tick.C
	}
	if st := ask(t, fresh, a.ID, a.StartsAt); st.State != providers.AlertResolved {
		t.Fatalf("a fresh process asked: %+v", st)
	}
}

func TestRealAlertLostToARestartIsNeverResolved(t *testing.T) {
	t.Parallel()
	s, am, prom := monitored(t)
	p := provider(t, am.URL, "poll: 200ms")
	next := watch(t, p)
	s.bad.Store(true)
	a := until(t, next, providers.AlertFiring, providers.AlertResolved)
	prom.Stop() // so that nobody tells the new instance
	am.Restart(t)
	until(t, next, providers.AlertUnknown, providers.AlertResolved)
	for name, asked := range map[string]*alertmanager.Provider{"the same": p, "a fresh": provider(t, am.URL)} {
		if st := ask(t, asked, a.ID, a.StartsAt); st.State != providers.AlertUnknown {
			t.Fatalf("%s process: %q (%s), want unknown", name, st.State, st.Detail)
		}
	}
	prom.Start(t)
	again := until(t, next, providers.AlertFiring, providers.AlertResolved)
	if again.ID != a.ID {
		t.Fatalf("came back as %s, was %s", again.ID, a.ID)
	}
}

func TestRealAlertWhoseSenderDiedIsNeverResolved(t *testing.T) {
	t.Parallel()
	s, am, prom := monitored(t)
	next := watch(t, provider(t, am.URL, "poll: 200ms"))
	s.bad.Store(true)
	until(t, next, providers.AlertFiring, providers.AlertResolved)
	prom.Stop()
	until(t, next, providers.AlertUnknown, providers.AlertResolved)
}
