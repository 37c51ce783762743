//go:build unix

package demo

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// adopt starts a parent with a world in a process of its own.
func adopt(t *testing.T) (*exec.Cmd, family) {
	t.Helper()
	needGit(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, parentCommand, filepath.Join(t.TempDir(), "world"))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var f family
	if err := json.Unmarshal(line, &f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range f.PIDs {
			if t.Failed() && alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	if len(f.PIDs) != 6 {
		t.Fatalf("a parent with %d children, want 6: %v", len(f.PIDs), f.PIDs)
	}
	return cmd, f
}

// alive reports whether a process runs. One that ended but was not yet collected by whoever inherited it does not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return true
}

func reachable(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func wantGone(t *testing.T, f family) {
	t.Helper()
	for name, pid := range f.PIDs {
		eventually(t, name+" ended", func() bool { return !alive(pid) })
	}
	for name, addr := range f.Addrs {
		// Another test may have been given the port meanwhile, and will give it back.
		eventually(t, name+" left "+addr, func() bool { return !reachable(addr) })
	}
}

func TestChildrenDieWithAParentThatIsKilled(t *testing.T) {
	t.Parallel()
	cmd, f := adopt(t)
	for name, pid := range f.PIDs {
		if !alive(pid) || !reachable(f.Addrs[name]) {
			t.Fatalf("%s does not run, so that its end would show nothing", name)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	wantGone(t, f)
	eventually(t, "the directory is gone", func() bool {
		_, err := os.Stat(f.Dir)
		return errors.Is(err, os.ErrNotExist)
	})
}

// A child that hangs does not see the end of its standard input: here it is stopped. The kernel ends it all the same.
func TestHangingChildDiesWithItsParentOnLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux tells a process that its parent is gone")
	}
	t.Parallel()
	cmd, f := adopt(t)
	for _, pid := range f.PIDs {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	wantGone(t, f)
}

func TestChildEndsWithItsStandardInput(t *testing.T) {
	t.Parallel()
	w := open(t, "")
	for _, c := range w.children {
		if err := c.stdin.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range w.children {
		select {
		case <-c.done:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s goes on without its standard input", c.name)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	w := open(t, "")
	f := family{PIDs: map[string]int{}, Addrs: map[string]string{}}
	for _, c := range w.children {
		f.PIDs[c.name], f.Addrs[c.name] = c.cmd.Process.Pid, c.addr
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, f)
	if _, err := os.Stat(w.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestKeepLeavesTheDirectory(t *testing.T) {
	t.Parallel()
	needGit(t)
	dir := t.TempDir() // there already, and empty
	w, err := New(t.Context(), Options{Dir: dir, Keep: true, Self: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "repo", ".git")); err != nil {
		t.Error(err)
	}
	if _, err := New(t.Context(), Options{Dir: dir, Self: os.Args[0]}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a world in a directory that holds something: %v", err)
	}
}

func TestDirectoryOfTheUsersStaysWithoutWhatWasMade(t *testing.T) {
	t.Parallel()
	needGit(t)
	dir := t.TempDir()
	w, err := New(t.Context(), Options{Dir: dir, Self: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left: %v %v", entries, err)
	}
}
