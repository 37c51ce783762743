package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
)

func drillsOf(t *testing.T, yaml string) (config.Drills, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "backout.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{Dir: dir})
	if err != nil {
		return config.Drills{}, err
	}
	return cfg.Drills, nil
}

func TestDrills(t *testing.T) {
	d, err := drillsOf(t, `
drills:
  max: 5m
  freeze: [{environment: "prod*", from: "2026-12-20T00:00:00Z", until: "2027-01-02T00:00:00Z", reason: year end}]
  budget: [{name: slo, service: "shop-*", query: budget, min: 0.2}]
  slices: [{unit: "releases:canary/*", slice: canary}]
  scheduled: [{unit: "releases:*", environment: staging, hours: "22:30-04:00", max: 3}]
`)
	if err != nil || d.Max != 5*time.Minute || d.Grace != 20*time.Second {
		t.Fatalf("%+v %v", d, err)
	}
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	f := &d.Freeze[0]
	for _, c := range []struct {
		environment, at string
		want            bool
	}{
		{"prod", "2026-12-24T12:00:00Z", true},
		{"prod-eu", "2026-12-20T00:00:00Z", true},
		{"staging", "2026-12-24T12:00:00Z", false},
		{"prod", "2026-12-19T23:59:59Z", false},
		{"prod", "2027-01-02T00:00:00Z", false},
	} {
		if got := f.Holds(c.environment, at(c.at)); got != c.want {
			t.Errorf("%s at %s: frozen %v", c.environment, c.at, got)
		}
	}
	if open := (&config.Freeze{Reason: "x"}); !open.Holds("any", at("2026-01-01T00:00:00Z")) {
		t.Error("a freeze without limits holds nowhere")
	}
	if b := &d.Budget[0]; !b.Matches("u", "shop-a", "prod") || b.Matches("u", "desk", "prod") || *b.Min != 0.2 {
		t.Errorf("%+v", b)
	}
	if s := &d.Slices[0]; !s.Matches("releases:canary/shop") || s.Matches("releases:prod/shop") {
		t.Errorf("%+v", s)
	}
	scheduledHours(t, &d.Scheduled[0], at)
}

func scheduledHours(t *testing.T, s *config.Scheduled, at func(string) time.Time) {
	t.Helper()
	if !s.Matches("releases:a/b", "b", "staging") || s.Matches("releases:a/b", "b", "prod") || (&config.Scheduled{}).Matches("a", "b", "c") {
		t.Errorf("%+v", s)
	}
	for clock, want := range map[string]bool{"22:29": false, "22:30": true, "00:00": true, "03:59": true, "04:00": false, "12:00": false} {
		if got := s.Open(at("2026-11-24T" + clock + ":00Z")); got != want {
			t.Errorf("at %s it may begin: %v", clock, got)
		}
	}
	if any := (&config.Scheduled{Unit: "*"}); !any.Open(at("2026-11-24T12:00:00Z")) {
		t.Error("without hours none is open")
	}
}

func TestMistakesInDrills(t *testing.T) {
	for yaml, want := range map[string]string{
		`drills: {freeze: [{from: tomorrow, reason: x}]}`:    "freeze[0].from",
		`drills: {freeze: [{from: "2026-12-20T00:00:00Z"}]}`: "reason",
		`drills: {scheduled: [{unit: a, hours: night}]}`:     "scheduled[0].hours",
		`drills: {scheduled: [{max: 3}]}`:                    "names no units",
		`drills: {budget: [{query: a}]}`:                     "min",
		`drills: {slices: [{unit: a, slice: half}]}`:         "slice",
		`drills: {maxx: 3m}`:                                 "max",
	} {
		if _, err := drillsOf(t, yaml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", yaml, err, want)
		}
	}
}
