package oncall

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Build builds the program below a directory, from a test of this module. It is the program that is shipped, but that it looks for
// AI agents only among the ancestors below the test: see Boundary.
func Build(dir string) (program string, err error) {
	program = filepath.Join(dir, "backout")
	cmd := exec.Command("go", "build", "-tags", "testboundary", "-o", program, "github.com/backout-dev/backout/cmd/backout") //nolint:noctx // go test has its own deadline
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build backout: %w: %s", err, out)
	}
	return program, nil
}

// Home is the program with a configuration and a record of its own.
type Home struct {
	*testing.T
	Dir     string
	program string
}

// NewHome makes one with the text of a configuration file; its state and cache should lie beside it.
func NewHome(t *testing.T, program, config string) *Home {
	t.Helper()
	h := &Home{T: t, Dir: t.TempDir(), program: program}
	if err := os.WriteFile(filepath.Join(h.Dir, "backout.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// Command is a call that is not started yet. It outlives the test's context, and not for long.
func (h *Home) Command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.Context()), 2*time.Minute)
	h.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Dir = h.Dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir, "XDG_CONFIG_HOME=" + h.Dir, "XDG_STATE_HOME=" + h.Dir, "XDG_CACHE_HOME=" + h.Dir,
		"LANG=C.UTF-8", Boundary(),
	}
	return cmd
}

// Boundary is the variable that lets a program of Build look no further for who acts than up to this process, which may itself run
// below an AI agent.
func Boundary() string { return "TESTBOUNDARY=" + strconv.Itoa(os.Getpid()) }

// Environ is this process's environment without what an AI agent, or a job of CI, may have left in it: only what programs need.
func Environ() []string {
	needed := []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TZ", "TMPDIR", "KUBECONFIG", "SYSTEMROOT"}
	out := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(needed, name) && !strings.HasPrefix(name, "GO") && !strings.HasPrefix(name, "LC_") && !strings.HasPrefix(name, "SSL_")
	})
	return append(out, Boundary())
}

// Run gives what a command printed and its exit code.
func (h *Home) Run(args ...string) (string, int) {
	h.Helper()
	cmd := h.Command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
