//go:build unix

package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

// sharing has a bench keep its record on a server.
func sharing(t *testing.T, place string, opts store.Options) func(*rollback.Config) {
	t.Helper()
	db, err := store.Open(t.Context(), place, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(c *rollback.Config) { c.Store = db }
}

func newSharedBench(t *testing.T, place string, change ...func(*rollback.Config)) *bench {
	t.Helper()
	b := newBench(t, append(change, sharing(t, place, store.Options{}), func(c *rollback.Config) { c.Hold = time.Second })...)
	b.db = b.cfg.Store
	return b
}

// The server is killed while a run's effect is under way, and comes back while its lease holds: the run goes on as if nothing had been.
func TestARunOutlastsAShortLossOfItsStore(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	b := newSharedBench(t, g.Create(t, "b"))
	u := b.pricing()
	b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
		g.Kill()
		g.Start(t)
		return b.target.swap(u, op, s)
	}
	run := b.confirmed(t, rollback.Request{})
	run, err := b.Execute(t.Context(), run.ID)
	if err != nil || run.State != rollback.RunSucceeded || u.current.Label != "r41" {
		t.Errorf("%q %s, served is %s: %v", run.State, run.Detail, u.current.Label, err)
	}
	b.sound(t)
}

// An executor is cut off from the store for longer than its lease, after its effect on the first unit. It stops before the
// next one; somebody else takes the run over and ends it, although the clock there is two minutes ahead. Nothing is done twice.
func TestAPartitionLongerThanTheLease(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	wire := servers.NewWire(t, g.Addr)
	b := newSharedBench(t, wire.Through(place), func(c *rollback.Config) { c.LeaseTTL = 3 * time.Second })
	near := b.another(t, elsewhere, sharing(t, place, store.Options{Now: ahead}), func(c *rollback.Config) { c.Now = ahead })
	b.pricing()
	applied := make(chan struct{})
	var once sync.Once
	b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
		res, err := b.target.swap(u, op, s)
		once.Do(func() {
			wire.Hush(true)
			close(applied)
		})
		return res, err
	}
	run := b.confirmed(t, rollback.Request{})
	lost := make(chan error)
	go func() {
		_, err := b.Execute(t.Context(), run.ID)
		lost <- err
	}()
	<-applied
	if _, err := near.Execute(t.Context(), run.ID); !errors.Is(err, rollback.ErrLocked) {
		t.Errorf("taken over while the lease holds, by a clock that is ahead: %v", err)
	}
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if run, err = near.Execute(t.Context(), run.ID); !errors.Is(err, rollback.ErrLocked) {
			break
		}
	}
	if err != nil || run.State != rollback.RunSucceeded {
		t.Errorf("taken over: %q %s %v", run.State, run.Detail, err)
	}
	wire.Hush(false)
	if err := <-lost; err == nil {
		t.Error("the one that was cut off did not notice")
	}
	if n := len(b.target.effects()); n != 1 {
		t.Errorf("%d effects", n)
	}
	b.sound(t)
}

func ahead() time.Time { return time.Now().Add(2 * time.Minute) }

// Many consoles on one store confirm a rollback of one unit at once: one does it, the others are told who holds it.
func TestConsolesThatConfirmAtOnce(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	b := newSharedBench(t, place)
	b.pricing()
	engines := []*rollback.Engine{b.Engine}
	for n := range 4 {
		engines = append(engines, b.another(t, sharing(t, place, store.Options{}), func(c *rollback.Config) { c.Executor = fmt.Sprintf("host%d:1", n) }))
	}
	plans := make([]rollback.Plan, len(engines))
	for i, e := range engines {
		var err error
		if plans[i], err = e.Plan(t.Context(), rollback.Request{Unit: "fake:prod/pricing"}); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	won, refused := 0, 0
	for i, e := range engines {
		all.Go(func() {
			_, err := e.Confirm(t.Context(), plans[i], yes(plans[i]))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, rollback.ErrLocked), errors.Is(err, rollback.ErrPlanChanged):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won != 1 || refused != len(engines)-1 {
		t.Errorf("%d confirmed it, %d were refused", won, refused)
	}
	b.sound(t)
}

// Processes of runs on a shared store are killed with SIGKILL at random instants, as [TestKill] does with a file.
func TestKillOnASharedStore(t *testing.T) {
	t.Parallel()
	kills := 5
	if os.Getenv("CI") == "true" {
		kills = 20
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	g := servers.StartPostgres(t)
	random := rand.New(rand.NewPCG(seed, 1))
	c := &count{states: map[rollback.RunState]int{}, at: map[rollback.RunState]int{}}
	for round := 0; c.kills < kills && !t.Failed(); round++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "store"), []byte(g.Create(t, fmt.Sprint("yard", round))), 0o600); err != nil {
			t.Fatal(err)
		}
		y, err := newYard(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(y.db.Path(), "postgres://") {
			t.Fatalf("the record is in %s", y.db.Path())
		}
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
