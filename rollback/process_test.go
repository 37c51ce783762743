//go:build unix

package rollback_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// fileTarget is a small real target: every state of a unit is a file "NAME.N", and the highest N is what is served. The
// next state is made with link(2), which fails if somebody else made that one first: a true compare-and-set, across
// processes, that survives kill -9. The files are also the trail of all that ever happened.
type fileTarget struct{ dir string }

type fileState struct{ Content, Stamp string }

func (f fileTarget) read(name string) (s fileState, n int, err error) {
	for {
		b, err := os.ReadFile(f.path(name, n+1))
		if errors.Is(err, fs.ErrNotExist) && n > 0 {
			return s, n, nil
		}
		if err != nil {
			return s, n, err
		}
		if err := json.Unmarshal(b, &s); err != nil {
			return s, n, err
		}
		n++
	}
}

func (f fileTarget) path(name string, n int) string {
	return filepath.Join(f.dir, name+"."+strconv.Itoa(n))
}

// swap makes state n+1, unless somebody else has.
func (f fileTarget) swap(name string, n int, s fileState) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(f.dir, "tmp-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	return os.Link(tmp.Name(), f.path(name, n+1))
}

func scope(id rollback.UnitID) string { return strings.TrimPrefix(string(id), "file:prod/") }

func (f fileTarget) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		first, err := filepath.Glob(filepath.Join(f.dir, "*.1"))
		if err != nil {
			yield(rollback.Unit{}, err)
		}
		for _, p := range first {
			name := strings.TrimSuffix(filepath.Base(p), ".1")
			if strings.HasSuffix(name, guardSuffix) {
				continue
			}
			u := rollback.Unit{ID: rollback.UnitID("file:prod/" + name), Kind: "file", Service: name, Environment: "dev", CAS: rollback.CASAtomic}
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (f fileTarget) Observe(_ context.Context, id rollback.UnitID) (rollback.Observation, error) {
	s, n, err := f.read(scope(id))
	if err != nil {
		return rollback.Observation{}, err
	}
	u := rollback.Unit{ID: id, Kind: "file", Service: scope(id), Environment: "dev", CAS: rollback.CASAtomic}
	r := rev(s.Content, s.Content, 10)
	return rollback.Observation{
		Unit: u, Current: r, Token: strconv.Itoa(n), Stamp: s.Stamp, History: []rollback.Revision{rev("good", "good-"+scope(id), 100)},
	}, nil
}

func (f fileTarget) Plan(_ context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	return rollback.Proposal{Steps: []rollback.Step{{Action: "switch", Title: "switch to " + to.Label, To: to.Digest}}}, nil
}

func (f fileTarget) Apply(_ context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	n, err := strconv.Atoi(s.Token)
	if err != nil {
		return rollback.Result{Outcome: rollback.Failed, Detail: err.Error()}, nil
	}
	err = f.swap(scope(s.Unit), n, fileState{"good", op.ID})
	switch {
	case errors.Is(err, fs.ErrExist):
		return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: "somebody made state " + strconv.Itoa(n+1)}, nil
	case err != nil:
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: err.Error()}, nil
	}
	return rollback.Result{Outcome: rollback.Applied, Token: strconv.Itoa(n + 1)}, nil
}

func (f fileTarget) Status(_ context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	s, _, err := f.read(scope(id))
	return rollback.Convergence{Done: digest(s.Content) == to.Digest, Detail: "serves " + s.Content}, err
}

func (f fileTarget) Verify(context.Context, rollback.UnitID, rollback.Revision) ([]rollback.Check, error) {
	return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
}

// yard is a directory with a database and a file target, shared by this process and its children.
type yard struct {
	dir    string
	target fileTarget
	db     *store.DB
	engine *rollback.Engine
}

func newYard(ctx context.Context, dir string, fail func(string) error) (*yard, error) {
	y := &yard{dir: dir, target: fileTarget{filepath.Join(dir, "target")}}
	if err := os.MkdirAll(y.target.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	place := filepath.Join(dir, "b.db")
	if shared, err := os.ReadFile(filepath.Join(dir, "store")); err == nil {
		place = string(shared)
	}
	if y.db, err = store.Open(ctx, place, store.Options{}); err != nil {
		return nil, err
	}
	y.engine, err = rollback.New(rollback.Config{
		Store: y.db, Reversers: map[string]rollback.Reverser{"file": guardedFile{y.target}}, Fail: fail,
		Hold: time.Millisecond, Poll: time.Millisecond, Deadline: time.Minute, HolderDead: gone,
	})
	return y, err
}

// gone reports that the process of an executor is no more.
func gone(executor string) bool {
	_, text, _ := strings.Cut(executor, ":")
	pid, err := strconv.Atoi(text)
	return err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// pair makes two units that one change broke, so that their plan has two steps.
func (y *yard) pair(name string) error {
	for _, n := range []string{name + "-a", name + "-b"} {
		if err := y.target.swap(n, 0, fileState{Content: "bad-" + name}); err != nil {
			return err
		}
	}
	return nil
}

func (y *yard) confirm(ctx context.Context, name string) (rollback.Run, error) {
	p, err := y.engine.Plan(ctx, rollback.Request{Unit: rollback.UnitID("file:prod/" + name + "-a")})
	if err != nil {
		return rollback.Run{}, err
	}
	if len(p.Units) != 2 {
		return rollback.Run{}, fmt.Errorf("the plan holds %d units", len(p.Units))
	}
	return y.engine.Confirm(ctx, p, rollback.Confirmation{PlanHash: p.Hash, By: ana, Typed: p.Decision.Name, Reason: "test"})
}

// TestMain also plays the process of a run: with CHILD set it works in that yard.
func TestMain(m *testing.M) {
	dir := os.Getenv("CHILD")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(context.Background(), dir); err != nil {
		fmt.Println("child:", err)
		os.Exit(3)
	}
}

// child confirms the run of UNIT unless RUN names one, and executes it. At the NTH passing of POINT it does MODE.
func child(ctx context.Context, dir string) error {
	nth, _ := strconv.Atoi(os.Getenv("NTH"))
	fail := func(point string) error {
		if point != os.Getenv("POINT") {
			return nil
		}
		if nth--; nth != 0 {
			return nil
		}
		fmt.Println("reached", point)
		switch os.Getenv("MODE") {
		case "exit":
			os.Exit(137)
		case "hang":
			select {}
		}
		return errors.New("told to fail")
	}
	y, err := newYard(ctx, dir, fail)
	if err != nil {
		return err
	}
	if id := os.Getenv("LIFT"); id != "" {
		_, _, err = y.engine.Lift(ctx, id, rollback.LiftRequest{By: ana})
		return errors.Join(err, y.db.Close())
	}
	id := os.Getenv("RUN")
	if id == "" {
		run, err := y.confirm(ctx, os.Getenv("UNIT"))
		if err != nil {
			return err
		}
		id = run.ID
	}
	_, err = y.engine.Execute(ctx, id)
	return errors.Join(err, y.db.Close())
}

func (y *yard) command(t *testing.T, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// The race detector would keep an ended child for a second, in which no kill means anything.
	cmd.Env = append(append(os.Environ(), "CHILD="+y.dir, "GORACE=atexit_sleep_ms=0"), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// verdict checks, from the trail of the target and from the record, that no step had two effects, that every effect had
// its intent journaled before it, and that nothing newer of somebody else's was overwritten. It returns the effects.
func (y *yard) verdict(t *testing.T, name string, op string) (effects int) {
	t.Helper()
	entries, err := y.db.Entries(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{name + "-a", name + "-b"} {
		effects += y.trail(t, unit, op, "bad-"+name, intents(t, entries, unit, op))
	}
	return effects
}

// intents reads on which conditions a run tried a unit. A second condition needs to know what came of the first.
func intents(t *testing.T, entries []ledger.Entry, unit, op string) map[string]bool {
	t.Helper()
	on, known := map[string]bool{}, true
	for _, e := range entries {
		var b ledger.StepBody
		if e.Unit != "file:prod/"+unit || json.Unmarshal(e.Body, &b) != nil || b.Op != op {
			continue
		}
		if e.Kind == ledger.KindResult {
			known = known || b.Outcome == string(rollback.PreconditionFailed)
		}
		if e.Kind == ledger.KindIntent {
			if !known && !on[b.Token] {
				t.Errorf("%s: tried again on another condition without knowing what came of the first", unit)
			}
			on[b.Token], known = true, false
		}
	}
	return on
}

// trail walks the states of a unit and counts those that a run made.
func (y *yard) trail(t *testing.T, unit, op, from string, on map[string]bool) (mine int) {
	t.Helper()
	_, last, err := y.target.read(unit)
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= last; n++ {
		if y.state(t, unit, n).Stamp != op {
			continue
		}
		mine++
		if before := y.state(t, unit, n-1); before.Content != from {
			t.Errorf("%s: overwrote %+v", unit, before)
		}
		if !on[strconv.Itoa(n-1)] {
			t.Errorf("%s: an effect on state %d without an intent", unit, n-1)
		}
	}
	if mine > 1 {
		t.Errorf("%s: applied %d times", unit, mine)
	}
	return mine
}

func (y *yard) state(t *testing.T, unit string, n int) (s fileState) {
	t.Helper()
	b, err := os.ReadFile(y.target.path(unit, n))
	if err := errors.Join(err, json.Unmarshal(b, &s)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (y *yard) op(t *testing.T, run string) string {
	t.Helper()
	row, err := y.db.Run(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return row.Op
}

func ledgerIsSound(t *testing.T, db *store.DB) {
	t.Helper()
	if r, err := db.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("the ledger does not verify: %+v %v", r, err)
	}
}
