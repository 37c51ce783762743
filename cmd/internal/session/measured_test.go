package session

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/probe"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/timeline/culprit"
)

// probing opens a session, as a process of its own has it, that asks url and has its state in dir.
func probing(t *testing.T, dir, environment, url string, log io.Writer) *Session {
	t.Helper()
	registry, schema := &providers.Registry{}, config.ProviderSchema{Type: "probe"}
	factory := probe.Factory()
	if err := registry.Register(factory); err != nil {
		t.Fatal(err)
	}
	for _, f := range factory.Fields {
		schema.Fields = append(schema.Fields, config.Field{Name: f.Name, Type: config.FieldType(f.Type)})
	}
	p, err := config.NewProvider("probe", "probe", dir, schema, map[string]any{"checks": []map[string]any{
		{"name": "price", "service": "pricing", "http": url, "interval": "50ms", "timeout": "5s"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{
		Config:   &config.Config{Environment: environment, Files: []string{"backout.yaml"}, Providers: []config.Provider{p}},
		Registry: registry, Dir: dir, StateDir: dir, CacheDir: dir, Window: providers.Window{Since: time.Now().Add(-time.Hour)},
		Principal: policy.Principal{ID: "ada", Kind: policy.Human}, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deployed puts the same change on the session's timeline that every other session has on its own.
func deployed(s *Session, at time.Time) {
	s.Timeline.Put("releases", providers.Event{Change: &providers.Change{
		ID: "rel-9", Provider: "releases", Kind: providers.KindDeploy, Service: "pricing", Environment: "prod", Title: "round prices",
		LandedAt: at, EffectiveFrom: at, EffectiveTo: at,
	}})
}

func encoded(t *testing.T, s *Session, incident string, at time.Time) string {
	t.Helper()
	inc, ok := s.Incident(incident)
	if !ok {
		t.Fatalf("no incident %q", incident)
	}
	var b bytes.Buffer
	if err := culprit.Encode(&b, s.Rank(inc, at)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// until looks every few milliseconds whether the sources of a session, which talk over real connections, are there yet.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}

func TestTwoProcessesRankAnIncidentAlike(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1); down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(target.Close)
	dir := t.TempDir()
	first := probing(t, dir, "prod", target.URL, io.Discard)
	first.Start(t.Context())
	until(t, "ten calls that are well", func() bool { return asked.Load() >= 10 })
	at := time.Now().UTC()
	down.Store(true)
	deployed(first, at)
	until(t, "an incident", func() bool { _, ok := first.Incident(""); return ok })
	before := asked.Load()
	until(t, "ten calls that fail", func() bool { return asked.Load() >= before+10 })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	first.Backfill(ctx)
	seen, inc := time.Now(), first.Incidents()[0]
	first.Measure(ctx, inc.ID)
	want := encoded(t, first, inc.ID, seen)
	if !strings.Contains(want, "calls to pricing: 100% failed since it took effect, 0% before") {
		t.Fatalf("the process that measured ranks without its measurements: %s", want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := probing(t, dir, "prod", target.URL, io.Discard)
	deployed(second, at)
	second.Start(t.Context())
	second.Backfill(ctx)
	if got := encoded(t, second, inc.ID, seen); got != want {
		t.Errorf("as of the same moment\none process says %s\nthe next one says %s", want, got)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}

	down.Store(false)
	watching := probing(t, dir, "prod", target.URL, io.Discard)
	deployed(watching, at)
	watching.Start(t.Context())
	until(t, "the end of the incident", func() bool { i, ok := watching.Incident(inc.ID); return ok && !i.Open() })
	watching.Measure(ctx, inc.ID)
	over := time.Now()
	want = encoded(t, watching, inc.ID, over)
	if err := watching.Close(); err != nil {
		t.Fatal(err)
	}
	later := probing(t, dir, "prod", target.URL, io.Discard)
	deployed(later, at)
	later.Start(t.Context())
	later.Backfill(ctx)
	if got := encoded(t, later, inc.ID, over); got != want || !strings.Contains(got, "failed since it took effect, 0% before") {
		t.Errorf("when it is over\none process says %s\nthe next one says %s", want, got)
	}
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}

	other := probing(t, dir, "staging", target.URL, io.Discard)
	other.Start(t.Context())
	other.Backfill(ctx)
	for _, sig := range other.Input(inc, seen).Signals {
		for _, p := range sig.Points {
			if p[0] < float64(seen.UnixMilli())/1e3 {
				t.Fatalf("staging knows of a call to prod: %v", p)
			}
		}
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}
