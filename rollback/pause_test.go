package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

var bob = policy.Principal{ID: "bob", Kind: policy.Human}

// pausedBench has a confirmed run of two units that bob pauses while the first one is being switched.
func pausedBench(t *testing.T) (*bench, rollback.Run) {
	t.Helper()
	b := newBench(t)
	b.pricing()
	b.target.add("storefront", rev("s9", "bad", 9), rev("s8", "s8", 90))
	run := b.confirmed(t, rollback.Request{})
	b.target.onApply = func(ctx context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
		if s.N == 1 {
			for range 2 { // the second time asks for what holds already
				if err := b.Pause(context.WithoutCancel(ctx), run.ID, bob, true); err != nil {
					t.Error(err)
				}
			}
			if got, err := b.Run(context.WithoutCancel(ctx), run.ID); err != nil || got.PauseBy != "bob" || got.Paused {
				t.Errorf("while the step is applied: asked by %q, paused %v, %v", got.PauseBy, got.Paused, err)
			}
		}
		return b.target.swap(u, op, s)
	}
	return b, run
}

// started executes a run beside the test.
func started(ctx context.Context, e *rollback.Engine, id string) <-chan rollback.Run {
	out := make(chan rollback.Run, 1)
	go func() {
		run, err := e.Execute(ctx, id)
		if err != nil {
			run.Detail += " " + err.Error()
		}
		out <- run
	}()
	return out
}

func (b *bench) waits(t *testing.T, id string) {
	t.Helper()
	time.Sleep(20 * time.Second)
	synctest.Wait()
	run, err := b.another(t).Run(t.Context(), id)
	if err != nil || !run.Paused || run.PauseBy != "bob" || !run.Alive || len(b.target.effects()) != 1 {
		t.Fatalf("paused %v by %q, alive %v, effects %v, %v", run.Paused, run.PauseBy, run.Alive, b.target.effects(), err)
	}
	if !strings.HasPrefix(run.Detail, "paused before step 2 (switch to") || !strings.Contains(run.Detail, "as bob asked; fake:prod/") {
		t.Errorf("the run says %q", run.Detail)
	}
}

func TestAPausedRunFinishesItsStepAndWaitsUntilItIsLetGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run := pausedBench(t)
		over := started(t.Context(), b.Engine, run.ID)
		b.waits(t, run.ID)
		for range 5 { // letting go and pausing again takes nothing from the step's attempts
			if err := errors.Join(b.another(t).Pause(t.Context(), run.ID, ana, false), b.Pause(t.Context(), run.ID, bob, true)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if err := b.another(t).Pause(t.Context(), run.ID, ana, false); err != nil {
			t.Fatal(err)
		}
		got := <-over
		if got.State != rollback.RunSucceeded || got.Paused || len(b.target.effects()) != 2 {
			t.Errorf("%s %q, paused %v, effects %v", got.State, got.Detail, got.Paused, b.target.effects())
		}
		if asked := b.entries(t, ledger.KindPause); len(asked) != 12 || asked[0].Actor != "bob" || asked[11].Actor != "ana" {
			t.Errorf("%d entries on the record: %+v", len(asked), asked)
		}
		b.sound(t)
	})
}

func TestAPausedRunIsStoppedWhereItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run := pausedBench(t)
		over := started(t.Context(), b.Engine, run.ID)
		b.waits(t, run.ID)
		if err := b.Abort(t.Context(), run.ID, ana, "wrong unit"); err != nil {
			t.Fatal(err)
		}
		got := <-over
		if got.State != rollback.RunNeedsHuman || !strings.Contains(got.Detail, "stopped while it was paused, as ana asked") || len(b.target.effects()) != 1 {
			t.Errorf("%s %q, effects %v", got.State, got.Detail, b.target.effects())
		}
		b.sound(t)
	})
}

func TestAPauseEndsWithThePlansDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run := pausedBench(t)
		got := <-started(t.Context(), b.Engine, run.ID)
		if got.State != rollback.RunNeedsHuman || !strings.Contains(got.Detail, "bob paused it, and nobody let it go on within 1m0s") {
			t.Errorf("%s %q", got.State, got.Detail)
		}
		if span := got.EndedAt.Sub(got.StartedAt); span < time.Minute || span > 70*time.Second {
			t.Errorf("it waited %s", span)
		}
		b.sound(t)
	})
}

func TestARunThatIsPausedBeforeItDidAnythingEndsWithoutEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if err := b.Pause(t.Context(), run.ID, bob, true); err != nil {
			t.Fatal(err)
		}
		got := <-started(t.Context(), b.Engine, run.ID)
		if got.State != rollback.RunAborted || len(b.target.effects()) != 0 {
			t.Errorf("%s %q, effects %v", got.State, got.Detail, b.target.effects())
		}
	})
}

func TestARunThatIsInterruptedWhileItIsPausedGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, run := pausedBench(t)
		ctx, kill := context.WithCancel(t.Context())
		over := started(ctx, b.Engine, run.ID)
		b.waits(t, run.ID)
		kill()
		<-over
		if got, err := b.Run(t.Context(), run.ID); err != nil || got.Alive || !got.Paused {
			t.Fatalf("alive %v, paused %v, %v", got.Alive, got.Paused, err)
		}
		next := b.another(t, func(c *rollback.Config) { c.Executor = "here:2" })
		over = started(t.Context(), next, run.ID)
		b.waits(t, run.ID) // whoever goes on with it finds it paused
		if err := b.Pause(t.Context(), run.ID, ana, false); err != nil {
			t.Fatal(err)
		}
		if got := <-over; got.State != rollback.RunSucceeded || len(b.target.effects()) != 2 {
			t.Errorf("%s %q, effects %v", got.State, got.Detail, b.target.effects())
		}
		b.sound(t)
	})
}

func TestWhatCannotBePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if err := b.another(t, func(c *rollback.Config) { c.ReadOnly = true }).Pause(t.Context(), run.ID, bob, true); !errors.Is(err, rollback.ErrReadOnly) {
			t.Errorf("read-only: %v", err)
		}
		if err := b.Pause(t.Context(), "RUN-9", bob, true); !errors.Is(err, rollback.ErrNotFound) {
			t.Errorf("no such run: %v", err)
		}
		var late error
		b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
			if len(b.target.effects()) > 0 && late == nil {
				late = b.Pause(context.WithoutCancel(t.Context()), run.ID, bob, true)
			}
			return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
		}
		got, err := b.Execute(t.Context(), run.ID)
		if err != nil || got.State != rollback.RunSucceeded || !strings.Contains(fmt.Sprint(late), "no step left to wait before") {
			t.Errorf("%s %v; pausing a run that only watches: %v", got.State, err, late)
		}
		if err := b.Pause(t.Context(), run.ID, bob, true); err == nil || !strings.Contains(err.Error(), "is over: succeeded") {
			t.Errorf("over: %v", err)
		}
	})
}
