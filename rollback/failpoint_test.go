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
	cmd := y.command(t, "UNIT="+name, "POINT="+point, "MODE="+mode, "NTH="+nth)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reached := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "reached ") {
			reached = true
			if mode == "hang" {
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	_ = cmd.Wait() // it was made to fail
	if !reached {
		t.Fatalf("%s was never passed", point)
	}
	runs, err := y.engine.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) == 0 || runs[0].Plan.Units[0].Unit.Service != name+"-a" && runs[0].Plan.Units[0].Unit.Service != name+"-b" {
		if point != "confirm.before" {
			t.Fatalf("no run was journaled at %s", point)
		}
		if run, err := y.confirm(t.Context(), name); err != nil || run.State != rollback.RunConfirmed {
			t.Fatalf("a new plan after a confirmation that was not written: %v", err)
		}
		if runs, err = y.engine.Runs(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run, err := y.engine.Execute(t.Context(), runs[0].ID)
	if err != nil || run.State != rollback.RunSucceeded {
		t.Errorf("resumed: %q %s, %v", run.State, run.Detail, err)
	}
	if n := y.verdict(t, name, y.op(t, run.ID)); n != 2 {
		t.Errorf("%d effects, want one on each unit", n)
	}
}
