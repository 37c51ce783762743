package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// simSpan is how long things go wrong in a world, before all of them stop and what is left has to come to its end.
const simSpan = 50 * time.Second

// play lets one world happen: two consoles, somebody else who deploys, and a time in which nothing goes wrong any more.
func (s *simulation) play(ctx context.Context) {
	var all sync.WaitGroup
	var stops []context.CancelFunc
	begin := func(act func(context.Context)) {
		mine, stop := context.WithCancel(ctx)
		stops = append(stops, stop)
		all.Go(func() { act(mine) })
	}
	for _, name := range []string{"ana", "ben"} {
		begin(func(ctx context.Context) { s.console(ctx, name) })
	}
	begin(s.meddler)
	d := s.draw("span")
	time.Sleep(d.span(simSpan/2, simSpan))
	s.calm.Store(true)
	s.tell("nothing goes wrong any more")
	for _, stop := range stops { // one after the other: of what happens at one instant nobody knows the order
		stop()
		time.Sleep(d.span(time.Microsecond, time.Millisecond))
	}
	all.Wait()
	var last []*process
	for n, home := range s.homes() {
		last = append(last, s.boot(fmt.Sprintf("last:%d", n+1), home))
	}
	for _, p := range last {
		s.settle(ctx, p)
	}
	s.wire.Wait() // what was on its way arrives, also after the run that sent it is over
	for _, p := range last {
		s.judge(ctx, p)
		p.die("at the end")
	}
}

// console is a person at a terminal: who takes up what was interrupted, or takes something back, or meddles with what the
// other one does. A process that is killed is started again.
func (s *simulation) console(ctx context.Context, name string) {
	var p *process
	defer func() {
		if p != nil {
			p.die("at the end")
		}
	}()
	for n := 1; ; n++ {
		d := s.draw("console", name, n)
		if simSleep(ctx, d.span(time.Millisecond, 6*time.Second)) != nil {
			return
		}
		if p == nil || p.isDead() {
			p = s.boot(fmt.Sprintf("%s:%d", name, n), s.home(name))
			s.mayKill(ctx, p)
		}
		if d.hits(s.odds.cuts) {
			p.cutUntil.Store(time.Now().Add(d.span(time.Second, 15*time.Second)).UnixNano())
			s.tell("%s is cut off", p.name)
		}
		s.turn(ctx, p, d)
	}
}

// mayKill kills a process at some instant, in whatever it does.
func (s *simulation) mayKill(ctx context.Context, p *process) {
	d := s.draw("kill", p.name)
	if !d.hits(s.odds.kills) {
		return
	}
	s.wire.Go(func() {
		if simSleep(ctx, d.span(time.Millisecond, 60*time.Second)) == nil {
			p.die("from outside")
		}
	})
}

// turn is one thing that a person does.
func (s *simulation) turn(ctx context.Context, p *process, d chance) {
	runs, err := p.engine.Runs(ctx)
	if err != nil {
		return
	}
	by := policy.Principal{ID: p.name, Kind: policy.Human}
	open := slices.DeleteFunc(runs, func(r rollback.Run) bool { return r.State.Final() })
	if len(open) > 0 && d.hits(0.8) {
		r := open[d.IntN(len(open))]
		switch {
		case d.hits(s.odds.stops / 2):
			s.tell("%s asks %s to stop: %v", p.name, r.ID, p.engine.Abort(ctx, r.ID, by, "enough"))
		case d.hits(s.odds.stops) || r.PauseBy != "":
			s.tell("%s asks %s to wait (%t): %v", p.name, r.ID, r.PauseBy == "", p.engine.Pause(ctx, r.ID, by, r.PauseBy == ""))
		default:
			s.execute(ctx, p, r.ID, d)
		}
		return
	}
	unit := s.target.order[d.IntN(len(s.target.order))]
	plan, err := p.engine.Plan(ctx, rollback.Request{Unit: unit})
	if err != nil {
		s.tell("%s cannot plan for %s: %v", p.name, unit, err)
		return
	}
	if simSleep(ctx, d.span(time.Millisecond, 3*time.Second)) != nil {
		return
	}
	c := yes(plan)
	c.By = by
	run, err := p.engine.Confirm(ctx, plan, c)
	s.tell("%s confirms %s: %s %v", p.name, unit, run.ID, err)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.accepted = append(s.accepted, p.key(run.ID))
	s.mu.Unlock()
	s.execute(ctx, p, run.ID, d)
}

// execute works on a run. The person may leave in the middle of it.
func (s *simulation) execute(ctx context.Context, p *process, run string, d chance) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if s.faulty() && d.hits(s.odds.leaves) {
		var leave context.CancelFunc
		ctx, leave = context.WithTimeout(ctx, d.span(time.Millisecond, 10*time.Second))
		defer leave()
	}
	end := p.works(run)
	r, err := p.engine.Execute(ctx, run)
	end()
	s.tell("%s worked on %s: %q %s (%v)", p.name, run, r.State, r.Detail, err)
}

// meddler is somebody else who deploys: something new, the good content, or the bad one again.
func (s *simulation) meddler(ctx context.Context) {
	for n := 1; ; n++ {
		d := s.draw("meddler", n)
		if simSleep(ctx, d.span(time.Second, 20*time.Second)) != nil {
			return
		}
		if !d.hits(s.odds.meddle) {
			continue
		}
		id := s.target.order[d.IntN(len(s.target.order))]
		fresh := fmt.Sprint("release-", n)
		to := []rollback.Revision{rev(fresh, fresh, 0), rev("good", "good-"+string(id)[len("sim:prod/"):], 0), rev("bad", "one", 0)}[d.IntN(3)]
		stamp := []string{"", "somebody"}[d.IntN(2)]
		s.target.meddle(id, to, stamp)
		s.tell("%s: somebody else (stamp %q) switches to %s", id, stamp, to.Label)
	}
}

// settle has one more process take up all that is not over. Nothing stands in its way any more but leases of processes that
// are gone, which run out.
func (s *simulation) settle(ctx context.Context, p *process) {
	for range 8 {
		runs, err := p.engine.Runs(ctx)
		if err != nil {
			s.fail("%v", err)
			return
		}
		open := slices.DeleteFunc(runs, func(r rollback.Run) bool { return r.State.Final() })
		if len(open) == 0 {
			return
		}
		for _, r := range open {
			end := p.works(r.ID)
			r, err := p.engine.Execute(ctx, r.ID)
			end()
			s.tell("%s worked on %s: %q %s (%v)", p.name, r.ID, r.State, r.Detail, err)
			if err != nil && !errors.Is(err, rollback.ErrLocked) {
				s.fail("%s cannot be brought to its end: %v", r.ID, err)
			}
		}
		time.Sleep(10 * time.Second)
	}
}
