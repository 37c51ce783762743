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
	for name, content := range map[string]string{"the bad one again": "bad-x", "the good one": "good", "a hotfix": "hotfix"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y, err := newYard(t.Context(), t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = y.db.Close() })
			if err := y.pair("x"); err != nil {
				t.Fatal(err)
			}
			unit, id := y.cutOff(t)
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
			if effects := y.verdict(t, "x", y.op(t, id)); effects != 1 || run.State == rollback.RunSucceeded {
				t.Errorf("%q with %d effects: %s", run.State, effects, run.Detail)
			}
			if s, n, err := y.target.read(unit); err != nil || n != 3 || s.Stamp != "somebody" {
				t.Errorf("somebody's change is gone: %+v %d %v", s, n, err)
			}
		})
	}
}

// cutOff ends a run right after its first effect, and says which unit that was on.
func (y *yard) cutOff(t *testing.T) (unit, run string) {
	t.Helper()
	if !y.stopped(t, "exit", "UNIT=x", "POINT=apply.after", "MODE=exit", "NTH=1") {
		t.Fatal("apply.after was never passed")
	}
	for _, u := range []string{"x-a", "x-b"} {
		if _, n, err := y.target.read(u); err == nil && n == 2 {
			return u, y.newest(t, "x")
		}
	}
	t.Fatal("the first attempt had no effect")
	return "", ""
}
