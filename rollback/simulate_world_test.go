package rollback_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/store"
)

var errDead = errors.New("this process is no more")

// chance is a source of numbers that depends on the seed and on what they are for, and not on who asked before: whatever runs
// beside, the same seed gives the same numbers.
type chance struct{ *rand.Rand }

func (c chance) hits(odds float64) bool { return c.Float64() < odds }

// span is a duration that hardly ever comes twice, so that no two things happen at the same instant.
func (c chance) span(least, most time.Duration) time.Duration {
	return least + time.Duration(c.Int64N(int64(most-least)))
}

// odds are how often each thing goes wrong in one world. Each is often 0: a fault shows best where not all others hide it.
type odds struct {
	slow, unseen, lost, late, deaf, twice, refused, crash, journal, stall, cuts, meddle, kills, stops, leaves float64
}

// simulation is one world, whole in its seed.
type simulation struct {
	t      *testing.T
	seed   uint64
	odds   odds
	target *simTarget
	path   string
	calm   atomic.Bool // nothing goes wrong any more
	wire   sync.WaitGroup
	skewed bool
	apart  bool // each console has a store of its own: two laptops, that share nothing but the target
	knows  bool // processes can tell that another one is gone

	mu        sync.Mutex
	told      []string
	processes map[string]*process
	runs      map[string]*simRun
	accepted  []string // what a person was told is confirmed
	ended     []string // how the runs ended
	wrong     atomic.Bool
}

// simRun is what the simulation saw of the processes that worked on a run.
type simRun struct {
	looks   []simLook
	applies []*simApply
	last    map[string]time.Time // when a process was last heard of while it worked on it
	over    time.Time            // when a process was last about to say that it is over
}

type simLook struct {
	at     time.Time
	by     string
	unit   rollback.UnitID
	serves string // "": it could not be seen
	turn   int    // the process's turn, as it may take up a run more than once
}

type simApply struct {
	at       time.Time
	by       string
	unit     rollback.UnitID
	answered bool
}

func newSimulation(t *testing.T, seed uint64, dir string, template []byte) *simulation {
	t.Helper()
	s := &simulation{
		t: t, seed: seed, path: filepath.Join(dir, fmt.Sprintf("%d.db", seed)),
		processes: map[string]*process{}, runs: map[string]*simRun{},
	}
	s.apart = s.draw("apart").hits(0.4)
	for _, home := range s.homes() {
		if err := os.WriteFile(home, template, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := s.draw("world")
	for _, o := range []struct {
		odds *float64
		most float64
	}{
		{&s.odds.slow, 0.3},
		{&s.odds.unseen, 0.2},
		{&s.odds.lost, 0.5},
		{&s.odds.late, 0.5},
		{&s.odds.deaf, 0.5},
		{&s.odds.twice, 0.5},
		{&s.odds.refused, 0.1},
		{&s.odds.crash, 0.08},
		{&s.odds.journal, 0.05},
		{&s.odds.stall, 0.08},
		{&s.odds.cuts, 0.15},
		{&s.odds.meddle, 1},
		{&s.odds.kills, 0.7},
		{&s.odds.stops, 0.3},
		{&s.odds.leaves, 0.2},
	} {
		if d.hits(0.5) {
			*o.odds = o.most * d.Float64()
		}
	}
	s.skewed, s.knows = d.hits(0.3), d.hits(0.5)
	s.target = &simTarget{units: map[rollback.UnitID]*simUnit{}, cas: rollback.CASAtomic, remembers: d.hits(0.5), mute: d.hits(0.2)}
	if d.hits(0.25) {
		s.target.cas = rollback.CASNone
	}
	switch d.IntN(3) {
	case 0:
		s.target.add("a", "one")
	case 1: // one change broke both, so that they go back in one plan
		s.target.add("a", "one")
		s.target.add("b", "one")
	case 2:
		s.target.add("a", "one")
		s.target.add("b", "two")
	}
	return s
}

func (s *simulation) draw(what ...any) chance {
	h := fnv.New64a()
	fmt.Fprint(h, what...)
	return chance{rand.New(rand.NewPCG(s.seed, h.Sum64()))}
}

// homes are the stores that there are.
func (s *simulation) homes() []string {
	if s.apart {
		return []string{s.path, s.path + ".ben"}
	}
	return []string{s.path}
}

// home is the store of a console.
func (s *simulation) home(console string) string {
	if s.apart && console == "ben" {
		return s.path + ".ben"
	}
	return s.path
}

func (s *simulation) faulty() bool { return !s.calm.Load() }

func (s *simulation) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf("%12.6f ", time.Since(t0).Seconds())+fmt.Sprintf(format, args...))
}

func (s *simulation) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.tell("WRONG: %s", text)
	s.t.Errorf("seed %d: %s", s.seed, text)
	s.wrong.Store(true)
}

// process is one backout: an engine and a store of its own, and a clock that may be wrong.
type process struct {
	s        *simulation
	name     string
	home     string // where its store is
	db       *store.DB
	engine   *rollback.Engine
	skew     time.Duration
	dead     atomic.Bool
	cutUntil atomic.Int64

	mu    sync.Mutex
	times map[string]int
	run   string // what it works on
	turn  int
}

// boot starts a process on a store.
func (s *simulation) boot(name, home string) *process {
	p := &process{s: s, name: name, home: home, times: map[string]int{}}
	d := s.draw("boot", name)
	if s.skewed && s.faulty() {
		p.skew = d.span(-20*time.Second, 20*time.Second)
	}
	now := func() time.Time { return time.Now().Add(p.skew) }
	var err error
	if p.db, err = store.Open(s.t.Context(), home, store.Options{Now: now}); err != nil {
		s.t.Fatalf("seed %d: %v", s.seed, err)
	}
	odd := func(about time.Duration) time.Duration { return about + d.span(0, time.Millisecond) }
	ids := 0
	cfg := rollback.Config{
		Store: p.db, Reversers: map[string]rollback.Reverser{"sim": simLine{p}}, Now: now, Executor: name, Fail: p.fail,
		Hold: odd(3 * time.Second), Poll: odd(time.Second), Deadline: odd(25 * time.Second), LeaseTTL: odd(9 * time.Second),
		ApplyTimeout: odd(4 * time.Second), NewID: func() string { ids++; return fmt.Sprintf("op-%s-%d.", name, ids) },
	}
	if s.knows {
		cfg.HolderDead = s.gone
	}
	if p.engine, err = rollback.New(cfg); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.processes[name] = p
	s.mu.Unlock()
	s.tell("%s starts, its clock is off by %s", name, p.skew)
	return p
}

func (s *simulation) gone(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[name]
	return p != nil && p.dead.Load()
}

// die ends a process: from now on it reaches neither the journal nor the target. Its goroutines notice by themselves.
func (p *process) die(why string) {
	if p.dead.Swap(true) {
		return
	}
	p.s.tell("%s is killed %s", p.name, why)
	if err := p.db.Close(); err != nil {
		p.s.t.Errorf("seed %d: %v", p.s.seed, err)
	}
}

func (p *process) isDead() bool { return p.dead.Load() }

func (p *process) cut() bool { return p.s.faulty() && time.Now().UnixNano() < p.cutUntil.Load() }

// draw is the chance of the next thing of a kind that this process does.
func (p *process) draw(what ...any) chance {
	key := fmt.Sprint(what...)
	p.mu.Lock()
	p.times[key]++
	n := p.times[key]
	p.mu.Unlock()
	return p.s.draw(p.name, key, n)
}

// fail is what may happen at each failpoint of the engine: it is slow there, or stands still for longer than its lease is good
// for, its transaction is not written, or is written and the answer is lost, or it is killed.
func (p *process) fail(point string) error {
	if p.isDead() {
		return errDead
	}
	d := p.draw("at", point)
	delay := d.span(time.Microsecond, 5*time.Millisecond)
	if p.s.faulty() && d.hits(p.s.odds.stall) {
		delay = d.span(time.Millisecond, 30*time.Second)
	}
	time.Sleep(delay)
	if p.isDead() {
		return errDead
	}
	p.s.tell("%s: %s", p.name, point)
	p.note(func(r *simRun, _ int) {
		r.last[p.name] = time.Now()
		if point == "outcome.before" {
			r.over = time.Now()
		}
	})
	switch {
	case !p.s.faulty():
	case d.hits(p.s.odds.crash):
		p.die("at " + point)
		return errDead
	case d.hits(p.s.odds.journal):
		p.s.tell("%s: the journal fails at %s", p.name, point)
		return errors.New("the disk does not answer")
	}
	return nil
}

// works notes that the process works on a run until the returned function is called.
func (p *process) works(run string) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run = p.key(run)
	p.turn++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.run = ""
	}
}

// key tells the runs of several stores apart.
func (p *process) key(run string) string { return p.home + " " + run }

func (p *process) note(fn func(r *simRun, turn int)) {
	p.mu.Lock()
	run, turn := p.run, p.turn
	p.mu.Unlock()
	if run == "" {
		return
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	r := p.s.runs[run]
	if r == nil {
		r = &simRun{last: map[string]time.Time{}}
		p.s.runs[run] = r
	}
	fn(r, turn)
}

func (p *process) saw(id rollback.UnitID, serves string) {
	p.note(func(r *simRun, turn int) {
		r.looks = append(r.looks, simLook{at: time.Now(), by: p.name, unit: id, serves: serves, turn: turn})
		r.last[p.name] = time.Now()
	})
}

// sends notes a request, and its answer when there is one.
func (p *process) sends(id rollback.UnitID) (answered func()) {
	a := &simApply{at: time.Now(), by: p.name, unit: id}
	p.note(func(r *simRun, _ int) { r.applies = append(r.applies, a) })
	return func() {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		a.answered = true
	}
}
