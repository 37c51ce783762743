//go:build unix

package console

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

const rules = `groups:
- name: shop
  rules:
  - alert: HighErrorRatio
    expr: app_error_ratio > 0.05
    for: 1s
    labels: {severity: page}
    annotations: {summary: "one request in two fails"}
`

// measured serves what the shop's current release does to its customers, as a metric.
func measured(t *testing.T, s *site) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		ratio := "0"
		if data, err := os.ReadFile(filepath.Join(s.dir, "shop", "current", "app")); err != nil || string(data) != "good" {
			ratio = "0.5"
		}
		fmt.Fprintf(w, "# TYPE app_error_ratio gauge\napp_error_ratio %s\n", ratio)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return ln.Addr().String()
}

// This project's own history and a real Alertmanager, fed by a real Prometheus, stand on one timeline; a rollback is
// verified by the alert that it cures, as the real Alertmanager tells.
func TestRealAlertsOnOneTimeline(t *testing.T) {
	t.Parallel()
	s := newSite(t, "1s")
	am := servers.StartAlertmanager(t)
	servers.StartPrometheus(t, servers.PrometheusConfig{
		Targets: []servers.Target{{Addr: measured(t, s), Labels: map[string]string{"service": "shop"}}},
		Rules:   rules, Alertmanager: strings.TrimPrefix(am.URL, "http://"), Resend: time.Second, Interval: 200 * time.Millisecond,
	})
	repo, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := exec.CommandContext(t.Context(), "git", "-C", repo, "log", "-1", "--first-parent", "--format=%s").Output()
	if err != nil {
		t.Fatalf("this project's own history: %v", err)
	}
	title := strings.TrimSpace(string(subject))
	title = title[:min(len(title), 30)]
	s.add(t, "since: 8760h\n", fmt.Sprintf("  git: {path: %q, ref: HEAD}\n  alertmanager: {url: %q, poll: 300ms}\n", repo, am.URL))
	s.untilOutput(t, []string{"timeline", "--filter", "HighErrorRatio"}, "HighErrorRatio")
	if out := s.run("timeline"); !strings.Contains(out, "HighErrorRatio") || !strings.Contains(out, title) {
		t.Errorf("the timeline does not hold both the alert and %q:\n%s", title, out)
	}

	term := open(t, 120, 36, nil, program, "--config", filepath.Join(s.dir, "backout.yaml"))
	term.wait(30*time.Second, "HighErrorRatio", "alertmanager ok", "git ok", "INC-")
	term.press("C-c")
	term.wait(20*time.Second, "EXIT 0")

	out := s.run(rollBack...)
	if !strings.Contains(out, "succeeded") || !strings.Contains(out, "1 alert resolved") {
		t.Errorf("rollback: %s", out)
	}
	s.check(t)
	export := s.run("export", "--format", "md")
	for _, want := range []string{"HighErrorRatio", "RUN-", "succeeded"} {
		if !strings.Contains(export, want) {
			t.Errorf("the export does not hold %q:\n%s", want, export)
		}
	}
}

// add puts settings at the top, and providers at the end, of the site's configuration.
func (s *site) add(t *testing.T, settings, providers string) {
	t.Helper()
	path := filepath.Join(s.dir, "backout.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(settings+string(data)+providers), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *site) untilOutput(t *testing.T, args []string, want string) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		out := s.run(args...)
		if strings.Contains(out, want) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("backout %v does not show %q:\n%s", args, want, out)
		case <-tick.C:
		}
	}
}
