//go:build unix

package console

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/oncall"
)

// site is a unit with two releases, and a home for backout, on disk.
type site struct {
	t   *testing.T
	dir string
}

func newSite(t *testing.T, hold string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	for name, text := range map[string]string{
		"shop/releases/r1/app": "good", "shop/releases/r2/app": "bad",
		"backout.yaml": "environment: prod\nstate_dir: state\ncache_dir: cache\nrollback: {hold: " + hold + ", poll: 50ms, deadline: 30s}\n" +
			"providers:\n  releases:\n    units:\n      - {name: shop, path: shop, checks: [{name: good, command: [grep, -q, good, current/app]}]}\n",
	} {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("releases/r2", filepath.Join(s.dir, "shop", "current")); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(oncall.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	return cmd
}

func (s *site) run(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 60*time.Second)
	defer cancel()
	out, err := s.command(ctx, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("backout %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// journaled is what these tests read of a run.
type journaled struct {
	ID, State, Executor string
	Alive               bool
}

func (s *site) journal() (journaled, bool) {
	s.t.Helper()
	line, _, _ := strings.Cut(s.run("runs", "list", "--output", "jsonl"), "\n")
	var j journaled
	if strings.TrimSpace(line) == "" {
		return j, false
	}
	if err := json.Unmarshal([]byte(line), &j); err != nil {
		s.t.Fatalf("%v in %s", err, line)
	}
	return j, true
}

func (s *site) until(what string, ok func(journaled) bool) journaled {
	s.t.Helper()
	deadline := time.After(40 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if j, found := s.journal(); found && ok(j) {
			return j
		}
		select {
		case <-deadline:
			j, _ := s.journal()
			s.t.Fatalf("the run is not %s: %+v", what, j)
		case <-tick.C:
		}
	}
}

// applied counts how often the target was really switched, by what the record says was done.
func (s *site) applied() int {
	return strings.Count(s.run("ledger", "list", "--output", "jsonl"), `"kind":"result"`)
}

func (s *site) check(t *testing.T) {
	t.Helper()
	target, err := filepath.EvalSymlinks(filepath.Join(s.dir, "shop", "current"))
	if err != nil || filepath.Base(target) != "r1" {
		t.Errorf("current is %s (%v), want r1", target, err)
	}
	if n := s.applied(); n != 1 {
		t.Errorf("the record holds %d results of the one step", n)
	}
	if out := s.run("ledger", "verify"); !strings.Contains(out, "the chain holds") {
		t.Errorf("ledger: %s", out)
	}
}

var rollBack = []string{"rollback", "releases:local/shop", "--to", "r1", "--confirm", "shop", "--reason", "a drill of the test"}

// A terminal that goes away, or is killed, takes no run with it.
func TestRunSurvivesItsTerminal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGKILL, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "1s")
			cmd := s.command(t.Context(), rollBack...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s.until("verifying", func(j journaled) bool { return j.State == "verifying" })
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the command that was ended ended well")
			}
			s.until("over", func(j journaled) bool { return j.State == "succeeded" })
			s.check(t)
		})
	}
}

// A run whose own process is killed is reported as interrupted, and resumed: finished, and never applied twice.
func TestKilledRunIsResumed(t *testing.T) {
	t.Parallel()
	s := newSite(t, "2s")
	s.run(append(rollBack, "--detach")...)
	j := s.until("verifying", func(j journaled) bool { return j.State == "verifying" })
	_, pid, _ := strings.Cut(j.Executor, ":")
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("executor %q", j.Executor)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.until("interrupted", func(j journaled) bool { return !j.Alive && j.State == "verifying" })
	if out := s.run("runs", "list"); !strings.Contains(out, "interrupted") {
		t.Errorf("runs list does not say that the run was interrupted:\n%s", out)
	}
	if out := s.run("runs", "resume"); !strings.Contains(out, "succeeded") {
		t.Errorf("resume: %s", out)
	}
	s.check(t)
}

// A second run on the same unit is refused while one is going on.
func TestOneRunAUnit(t *testing.T) {
	t.Parallel()
	s := newSite(t, "5s")
	s.run(append(rollBack, "--detach")...)
	j := s.until("taken up", func(j journaled) bool { return j.State == "verifying" })
	out, err := s.command(t.Context(), rollBack...).CombinedOutput()
	if err == nil {
		t.Fatalf("a second run was started:\n%s", out)
	}
	if !strings.Contains(string(out), "holds the unit") {
		t.Errorf("the refusal does not say who holds the unit:\n%s", out)
	}
	// What was applied stays applied: stopping only ends the watching, and the exit code says that nobody verified it.
	out, err = s.command(t.Context(), "runs", "abort", j.ID, "--reason", "enough").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 || !strings.Contains(string(out), "unverified") {
		t.Errorf("abort: %v\n%s", err, out)
	}
}
