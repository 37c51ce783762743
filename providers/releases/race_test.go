//go:build unix

package releases

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// at makes something happen once, at a point of the next switch.
func at(p *Provider, point string, do func()) {
	done := false
	p.host.(*local).at = func(reached string) {
		if reached == point && !done {
			done = true
			do()
		}
	}
}

func needExchange(t *testing.T, p *Provider) {
	t.Helper()
	if observe(t, p).Unit.CAS != rollback.CASAtomic {
		if os.Getenv("CI") == "true" {
			t.Fatal("the file system of the temporary directory cannot exchange two names")
		}
		t.Skip("SKIPPED: this file system cannot exchange two names")
	}
}

func noLeftovers(t *testing.T, s *shop) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(s.base, ".current*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Somebody deploys at each point of the switch: theirs is what stands.
func TestWhatSomebodyElseSwitchesMeanwhileStands(t *testing.T) {
	for point, want := range map[string]rollback.Outcome{
		"ready":     rollback.PreconditionFailed, // between the look and the exchange
		"exchanged": rollback.Applied,            // after the exchange: theirs replaced ours, as any later deploy may
	} {
		t.Run(point, func(t *testing.T) {
			s := twoReleases(t)
			s.release("r43", "app.txt", "hotfix")
			p := s.provider()
			needExchange(t, p)
			step := way(t, p, "r41")
			at(p, point, func() { s.deploy("r43") })
			if res := apply(t, p, "op1", step); res.Outcome != want {
				t.Errorf("got %+v", res)
			}
			if obs := observe(t, p); obs.Current.Label != "r43" || obs.Stamp != "" {
				t.Errorf("the hotfix is gone: %+v", obs.Current)
			}
			noLeftovers(t, s)
		})
	}
}

// One hotfix comes before the exchange and a second while the first is put back: the second is the newest.
func TestTheNewestOfTwoStands(t *testing.T) {
	s := twoReleases(t)
	s.release("r43", "app.txt", "hotfix")
	s.release("r44", "app.txt", "hotfix of the hotfix")
	p := s.provider()
	needExchange(t, p)
	step := way(t, p, "r41")
	p.host.(*local).at = func(reached string) {
		switch reached {
		case "ready":
			s.deploy("r43")
		case "exchanged":
			s.deploy("r44")
		}
	}
	if res := apply(t, p, "op1", step); res.Outcome != rollback.PreconditionFailed {
		t.Errorf("got %+v", res)
	}
	if got := s.target(); got != "releases/r44" {
		t.Errorf("current is %s", got)
	}
	noLeftovers(t, s)
}

func TestTwoSwitchesBackAndForthAreSeen(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	step := way(t, p, "r41")
	s.deploy("r41")
	s.deploy("r42")
	if res := apply(t, p, "op1", step); res.Outcome != rollback.PreconditionFailed {
		t.Errorf("somebody acted twice since the plan, and it gave %+v", res)
	}
}

// cutOff stops a switch for good at a point, as a kill does.
func cutOff(t *testing.T, p *Provider, point, op string, step rollback.Step) {
	t.Helper()
	type killed struct{}
	host := p.host.(*local)
	host.at = func(reached string) {
		if reached == point {
			panic(killed{})
		}
	}
	func() {
		defer func() {
			if _, ok := recover().(killed); !ok {
				t.Fatalf("it was not cut off at %q", point)
			}
		}()
		u, label, err := p.target(rollback.Operation{ID: op}, step)
		if err != nil {
			t.Fatal(err)
		}
		host.attempt(t.Context(), u, swap{op: op, step: step.N, label: label, token: step.Token})
	}()
	host.at = func(string) {}
}

func TestASwitchCutOffBeforeTheExchangeIsDoneWhenAskedAgain(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	step := way(t, p, "r41")
	cutOff(t, p, "ready", "op1", step)
	if obs := observe(t, p); obs.Current.Label != "r42" || obs.Token != step.Token || obs.InFlight != "" {
		t.Errorf("got %+v", obs)
	}
	if res := apply(t, p, "op1", step); res.Outcome != rollback.Applied {
		t.Errorf("got %+v", res)
	}
	noLeftovers(t, s)
}

func TestASwitchCutOffAfterTheExchangeWasApplied(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	needExchange(t, p)
	step := way(t, p, "r41")
	cutOff(t, p, "exchanged", "op1", step)
	obs := observe(t, p)
	if obs.Current.Label != "r41" || obs.Stamp != "op1" {
		t.Errorf("got %+v", obs)
	}
	if res := apply(t, p, "op1", step); res.Outcome != rollback.AlreadyApplied {
		t.Errorf("got %+v", res)
	}
	noLeftovers(t, s)
}

// The worst moment: a hotfix was displaced and its putting back cut off. It is seen, and whoever takes the lock next, with
// whatever operation, puts it back.
func TestADisplacedHotfixIsPutBackByWhoeverComesNext(t *testing.T) {
	for _, next := range []string{"op1", "op2"} {
		s := twoReleases(t)
		s.release("r43", "app.txt", "hotfix")
		p := s.provider()
		needExchange(t, p)
		step := way(t, p, "r41")
		host := p.host.(*local)
		real := host.exchange
		host.exchange = func(a, b string) error {
			s.deploy("r43") // between the look and the exchange
			return real(a, b)
		}
		cutOff(t, p, "exchanged", "op1", step)
		host.exchange = real
		if obs := observe(t, p); !strings.Contains(obs.InFlight, "op1") {
			t.Errorf("nothing is said to be under way: %+v", obs)
		}
		release, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: next, Fence: 2}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.target(); got != "releases/r43" {
			t.Errorf("the hotfix is gone: current is %s", got)
		}
		if res := apply(t, p, "op1", step); res.Outcome != rollback.PreconditionFailed {
			t.Errorf("got %+v", res)
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
		noLeftovers(t, s)
	}
}

// Cut off between two rounds of putting back, with the newer of two hotfixes beside current.
func TestTheNewerOfTwoDisplacedIsPutBack(t *testing.T) {
	s := twoReleases(t)
	s.release("r43", "app.txt", "hotfix")
	s.release("r44", "app.txt", "newer hotfix")
	p := s.provider()
	needExchange(t, p)
	step := way(t, p, "r41")
	host := p.host.(*local)
	real, n := host.exchange, 0
	host.exchange = func(a, b string) error {
		n++
		s.deploy([]string{"r43", "r44"}[min(n, 2)-1])
		time.Sleep(20 * time.Millisecond) // so that the two links are made at times that the file system tells apart
		return real(a, b)
	}
	cutOff(t, p, "put back", "op1", step)
	host.exchange = real
	if s.target() != "releases/r43" {
		t.Fatalf("the test is wrong: current is %s", s.target())
	}
	release, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: "op2", Fence: 2}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release(t.Context()) }()
	if got := s.target(); got != "releases/r44" {
		t.Errorf("current is %s", got)
	}
}

func TestLockKeepsOthersOut(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	op1, op2 := rollback.Operation{ID: "op1", Fence: 1}, rollback.Operation{ID: "op2", Fence: 1}
	lock := func(op rollback.Operation, ttl time.Duration) error {
		_, err := p.Lock(t.Context(), pricing, op, ttl)
		return err
	}
	if err := lock(op1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := lock(op2, time.Hour); err == nil || !strings.Contains(err.Error(), "op1") {
		t.Errorf("got %v", err)
	}
	if obs := observe(t, p); !strings.Contains(obs.InFlight, "op1") {
		t.Errorf("in flight: %q", obs.InFlight)
	}
	op1.Fence = 2
	if err := lock(op1, time.Nanosecond); err != nil {
		t.Errorf("its own operation cannot take it over: %v", err)
	}
	op1.Fence = 1
	if err := lock(op2, time.Hour); err != nil {
		t.Errorf("it has expired: %v", err)
	}
	if err := lock(op1, time.Hour); err == nil {
		t.Error("the first one has it again")
	}
	if obs := observe(t, p); obs.Current.Label != "r42" {
		t.Error("a lock switched something")
	}
}

func TestAReleaseOfALostLockTakesNothingAway(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	release, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: "op1", Fence: 1}, time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: "op2", Fence: 1}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := release(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(lockPath(p.units[0])); err != nil {
		t.Errorf("the second one's lock is gone: %v", err)
	}
}

func TestTheLockOfADeadProcessHoldsNobody(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	for by, free := range map[string]bool{
		fmt.Sprintf("%s:%d", hostname(), dead.Process.Pid): true,
		fmt.Sprintf("%s:%d", hostname(), os.Getpid()):      false,
		fmt.Sprintf("elsewhere:%d", dead.Process.Pid):      false, // of another machine nothing is known
	} {
		h := holder{Operation: "op1", By: by, Until: time.Now().Add(time.Hour)}
		text, err := json.Marshal(h)
		s.must(err)
		s.must(os.MkdirAll(lockPath(p.units[0]), 0o755))
		s.must(os.WriteFile(filepath.Join(lockPath(p.units[0]), holderFile), text, 0o644))
		if obs := observe(t, p); (obs.InFlight == "") != free {
			t.Errorf("%s: in flight %q", by, obs.InFlight)
		}
		if _, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: "op2"}, time.Nanosecond); (err == nil) != free {
			t.Errorf("%s: %v", by, err)
		}
	}
}
