package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout/config"
)

func TestGameDaysAreRead(t *testing.T) {
	path := write(t, t.TempDir(), "backout.yaml", `gamedays:
  - unit: "releases:shop/*"
    environment: staging
    programs:
      - {name: release, argv: [./deploy, "{service}", "{revision}"]}
`)
	cfg, err := config.Load(config.Options{Path: path, Providers: schemas})
	if err != nil || len(cfg.GameDays) != 1 {
		t.Fatalf("%+v %v", cfg, err)
	}
	g := cfg.GameDays[0]
	if g.Dir != filepath.Dir(path) || g.Programs[0].Argv[1] != "{service}" {
		t.Errorf("%+v", g)
	}
	for unit, want := range map[[2]string]bool{
		{"releases:shop/pricing", "staging"}: true,
		{"releases:shop/pricing", "prod"}:    false,
		{"releases:bank/pricing", "staging"}: false,
	} {
		if g.Matches(unit[0], unit[1]) != want {
			t.Errorf("%v: %v", unit, !want)
		}
	}
	if (&config.GameDay{}).Matches("releases:shop/pricing", "prod") {
		t.Error("what names nothing allows everything")
	}
}

// Where something may be broken on purpose has to be said, with its line.
func TestGameDayProblems(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"gamedays:\n  - programs: []\n", ":2:"},
		{"gamedays:\n  - {unit: a, programs: [{name: release, argv: []}]}\n", "names no program"},
		{"gamedays:\n  - {unit: a, programs: [{name: p, argv: [x]}, {name: p, argv: [y]}]}\n", "stands twice"},
		{"gamedays:\n  - {unit: a, programs: [{argv: [x]}]}\n", "name"},
		{"gamedays:\n  - {units: a}\n", `did you mean "unit"`},
	} {
		_, err := config.Load(config.Options{Path: write(t, t.TempDir(), "backout.yaml", c.text), Providers: schemas})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}
