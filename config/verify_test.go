package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backout-dev/backout/config"
)

const prom = "providers: {prom: {type: prometheus}, alertmanager: {url: u}}\n"

func verifySchemas() []config.ProviderSchema {
	return append([]config.ProviderSchema{{Type: "prometheus", Fields: []config.Field{{Name: "url", Type: config.String}}}}, schemas...)
}

func TestVerifyIsRead(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "backout.yaml", prom+`verify:
  - unit: "kubernetes:shop/*"
    environment: prod
    hold: 2m
    promql: [{name: errors, query: "rate(errors[1m])", max: 0.01, window: 3m}]
    http: [{url: "https://shop.example.com/health", status: 204, max_latency: 300ms, samples: 3}]
  - name: smoke
    command: [{argv: [./smoke, --fast], env: [SMOKE_TOKEN], timeout: 20s}]
contexts:
  quiet:
    verify: [{service: shop, hold: 5s}]
`)
	cfg, err := config.Load(config.Options{Path: path, Providers: verifySchemas()})
	if err != nil {
		t.Fatal(err)
	}
	most := 0.01
	want := []config.Verify{
		{
			Unit: "kubernetes:shop/*", Environment: "prod", Hold: 2 * time.Minute, File: path, Line: 3, Dir: dir,
			PromQL: []config.PromQL{{Name: "errors", Query: "rate(errors[1m])", Max: &most, Window: 3 * time.Minute}},
			HTTP:   []config.HTTP{{URL: "https://shop.example.com/health", Status: 204, MaxLatency: 300 * time.Millisecond, Samples: 3}},
		},
		{Name: "smoke", File: path, Line: 8, Dir: dir, Command: []config.Command{{Argv: []string{"./smoke", "--fast"}, Env: []string{"SMOKE_TOKEN"}, Timeout: 20 * time.Second}}},
	}
	if diff := cmp.Diff(want, cfg.Verify, cmpopts.IgnoreUnexported(config.Verify{})); diff != "" {
		t.Error(diff)
	}
	cfg, err = config.Load(config.Options{Path: path, Providers: verifySchemas(), Context: "quiet"})
	if err != nil || len(cfg.Verify) != 1 || cfg.Verify[0].Hold != 5*time.Second {
		t.Errorf("the context's: %+v %v", cfg, err)
	}
}

func TestVerifyMatches(t *testing.T) {
	for _, c := range []struct {
		v    config.Verify
		want bool
	}{
		{config.Verify{Unit: "kubernetes:shop/*"}, true},
		{config.Verify{Unit: "*cart"}, true},
		{config.Verify{Unit: "kubernetes:????/cart"}, true},
		{config.Verify{Unit: "kubernetes:shop/c*t*"}, true},
		{config.Verify{Unit: "kubernetes:shop/car"}, false},
		{config.Verify{Unit: "kubernetes:shop/cart?"}, false},
		{config.Verify{Service: "cart", Environment: "prod"}, true},
		{config.Verify{Service: "cart", Environment: "dev"}, false},
		{config.Verify{Name: "only by its name"}, false},
	} {
		if got := c.v.Matches("kubernetes:shop/cart", "cart", "prod"); got != c.want {
			t.Errorf("%+v: %v, want %v", c.v, got, c.want)
		}
	}
}

func TestVerifyProblems(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"about nothing":     {"verify:\n  - hold: 1m\n", ":2:5: verify[0]: is about nothing: give unit, service or environment"},
		"asks for nothing":  {"verify:\n  - unit: x\n", ":2:5: verify[0]: asks for nothing"},
		"misspelt":          {"verify:\n  - unit: x\n    promqll: []\n", `:3:5: verify[0].promqll: is not a setting: did you mean "promql"?`},
		"no limit":          {prom + "verify:\n  - unit: x\n    promql:\n      - {query: up}\n", ":5:9: verify[0].promql[0]: can neither pass nor fail: give max or min"},
		"limits crossed":    {prom + "verify:\n  - unit: x\n    promql:\n      - {query: up, max: 1, min: 2}\n", ":5:34: verify[0].promql[0].min: is above max"},
		"no query":          {prom + "verify:\n  - {unit: x, promql: [{max: 1}]}\n", "verify[0].promql[0].query: is missing"},
		"no provider":       {"verify:\n  - unit: x\n    promql:\n      - {query: up, max: 1}\n", ":4:9: verify[0].promql[0].provider: there is no provider of type prometheus to ask"},
		"another provider":  {prom + "verify:\n  - {unit: x, promql: [{provider: prop, query: up, max: 1}]}\n", `verify[0].promql[0].provider: no provider "prop" of type prometheus: did you mean "prom"?`},
		"the wrong type":    {prom + "verify:\n  - {unit: x, promql: [{provider: alertmanager, query: up, max: 1}]}\n", `"alertmanager" is of type alertmanager, which cannot be asked PromQL`},
		"not an address":    {"verify:\n  - unit: x\n    http: [{url: shop.example.com}]\n", ":3:18: verify[0].http[0].url: is not an address"},
		"credentials":       {"verify:\n  - {unit: x, http: [{url: \"http://ana:hunter2@shop\"}]}\n", "has credentials in it"},
		"no status":         {"verify:\n  - {unit: x, http: [{url: \"http://shop\", status: 20}]}\n", "verify[0].http[0].status: must be from 100 to 599, not 20"},
		"too many":          {"verify:\n  - {unit: x, http: [{url: \"http://shop\", samples: 2000}]}\n", "samples: must be from 1 to 20"},
		"no program":        {"verify:\n  - unit: x\n    command:\n      - {argv: []}\n", ":4:16: verify[0].command[0].argv: names no program"},
		"a shell":           {"verify:\n  - {unit: x, command: [{argv: \"smoke | true\"}]}\n", "verify[0].command[0].argv: must be a list"},
		"a value":           {"verify:\n  - {unit: x, command: [{argv: [a], env: [\"TOKEN=hunter2\"]}]}\n", "env[0]: is the name of a variable, not its value"},
		"no hold":           {"verify:\n  - {unit: x, hold: 0s}\n", "verify[0].hold: must be more than nothing"},
		"a hold too long":   {"rollback: {deadline: 5m}\nverify:\n  - {unit: x, hold: 5m}\n", ":3:21: verify[0].hold: 5m0s is not shorter than rollback.deadline (5m0s)"},
		"a window too long": {prom + "verify:\n  - unit: x\n    promql:\n      - {query: up, max: 1, window: 9m}\n", ":5:9: verify[0].promql[0].window: 9m0s and the hold of 1m0s do not fit into rollback.deadline (10m0s)"},
		"twice":             {"verify:\n  - {name: a, hold: 1m}\n  - {name: a, hold: 1m}\n", `:3:6: verify[1].name: "a" is taken by the entry in line 2`},
		"not a list":        {"verify: {unit: x}\n", "verify: must be a list"},
		"an alias":          {prom + "verify:\n  - {unit: x, promql: &p [{query: up, max: 1, provider: nope}]}\n  - {unit: y, promql: *p}\n", "no provider \"nope\""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := write(t, t.TempDir(), "c.yaml", c.text)
			_, err := config.Load(config.Options{Path: path, Providers: verifySchemas()})
			var bad *config.Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("got  %v\nwant %s%s", err, path, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the secret")
			}
		})
	}
}

// What an annotation asks for is read by the same rules, and asks for less: no program, and nothing that grows when it is read.
func TestAsked(t *testing.T) {
	v, err := config.Asked("http", "https://shop.example.com/health")
	if err != nil || len(v.HTTP) != 1 || v.HTTP[0].URL != "https://shop.example.com/health" {
		t.Errorf("an address alone: %+v %v", v, err)
	}
	v, err = config.Asked("promql", `[{"query": "sum(rate(errors[1m]))", "max": 0.5, "window": "1m"}, {query: up, min: 1}]`)
	if err != nil || len(v.PromQL) != 2 || *v.PromQL[0].Max != 0.5 || v.PromQL[0].Window != time.Minute || *v.PromQL[1].Min != 1 {
		t.Errorf("thresholds: %+v %v", v, err)
	}
	if v, err = config.Asked("hold", " 90s "); err != nil || v.Hold != 90*time.Second {
		t.Errorf("a hold: %+v %v", v, err)
	}
	for key, texts := range map[string]map[string]string{
		"hold":    {"soon": "must be a duration", "-1m": "must be a duration"},
		"promql":  {"up > 1": "must be a mapping", "{query: up}": "can neither pass nor fail", "{query: up, max: [": "is not one line of YAML", "": "is not one line", "{query: up, max: 1, command: [sh]}": "is not a setting"},
		"http":    {"ftp://x": "is not an address", "{url: 'http://u:p@x'}": "credentials", "{url: 'http://x', headers: {a: b}}": "is not a setting", "[" + strings.Repeat("'http://x',", 9) + "]": "more than 8", "[&a {url: 'http://x'}, *a]": "alias"},
		"command": {"{argv: [id]}": "is not a setting"},
	} {
		for text, want := range texts {
			if _, err := config.Asked(key, text); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v, want %q", key, text, err, want)
			}
		}
	}
}
