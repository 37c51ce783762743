package caller_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/rollback/policy"
)

// TestMain lets the test's own program be what an agent's is: one that starts a shell that starts another program, which looks.
func TestMain(m *testing.M) {
	switch os.Getenv("CALLER_TEST") {
	case "agent":
		cmd := exec.Command("/bin/sh", "-c", `CALLER_TEST=look "$0"; exit $?`, os.Args[1])
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			panic(err)
		}
		return
	case "look":
		if err := json.NewEncoder(os.Stdout).Encode(caller.Look(nil, 0)); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// below starts this program, under a name, as the ancestor of one that looks, without a terminal.
func below(t *testing.T, name string) caller.Sight {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(program, data, 0o700); err != nil { //nolint:gosec // a program has to be executable
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "setsid", "--wait", program, self)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"CALLER_TEST=agent", "PATH=" + os.Getenv("PATH")}, &out, t.Output()
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var seen caller.Sight
	if err := json.Unmarshal(out.Bytes(), &seen); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return seen
}

func TestRealAncestors(t *testing.T) {
	seen := below(t, "claude")
	c := caller.Recognise(table(t), seen, caller.Configured{Login: "ana@laptop", Kind: "human"})
	if c.Principal.ID != "claude-code" || c.Principal.Kind != policy.Agent || c.Attended != caller.No {
		t.Errorf("got %+v of %+v", c, seen)
	}
	if len(seen.Ancestors) < 3 || seen.Ancestors[1].Name != "claude" || seen.Ancestors[1].PID == 0 {
		t.Errorf("ancestors: %+v", seen.Ancestors)
	}
}

// A boundary ends the walk before it, whatever is beyond.
func TestBoundary(t *testing.T) {
	if seen := caller.Look(nil, os.Getppid()); len(seen.Ancestors) != 0 || len(seen.Unseen) > 1 {
		t.Errorf("%+v", seen)
	}
	if seen := caller.Look(nil, os.Getpid()); len(seen.Ancestors) != 0 {
		t.Errorf("%+v", seen)
	}
	if seen := caller.Look(nil, 0); len(seen.Ancestors) == 0 || seen.Ancestors[0].PID != os.Getppid() {
		t.Errorf("%+v", seen)
	}
}
