package rollback_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback/store"
)

// TestSimulate plays many small worlds. In each, two consoles with the real engine and one real store, or one each, act on one target, while
// the network loses, delays and repeats what they send, processes are killed, stand still and have wrong clocks, the journal
// fails, and somebody else deploys. All of it follows from a seed. Afterwards what the record says is compared with what
// happened. SEED=N plays one world again and tells all of it; SEEDS=N plays so many, from SEED on.
func TestSimulate(t *testing.T) {
	t.Parallel()
	first, seeds := simSeeds(t)
	template := simTemplate(t)
	dir := simDir(t)
	states := &simTally{n: map[string]int{}}
	var next atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := next.Add(1) - 1; n < seeds && !t.Failed(); n = next.Add(1) - 1 {
				states.add(simulate(t, first+n, dir, template))
			}
		})
	}
	all.Wait()
	t.Logf("%d worlds from seed %d; runs ended: %v", seeds, first, states.n)
}

// A seed is a whole world: played twice, everything happens in the same order at the same instants.
func TestSimulationReplays(t *testing.T) {
	t.Parallel()
	template, dir := simTemplate(t), simDir(t)
	for seed := range uint64(10) {
		once, again := simulate(t, seed, dir, template), simulate(t, seed, dir, template)
		if slices.Equal(once.told, again.told) {
			continue
		}
		for i, line := range once.told {
			if i >= len(again.told) || line != again.told[i] {
				t.Errorf("seed %d: played again, it differs at %s", seed, line)
				break
			}
		}
	}
}

// The worlds in which something was found wrong stay told, each under what it showed.
func TestSimulatedFindings(t *testing.T) {
	t.Parallel()
	template, dir := simTemplate(t), simDir(t)
	for name, seed := range map[string]uint64{
		"an executor that stood still after its intent sends nothing when its run was taken over meanwhile": 1064,
	} {
		t.Run(name, func(t *testing.T) { simulate(t, seed, dir, template) })
	}
}

func simulate(t *testing.T, seed uint64, dir string, template []byte) (s *simulation) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s = newSimulation(t, seed, dir, template)
		s.play(t.Context())
		if s.wrong.Load() || (os.Getenv("SEED") != "" && os.Getenv("SEEDS") == "") {
			t.Logf("world %d (SEED=%d go test ./rollback -run 'TestSimulate$' -v plays it again):\n%s", seed, seed, strings.Join(s.told, "\n"))
		}
	}) // one that failed ends this goroutine
	files, err := filepath.Glob(s.path + "*")
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil {
		t.Error(err)
	}
	return s
}

func simSeeds(t *testing.T) (first, seeds uint64) {
	t.Helper()
	switch {
	case raced():
		seeds = 60 // fifteen times as slow
	case os.Getenv("CI") == "true":
		seeds = 10_000
	default:
		seeds = 100
	}
	for _, v := range []struct {
		name string
		into *uint64
	}{{"SEED", &first}, {"SEEDS", &seeds}} {
		text := os.Getenv(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		*v.into = n
		if v.name == "SEED" {
			seeds = 1
		}
	}
	return first, seeds
}

// raced reports whether this test was built with the race detector.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// simTemplate is an empty database, that every world gets a copy of.
func simTemplate(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.db")
	db, err := store.Open(t.Context(), path, store.Options{})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// simDir is in memory where there is such a place, as only the order of writes matters here and not that they last.
func simDir(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "backout-simulation-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

type simTally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *simTally) add(s *simulation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, state := range s.ended {
		c.n[state]++
	}
}
