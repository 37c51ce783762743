package servers

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Alertmanager is a running Alertmanager without a cluster; it notifies nobody.
type Alertmanager struct {
	URL string
	p   *process
}

// StartAlertmanager starts one for the test.
func StartAlertmanager(t testing.TB) *Alertmanager {
	t.Helper()
	dir := t.TempDir()
	config := write(t, dir, "alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
	p := up(t, "alertmanager", func(addr string) []string {
		return []string{
			"--config.file=" + config, "--storage.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=" + addr, "--cluster.listen-address=", "--log.level=warn",
		}
	})
	return &Alertmanager{URL: "http://" + p.addr, p: p}
}

// Restart ends it and starts it again at the same address; it keeps silences and forgets alerts, as Alertmanagers do.
func (a *Alertmanager) Restart(t testing.TB) {
	t.Helper()
	a.Stop()
	a.Start(t)
}

// Stop ends it.
func (a *Alertmanager) Stop() { a.p.stop() }

// Start starts it again after Stop.
func (a *Alertmanager) Start(t testing.TB) {
	t.Helper()
	if err := a.p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Target is what a Prometheus scrapes, with labels for all its series.
type Target struct {
	Addr   string
	Labels map[string]string
}

// PrometheusConfig says what a Prometheus does. It scrapes and evaluates every Interval.
type PrometheusConfig struct {
	Interval     time.Duration // zero: 1 s
	Targets      []Target
	Rules        string // the content of a rule file
	Alertmanager string // host:port; empty: none
	// Resend is how often a firing alert is sent again; it runs out after four times as long. Zero: the server's default.
	Resend time.Duration
}

// Prometheus is a running Prometheus.
type Prometheus struct {
	URL string
	p   *process
}

// StartPrometheus starts one for the test.
func StartPrometheus(t testing.TB, c PrometheusConfig) *Prometheus {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "rules.yml", c.Rules)
	config := write(t, dir, "prometheus.yml", c.yaml())
	ours, err := pinned("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	p := up(t, "prometheus", func(addr string) []string {
		args := []string{
			"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=" + addr, "--log.level=warn",
		}
		if ours { // otherwise the first scrape comes after five seconds; what a distribution has may be too old to know it
			args = append(args, "--scrape.discovery-reload-interval=100ms")
		}
		if c.Resend > 0 {
			args = append(args, "--rules.alert.resend-delay="+c.Resend.String())
		}
		return args
	})
	return &Prometheus{URL: "http://" + p.addr, p: p}
}

// Stop ends it.
func (p *Prometheus) Stop() { p.p.stop() }

// Start starts it again after Stop, with what it had stored.
func (p *Prometheus) Start(t testing.TB) {
	t.Helper()
	if err := p.p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (c PrometheusConfig) yaml() string {
	every := c.Interval
	if every == 0 {
		every = time.Second
	}
	var b strings.Builder
	fmt.Fprintf(&b, "global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}\n", every)
	b.WriteString("rule_files: [rules.yml]\n")
	if c.Alertmanager != "" {
		fmt.Fprintf(&b, "alerting: {alertmanagers: [{api_version: v2, static_configs: [{targets: [%q]}]}]}\n", c.Alertmanager)
	}
	b.WriteString("scrape_configs:\n- job_name: shop\n  static_configs:\n")
	for _, t := range c.Targets {
		fmt.Fprintf(&b, "  - targets: [%q]\n    labels: {", t.Addr)
		for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
			fmt.Fprintf(&b, "%s: %q, ", k, t.Labels[k])
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
