package prometheus_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/prometheus"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

// shop is a service whose error ratios a real Prometheus scrapes.
type shop struct {
	mu     sync.Mutex
	ratios map[string]float64
}

func (s *shop) set(part string, ratio float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ratios[part] = ratio
}

func (s *shop) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(w, "# TYPE app_error_ratio gauge")
	for part, ratio := range s.ratios {
		fmt.Fprintf(w, "app_error_ratio{service=%q,env=\"prod\"} %g\n", part, ratio)
	}
}

const rules = `groups:
- name: shop
  rules:
  - alert: HighErrorRatio
    expr: app_error_ratio > 0.05
    for: 1s
    labels: {severity: page}
    annotations: {summary: "error ratio {{ $value }}"}
`

const questions = `
signals:
- {name: error_ratio, service_label: service, query: app_error_ratio}
thresholds:
- {name: errors, service: pricing, query: 'app_error_ratio{service="pricing"}', max: 0.05}
- {name: nothing, service: pricing, query: 'no_such_series', max: 1}
`

func monitored(t *testing.T) (*shop, *servers.Prometheus) {
	t.Helper()
	s := &shop{ratios: map[string]float64{"pricing": 0, "orders": 0}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, servers.StartPrometheus(t, servers.PrometheusConfig{
		Targets: []servers.Target{{Addr: strings.TrimPrefix(srv.URL, "http://")}}, Rules: rules, Interval: 200 * time.Millisecond,
	})
}

func provider(t *testing.T, url, extra string) *prometheus.Provider {
	t.Helper()
	p, err := build("url: " + url + "\n" + extra)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*prometheus.Provider)
}

func build(text string) (providers.Provider, error) {
	env := providers.Environment{Name: "prom", Environment: "staging", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{}}
	return prometheus.Factory().New(env, func(into any) error {
		dec := yaml.NewDecoder(strings.NewReader(text))
		dec.KnownFields(true)
		return dec.Decode(into)
	})
}

// until asks again and again until ok; it fails the test after a while.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 40 s", what)
		case <-tick.C:
		}
	}
}

// lasts waits until the query was at least that at two full seconds in a row: what is over sooner, histories do not show.
func lasts(t *testing.T, p *prometheus.Provider, query string, least float64) {
	t.Helper()
	until(t, query+" for a second", func() bool {
		return p.Threshold(t.Context(), providers.Threshold{Query: query, Min: &least, Window: time.Second}).State == providers.CheckPass
	})
}

func alerts(t *testing.T, p *prometheus.Provider, service string) []providers.Alert {
	t.Helper()
	var all []providers.Alert
	for a, err := range p.Alerts(t.Context(), providers.Window{Since: time.Now().Add(-time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		if a.Service == service {
			all = append(all, a)
		}
	}
	return all
}

func firing(t *testing.T, p *prometheus.Provider, service string) providers.Alert {
	t.Helper()
	var found providers.Alert
	until(t, service+" fires", func() bool {
		for _, a := range alerts(t, p, service) {
			if a.State == providers.AlertFiring {
				found = a
			}
		}
		return found.ID != ""
	})
	return found
}

func state(t *testing.T, p *prometheus.Provider, a providers.Alert) providers.AlertStatus {
	t.Helper()
	got, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: a.ID, StartsAt: a.StartsAt}})
	if err != nil {
		t.Fatal(err)
	}
	return got[a.ID]
}

func TestRealConformance(t *testing.T) {
	s, prom := monitored(t)
	p := provider(t, prom.URL, "")
	t.Cleanup(func() { _ = p.Close() })
	s.set("pricing", 0.4)
	a := firing(t, p, "pricing")
	s.set("orders", 0.3)
	b := firing(t, p, "orders")
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return provider(t, prom.URL, questions) },
		Window: providers.Window{Since: a.StartsAt, Until: b.StartsAt},
	})
}

func TestRealAlertFiresAndResolves(t *testing.T) {
	t.Parallel()
	s, prom := monitored(t)
	p := provider(t, prom.URL, questions)
	s.set("pricing", 0.4)
	a := firing(t, p, "pricing")
	told := fmt.Sprint(a.Name, a.Environment, a.Severity, a.Summary, a.EndsAt.IsZero(), time.Since(a.StartsAt) < time.Minute)
	if want := fmt.Sprint("HighErrorRatio", "prod", "page", "error ratio 0.4", true, true); told != want {
		t.Fatalf("the alert arrived as %+v", a)
	}
	if st := state(t, p, a); st.State != providers.AlertFiring {
		t.Fatalf("asked while it fires: %+v", st)
	}
	check(t, p, "errors", providers.CheckFail)
	check(t, p, "nothing", providers.CheckUnknown)
	lasts(t, p, `ALERTS{alertstate="firing", service="pricing"}`, 1)
	s.set("pricing", 0)
	until(t, "resolved", func() bool { return state(t, p, a).State == providers.AlertResolved })
	over := alerts(t, p, "pricing")
	if len(over) != 1 || over[0].ID != a.ID || over[0].State != providers.AlertResolved || over[0].EndsAt.Before(over[0].StartsAt) {
		t.Fatalf("the history is %+v", over)
	}
	check(t, p, "errors", providers.CheckPass)
	signals, err := p.Signals(t.Context(), providers.Window{Since: a.StartsAt.Add(-time.Minute)}, []string{"pricing"})
	if err != nil || len(signals) != 1 || signals[0].Service != "pricing" || signals[0].Name != "error_ratio" {
		t.Fatalf("signals %+v, %v", signals, err)
	}
	var peak float64
	for _, pt := range signals[0].Points {
		peak = max(peak, pt[1])
	}
	if peak != 0.4 {
		t.Fatalf("peak %g, want 0.4", peak)
	}
	// The second time is an alert of its own.
	s.set("pricing", 0.2)
	if again := firing(t, p, "pricing"); again.ID == a.ID || len(alerts(t, p, "pricing")) != 2 {
		t.Fatalf("the second time is %s, the first was %s", again.ID, a.ID)
	}
}

func TestRealAlertIsNotResolvedByARestart(t *testing.T) {
	t.Parallel()
	s, prom := monitored(t)
	p := provider(t, prom.URL, "")
	s.set("orders", 0.4)
	a := firing(t, p, "orders")
	prom.Stop()
	if _, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: a.ID}}); err == nil {
		t.Fatal("a server that is down gave states")
	}
	prom.Start(t)
	until(t, "fires again", func() bool {
		st := state(t, p, a)
		if st.State == providers.AlertResolved {
			t.Fatalf("resolved by a restart: %+v", st)
		}
		return st.State == providers.AlertFiring
	})
}

func check(t *testing.T, p *prometheus.Provider, name string, want providers.CheckState) {
	t.Helper()
	results, err := p.Checks(t.Context(), []string{"pricing"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Name == name {
			if r.State != want || r.Observed == "" || r.Goal == "" {
				t.Fatalf("check %+v, want %s", r, want)
			}
			return
		}
	}
	t.Fatalf("no check %s in %+v", name, results)
}
