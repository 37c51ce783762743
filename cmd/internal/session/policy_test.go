package session

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// Nothing is done under half a policy, but everything is seen, and a run that was confirmed before goes on.
func TestABrokenPolicyAllowsNothingButWhatWasConfirmedGoesOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(path, []byte("version: 1\nrulez: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Config: &config.Config{Policy: config.Policy{File: path}}, Registry: &providers.Registry{}, Dir: dir, StateDir: dir, CacheDir: dir,
		Principal: policy.Principal{ID: "ana", Kind: policy.Human}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for _, executes := range []bool{false, true} {
		o.Executes = executes
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var bad *config.Error
		if is := errors.As(s.NoPolicy, &bad) && bad.Problems[0].Line == 2 && bad.Problems[0].File == path; is == executes {
			t.Errorf("executes %v: %v", executes, s.NoPolicy)
		}
		d, err := s.Engine.Decide(t.Context(), rollback.Plan{Units: []rollback.UnitPlan{{}}, Verdict: rollback.Independent}, o.Principal)
		if says := strings.Contains(strings.Join(d.Reasons, "\n"), "half a policy"); err != nil || says == executes || !executes && d.Allowed {
			t.Errorf("executes %v: %+v, %v", executes, d, err)
		}
		if says := strings.Contains(s.Notice(), "the policy cannot be read"); says == executes {
			t.Errorf("executes %v: %q", executes, s.Notice())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPoliciesAreFilesThatCanBeRead(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		config config.Policy
		want   string
	}{
		"nothing there": {config.Policy{File: filepath.Join(dir, "none.yaml")}, "cannot be read"},
		"no file":       {config.Policy{File: dir}, "is not a file"},
		"none pinned":   {config.Policy{Organisation: config.PolicyPin{File: filepath.Join(dir, "none.yaml"), Digest: "sha256:00"}}, "cannot be read"},
	} {
		if set, err := Policies(c.config); set != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if set, err := Policies(config.Policy{}); set != nil || err != nil {
		t.Errorf("without any: %v %v", set, err)
	}
}
