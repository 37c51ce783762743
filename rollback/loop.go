package rollback

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
)

const (
	ruleLoop   = "loop"
	ruleFreeze = "freeze"

	// loopSpan is how long a switch counts, and loopLimit how often one unit goes from the same content to the same content
	// in that time before somebody has to find what brings it back.
	loopSpan  = time.Hour
	loopLimit = 2
)

// round refuses anybody but a person a plan that does once more what has not lasted.
func (p Plan) round(by policy.Principal) error {
	for _, u := range p.Units {
		for _, f := range u.Findings {
			if by.Kind != policy.Human && f.Rule == ruleLoop && f.Verdict == Unknown {
				return fmt.Errorf("%w: %s", ErrRefused, f.Text)
			}
		}
	}
	return nil
}

// switched is one effect of a run on a unit, as the journal has it.
type switched struct {
	run, from, to string
	at            time.Time
}

// switches are the effects that a run had on what its units serve.
func (r *Run) switches() map[UnitID]switched {
	out := map[UnitID]switched{}
	for _, u := range r.Plan.Units {
		for _, s := range r.Steps {
			if s.Unit == u.Unit.ID && s.State == StepApplied && s.From != s.To {
				out[u.Unit.ID] = switched{r.ID, u.From.Digest, u.To.Digest, r.AppliedAt}
			}
		}
	}
	return out
}

// looping is the loop rule: a unit that was taken from the same content to the same content not long ago is back where it was,
// so something brings it back. After twice within an hour more of the same cures nothing: an automation is stopped, and a person has
// to say why it is different this time.
func (w *world) looping(id UnitID, from, to Revision) []Finding {
	var last switched
	n := 0
	first := w.now
	for _, s := range w.did[id] {
		if s.from != from.Digest || s.to != to.Digest || w.now.Sub(s.at) >= loopSpan {
			continue
		}
		n++
		if s.at.After(last.at) {
			last = s
		}
		if s.at.Before(first) {
			first = s.at
		}
	}
	if n == 0 {
		return nil
	}
	f := Finding{
		Rule: ruleLoop, Verdict: Conditional, SeenAt: w.obs[id].At, Source: "journal", Evidence: last.run,
		Text: fmt.Sprintf("%s took %s from %s to %s at %s, and it is back: something or somebody deploys it again", last.run, id, name(from), name(to), last.at.UTC().Format("15:04 UTC")),
	}
	if n >= loopLimit {
		f.Verdict = Unknown
		f.Text = fmt.Sprintf("%s was taken from %s to %s %d times within an hour (last by %s) and comes back each time, so whether once more helps is not known: stop what deploys it, or choose another target; an automation may not until %s, and a person only with a reason",
			id, name(from), name(to), n, last.run, first.Add(loopSpan).UTC().Format("15:04 UTC"))
	}
	return []Finding{f}
}
