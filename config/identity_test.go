package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
)

func identities(t *testing.T, project, own string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"backout.yaml": project, "own.yaml": own} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(config.Options{Dir: dir, UserFile: filepath.Join(dir, "own.yaml")})
}

func TestAgentsOfAllFilesCount(t *testing.T) {
	c, err := identities(t, "identity: {agents: [{name: a, env: [A]}]}\n", "identity: {name: ana, agents: [{name: b, process: [b]}]}\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.Identity.Name != "ana" || len(c.Identity.Agents) != 2 || c.Identity.Agents[0].Env[0] != "A" || c.Identity.Agents[1].Process[0] != "b" {
		t.Errorf("%+v", c.Identity)
	}
}

func TestPrincipals(t *testing.T) {
	c, err := identities(t, "principals:\n  - {name: ana, keys: ['SHA256:x'], groups: [sre], also: [ana@laptop]}\n  - {name: cron, kind: automation}\non_call: {file: rota.json}\n", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Principals) != 2 || c.Principals[0].Kind != "human" || c.Principals[1].Kind != "automation" || c.Principals[0].Groups[0] != "sre" {
		t.Errorf("%+v", c.Principals)
	}
	if !filepath.IsAbs(c.OnCall.File) || filepath.Base(c.OnCall.File) != "rota.json" || c.OnCall.MaxAge != time.Hour {
		t.Errorf("%+v", c.OnCall)
	}
}

func TestWhoThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"identity: {agents: [{name: a}]}\n":                                                       "give env or process",
		"identity: {agents: [{name: a, env: ['=1']}]}\n":                                          "NAME=VALUE",
		"identity: {agents: [{name: a, process: ['']}]}\n":                                        "one is empty",
		"principals:\n  - {name: ana, keys: [ssh-ed25519]}\n":                                     "no fingerprint",
		"principals:\n  - {name: ana, keys: ['SHA256:x']}\n  - {name: bob, keys: ['SHA256:x']}\n": "is ana's already",
		"principals:\n  - {name: ana}\n  - {name: bob, also: [ana]}\n":                            "is ana's already",
		"principals:\n  - {name: ana, kind: robot}\n":                                             "robot",
		"principals:\n  - {kind: human}\n":                                                        "name",
	} {
		if _, err := identities(t, text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", text, err, want)
		}
	}
}
