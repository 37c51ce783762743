package rollback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

const kindForward = "forward"

// undone finds the run that a request wants undone, nil where it wants something else. Of a change that is a run's own
// rollback it makes a request to undo that run: taking a rollback back means going forward, not further back.
func (e *Engine) undone(ctx context.Context, req *Request) (*Run, error) {
	id := req.Run
	if c := req.Change; id == "" && c != nil && c.Kind == providers.KindRollback && strings.HasPrefix(c.ChangeSet, "RUN-") {
		id = c.ChangeSet
	}
	if id == "" {
		return nil, nil
	}
	run, err := e.Run(ctx, id)
	switch {
	case req.Run == "" && errors.Is(err, ErrNotFound):
		return nil, nil // somebody else's rollback, of which there is no run here
	case err != nil:
		return nil, err
	case len(run.switched()) == 0:
		return nil, fmt.Errorf("%s altered nothing, so there is nothing to undo: %w", id, ErrNoTarget)
	}
	req.Run, req.Change, req.Unit = id, nil, ""
	return &run, nil
}

// switched are the units that the run really switched, in its order.
func (r *Run) switched() []UnitID {
	var ids []UnitID
	for _, s := range r.Steps {
		if s.State == StepApplied && s.From != s.To && !slices.Contains(ids, s.Unit) {
			ids = append(ids, s.Unit)
		}
	}
	return ids
}

// before is what a unit served before the run that is to be undone, "" where none is. It marks what the run brought as
// what is taken away.
func (w *world) before(id UnitID, ch *choice) string {
	if w.undo == nil {
		return ""
	}
	for _, u := range w.undo.Plan.Units {
		if u.Unit.ID == id {
			if i := slices.IndexFunc(ch.revs, func(r Revision) bool { return r.Digest == u.To.Digest }); i >= 0 {
				ch.culprit = i
			}
			return u.From.Digest
		}
	}
	return ""
}

// backAgain reports that the run to undo went forward itself, so that undoing it goes back.
func (w *world) backAgain() bool { return w.undo != nil && w.undo.Plan.Kind == kindForward }

// ahead judges a unit that goes forward again. Nothing of the change that is taken back matters, since that is an old
// revision; what matters is that the units that went back together go forward together.
func (w *world) ahead(id UnitID, ch choice, set []UnitID) []Finding {
	out := w.judge(id, ch, nil)
	if len(ch.taken()) == 0 {
		return out
	}
	target := ch.revs[ch.target]
	if run := w.left[id][target.Digest]; run != "" && !w.backAgain() {
		out = append(out, Finding{
			Rule: ruleForward, Verdict: Conditional, Evidence: run, Source: "journal",
			Text: fmt.Sprintf("%s took %s back: what it was taken back for may come with it", run, name(target)),
		})
	}
	if len(set) > 1 && w.undo != nil {
		out = append(out, together(w.undo, id, set))
	}
	for _, f := range w.bound(id, ch, set) {
		if f.Verdict == Coupled {
			f.Text = fmt.Sprintf("%s hangs together with it by a declared edge and is not in this plan", idList(f.Units))
			f.Verdict, f.Units = Conditional, nil
		}
		out = append(out, f)
	}
	return append(out, w.partners(id, target, set)...)
}

// together is said in the same words of every unit of the set.
func together(run *Run, id UnitID, set []UnitID) Finding {
	sorted := slices.Sorted(slices.Values(set))
	verb := "went back"
	if run.Plan.Kind == kindForward {
		verb = "went forward"
	}
	return Finding{
		Rule: ruleForward, Verdict: Coupled, Source: "journal", Evidence: run.ID,
		Units: slices.DeleteFunc(slices.Clone(sorted), func(u UnitID) bool { return u == id }),
		Text:  fmt.Sprintf("%s %s together in %s: they are switched again together", idList(sorted), verb, run.ID),
	}
}

// partners are other units that served the same change once and do not now.
func (w *world) partners(id UnitID, target Revision, set []UnitID) []Finding {
	var out []Finding
	u := w.unit(id)
	for _, v := range w.units {
		revs := revisions(w.obs[v.ID])
		if slices.Contains(set, v.ID) || !sameEnvironment(v.Environment, u.Environment) || sameCommit(revs[0].Commit, target.Commit) {
			continue
		}
		if i := slices.IndexFunc(revs, func(r Revision) bool { return sameCommit(r.Commit, target.Commit) }); i >= 0 {
			out = append(out, Finding{
				Rule: ruleShared, Verdict: Conditional, Source: "history", SeenAt: w.obs[v.ID].At,
				Evidence: fmt.Sprintf("%s of %s carries %s", name(revs[i]), v.ID, brief(target.Commit)),
				Text:     fmt.Sprintf("the same change was live on %s too, which now serves %s and is not in this plan", v.ID, name(revs[0])),
			})
		}
	}
	return out
}

func idList(ids []UnitID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return strings.Join(out, " and ")
}
