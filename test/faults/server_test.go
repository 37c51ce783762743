//go:build unix

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// monitoring is an Alertmanager with faults that a real one does not show on demand. What a real one does is tested
// against a real one, beside the provider.
type monitoring struct {
	URL    string
	answer atomic.Pointer[http.HandlerFunc]
}

func newMonitoring(t *testing.T, answer http.HandlerFunc) *monitoring {
	t.Helper()
	m := &monitoring{}
	m.set(answer)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*m.answer.Load())(w, r) }))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	m.URL = srv.URL
	return m
}

func (m *monitoring) set(answer http.HandlerFunc) { m.answer.Store(&answer) }

// settings wait long enough for an answer on a busy machine.
func (m *monitoring) settings() string { return m.waiting("8s") }

func (m *monitoring) waiting(timeout string) string {
	return fmt.Sprintf("  alerts: {type: alertmanager, url: %q, timeout: %s}\n", m.URL, timeout)
}

// alertmanager answers as one does that has been up for a day and lists n alerts.
func alertmanager(n int) http.HandlerFunc {
	up := time.Now().Add(-24 * time.Hour).UTC()
	var all bytes.Buffer
	all.WriteString("[")
	for i := range n {
		if i > 0 {
			all.WriteString(",")
		}
		all.WriteString(alert(i, up))
	}
	all.WriteString("]")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/status"):
			_ = json.NewEncoder(w).Encode(map[string]any{"uptime": up})
		case strings.HasSuffix(r.URL.Path, "/alerts"):
			_, _ = w.Write(all.Bytes())
		default:
			fmt.Fprint(w, "[]")
		}
	}
}

func alert(i int, up time.Time) string {
	return fmt.Sprintf(`{"fingerprint":"%016x","startsAt":%q,"endsAt":%q,"labels":{"alertname":"Errors%d","service":"shop%d","severity":"page"},`+
		`"annotations":{"summary":"too many errors"},"status":{"state":"active","silencedBy":[],"inhibitedBy":[]}}`,
		i, up.Add(23*time.Hour+50*time.Minute).Format(time.RFC3339), up.Add(24*time.Hour+5*time.Minute).Format(time.RFC3339), i, i%50)
}

// status answers with a status and a text of HTML.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "<html><body>Sign in\x1b[31m</body></html>")
	}
}

// drip sends a byte now and then, and never comes to an end.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, "[")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			fmt.Fprint(w, " ")
			w.(http.Flusher).Flush()
		}
	}
}

// hang takes the question and says nothing.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// reset ends the connection in the middle of an answer.
func reset(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `[{"fingerprint":"a"`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
