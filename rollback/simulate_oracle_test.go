package rollback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// judge compares what the record of a store says with what happened. It comes when all is over and nothing is on its way.
func (s *simulation) judge(ctx context.Context, p *process) {
	wrong := func(format string, args ...any) {
		s.fail("%s", fmt.Sprintf(format, args...))
	}
	if r, err := p.db.Verify(ctx); err != nil || !r.OK {
		wrong("the ledger does not verify: %+v %v", r, err)
	}
	if leases, err := p.db.Leases(ctx); err != nil || len(leases) > 0 {
		wrong("units stay held: %+v %v", leases, err)
	}
	entries, err := p.db.Entries(ctx, 0, 0)
	if err != nil {
		wrong("%v", err)
	}
	rows, err := p.db.Runs(ctx)
	if err != nil {
		wrong("%v", err)
	}
	for _, id := range s.accepted {
		if strings.HasPrefix(id, p.home+" ") && !slices.ContainsFunc(rows, func(r store.Run) bool { return p.key(r.ID) == id }) {
			wrong("%s was accepted and is not there", id)
		}
	}
	for _, row := range rows {
		run, err := p.engine.Run(ctx, row.ID)
		if err != nil {
			wrong("%v", err)
			continue
		}
		s.ended = append(s.ended, string(run.State))
		t := &trial{s: s, run: run, op: row.Op, seen: s.runs[p.key(run.ID)], entries: entries}
		if t.seen == nil {
			t.seen = &simRun{}
		}
		t.wrong = func(format string, args ...any) {
			wrong("%s (%s, %q): %s", run.ID, row.Op, run.State+": "+rollback.RunState(run.Detail), fmt.Sprintf(format, args...))
		}
		t.steps()
		t.outcome()
	}
}

// trial is one run before its judge.
type trial struct {
	s       *simulation
	run     rollback.Run
	op      string
	seen    *simRun
	entries []ledger.Entry
	wrong   func(format string, args ...any)
	effects int
}

// steps compares each step with its effects.
func (t *trial) steps() {
	for i := range t.run.Steps {
		st := &t.run.Steps[i]
		n := t.s.target.effects(st.Unit, t.op)[st.N]
		t.effects += n
		switch {
		case n > 1:
			t.wrong("step %d took effect %d times", st.N, n)
		case st.State == rollback.StepApplied && n != 1:
			t.wrong("step %d is said to be applied, and was not", st.N)
		case st.State == rollback.StepPending && n != 0:
			t.wrong("step %d is said not to be tried, and took effect", st.N)
		case (st.State == rollback.StepFailed || st.State == rollback.StepPrecondFailed) && st.Attempt < 2 && n != 0:
			t.wrong("step %d is said to have been refused, and took effect", st.N)
		case t.s.target.cas != rollback.CASAtomic && st.Attempt > 1:
			t.wrong("step %d was tried %d times on a target that guards nothing", st.N, st.Attempt)
		}
		t.order(st)
	}
}

// tries reads on which states a step was tried. Another state may only be tried where it is known what came of all tries before.
func (t *trial) tries(st *rollback.StepRun) map[string]bool {
	on, answered, known := map[string]bool{}, true, true
	for _, e := range t.entries {
		var b ledger.StepBody
		if e.Run != t.run.ID || e.Unit != string(st.Unit) || json.Unmarshal(e.Body, &b) != nil || b.Step != st.N {
			continue
		}
		if e.Kind == ledger.KindResult {
			answered = answered || b.Outcome == string(rollback.PreconditionFailed) || b.Outcome == string(rollback.Failed)
		}
		if e.Kind == ledger.KindIntent {
			known = known && answered
			if !known && !on[b.Token] {
				t.wrong("step %d was tried on another state (%s) without knowing what came of the tries before", st.N, b.Token)
			}
			on[b.Token], answered = true, false
		}
	}
	return on
}

// order checks that each effect was preceded by its intent on just that state, over what the plan goes from, and that none came
// after the run was said to be over, unless it was said that one might.
func (t *trial) order(st *rollback.StepRun) {
	on := t.tries(st)
	for _, e := range t.s.target.units[st.Unit].trail {
		if e.by != t.op || e.step != st.N {
			continue
		}
		if t.run.State != rollback.RunUnknown && e.at.After(t.seen.over) {
			t.wrong("step %d took effect at %s, when it was over", st.N, e.at.Sub(t0))
		}
		if t.s.target.cas != rollback.CASAtomic {
			continue
		}
		if e.from != st.From {
			t.wrong("step %d overwrote %s, which the plan did not know", st.N, e.from)
		}
		if !on[e.on] {
			t.wrong("step %d took effect on state %s, and no intent says so", st.N, e.on)
		}
	}
}

// outcome compares how the run says that it ended with what happened.
func (t *trial) outcome() {
	all := len(t.run.Steps)
	switch t.run.State {
	case rollback.RunSucceeded:
		if t.effects != all {
			t.wrong("%d of %d steps took effect", t.effects, all)
		}
		t.verified()
	case rollback.RunUnverified:
		if t.effects != all {
			t.wrong("%d of %d steps took effect", t.effects, all)
		}
	case rollback.RunAborted:
		if t.effects != 0 {
			t.wrong("it had %d effects", t.effects)
		}
	case rollback.RunAlreadyGood, rollback.RunSuperseded:
		if !t.foreign() {
			t.wrong("nobody else did anything")
		}
		if t.effects > 0 && strings.Contains(t.run.Detail, "nothing was done") {
			t.wrong("it had %d effects", t.effects)
		}
	case rollback.RunNeedsHuman:
		if t.effects == 0 {
			t.wrong("it had no effect")
		}
	case rollback.RunUnknown:
		t.unknown()
	case rollback.RunConfirmed, rollback.RunRunning, rollback.RunConverging, rollback.RunVerifying, rollback.RunRefused:
		t.wrong("it is not over")
	}
}

// verified: who ended the run saw every unit at its target, without a break, for the hold.
func (t *trial) verified() {
	by := t.run.Executor
	for _, u := range t.run.Plan.Units {
		looks := slices.DeleteFunc(slices.Clone(t.seen.looks), func(l simLook) bool { return l.by != by || l.unit != u.Unit.ID })
		if len(looks) == 0 {
			t.wrong("%s never looked at %s", by, u.Unit.ID)
			continue
		}
		last := looks[len(looks)-1]
		since := last.at
		for _, l := range slices.Backward(looks) {
			if l.serves != u.To.Digest || l.turn != last.turn {
				break
			}
			since = l.at
		}
		if last.serves != u.To.Digest {
			t.wrong("%s saw %q at %s last", by, last.serves, u.Unit.ID)
		}
		if held := t.seen.last[by].Sub(since); held < t.run.Plan.Hold {
			t.wrong("%s saw %s at its target for %s, not for %s", by, u.Unit.ID, held, t.run.Plan.Hold)
		}
	}
}

// foreign reports whether somebody else switched one of the units since the plan saw them.
func (t *trial) foreign() bool {
	for _, u := range t.run.Plan.Units {
		for _, e := range slices.Backward(t.s.target.units[u.Unit.ID].trail) {
			if e.by != t.op {
				return true
			}
			if e.on == u.Observed.Token {
				break
			}
		}
	}
	return false
}

// unknown: something was sent of which nobody heard, and who says so looked at the target again after its own requests.
func (t *trial) unknown() {
	open := slices.ContainsFunc(t.run.Steps, func(s rollback.StepRun) bool { return s.Attempt > 0 && s.State != rollback.StepApplied })
	if !open {
		t.wrong("nothing is open about it: %+v", t.run.Steps)
	}
	for _, a := range t.seen.applies {
		if a.answered || a.by != t.run.Executor {
			continue
		}
		if !slices.ContainsFunc(t.seen.looks, func(l simLook) bool { return l.unit == a.unit && l.at.After(a.at) }) {
			t.wrong("%s was not looked at again after %s", a.unit, a.at.Sub(t0))
		}
	}
}
