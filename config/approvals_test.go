package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
)

func TestApprovals(t *testing.T) {
	load := func(text string) (*config.Config, error) {
		path := filepath.Join(t.TempDir(), "backout.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(config.Options{Path: path, Dir: filepath.Dir(path)})
	}
	c, err := load("approvals:\n  require: [{tier: prod, approve: 2, group: sre}, {tier: prod, role: ic}]\n  start_within: 5m\nprincipals: [{name: ana, groups: [sre]}, {name: carla, roles: [ic]}]\n")
	if err != nil {
		t.Fatal(err)
	}
	a := c.Approvals
	if len(a.Require) != 2 || a.Require[0].Approve != 2 || a.Require[1].Role != "ic" || a.Expires != 30*time.Minute || a.StartWithin != 5*time.Minute || len(a.Not) != 4 || a.Deny != 1 {
		t.Errorf("%+v", a)
	}
	for text, says := range map[string]string{
		"approvals:\n  require: [{tier: prod, group: sre}]\n":                                                           `names the group "sre", which no person of principals is in`,
		"approvals:\n  require: [{tier: prod, role: ic}]\n":                                                             `names the role "ic"`,
		"approvals:\n  require: [{tier: prod, approve: -1}]\n":                                                          "is how many people",
		"approvals:\n  require: [{tier: production}]\n":                                                                 "tier",
		"approvals:\n  not: [author]\n":                                                                                 `not "author"`,
		"approvals:\n  require: [{tier: prod, group: ci}]\nprincipals: [{name: bot, kind: automation, groups: [ci]}]\n": "nobody could approve",
		"approvals:\n  require: [{tier: prod, group: sre, count: 2}]\n":                                                 "is not a setting",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
