package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/config"
)

// A path starts at the file that it stands in; one of the environment where the command runs.
func TestPathsOfTheLedgerStartAtTheirFile(t *testing.T) {
	dir := t.TempDir()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	user := write(t, dir, "home/config.yaml", "ledger: {signing_key: keys/ana, allowed_signers: ~/signers}\n")
	write(t, dir, "work/backout.yaml", "ledger:\n  require: 7\n  anchors:\n    - {file: kept.txt}\n    - {git_tag: /srv/repo, push: origin, when: asked}\n")
	o := config.Options{Dir: filepath.Join(dir, "work"), UserFile: user}
	want := config.Ledger{
		SigningKey: filepath.Join(dir, "home", "keys", "ana"), AllowedSigners: filepath.Join(home, "signers"), Require: 7,
		Anchors: []config.Anchor{{File: filepath.Join(dir, "work", "kept.txt"), When: "run"}, {GitTag: "/srv/repo", Push: "origin", When: "asked"}},
	}
	if diff := cmp.Diff(want, load(t, o).Ledger); diff != "" {
		t.Error(diff)
	}
	o.Env = []string{"BACKOUT_LEDGER_SIGNING_KEY=other", "BACKOUT_LEDGER_REQUIRE=0"}
	want.SigningKey, want.Require = filepath.Join(dir, "work", "other"), 0
	if diff := cmp.Diff(want, load(t, o).Ledger); diff != "" {
		t.Error(diff)
	}
}
