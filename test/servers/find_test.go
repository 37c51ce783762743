package servers_test

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/test/servers"
)

func TestEachServerIsPinnedInItsModule(t *testing.T) {
	for _, s := range servers.All() {
		in := cmp.Or(s.In, s.Name)
		if s.NPM != "" {
			lock, err := os.ReadFile(filepath.Join(in, "package-lock.json"))
			if want := `"` + s.NPM + `": "` + s.Version[1:] + `"`; err != nil || !strings.Contains(string(lock), want) {
				t.Errorf("%s/package-lock.json does not ask for %s: %v", in, want, err)
			}
			continue
		}
		mod, err := os.ReadFile(filepath.Join(in, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		module, _, _ := strings.Cut(s.Package, "/cmd/")
		if s.Module != "" {
			module = s.Module
		}
		if !strings.Contains(string(mod), module+" "+s.Version) {
			t.Errorf("%s/go.mod does not ask for %s %s", in, module, s.Version)
		}
		if s.Package != "." && !strings.Contains(string(mod), "tool "+s.Package) && !strings.Contains(string(mod), "tool (") && !strings.Contains(string(mod), "\t"+s.Package+"\n") {
			t.Errorf("%s/go.mod has no tool line for %s", in, s.Package)
		}
	}
}

// A module that nobody builds would rot, and one that CI does not build would fail there as missing.
func TestNoModuleIsForgotten(t *testing.T) {
	ci, err := os.ReadFile(filepath.Join("..", "..", ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, s := range servers.All() {
		built[cmp.Or(s.In, s.Name)] = true
		if !slices.Contains(strings.Fields(string(ci)), s.Name) {
			t.Errorf(".ci/run does not get %s", s.Name)
		}
	}
	modules, err := filepath.Glob(filepath.Join("*", "go.mod"))
	if err != nil || len(modules) < 5 {
		t.Fatal(modules, err)
	}
	for _, m := range modules {
		if !built[filepath.Dir(m)] {
			t.Errorf("no server is built from %s", m)
		}
	}
}

func TestAChosenDirectoryComesBeforePath(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "prometheus")
	if runtime.GOOS == "windows" {
		mine += ".exe"
	}
	if err := os.WriteFile(mine, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BACKOUT_TEST_SERVERS", dir)
	if got, err := servers.Find("prometheus"); err != nil || got != mine {
		t.Fatalf("found %q (%v), want %q", got, err, mine)
	}
}

func TestAMissingServerSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("BACKOUT_TEST_SERVERS", "")
	_, err := servers.Find("alertmanager")
	if err == nil || !strings.Contains(err.Error(), "go run ./test/servers/get alertmanager") {
		t.Fatalf("error %v", err)
	}
}
