package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/config"
)

func TestThePoliciesAreFoundFromWhereTheyAreNamed(t *testing.T) {
	dir, digest := t.TempDir(), "sha256:"+strings.Repeat("0f", 32)
	user := write(t, dir, "home/config.yaml", "policy: {organisation: {file: org.yaml, digest: \""+digest+"\"}}\n")
	write(t, dir, "work/backout.yaml", "policy: {file: policy.yaml}\n")
	want := config.Policy{File: filepath.Join(dir, "work", "policy.yaml"), Organisation: config.PolicyPin{File: filepath.Join(dir, "home", "org.yaml"), Digest: digest}}
	if diff := cmp.Diff(want, load(t, config.Options{Dir: filepath.Join(dir, "work"), UserFile: user}).Policy); diff != "" {
		t.Error(diff)
	}
}

func TestAnOrganisationsPolicyIsPinned(t *testing.T) {
	for text, want := range map[string]string{
		"policy: {organisation: {file: org.yaml}}\n":                     "backout.yaml:1:31: policy.organisation.digest: is missing",
		"policy: {organisation: {digest: \"sha256:00\"}}\n":              "policy.organisation.file: is missing",
		"policy: {organisation: {file: org.yaml, digest: \"md5:00\"}}\n": "is sha256: and 64 hexadecimal digits",
		"policy: {organization: {}}\n":                                   "policy.organization",
	} {
		dir := t.TempDir()
		write(t, dir, "backout.yaml", text)
		if _, err := config.Load(config.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
