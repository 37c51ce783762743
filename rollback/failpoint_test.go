//go:build unix

package rollback_test

import (
	"bufio"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// Every journal write and every apply, stopped before and after, in three ways, in a process of its own; then another
// process goes on. Whatever was stopped, nothing is applied twice and the run ends well.
func TestFailpoints(t *testing.T) {
	t.Parallel()
	y, err := newYard(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = y.db.Close() })
	points := []string{"confirm", "lease", "intent", "apply", "result", "state", "outcome"}
	for _, mode := range []string{"exit", "error", "hang"} {
		for _, point := range points {
			for _, where := range []string{".before", ".after"} {
				for _, nth := range []string{"1", "2"} {
					if nth == "2" && point != "intent" && point != "apply" && point != "result" {
						continue // the others are passed once
					}
					name := strings.Join([]string{point, where[1:], mode, nth}, "-")
					t.Run(name, func(t *testing.T) { y.stopAt(t, name, point+where, mode, nth) })
				}
			}
		}
	}
	ledgerIsSound(t, y.db)
}

func (y *yard) stopAt(t *testing.T, name, point, mode, nth string) {
	if err := y.pair(name); err != nil {
		t.Fatal(err)
	}
	if !y.stopped(t, mode, "UNIT="+name, "POINT="+point, "MODE="+mode, "NTH="+nth) {
		t.Fatalf("%s was never passed", point)
	}
	id := y.newest(t, name)
	if (id == "") != (point == "confirm.before") {
		t.Fatalf("at %s the journal holds the run %q", point, id)
	}
	if id == "" {
		run, err := y.confirm(t.Context(), name)
		if err != nil {
			t.Fatalf("a new plan after a confirmation that was not written: %v", err)
		}
		id = run.ID
	}
	run, err := y.engine.Execute(t.Context(), id)
	if err != nil || run.State != rollback.RunSucceeded {
		t.Errorf("resumed: %q %s, %v", run.State, run.Detail, err)
	}
	if n := y.verdict(t, name, y.op(t, run.ID)); n != 2 {
		t.Errorf("%d effects, want one on each unit", n)
	}
}

// stopped runs a child until its failpoint ends it, and reports whether it got there.
func (y *yard) stopped(t *testing.T, mode string, env ...string) (reached bool) {
	t.Helper()
	cmd := y.command(t, env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "reached ") {
			continue
		}
		reached = true
		if mode == "hang" {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // it was made to fail
	return reached
}

// newest is the id of the newest run, if it is on the named pair of units.
func (y *yard) newest(t *testing.T, name string) string {
	t.Helper()
	runs, err := y.engine.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) == 0 || !strings.HasPrefix(runs[0].Plan.Units[0].Unit.Service, name+"-") {
		return ""
	}
	return runs[0].ID
}
