package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The test binary is also what the shop's processes are started from, and a parent that a test can kill.
const parentCommand = "demo-parent"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		var err error
		switch os.Args[1] {
		case ChildCommand:
			err = Child(context.Background(), os.Args[2:])
		case parentCommand:
			err = parent(os.Args[2])
		default:
			os.Exit(m.Run())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// family is what a parent tells of its world.
type family struct {
	Dir   string
	PIDs  map[string]int
	Addrs map[string]string
}

// parent opens a world, says what belongs to it, and lives until its standard input ends.
func parent(dir string) error {
	w, err := New(context.Background(), Options{Dir: dir, Self: os.Args[0]})
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Start(context.Background()); err != nil {
		return err
	}
	f := family{Dir: w.Dir(), PIDs: map[string]int{}, Addrs: map[string]string{}}
	for _, c := range w.children {
		f.PIDs[c.name], f.Addrs[c.name] = c.cmd.Process.Pid, c.addr
	}
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// open makes a world of the scenario and starts it.
func open(t *testing.T, scenario string) *World {
	t.Helper()
	w := build(t, scenario)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// build makes a world without starting it.
func build(t *testing.T, scenario string) *World {
	t.Helper()
	needGit(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "world"), Scenario: scenario, Self: self})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the git program is not here, and CI may skip nothing")
		}
		t.Skip("SKIPPED: the git program is not on PATH, and the demo's repository is made by it")
	}
}

// eventually waits for a condition of the real world.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("still not so: %s", what)
		case <-tick.C:
		}
	}
}
