package architecture

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// pages are the documents that people read first.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		found = append(found, filepath.Join(root, name))
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A page that names a file, a picture or a test that is not there sends its reader nowhere.
func TestWhatThePagesNameIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	path := regexp.MustCompile("`((?:cmd|tui|docs|providers|timeline|rollback|test|config)/[A-Za-z0-9_./-]*)`")
	for _, page := range pages(t) {
		text := read(t, page)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
		for _, m := range path.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
		}
	}
}

// The provider of the page on extending is one: it builds where the page says that it lives.
func TestTheExampleOfAProviderBuilds(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, filepath.Join(root, "docs", "extending.md")), "```go\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/extending.md shows no Go")
	}
	source := `// Package myforge is the example of the docs.
package myforge

import "` + module + `providers"

type settings struct{ URL string }

type provider struct {
	env      providers.Environment
	settings settings
	vitals   *providers.Vitals
}

func (p *provider) Name() string             { return p.env.Name }
func (p *provider) Health() providers.Health { return p.vitals.Health() }

` + example
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "myforge.go"), filepath.Join(dir, "overlay.json")
	base, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(base, "providers", "myforge", "myforge.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{file: source, overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "./providers/myforge")
	cmd.Dir = base
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
