package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// simTarget is the one system that all simulated consoles act on. It keeps the trail of all that ever took effect, and it is
// the only one that knows the truth.
type simTarget struct {
	mu    sync.Mutex
	units map[rollback.UnitID]*simUnit
	order []rollback.UnitID
	// remembers: it knows operations by their id, beside the condition that guards them. Mute: it keeps no stamp.
	remembers, mute bool
	cas             rollback.CAS
}

type simUnit struct {
	unit    rollback.Unit
	current rollback.Revision
	history []rollback.Revision
	stamp   string
	trail   []simEffect
	done    map[string]bool
}

// simEffect is one switch that took effect. By is the operation, or "" for somebody else.
type simEffect struct {
	at       time.Time
	from, to string
	by       string
	step     int
	on       string // the token before it
}

func (u *simUnit) token() string { return fmt.Sprint(len(u.trail) + 1) }

func simID(name string) rollback.UnitID { return rollback.UnitID("sim:prod/" + name) }

func (t *simTarget) add(name, commit string) {
	t.units[simID(name)] = &simUnit{
		unit:    rollback.Unit{ID: simID(name), Kind: "sim", Service: name, Environment: "prod", CAS: t.cas},
		current: rev("bad", commit, 10), history: []rollback.Revision{rev("good", "good-"+name, 100), rev("older", "older-"+name, 1000)},
		done: map[string]bool{},
	}
	t.order = append(t.order, simID(name))
}

// land is the moment in which a request reaches the target.
func (t *simTarget) land(op string, s rollback.Step) rollback.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, key := t.units[s.Unit], fmt.Sprintf("%s/%d", op, s.N)
	if t.remembers && u.done[key] {
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: u.token()}
	}
	if t.cas == rollback.CASAtomic && s.Token != u.token() {
		return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: "it is at " + u.token() + ", not at " + s.Token}
	}
	i := slices.IndexFunc(u.history, func(r rollback.Revision) bool { return r.Digest == s.To })
	if i < 0 {
		return rollback.Result{Outcome: rollback.Failed, Detail: "it does not have that revision"}
	}
	u.done[key] = true
	stamp := op
	if t.mute {
		stamp = ""
	}
	u.become(u.history[i], simEffect{by: op, step: s.N}, stamp)
	return rollback.Result{Outcome: rollback.Applied, Token: u.token()}
}

func (u *simUnit) become(r rollback.Revision, e simEffect, stamp string) {
	e.at, e.from, e.to, e.on = time.Now(), u.current.Digest, r.Digest, u.token()
	if e.from != e.to {
		u.history = append([]rollback.Revision{u.current}, u.history...)
	}
	r.Since = e.at.UTC()
	u.current, u.stamp = r, stamp
	u.trail = append(u.trail, e)
}

// meddle is a switch by somebody else, who may leave a stamp.
func (t *simTarget) meddle(id rollback.UnitID, r rollback.Revision, stamp string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.units[id].become(r, simEffect{}, stamp)
}

func (t *simTarget) look(id rollback.UnitID) rollback.Observation {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.units[id]
	return rollback.Observation{
		Unit: u.unit, At: time.Now(), Current: u.current, Token: u.token(), Stamp: u.stamp, History: slices.Clone(u.history),
	}
}

// effects are what an operation did to a unit, by step.
func (t *simTarget) effects(id rollback.UnitID, op string) map[int]int {
	n := map[int]int{}
	for _, e := range t.units[id].trail {
		if e.by == op {
			n[e.step]++
		}
	}
	return n
}

// simLine is how one process reaches the target: a network that is slow, is cut, loses requests and answers, delivers late
// and delivers twice.
type simLine struct{ p *process }

var errCut = errors.New("no route to the target")

// reach lets a call take its time. It gives an error where the call does not get there.
func (l simLine) reach(ctx context.Context, kind string, id rollback.UnitID) error {
	d := l.p.draw(kind, id)
	delay := d.span(time.Microsecond, 40*time.Millisecond)
	if d.hits(l.p.s.odds.slow) {
		delay = d.span(time.Millisecond, 3*time.Second)
	}
	if err := simSleep(ctx, delay); err != nil {
		return err
	}
	switch {
	case l.p.isDead():
		return errDead
	case l.p.cut():
		return errCut
	case l.p.s.faulty() && d.hits(l.p.s.odds.unseen):
		return errAway
	}
	return nil
}

func (l simLine) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		t := l.p.s.target
		for _, id := range t.order {
			if !yield(t.units[id].unit, nil) {
				return
			}
		}
	}
}

func (l simLine) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	if err := l.reach(ctx, "observe", id); err != nil {
		l.p.saw(id, "")
		return rollback.Observation{}, err
	}
	o := l.p.s.target.look(id)
	l.p.saw(id, o.Current.Digest)
	return o, nil
}

func (l simLine) Plan(_ context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	return rollback.Proposal{
		Steps:  []rollback.Step{{N: 1, Action: "switch", Title: "switch to " + to.Label, To: to.Digest, Token: o.Token}},
		Checks: []string{"answers"},
	}, nil
}

// Apply sends one request. Whatever becomes of the process or of its patience, the request goes its own way.
func (l simLine) Apply(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	p, d := l.p, l.p.draw("apply", s.Unit)
	if p.isDead() {
		return rollback.Result{}, errDead
	}
	if ctx.Err() != nil {
		p.s.fail("%s begins an effect on %s though it knows that it may not (%v)", p.name, s.Unit, context.Cause(ctx))
	}
	odds, t := p.s.odds, p.s.target
	answered := p.sends(s.Unit)
	heard := func(answer <-chan rollback.Result) (rollback.Result, error) {
		res, err := p.heard(ctx, answer)
		if err == nil {
			answered()
		}
		return res, err
	}
	send := func(after time.Duration, how string) <-chan rollback.Result {
		answer := make(chan rollback.Result, 1)
		p.s.wire.Go(func() {
			time.Sleep(after)
			res := t.land(op.ID, s)
			p.s.tell("%s: %s's request for step %d (%s) %s: %s %s", s.Unit, p.name, s.N, op.ID, how, res.Outcome, res.Detail)
			answer <- res
		})
		return answer
	}
	near := d.span(time.Microsecond, 200*time.Millisecond)
	if !p.s.faulty() {
		return heard(send(near, "arrives"))
	}
	switch {
	case p.cut() || d.hits(odds.lost):
		p.s.tell("%s: %s's request for step %d is lost", s.Unit, p.name, s.N)
		return heard(nil)
	case d.hits(odds.refused):
		p.s.tell("%s: refuses %s's step %d", s.Unit, p.name, s.N)
		answered()
		return rollback.Result{Outcome: rollback.Failed, Detail: "not today"}, nil
	case d.hits(odds.late):
		return heard(send(d.span(time.Second, time.Minute), "arrives late"))
	case d.hits(odds.deaf):
		send(near, "arrives, its answer is lost")
		return heard(nil)
	case t.cas == rollback.CASAtomic && d.hits(odds.twice):
		send(d.span(time.Second, time.Minute), "arrives once more")
	}
	return heard(send(near, "arrives"))
}

// heard waits for an answer as long as the caller has patience; nil never answers.
func (p *process) heard(ctx context.Context, answer <-chan rollback.Result) (rollback.Result, error) {
	var res rollback.Result
	err := errors.New("no answer")
	select {
	case <-ctx.Done():
	case res = <-answer:
		err = nil
	}
	if err == nil && p.cut() {
		res, err = rollback.Result{}, errCut
	}
	return res, err
}

func (l simLine) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	if err := l.reach(ctx, "status", id); err != nil {
		return rollback.Convergence{}, err
	}
	o := l.p.s.target.look(id)
	return rollback.Convergence{Done: o.Current.Digest == to.Digest, Detail: "on " + o.Current.Label}, nil
}

func (l simLine) Verify(ctx context.Context, id rollback.UnitID, _ rollback.Revision) ([]rollback.Check, error) {
	if err := l.reach(ctx, "verify", id); err != nil {
		return nil, err
	}
	state := rollback.CheckFail
	if l.p.s.target.look(id).Current.Label != "bad" {
		state = rollback.CheckPass
	}
	return []rollback.Check{{Name: "answers", State: state}}, nil
}

// simSleep waits in the fake time of a simulation.
func simSleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
