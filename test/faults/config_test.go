//go:build unix

package faults

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A configuration that cannot be used ends every command with a place, a reason and code 10, and touches nothing.
func TestConfigurationThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		says string
	}{
		"half written": {"environment: prod\nproviders:\n  git: {path: [\n", `backout.yaml:3:1: is not valid YAML: .*\(half written\?\)`},
		"cut in a key": {"environment: prod\nprovid", `backout.yaml:2:.*`},
		"binary":       {"\x00\x01\x02\xff", "backout.yaml: is not valid YAML"},
		"a list":       {"- prod\n", "backout.yaml:1:1: must be a mapping"},
		"twice":        {"environment: prod\n---\nenvironment: dev\n", "backout.yaml:2:1: begins a second document"},
		"a typo":       {"enviroment: prod\n", `backout.yaml:1:1: enviroment: is not a setting: did you mean "environment"\?`},
		"huge":         {strings.Repeat("# a comment\n", 400_000), "backout.yaml: is larger than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("backout.yaml", c.text)
			for _, command := range []string{"timeline", "runs", "doctor"} {
				r := w.run(command)
				if command == "doctor" {
					r.ends(failed).shows("FAIL +configuration +.*"+c.says, "ok +version")
					continue
				}
				r.ends(config).says(c.says).lacks(".")
			}
			w.run("timeline", "--output", "json").ends(config).says(`"code":10`, `"schema":"backout.error/v1"`)
			w.run().ends(config).says(c.says) // the console itself
			if _, err := os.Stat(w.path("home", "state")); err == nil {
				t.Error("state was made although the configuration does not say where")
			}
		})
	}
}

func TestConfigurationThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"a directory":       {func(p string) error { return os.Mkdir(p, 0o755) }, "backout.yaml: cannot be read: is a directory"},
		"a link to nothing": {func(p string) error { return os.Symlink("gone", p) }, "backout.yaml: cannot be read: no such file"},
		"a pipe":            {func(p string) error { return syscall.Mkfifo(p, 0o644) }, "backout.yaml: is not a file"},
		"somebody else's":   {func(p string) error { return os.WriteFile(p, nil, 0o000) }, "backout.yaml: cannot be read: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(c.make(w.path("backout.yaml")))
			w.end(w.unprivileged("timeline")).ends(config).says(c.says).lacks(".").quick()
		})
	}
}

// An empty file is what an editor leaves for a moment: the program works, and names it.
func TestConfigurationThatIsEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("backout.yaml", "")
	w.run("timeline").ends(fine).says(`nothing to show: .*backout.yaml names no provider: half written\?`)
}

// A secret that is not there is one provider's trouble, and nobody else's.
func TestOneProviderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.repository("shop", "pricing: begin")
	w.configure("  alerts: {type: alertmanager, url: 'http://127.0.0.1:1', bearer_token: {env: NOT_SET_HERE}}\n  git: {path: shop}\n")
	w.run("timeline").ends(fine).shows("pricing: begin").says("provider alerts: .*NOT_SET_HERE")
	w.run("timeline", "--strict").ends(strict).shows("pricing: begin")
	w.run("providers", "check").ends(strict).shows("alerts +failing +never answered +.*NOT_SET_HERE", "git +ok")
	w.run("doctor").ends(failed).shows("FAIL +provider alerts +.*NOT_SET_HERE", "ok +provider git")
}
