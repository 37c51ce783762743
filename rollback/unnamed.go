package rollback

import (
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// unnamed is rule H for a unit of which some revision does not say what it carries. Then one thing alone shows that the change
// is on no other unit: that nothing else was deployed at about the same time.
func (w *world) unnamed(id UnitID, ch choice) Finding {
	f := Finding{Rule: ruleShared, Verdict: Unknown, Source: fromHistory, SeenAt: w.obs[id].At}
	what := fmt.Sprintf("some revision of %s does not say what commit it carries", id)
	taken := ch.taken()
	first := since(taken)
	if first.IsZero() {
		f.Text = what + ", nor since when it serves: what else it belongs to cannot be told"
		return f
	}
	last := first
	for _, r := range taken {
		if r.Since.After(last) {
			last = r.Since
		}
	}
	near := w.deployedWithin(id, first.Add(-shareWindow), last.Add(shareWindow))
	if len(near) > 0 {
		f.Evidence = providers.Few(near, 8)
		f = w.broken(f, id, oldest(ch))
		f.Text = fmt.Sprintf("%s, and others were deployed within %s of it: what else it belongs to cannot be told", what, providers.Span(shareWindow))
		if w.obs[id].Flag != nil { // it never carries a commit, and no unit shares what it is
			f.Verdict = Conditional
			f.Text = fmt.Sprintf("a flag carries no commit, and others were deployed within %s of it: know whether one of them counts on it as it is", providers.Span(shareWindow))
		}
		return f
	}
	f.Verdict, f.Evidence = Independent, fmt.Sprintf("from %s to %s", first.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
	f.Text = fmt.Sprintf("%s, and nothing else here was deployed within %s of it: the change is on no other unit", what, providers.Span(shareWindow))
	return f
}

// deployedWithin names what else of the environment began to serve something in a span, or may have: units, and services that
// are no unit here. Units that cannot be seen are told of elsewhere.
func (w *world) deployedWithin(id UnitID, from, to time.Time) []string {
	u := w.unit(id)
	var near []string
	for _, v := range w.units {
		if v.ID == id || w.delivers(id, v.ID) || !sameEnvironment(v.Environment, u.Environment) || w.errs[v.ID] != nil {
			continue
		}
		if beganWithin(revisions(w.obs[v.ID]), from, to) {
			near = append(near, string(v.ID))
		}
	}
	for i := range w.changes {
		c := &w.changes[i]
		if at := c.At(); at.Before(from) || at.After(to) || !w.elsewhere(c, u) || slices.Contains(near, c.Service) {
			continue
		}
		near = append(near, c.Service)
	}
	return near
}

// elsewhere reports whether a change altered what a service serves that is no unit here, beside u and in its environment.
func (w *world) elsewhere(c *providers.Change, u Unit) bool {
	nothing := []providers.Kind{providers.KindRollback, providers.KindDrill, providers.KindOperation, providers.KindScale}
	other := !slices.Contains(nothing, c.Kind) && c.Service != "" && c.Service != u.Service && !c.IsNote() && sameEnvironment(c.Environment, u.Environment)
	return other && len(w.named(c.Service, u.Environment)) == 0 // else its unit was looked at
}

// beganWithin reports whether one of the revisions, the newest first, began to serve in a span. One that does not say when it
// did may have.
func beganWithin(revs []Revision, from, to time.Time) bool {
	for _, r := range revs {
		switch {
		case r.Staged:
		case r.Since.IsZero():
			return true
		case r.Since.Before(from):
			return false // and so did all that were before it
		case !r.Since.After(to):
			return true
		}
	}
	return false
}
