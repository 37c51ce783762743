//go:build unix

package exec_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/exec"
	"github.com/backout-dev/backout/rollback"
)

type obj = map[string]any

func tryMake(t testing.TB, settings obj) (providers.Provider, error) {
	t.Helper()
	text, err := yaml.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return exec.Factory().New(providers.Environment{
		Name: "script", Environment: "prod", Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, func(into any) error {
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		return dec.Decode(into)
	})
}

func made(t testing.TB, settings obj) providers.Provider {
	t.Helper()
	p, err := tryMake(t, settings)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// program writes a shell script and gives the arguments that run it.
func program(t testing.TB, body string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program.sh")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", path}
}

// app is the unit of docs/examples/exec/deploy.sh.
type app struct {
	t      testing.TB
	dir    string
	script string
}

func newApp(t testing.TB) *app {
	t.Helper()
	script, err := filepath.Abs("../../docs/examples/exec/deploy.sh")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t, t.TempDir(), script}
	if err := os.Mkdir(filepath.Join(a.dir, "versions"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"r40", "r41", "r42"} {
		if err := os.WriteFile(filepath.Join(a.dir, "versions", label), []byte("content of "+label), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.deploy(label); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *app) deploy(label string) error {
	cmd := osexec.Command("/bin/sh", a.script, "deploy", label)
	cmd.Env = append(os.Environ(), "APP_DIR="+a.dir)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func (a *app) command() []string {
	return []string{"/usr/bin/env", "APP_DIR=" + a.dir, "/bin/sh", a.script, "backout"}
}

func (a *app) settings() obj {
	c := a.command()
	return obj{"commands": obj{"changes": c, "units": c, "observe": c, "apply": c}}
}

func (a *app) state(context.Context) (string, error) {
	entries, err := os.ReadDir(filepath.Join(a.dir, "history"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " "), err
}

const unit = rollback.UnitID("script:local/app")
