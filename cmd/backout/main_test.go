package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(waiting{m}, map[string]func(){
		"backout": func() { os.Exit(start(runsTests())) },
	})
}

// runsTests is the process that runs the tests, of which what is above does not make those agents whom the tests play.
func runsTests() int {
	pid, err := strconv.Atoi(os.Getenv("TESTBOUNDARY"))
	if err != nil {
		return 0
	}
	return pid
}

// The program itself takes nobody's word for where to stop looking.
func TestNoBoundary(t *testing.T) {
	t.Setenv("TESTBOUNDARY", strconv.Itoa(os.Getpid()))
	if got := boundary(); got != 0 {
		t.Errorf("the program stops looking at process %d", got)
	}
}

// waiting runs more tests at once than there are processors: the scripts wait most of the time.
type waiting struct{ *testing.M }

func (w waiting) Run() int {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return w.M.Run()
}

// The scripts run the real program with a home of their own; git and a POSIX shell are all they need.
func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is not on PATH: CI must have it")
		}
		t.Skip("SKIPPED: git is not on PATH")
	}
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Cmds:  map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits},
		Setup: atHome,
	})
}

// atHome gives a script a home of its own.
func atHome(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	for _, kv := range [][2]string{
		{"HOME", home},
		{"TESTBOUNDARY", strconv.Itoa(os.Getpid())},
		{"XDG_CONFIG_HOME", filepath.Join(home, "config")},
		{"XDG_STATE_HOME", filepath.Join(home, "state")},
		{"XDG_CACHE_HOME", filepath.Join(home, "cache")},
		{"GIT_CONFIG_GLOBAL", os.DevNull},
		{"GIT_CONFIG_SYSTEM", os.DevNull},
		{"GIT_AUTHOR_NAME", "Ana"},
		{"GIT_AUTHOR_EMAIL", "ana@example.com"},
		{"GIT_COMMITTER_NAME", "Ana"},
		{"GIT_COMMITTER_EMAIL", "ana@example.com"},
	} {
		e.Setenv(kv[0], kv[1])
	}
	return os.MkdirAll(home, 0o700)
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
