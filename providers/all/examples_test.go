package all_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/all"
)

var (
	yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```\n")
	envSecret = regexp.MustCompile(`\{env: (\w+)\}`)
)

// What somebody copies from the page has to work: each example is a configuration without a problem, and every provider in
// it can be made.
func TestEveryExampleWorks(t *testing.T) {
	registry, err := all.Registry()
	if err != nil {
		t.Fatal(err)
	}
	var schemas []config.ProviderSchema
	shown := map[string]bool{}
	for _, typ := range registry.Types() {
		f, _ := registry.Lookup(typ)
		schemas = append(schemas, config.ProviderSchema{Type: typ, Fields: asConfig(f.Fields)})
	}
	for _, m := range envSecret.FindAllStringSubmatch(page(t), -1) {
		t.Setenv(m[1], "postgres://a-secret@of-the-test/x")
	}
	for _, block := range yamlBlock.FindAllStringSubmatch(page(t), -1) {
		name, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(block[1], "providers:")), "\n")
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backout.yaml")
			if err := os.WriteFile(path, []byte(block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(config.Options{Path: path, Providers: schemas})
			if err != nil {
				t.Fatal(err)
			}
			for i := range cfg.Providers {
				shown[cfg.Providers[i].Type] = true
				canBeMade(t, registry, &cfg.Providers[i])
			}
		})
	}
	for _, typ := range registry.Types() {
		if !shown[typ] {
			t.Errorf("docs/providers.md has no example of %s", typ)
		}
	}
}

func canBeMade(t *testing.T, registry *providers.Registry, p *config.Provider) {
	t.Helper()
	f, _ := registry.Lookup(p.Type)
	_, err := f.New(providers.Environment{
		Name: p.Name, Environment: "prod", Dir: p.Dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, func(into any) error { return p.Decode(t.Context(), into) })
	if err != nil {
		t.Errorf("provider %s cannot be made: %v", p.Name, err)
	}
}

func asConfig(in []providers.Field) []config.Field {
	out := make([]config.Field, len(in))
	for i, f := range in {
		out[i] = config.Field{Name: f.Name, Type: config.FieldType(f.Type), Required: f.Required, Enum: f.Enum, Fields: asConfig(f.Fields)}
	}
	return out
}

// A row that does not say what can be chosen sends the reader to the source.
func TestEveryChoiceIsDocumented(t *testing.T) {
	registry, err := all.Registry()
	if err != nil {
		t.Fatal(err)
	}
	var walk func(section, typ string, fields []providers.Field)
	walk = func(section, typ string, fields []providers.Field) {
		for _, f := range fields {
			for _, choice := range f.Enum {
				if !strings.Contains(section, "`"+choice+"`") {
					t.Errorf("docs/providers.md, section %s: %s can be %s, and nothing says so", typ, f.Name, choice)
				}
			}
			walk(section, typ, f.Fields)
		}
	}
	for _, section := range strings.Split(page(t), "\n## ")[1:] {
		typ, _, _ := strings.Cut(section, "\n")
		if f, ok := registry.Lookup(typ); ok {
			walk(section, typ, f.Fields)
		}
	}
}
