//go:build unix

package console

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/servers"

	"github.com/backout-dev/backout/test/oncall"
)

// clusterDemo skips the test where the servers of the cluster are missing, and gives the demo's directory and what tells it
// where the user's cache is, which holds them.
func clusterDemo(t *testing.T) (dir string, env []string) {
	t.Helper()
	servers.NeedCluster(t)
	servers.Need(t, "helm")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(t.TempDir(), "shop"), []string{"XDG_CACHE_HOME=" + cache}
}

// of lists the processes that have dir in their arguments.
func of(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-axww", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		return !strings.Contains(line, dir) || strings.Contains(line, "tmux")
	})
}

func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	var left []string
	var err error
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		left = of(t, dir)
		if _, err = os.Stat(dir); len(left) == 0 && errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("left of the demo: %s (%v) and\n%s", dir, err, strings.Join(left, "\n"))
		}
	}
}

// The shop in a real cluster, its processes real: found, planned, taken back and verified at the console, past a revision
// that never got ready. Then the demo is killed, and leaves nothing.
func TestClusterDemoIsCuredByHand(t *testing.T) {
	dir, env := clusterDemo(t)
	term := open(t, 120, 36, env, program, "demo", "--scenario", "kubernetes", "--dir", dir)
	term.wait(3*time.Minute, "TIME UTC", "[PROD]", "READ-WRITE")
	term.waitFor(time.Minute, suspectedRollout)
	settle()
	term.press("r")
	term.wait(30*time.Second, "PLAN", "STEPS", "kubernetes:shop/pricing", "r1 is known good", "backout rollback")
	term.press("R")
	term.wait(10*time.Second, "ROLL BACK IN PRODUCTION", "r3 ", "-> r1 ")
	grace()
	term.press(strings.Split("pricing", "")...)
	term.press("Enter")
	term.wait(90*time.Second, "succeeded", "serves r1")
	if running := of(t, dir); len(running) < 5 {
		t.Fatalf("the cluster's processes are not seen, so that their end would show nothing: %v", running)
	}
	kill(t, dir)
	nothingLeft(t, dir)
}

// suspectedRollout is the cursor on the release of pricing that broke it, with all three alerts there.
const suspectedRollout = `(?s)ALERT.*ALERT.*ALERT.*>\S+ deploy\s+pricing\s+pricing:2\.38\.16`

// kill ends the demo's own process as a crash would.
func kill(t *testing.T, dir string) {
	t.Helper()
	for _, line := range of(t, dir) {
		pid, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.Atoi(pid); err == nil && strings.HasPrefix(strings.TrimSpace(args), program+" demo ") {
			if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the demo's process is not there")
}

func TestClusterDemoCuresItself(t *testing.T) {
	dir, env := clusterDemo(t)
	cmd := exec.CommandContext(t.Context(), program, "demo", "--scenario", "kubernetes", "--headless", "--output", "jsonl", "--dir", dir)
	cmd.Env = append(oncall.Environ(), env...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r struct {
		Units   []string `json:"units"`
		Outcome string   `json:"outcome"`
		Detail  string   `json:"detail"`
		Correct bool     `json:"correct"`
		Cured   bool     `json:"cured"`
		Ledger  bool     `json:"ledger_verified"`
		OK      bool     `json:"ok"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if !r.OK || !r.Correct || !r.Cured || !r.Ledger || r.Outcome != "succeeded" || !slices.Equal(r.Units, []string{"kubernetes:shop/pricing"}) ||
		!strings.Contains(r.Detail, "serves r1") {
		t.Errorf("%s", out)
	}
	nothingLeft(t, dir)
}
