//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backout-dev/backout/config"
)

// What stands where a configuration is looked for is never passed over in silence, and holds nobody up.
func TestWhatStandsInThePlaceOfAConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a pipe":                 {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a file"},
		"a link to nothing":      {func(path string) error { return os.Symlink("gone.yaml", path) }, "no such file"},
		"a directory":            {func(path string) error { return os.Mkdir(path, 0o700) }, "is a directory"},
		"two documents":          {content("environment: prod\n---\nenvironment: dev\n"), "backout.yaml:2:1: begins a second document"},
		"a half-written second":  {content("environment: prod\n---\nregion: ["), "is not valid YAML"},
		"a binary":               {content("\x00\x01\xff"), "is not valid YAML"},
		"text":                   {content("just text\n"), "must be a mapping"},
		"one that ends too soon": {content("environment: prod\nproviders:\n  git: {path: [\n"), "half written?"},
	} {
		dir := t.TempDir()
		write(t, dir, "backout.yaml", "environment: somebody else's\n")
		inner := filepath.Join(dir, "inner")
		if err := os.Mkdir(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := c.make(filepath.Join(inner, "backout.yaml")); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(config.Options{Dir: inner})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func content(text string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}
