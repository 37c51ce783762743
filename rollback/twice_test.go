//go:build unix

package rollback_test

import (
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// A run has its effect and is killed before it can say so; somebody else switches the unit back to the bad content; the
// process that resumes is killed in its turn, right after it journaled what it saw. The one after that must still know
// that an attempt was made whose outcome nobody knew, and leave the newer change alone.
func TestKilledTwiceOverSomebodyElsesChange(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"bad", "good", "hotfix"} {
		t.Run(content, func(t *testing.T) {
			t.Parallel()
			y, err := newYard(t.Context(), t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = y.db.Close() })
			if err := y.pair("x"); err != nil {
				t.Fatal(err)
			}
			if !y.stopped(t, "exit", "UNIT=x", "POINT=apply.after", "MODE=exit", "NTH=1") {
				t.Fatal("apply.after was never passed")
			}
			id := y.newest(t, "x")
			unit := ""
			for _, u := range []string{"x-a", "x-b"} {
				if _, n, err := y.target.read(u); err == nil && n == 2 {
					unit = u
				}
			}
			if unit == "" {
				t.Fatal("the first attempt had no effect")
			}
			if content == "bad" {
				content = "bad-x"
			}
			if err := y.target.swap(unit, 2, fileState{Content: content, Stamp: "somebody"}); err != nil {
				t.Fatal(err)
			}
			if !y.stopped(t, "exit", "RUN="+id, "POINT=result.after", "MODE=exit", "NTH=1") {
				t.Fatal("result.after was never passed")
			}
			run, err := y.engine.Execute(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			effects := y.verdict(t, "x", y.op(t, id))
			if effects != 1 || run.State == rollback.RunSucceeded {
				t.Errorf("%q with %d effects: %s", run.State, effects, run.Detail)
			}
			if s, n, err := y.target.read(unit); err != nil || n != 3 || s.Stamp != "somebody" {
				t.Errorf("somebody's change is gone: %+v %d %v", s, n, err)
			}
		})
	}
}
