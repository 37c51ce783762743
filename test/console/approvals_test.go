//go:build unix

package console

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

// A rollback in production that a second person approves on a console of their own, over a store that both share: at most 25 keys
// and two confirmations from the page to applied, the command that opens the console included.
func TestASecondPersonApprovesOnAnotherConsole(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("SKIPPED: ssh-keygen is not on PATH, so nobody could sign")
	}
	s := newSite(t, "200ms")
	url := servers.StartPostgres(t).Create(t, "approvals")
	config, err := os.ReadFile(filepath.Join(s.dir, "backout.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var signers strings.Builder
	for _, who := range []string{"ana", "bob"} {
		key := filepath.Join(s.dir, who)
		if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		signers.WriteString(who + "@example.com " + string(public))
		own := strings.Replace(string(config), "state_dir: state\ncache_dir: cache\n", "state_dir: state-"+who+"\ncache_dir: cache-"+who+"\n", 1) +
			"identity: {name: " + who + "@example.com}\nledger: {signing_key: " + who + ", allowed_signers: signers}\nstore: {url: '" + url + "'}\n" +
			"approvals:\n  require: [{tier: prod, approve: 1, group: sre}]\nprincipals: [{name: ana@example.com, groups: [sre]}, {name: bob@example.com, groups: [sre]}]\n"
		if err := os.WriteFile(filepath.Join(s.dir, who+".yaml"), []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "signers"), []byte(signers.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	log := "2026-11-01T00:00:00Z release r1 commit 0a1b2c3d by ana\n"
	log += time.Now().UTC().Format(time.RFC3339) + " release r2 commit 4e5f6071 by eve\n"
	if err := os.WriteFile(filepath.Join(s.dir, "shop", "revisions.log"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	human := []string{"BACKOUT_IDENTITY_KIND=human", "CLAUDECODE=", "CI="}
	bob := open(t, 120, 36, human, program, "--config", filepath.Join(s.dir, "bob.yaml"))
	ana := open(t, 120, 36, human, program, "--config", filepath.Join(s.dir, "ana.yaml"))
	bob.waitFor(30*time.Second, `READ-WRITE as bob`)
	ana.waitFor(30*time.Second, `>.* deploy\s+shop`)
	settle()
	ana.press("r")
	ana.wait(15*time.Second, "STEPS", "NEEDS     1 of group sre")
	ana.press("R")
	ana.wait(10*time.Second, "ROLL BACK IN PRODUCTION")
	grace()
	ana.press(append(strings.Split("shop", ""), "Enter")...)
	ana.wait(15*time.Second, "MISSING   1 more of group sre", "WAITS     it is confirmed and goes on by itself")
	bob.wait(15*time.Second, "APPROVAL  shop r2", "asked by ana@example.com: 8 shows it")
	bob.press("8")
	bob.wait(10*time.Second, "ASKED BY  ana@example.com", "still as the plan saw it")
	bob.press("A")
	bob.wait(10*time.Second, "Your key signs that you, bob@example.com")
	grace()
	bob.press("y")
	ana.wait(30*time.Second, "succeeded")
	if all := len("backout") + 1 + ana.keys + bob.keys; all > 25 {
		t.Errorf("%d keys were typed, at most 25", all)
	}
	if to, err := os.Readlink(filepath.Join(s.dir, "shop", "current")); err != nil || !strings.HasSuffix(to, "r1") {
		t.Errorf("current points to %s (%v)", to, err)
	}
	for _, term := range []*terminal{ana, bob} {
		term.press("C-c")
		term.wait(20*time.Second, "EXIT")
	}
}
