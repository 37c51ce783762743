//go:build unix

package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// guardedFile adds to a file target what has to be held back before some of its units go back: a second row of states
// "NAME-guard.N", which says "on" or "off", switched by the same link(2). A unit without one is not guarded.
type guardedFile struct{ fileTarget }

const guardSuffix = "-guard"

func (f guardedFile) Plan(ctx context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	p, err := f.fileTarget.Plan(ctx, o, to)
	if err != nil {
		return p, err
	}
	_, n, err := f.read(scope(o.Unit.ID) + guardSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	args := map[string]string{"guard": strconv.Itoa(n)}
	step := rollback.Step{Action: "hold", Title: "hold the guard back", From: o.Current.Digest, To: o.Current.Digest, Args: args, Measure: "held"}
	p.Steps = append([]rollback.Step{step}, p.Steps...)
	p.Measures = []rollback.Measure{{ID: "held", What: "the guard is held back", Exit: "always", Undo: "let the guard go", Args: args}}
	return p, err
}

func (f guardedFile) Apply(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	if s.Action == "hold" {
		return f.turn(scope(s.Unit), s.Args["guard"], fileState{"off", op.ID}), nil
	}
	return f.fileTarget.Apply(ctx, op, s)
}

func (f guardedFile) turn(unit, from string, to fileState) rollback.Result {
	n, err := strconv.Atoi(from)
	if err != nil {
		return rollback.Result{Outcome: rollback.Failed, Detail: err.Error()}
	}
	if err = f.swap(unit+guardSuffix, n, to); err == nil {
		return rollback.Result{Outcome: rollback.Applied, Token: strconv.Itoa(n + 1)}
	}
	is, last, readErr := f.read(unit + guardSuffix)
	switch {
	case readErr != nil || !errors.Is(err, fs.ErrExist):
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: fmt.Sprint(err, readErr)}
	case is == to:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: strconv.Itoa(last)}
	default:
		return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: "somebody switched the guard"}
	}
}

func (f guardedFile) Probe(_ context.Context, m rollback.Measure) (bool, string, error) {
	s, _, err := f.read(scope(m.Unit) + guardSuffix)
	return s.Content == "off", "", err
}

func (f guardedFile) ExitHolds(context.Context, rollback.Measure) (bool, string, error) {
	return true, "", nil
}

func (f guardedFile) Lift(_ context.Context, op rollback.Operation, m rollback.Measure) (rollback.Result, error) {
	return f.turn(scope(m.Unit), m.Token, fileState{"on", op.ID}), nil
}

// A process is stopped around every write that tells of a measure, and around the effects themselves; then another one goes
// on. A measure that may exist is always on the record, it is set once and lifted once, and nothing is lifted by itself.
func TestMeasureFailpoints(t *testing.T) {
	t.Parallel()
	y, err := newYard(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = y.db.Close() })
	for _, mode := range []string{"exit", "error", "hang"} {
		for _, point := range []string{"intent", "apply", "result"} {
			for _, where := range []string{".before", ".after"} {
				name := strings.Join([]string{"set", point, where[1:], mode}, "-")
				t.Run(name, func(t *testing.T) { y.stopSetting(t, name, point+where, mode) })
			}
		}
		for _, point := range []string{"lift.intent.before", "lift.intent.after", "lift.before", "lift.after", "lift.result.before", "lift.result.after"} {
			name := strings.Join([]string{"lift", strings.ReplaceAll(point, ".", "-"), mode}, "-")
			t.Run(name, func(t *testing.T) { y.stopLifting(t, name, point, mode) })
		}
	}
	ledgerIsSound(t, y.db)
}

// guardedPair makes two units that one change broke; the first one is guarded.
func (y *yard) guardedPair(t *testing.T, name string) {
	t.Helper()
	if err := errors.Join(y.pair(name), y.target.swap(name+"-a"+guardSuffix, 0, fileState{Content: "on"})); err != nil {
		t.Fatal(err)
	}
}

func (y *yard) guard(t *testing.T, name string) (fileState, int) {
	t.Helper()
	s, n, err := y.target.read(name + "-a" + guardSuffix)
	if err != nil {
		t.Fatal(err)
	}
	return s, n
}

func (y *yard) stopSetting(t *testing.T, name, point, mode string) {
	y.guardedPair(t, name)
	if !y.stopped(t, mode, "UNIT="+name, "POINT="+point, "MODE="+mode, "NTH=1") {
		t.Fatalf("%s was never passed", point)
	}
	id := y.newest(t, name)
	run, err := y.engine.Run(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := y.guard(t, name)
	if known := len(run.Measures) == 1 && !run.Measures[0].State.Closed(); s.Content == "off" && !known || point == "intent.before" && known {
		t.Errorf("at %s the guard is %q and the journal knows of the measures %+v", point, s.Content, run.Measures)
	}
	run, err = y.engine.Execute(t.Context(), id)
	if err != nil || run.State != rollback.RunSucceeded || len(run.Measures) != 1 || run.Measures[0].State != rollback.MeasureInForce {
		t.Fatalf("resumed: %q %s, %+v, %v", run.State, run.Detail, run.Measures, err)
	}
	if s, n := y.guard(t, name); s.Content != "off" || s.Stamp != run.Measures[0].Op || n != 2 {
		t.Errorf("the guard is %+v after %d states: it is to be held back once", s, n)
	}
	y.verdict(t, name, y.op(t, id))
}

func (y *yard) stopLifting(t *testing.T, name, point, mode string) {
	y.guardedPair(t, name)
	run, err := y.confirm(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if run, err = y.engine.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
		t.Fatalf("%q %s %v", run.State, run.Detail, err)
	}
	id := run.Measures[0].ID
	if !y.stopped(t, mode, "LIFT="+id, "POINT="+point, "MODE="+mode, "NTH=1") {
		t.Fatalf("%s was never passed", point)
	}
	m, err := y.engine.Measure(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := y.guard(t, name)
	if s.Content == "on" && m.State == rollback.MeasureInForce {
		t.Errorf("at %s the guard was let go, and the journal says that the measure is %q", point, m.State)
	}
	m, _, err = y.engine.Lift(t.Context(), id, rollback.LiftRequest{By: ana})
	if err != nil || m.State != rollback.MeasureLifted {
		t.Errorf("again: %q %s, %v", m.State, m.Detail, err)
	}
	if s, n := y.guard(t, name); s.Content != "on" || n != 3 {
		t.Errorf("the guard is %+v after %d states: it is to be let go once", s, n)
	}
	if _, err := os.Stat(y.target.path(name+"-a"+guardSuffix, 4)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a fourth state: %v", err)
	}
}
