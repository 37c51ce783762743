package alertmanager_test

import (
	"encoding/json"
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
	"github.com/backout-dev/backout/providers/alertmanager"
)

// fake stands in for an Alertmanager where a test needs what a real one does not do on demand: faults, clocks that are off,
// restarts at an exact moment, and 100,000 alerts. What a real one does is tested against a real one.
type fake struct {
	mu       sync.Mutex
	started  time.Time
	date     time.Time // for the Date header; zero: the real time
	alerts   []map[string]any
	silences []map[string]any
	answer   http.HandlerFunc // instead of the alerts
	noStatus bool
	afterGet func() // after the alerts were answered
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	answer, after := f.answer, f.afterGet
	status, _ := json.Marshal(map[string]any{"uptime": f.started, "cluster": map[string]any{"status": "ready"}})
	alerts, _ := json.Marshal(append([]map[string]any{}, f.alerts...)) // none is [], never null
	silences, _ := json.Marshal(append([]map[string]any{}, f.silences...))
	noStatus := f.noStatus
	if !f.date.IsZero() {
		w.Header().Set("Date", f.date.Format(http.TimeFormat))
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/api/v2/status" && !noStatus:
		_, _ = w.Write(status)
	case r.URL.Path == "/api/v2/silences":
		_, _ = w.Write(silences)
	case r.URL.Path == "/api/v2/alerts" && answer != nil:
		answer(w, r)
	case r.URL.Path == "/api/v2/alerts":
		_, _ = w.Write(alerts)
		if after != nil {
			after()
		}
	default:
		http.NotFound(w, r)
	}
}

// firing is an alert as the API gives it; it runs out in four minutes, as those of a Prometheus do.
func firing(id string, starts time.Time) map[string]any {
	return map[string]any{
		"fingerprint": id, "startsAt": starts, "endsAt": time.Now().Add(4 * time.Minute), "updatedAt": starts,
		"generatorURL": "http://prometheus.example/graph", "newField": map[string]any{"from": "the future"},
		"labels":      map[string]string{"alertname": "HighErrorRatio", "service": "pricing", "severity": "page", "env": "prod"},
		"annotations": map[string]string{"summary": "too many\x1b[31m errors"},
		"status":      map[string]any{"state": "active", "silencedBy": []string{}, "inhibitedBy": []string{}},
		"receivers":   []map[string]string{{"name": "hook"}},
	}
}

func silenced(id string, starts time.Time, by ...string) map[string]any {
	a := firing(id, starts)
	a["status"] = map[string]any{"state": "suppressed", "silencedBy": by, "inhibitedBy": []string{}, "mutedBy": []string{}}
	return a
}

// serve makes a provider of a server; extra is more YAML for its settings.
func serve(t *testing.T, h http.Handler, extra ...string) *alertmanager.Provider {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return provider(t, srv.URL, extra...)
}

func provider(t *testing.T, url string, extra ...string) *alertmanager.Provider {
	t.Helper()
	env := providers.Environment{
		Name: "am", Environment: "prod", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{}, Dir: t.TempDir(),
	}
	p, err := alertmanager.Factory().New(env, decoder("url: "+url+"\n"+strings.Join(extra, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return p.(*alertmanager.Provider)
}

func decoder(text string) func(any) error {
	return func(into any) error {
		dec := yaml.NewDecoder(strings.NewReader(text))
		dec.KnownFields(true)
		return dec.Decode(into)
	}
}

// many answers n alerts without having them in memory.
func many(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := json.Marshal(firing("FINGERPRINT", noon))
		_, _ = w.Write([]byte("["))
		for i := range n {
			if i > 0 {
				_, _ = w.Write([]byte(","))
			}
			if _, err := w.Write([]byte(strings.Replace(string(body), "FINGERPRINT", fmt.Sprintf("%016x", i), 1))); err != nil {
				return
			}
		}
		_, _ = w.Write([]byte("]"))
	}
}
