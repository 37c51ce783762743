//go:build unix

package console

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A demo that is killed in the middle of a rollback leaves neither the run nor the directory behind: what the run acts on
// is gone with it.
func TestKilledDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "shop")}
	home := &site{t: t, dir: t.TempDir()}
	cmd := home.command(t.Context(), "demo", "--headless", "--dir", s.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	soon(t, "the shop is open", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "backout.yaml"))
		return err == nil
	})
	j := s.until("verifying", func(j journaled) bool { return j.State == "verifying" })
	_, pid, _ := strings.Cut(j.Executor, ":")
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("executor %q", j.Executor)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	soon(t, "the run's process ended", func() bool { return ended(n) })
	soon(t, "the directory is gone", func() bool {
		_, err := os.Stat(s.dir)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// ended reports whether a process is gone, or waits only to be collected by whoever inherited it.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}

// soon waits for a condition of the real world.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("still not so: %s", what)
		case <-tick.C:
		}
	}
}
