package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// What went wrong with the rollbacks of systems that do not run here: progressive delivery, schedulers, pipelines, reconcilers.
// Their place is taken by a target that is a fake and misbehaves as the story says; docs/proofs.md has where each comes from.

// fleet is a faulty target with copies and traffic: going back gives the target its copies again, moves the traffic over in
// parts, and takes away the copies of the version that is left.
type fleet struct {
	*fake
	mu      sync.Mutex
	want    int           // copies that bear all of the traffic
	ready   func(int) int // how many of the target's copies are well, of those that were asked for
	copies  int           // of the target, asked for
	left    int           // copies of the version that is left
	share   int           // percent of the traffic that the target has
	worst   string        // the worst that was seen
	done    map[string]bool
	moves   []string
	between func(step rollback.Step) // somebody else, between the gate and the step
}

// newFleet has a target that was scaled down to one copy while the bad version served.
func newFleet(b *bench) *fleet {
	f := &fleet{fake: b.target, want: 10, copies: 1, left: 10, ready: func(n int) int { return n }, done: map[string]bool{}}
	b.target.proposal = func(p *rollback.Proposal) {
		to := p.Steps[0].To
		step := func(action, title, from, to string) rollback.Step {
			return rollback.Step{Action: action, Title: title, From: from, To: to}
		}
		p.Steps = []rollback.Step{
			step("grow", "give the target 10 copies", digest("r42"), digest("r42")),
			step("switch", "a quarter of the traffic", digest("r42"), to), step("50", "half of the traffic", to, to),
			step("100", "all of the traffic", to, to), step("shrink", "take the other copies away", to, to),
		}
	}
	b.target.onApply = f.apply
	return f
}

func (f *fleet) shareOf(action string) int {
	return map[string]int{"switch": 25, "50": 50, "100": 100}[action]
}

// Gate implements rollback.Gater.
func (f *fleet) Gate(_ context.Context, s rollback.Step) (rollback.Convergence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	well := f.ready(f.copies)
	switch s.Action {
	case "grow":
		return rollback.Convergence{Done: true}, nil
	case "shrink":
		return rollback.Convergence{Done: well >= f.want, Detail: fmt.Sprintf("%d of %d copies of the target are well", well, f.want)}, nil
	}
	need := (f.want*f.shareOf(s.Action) + 99) / 100
	return rollback.Convergence{Done: well >= need, Detail: fmt.Sprintf("%d copies are well, %s takes %d", well, s.Title, need)}, nil
}

func (f *fleet) apply(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	if f.between != nil {
		f.between(s)
	}
	f.mu.Lock()
	key := fmt.Sprint(op.ID, s.N)
	if f.done[key] {
		f.mu.Unlock()
		return rollback.Result{Outcome: rollback.AlreadyApplied}, nil
	}
	if share := f.shareOf(s.Action); share > 0 && f.ready(f.copies)*100 < f.want*share {
		f.mu.Unlock() // the target's own compare-and-set is on its capacity
		return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: "somebody resized it"}, nil
	}
	f.done[key] = true
	f.moves = append(f.moves, s.Action)
	switch s.Action {
	case "grow":
		f.copies = f.want
	case "shrink":
		f.left = 0
	default:
		f.share = f.shareOf(s.Action)
	}
	f.mu.Unlock()
	if s.Action == "switch" {
		return f.swap(u, op, s)
	}
	return rollback.Result{Outcome: rollback.Applied}, nil
}

// tick looks at what must hold all the time: what has traffic can bear it, and something is well.
func (f *fleet) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	well := f.ready(f.copies)
	switch {
	case f.left == 0 && well == 0:
		f.worst = "nothing that serves is left"
	case f.left == 0 && well*100 < f.want*f.share:
		f.worst = fmt.Sprintf("%d copies bear %d %%, and the others are gone", well, f.share)
	}
}

// onFleet runs a rollback on a fleet to its end, and looks at it all the while.
func onFleet(t *testing.T, arrange func(b *bench, f *fleet)) (rollback.Run, *fleet) {
	t.Helper()
	b := newBench(t)
	b.pricing()
	f := newFleet(b)
	b.cfg.Reversers = map[string]rollback.Reverser{"fake": f}
	b.Engine = b.another(t)
	arrange(b, f)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			f.tick()
			time.Sleep(10 * time.Millisecond) // in the time of the bubble
		}
	})
	run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
	stop()
	watching.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if f.worst != "" {
		t.Errorf("at some time: %s", f.worst)
	}
	b.sound(t)
	return run, f
}

func ended(t *testing.T, run rollback.Run, state rollback.RunState, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(run.Detail, w) {
			t.Errorf("it does not say %q", w)
		}
	}
	if run.State != state {
		t.Errorf("it is %q", run.State)
	}
	if t.Failed() {
		t.Logf("%q: %s", run.State, run.Detail)
	}
}

// A canary failed, and all of the traffic went at once to a stable version that had been scaled down meanwhile.
func TestTrafficWaitsForCapacityAndMovesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		run, f := onFleet(t, func(_ *bench, f *fleet) {
			f.ready = func(n int) int { return min(n, 1+int(time.Since(began)/(2*time.Second))) } // a copy takes two seconds
		})
		ended(t, run, rollback.RunSucceeded)
		if got := strings.Join(f.moves, " "); got != "grow switch 50 100 shrink" || f.share != 100 || f.left != 0 {
			t.Errorf("%s: %d %% on the target, %d copies of the other left", got, f.share, f.left)
		}
	})
}

// The same where the copies never come, because a quota does not let them: no traffic is moved to what cannot bear it.
func TestTrafficStaysWhereItIsWhenCapacityNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, f := onFleet(t, func(_ *bench, f *fleet) { f.ready = func(int) int { return 1 } })
		ended(t, run, rollback.RunNeedsHuman, "a quarter of the traffic could not begin within 1m0s", "1 copies are well")
		if f.share != 0 || f.left != 10 {
			t.Errorf("%d %% on the target, %d copies of the other left", f.share, f.left)
		}
	})
}

// A rollback during a promotion routed everything to the version that had just broken and deleted the only pods that were well.
func TestTheLastHealthyCopyIsNotTakenAway(t *testing.T) {
	for name, recovers := range map[string]bool{"the target gets well again": true, "the target stays ill": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ill time.Time
				run, f := onFleet(t, func(_ *bench, f *fleet) {
					f.ready = func(n int) int {
						if f.share < 100 {
							return n
						}
						if ill.IsZero() {
							ill = time.Now()
						}
						if recovers && time.Since(ill) > 20*time.Second {
							return n
						}
						return 0
					}
				})
				if recovers {
					ended(t, run, rollback.RunSucceeded)
					return
				}
				ended(t, run, rollback.RunNeedsHuman, "take the other copies away could not begin", "0 of 10 copies of the target are well")
				if f.left != 10 {
					t.Errorf("%d copies of the other are left", f.left)
				}
			})
		})
	}
}

// A resize at the same time set the restored group to nothing, and the rollback went on and terminated the other one.
func TestAResizeInBetweenIsSeenBeforeTrafficMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resized := false
		run, f := onFleet(t, func(_ *bench, f *fleet) {
			f.between = func(s rollback.Step) {
				if s.Action != "100" || resized {
					return
				}
				resized = true
				f.mu.Lock()
				f.copies = 0
				f.mu.Unlock()
				time.AfterFunc(20*time.Second, func() {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.copies = f.want
				})
			}
		})
		ended(t, run, rollback.RunSucceeded)
		if !resized || strings.Count(strings.Join(f.moves, " "), "100") != 1 {
			t.Errorf("moves %q", f.moves)
		}
	})
}

// The group that was chosen to go back to had been disabled: a target that cannot serve is none.
func TestATargetThatCannotServeIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.proposal = func(p *rollback.Proposal) { p.Missing = []string{"server group v041, which is disabled"} }
		p := b.plan(t, rollback.Request{})
		if p.Verdict != rollback.Blocked || p.Decision.Allowed {
			t.Errorf("%s: %+v", p.Verdict, p.Decision)
		}
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrRefused) || !strings.Contains(err.Error(), "v041") {
			t.Errorf("confirmed: %v", err)
		}
	})
}

// redeployed has the bad content back under another number, and plans to leave it again.
func (b *bench) redeployed(t *testing.T, u *fakeUnit, number int) rollback.Plan {
	t.Helper()
	r := rev("r42", "bad", 0)
	r.Label = fmt.Sprint("r", number)
	if number > 42 {
		b.target.foreign(u, r)
	}
	return b.plan(t, rollback.Request{To: digest("r41")})
}

// lasts runs a plan to its end and lets time pass.
func (b *bench) lasts(t *testing.T, p rollback.Plan, d time.Duration) {
	t.Helper()
	run, err := b.Confirm(t.Context(), p, yes(p))
	if err != nil {
		t.Fatal(err)
	}
	if run, err = b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
		t.Fatalf("%q: %s %v", run.State, run.Detail, err)
	}
	time.Sleep(d)
}

// loop is what a plan says of the same having been done before.
func loop(p rollback.Plan) (v rollback.Verdict, text string) {
	for _, f := range p.Units[0].Findings {
		if f.Rule == "loop" {
			v, text = f.Verdict, f.Text
		}
	}
	return v, text
}

// An automatic revert went back and forth for ever. Whatever brings the bad version back, the third time within an hour no
// automation begins it, and a person only with a reason; numbers say nothing, because the bad version has another one each time.
func TestSomethingBringsTheBadVersionBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		u := b.pricing()
		again := func(number int) rollback.Plan { return b.redeployed(t, u, number) }
		run := func(p rollback.Plan) { b.lasts(t, p, 10*time.Minute) }
		p := again(42)
		if v, _ := loop(p); v != "" {
			t.Errorf("the first time: %s", v)
		}
		run(p)
		p = again(256)
		if v, text := loop(p); v != rollback.Conditional || !strings.Contains(text, "RUN-0001 took fake:prod/pricing from r256 to r41") {
			t.Errorf("the second time: %s %s", v, text)
		}
		run(p)
		p = again(257)
		if v, text := loop(p); v != rollback.Unknown || !strings.Contains(text, "2 times within an hour") || !strings.Contains(text, "01:00 UTC") {
			t.Errorf("the third time: %s %s", v, text)
		}
		robot, silent := yes(p), yes(p)
		robot.By, silent.Reason = policy.Principal{ID: "remediation", Kind: policy.Automation}, ""
		for who, c := range map[string]rollback.Confirmation{"an automation": robot, "a person who gives no reason": silent} {
			if _, err := b.Confirm(t.Context(), p, c); !errors.Is(err, rollback.ErrRefused) {
				t.Errorf("the third time, %s: %v", who, err)
			}
		}
		if v, _ := loop(b.plan(t, rollback.Request{To: digest("r40")})); v != "" {
			t.Errorf("to another target: %s", v)
		}
		time.Sleep(time.Hour)
		if v, _ := loop(b.plan(t, rollback.Request{To: digest("r41")})); v != "" {
			t.Errorf("an hour later: %s", v)
		}
		b.sound(t)
	})
}

// A revert replaced every allocation at once, which was an outage; others crawl through all their canaries while the house burns.
func TestAPlanSaysHowMuchAtATimeAndFlagsBothExtremes(t *testing.T) {
	for name, c := range map[string]struct {
		pace     rollback.Pace
		estimate time.Duration
		warns    string
	}{
		"in parts, in time": {rollback.Pace{Away: 2, Of: 10}, 30 * time.Second, ""},
		"all at once":       {rollback.Pace{Away: 10, Of: 10}, 30 * time.Second, "all 10 are replaced at once"},
		"a crawl":           {rollback.Pace{Away: 1, Of: 10}, 2 * time.Hour, "takes about 2h0m0s, and the run watches for 1m0s"},
		"only one":          {rollback.Pace{Away: 1, Of: 1}, time.Second, ""},
		"not known":         {rollback.Pace{}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.pricing()
			b.target.proposal = func(p *rollback.Proposal) { p.Pace, p.Estimate = c.pace, c.estimate }
			p := b.plan(t, rollback.Request{})
			said := strings.Join(p.Warnings, "\n")
			if u := p.Units[0]; u.Pace != c.pace || u.Estimate != c.estimate {
				t.Errorf("%+v %s", u.Pace, u.Estimate)
			}
			if flagged := strings.Contains(said, "at once") || strings.Contains(said, "takes about"); flagged != (c.warns != "") || !strings.Contains(said, c.warns) {
				t.Errorf("it warns %q", said)
			}
		})
	}
}
