package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/config"
)

var schemas = []config.ProviderSchema{
	{Type: "git", Fields: []config.Field{
		{Name: "path", Type: config.String},
		{Name: "services", Type: config.Objects, Fields: []config.Field{{Name: "path", Type: config.String, Required: true}, {Name: "service", Type: config.String}}},
	}},
	{Type: "alertmanager", Fields: []config.Field{
		{Name: "url", Type: config.String, Required: true},
		{Name: "poll", Type: config.Duration},
		{Name: "token", Type: config.Secret},
		{Name: "headers", Type: config.Map},
	}},
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, o config.Options) *config.Config {
	t.Helper()
	o.Providers = schemas
	cfg, err := config.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	user := write(t, dir, "home/config.yaml", "region: user\nenvironment: user\nsince: 1m\nrollback: {hold: 1s, poll: 2s}\ntui: {ascii: true}\n")
	project := write(t, dir, "work/backout.yaml", "environment: project\nsince: 2m\nrollback: {hold: 3s}\ncontexts:\n  eu:\n    since: 3m\n    rollback:\n      hold: 4s\n")
	o := config.Options{
		Dir: filepath.Join(dir, "work"), UserFile: user, Context: "eu",
		Env: []string{"BACKOUT_ROLLBACK_HOLD=5s", "BACKOUT_LOG_LEVEL=warn"}, Flags: map[string]any{"log_level": "debug"},
	}
	cfg := load(t, o)
	if cfg.Environment != "project" || cfg.Region != "user" || cfg.Since != 3*time.Minute || cfg.LogLevel != "debug" || !cfg.TUI.ASCII {
		t.Errorf("environment %q, region %q, since %v, log level %q, ascii %v", cfg.Environment, cfg.Region, cfg.Since, cfg.LogLevel, cfg.TUI.ASCII)
	}
	if cfg.Rollback.Hold != 5*time.Second || cfg.Rollback.Poll != 2*time.Second || cfg.Rollback.Deadline != 10*time.Minute {
		t.Errorf("rollback %+v", cfg.Rollback)
	}
	want := map[string]string{
		"environment": project + ":1", "region": user + ":1", "since": project + ":6 (context)", "log_level": "flag",
		"rollback.hold": "environment BACKOUT_ROLLBACK_HOLD", "rollback.poll": user + ":4", "rollback.deadline": "default",
	}
	got := map[string]string{}
	for _, v := range cfg.Values() {
		if _, ok := want[v.Key]; ok {
			got[v.Key] = v.Origin
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}

func TestProblemsNameFileLineAndNearestKey(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"unknown key":      {"enviroment: prod\n", `:1:1: enviroment: is not a setting: did you mean "environment"?`},
		"wrong case":       {"Environment: prod\n", `:1:1: Environment: is not a setting: did you mean "environment"?`},
		"duration":         {"since: 1 hour\n", `:1:8: since: must be a duration such as 30s or 10m, not "1 hour"`},
		"bool":             {"readonly: maybe\n", `:1:11: readonly: must be true or false, not "maybe"`},
		"enum":             {"tui:\n  time_zone: mars\n", `:2:14: tui.time_zone: must be one of utc, local, relative, not "mars"`},
		"twice":            {"since: 1h\nsince: 2h\n", `:2:1: since: stands twice, first in line 1`},
		"provider type":    {"providers:\n  alerts: {type: alertmanger}\n", `:2:3: providers.alerts: no provider of type "alertmanger": did you mean "alertmanager"?; there are git, alertmanager`},
		"provider setting": {"providers:\n  alertmanager:\n    url: http://x\n    pol: 3s\n", `:4:5: providers.alertmanager.pol: is not a setting: did you mean "poll"?`},
		"missing":          {"providers:\n  alertmanager:\n    poll: 3s\n", `providers.alertmanager.url: is missing`},
		"plain secret":     {"providers:\n  alertmanager: {url: u, token: hunter2}\n", `providers.alertmanager.token: is a secret: write {env: NAME}`},
		"nested":           {"providers:\n  git:\n    services:\n      - {service: a}\n", `providers.git.services[0].path: is missing`},
		"half written":     {"providers:\n  git: {path: [\n", `is not valid YAML`},
		"not a mapping":    {"- a\n- b\n", `must be a mapping of names to values, is a list`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := write(t, t.TempDir(), "c.yaml", c.text)
			_, err := config.Load(config.Options{Path: path, Providers: schemas})
			var bad *config.Error
			if !errors.As(err, &bad) {
				t.Fatalf("error %v is no *config.Error", err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("got  %s\nwant %s%s", err, path, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the secret")
			}
		})
	}
}

func TestUnreadableAndMissing(t *testing.T) {
	_, err := config.Load(config.Options{Path: filepath.Join(t.TempDir(), "none.yaml")})
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing --config: %v", err)
	}
	if _, err := config.Load(config.Options{Path: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory as --config: %v", err)
	}
	if cfg := load(t, config.Options{Dir: t.TempDir()}); len(cfg.Files) != 0 || cfg.Rollback.Hold != time.Minute {
		t.Errorf("no file at all: %+v", cfg)
	} else if p := cfg.Proofs; p.Tier1 != 30*24*time.Hour || p.Tier3 != 6*p.Tier1 || p.Deployments != 25 || len(p.Rotation) != 0 {
		t.Errorf("how long a proof counts by itself: %+v", p)
	}
	dir := t.TempDir()
	write(t, dir, "backout.yaml", "proofs: {tier2: 48h, deployments: 3, rotation: [ana, Bob]}\n")
	if p := load(t, config.Options{Dir: dir}).Proofs; p.Tier2 != 48*time.Hour || p.Deployments != 3 || strings.Join(p.Rotation, " ") != "ana Bob" {
		t.Errorf("how long a proof counts as written: %+v", p)
	}
}

func TestProviderSettings(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "token", "s3cret\n")
	t.Setenv("BACKOUT_TEST_HEADER", "h3ader")
	path := write(t, dir, "backout.yaml", `providers:
  Ops-Alerts:
    type: alertmanager
    url: http://a
    token: {file: token}
    headers: {X-Scope-OrgID: Team, Authorization: {env: BACKOUT_TEST_HEADER}}
  git: {enabled: false}
`)
	cfg := load(t, config.Options{Path: path, Env: []string{"BACKOUT_PROVIDERS_OPS_ALERTS_URL=http://b"}})
	if len(cfg.Providers) != 1 || cfg.Providers[0].Name != "Ops-Alerts" || cfg.Providers[0].Line != 2 {
		t.Fatalf("providers %+v", cfg.Providers)
	}
	var got struct {
		URL     string `yaml:"url"`
		Token   string
		Headers map[string]string
		Poll    time.Duration
	}
	if err := cfg.Providers[0].Decode(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	if got.URL != "http://b" || got.Token != "s3cret" || got.Headers["X-Scope-OrgID"] != "Team" || got.Headers["Authorization"] != "h3ader" {
		t.Errorf("decoded %+v", got)
	}
	shown, err := json.Marshal(cfg.Values())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cret", "h3ader"} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("values show the secret %q", secret)
		}
	}
}

func TestEnvironmentIsChecked(t *testing.T) {
	_, err := config.Load(config.Options{Dir: t.TempDir(), Env: []string{"BACKOUT_READONLY=perhaps"}})
	if err == nil || !strings.Contains(err.Error(), "environment BACKOUT_READONLY") {
		t.Errorf("got %v", err)
	}
	cfg := load(t, config.Options{Dir: t.TempDir(), Env: []string{"BACKOUT_READONLY=true", "BACKOUT_ENVIRONMENT=true"}})
	if !cfg.ReadOnly || cfg.Environment != "true" {
		t.Errorf("read-only %v, environment %q", cfg.ReadOnly, cfg.Environment)
	}
}

func TestUnknownEnvironmentIsProd(t *testing.T) {
	cfg := load(t, config.Options{Dir: t.TempDir()})
	for env, want := range map[string]string{"": "prod", "prod": "prod", "live-eu": "prod", "staging": "staging", "dev": "dev"} {
		if got := cfg.Tier(env); got != want {
			t.Errorf("tier of %q is %q, want %q", env, got, want)
		}
	}
}

// The schema and the check come from the same fields; this holds them to the same answers.
func TestSchemaAgreesWithCheck(t *testing.T) {
	data, err := json.Marshal(config.Schema(schemas))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		"environment: prod\nsince: 1h30m\nedges: [{from: a, to: b}]\n":     true,
		"environment: prod\nsicne: 1h\n":                                   false,
		"since: soon\n":                                                    false,
		"edges: [{from: a}]\n":                                             false,
		"providers: {git: {type: git, path: .}}\n":                         true,
		"contexts: {eu: {environment: prod, tui: {time_zone: local}}}\n":   true,
		"contexts: {eu: {environment: prod, tui: {time_zone: neptune}}}\n": false,
	} {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		bySchema := schema.Validate(v) == nil
		_, err := config.Load(config.Options{Path: write(t, t.TempDir(), "c.yaml", text), Providers: schemas})
		if bySchema != valid || (err == nil) != valid {
			t.Errorf("%q: schema %v, check %v (%v), want %v", text, bySchema, err == nil, err, valid)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("environment: prod\n")
	f.Add("providers: {git: {path: x, services: [{path: a}]}}\ncontexts: {a: {since: 1h}}\n")
	f.Add("a: &a [*a]\n")
	f.Add("<<: {environment: x}\ntui: ~\nproviders: ~\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = config.Load(config.Options{Path: path, Providers: schemas})
	})
}

func TestWhatIsProbed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "backout.yaml", "proofs: {probe: {units: ['k8s:prod/*', a:b/c], every: 2h}}\n")
	p := load(t, config.Options{Dir: dir}).Proofs.Probe
	if p.Every != 2*time.Hour || p.Rate != 6 || !p.Matches("k8s:prod/a") || !p.Matches("a:b/c") || p.Matches("k8s:dev/a") {
		t.Errorf("%+v", p)
	}
	if p := load(t, config.Options{Dir: t.TempDir()}).Proofs.Probe; p.Every != time.Hour || p.Matches("k8s:prod/a") || p.Matches("") {
		t.Errorf("unasked: %+v", p)
	}
}

// How a unit goes back is proved with the directories that it has: a configuration that is named from another place means the same ones.
func TestProvidersStandAtTheRootHoweverTheFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "backout.yaml", "providers:\n  git: {path: repo}\n")
	t.Chdir(dir)
	relative, absolute := load(t, config.Options{Path: "backout.yaml"}), load(t, config.Options{Path: path})
	if got, want := relative.Providers[0].Dir, absolute.Providers[0].Dir; got != want || !filepath.IsAbs(got) {
		t.Errorf("%q and %q", got, want)
	}
}
