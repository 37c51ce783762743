package all_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/all"
)

func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "providers.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A setting that nobody can read about is not there for the one who needs it at night.
func TestEverySettingIsDocumented(t *testing.T) {
	registry, err := all.Registry()
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(page(t), "\n## ")
	for _, typ := range registry.Types() {
		f, _ := registry.Lookup(typ)
		at := -1
		for i, s := range sections {
			if strings.HasPrefix(s, typ+"\n") {
				at = i
			}
		}
		if at < 0 {
			t.Errorf("docs/providers.md has no section %q", typ)
			continue
		}
		documented(t, sections[at], typ, "", f.Fields)
	}
}

func documented(t *testing.T, section, typ, prefix string, fields []providers.Field) {
	t.Helper()
	for _, f := range fields {
		if !strings.Contains(section, "| `"+prefix+f.Name+"` | "+string(f.Type)+" |") {
			t.Errorf("docs/providers.md, section %s: no row for `%s%s` of type %s", typ, prefix, f.Name, f.Type)
		}
		next := prefix + f.Name + "."
		if f.Type == providers.FieldObjects {
			next = prefix + f.Name + "[]."
		}
		documented(t, section, typ, next, f.Fields)
	}
}

// Rows of settings that are no longer there mislead as much as missing ones.
func TestNoDocumentedSettingIsGone(t *testing.T) {
	registry, err := all.Registry()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var walk func(prefix string, fields []providers.Field)
	walk = func(prefix string, fields []providers.Field) {
		for _, f := range fields {
			known[prefix+f.Name] = true
			walk(prefix+f.Name+".", f.Fields)
			walk(prefix+f.Name+"[].", f.Fields)
		}
	}
	for _, typ := range registry.Types() {
		f, _ := registry.Lookup(typ)
		walk("", f.Fields)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| [a-z]+ \\| ").FindAllStringSubmatch(page(t), -1) {
		if !known[m[1]] {
			t.Errorf("docs/providers.md tells of `%s`, which is no setting", m[1])
		}
	}
}
