//go:build unix

package rollback_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// Real processes are killed with SIGKILL at random instants, some of them again when they resume, in some cases while
// somebody else switches a unit. Afterwards every run is finished or truthfully reported. The instants are random on
// purpose; what must hold does not depend on them. SEED repeats a choice, not the machine's timing.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 20
	if os.Getenv("CI") == "true" {
		kills = 200
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	c := &count{states: map[rollback.RunState]int{}, at: map[rollback.RunState]int{}}
	for c.kills < kills && !t.Failed() {
		y, err := newYard(t.Context(), t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		// A child is measured anew with every yard, because the machine's load changes; and a plan looks at every unit, so
		// a yard that only grew would be slower and slower.
		whole := y.undisturbed(t)
		for i := 0; i < unitsInYard && c.kills < kills; i++ {
			y.torment(t, fmt.Sprintf("unit%d", i), whole, random, c)
		}
		ledgerIsSound(t, y.db)
		if err := y.db.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d kills, that hit runs in state: %v; runs ended: %v", c.kills, c.at, c.states)
}

// unitsInYard is how many pairs of units are tormented side by side.
const unitsInYard = 15

type count struct {
	kills      int
	at, states map[rollback.RunState]int
}

// torment kills the processes of one run up to three times, then lets it end.
func (y *yard) torment(t *testing.T, name string, whole time.Duration, random *rand.Rand, c *count) {
	t.Helper()
	if err := y.pair(name); err != nil {
		t.Fatal(err)
	}
	run, err := y.confirm(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	meddled := false
	for tries := random.IntN(3); tries >= 0 && !run.State.Final(); tries-- {
		if !meddled && random.IntN(4) == 0 {
			meddled = y.meddle(t, name, random)
		}
		hit := y.kill(t, run.ID, time.Duration(random.Int64N(int64(whole))))
		if run, err = y.engine.Run(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
		if hit && !run.State.Final() { // the others came too late to mean anything
			c.kills++
			c.at[run.State]++
		}
	}
	if !meddled && random.IntN(6) == 0 {
		meddled = y.meddle(t, name, random)
	}
	if run, err = y.engine.Execute(t.Context(), run.ID); err != nil {
		t.Fatalf("resume %s: %v", run.ID, err)
	}
	truthful(t, run, y.verdict(t, name, y.op(t, run.ID)), meddled)
	c.states[run.State]++
}

// truthful compares how a run says that it ended with what the trail shows.
func truthful(t *testing.T, run rollback.Run, effects int, meddled bool) {
	t.Helper()
	switch {
	case !run.State.Final():
		t.Errorf("%s is not over: %s", run.ID, run.State)
	case !meddled && run.State != rollback.RunSucceeded:
		t.Errorf("%s: %q though nobody else did anything: %s", run.ID, run.State, run.Detail)
	case run.State == rollback.RunSucceeded && effects != 2:
		t.Errorf("%s says it succeeded with %d effects", run.ID, effects)
	case run.State == rollback.RunAlreadyGood && effects != 0, run.State == rollback.RunAborted && effects != 0:
		t.Errorf("%s says %q with %d effects", run.ID, run.State, effects)
	case run.State == rollback.RunNeedsHuman && effects == 0:
		t.Errorf("%s needs a human without any effect: %s", run.ID, run.Detail)
	}
}

// undisturbed measures a child that nobody kills.
func (y *yard) undisturbed(t *testing.T) time.Duration {
	t.Helper()
	if err := y.pair("first"); err != nil {
		t.Fatal(err)
	}
	run, err := y.confirm(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if out, err := y.command(t, "RUN="+run.ID).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(start)
	if run, err = y.engine.Run(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
		t.Fatalf("%+v %v", run, err)
	}
	return took
}

// kill starts a child on a run and kills it after a while. It reports false where the child was quicker.
func (y *yard) kill(t *testing.T, run string, after time.Duration) bool {
	t.Helper()
	cmd := y.command(t, "RUN="+run)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	return err != nil && cmd.ProcessState.ExitCode() == -1
}

// meddle is somebody else who switches one of the units: to a hotfix, to the good content, or to the bad one again.
func (y *yard) meddle(t *testing.T, name string, random *rand.Rand) bool {
	t.Helper()
	unit := name + []string{"-a", "-b"}[random.IntN(2)]
	content := []string{"hotfix", "good", "bad-" + name}[random.IntN(3)]
	_, n, err := y.target.read(unit)
	if err != nil {
		t.Fatal(err)
	}
	err = y.target.swap(unit, n, fileState{Content: content, Stamp: "somebody"})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return true
}
