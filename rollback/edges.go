package rollback

import (
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// couples reports the kinds of edges that say: From cannot serve without To's change.
func couples(k providers.EdgeKind) bool {
	return k == providers.EdgeRequires || k == providers.EdgeContract || k == providers.EdgeOrder
}

// togetherFor is how long two units must have served side by side before that shows that they work together. Releases of
// one change go live within minutes of each other.
const togetherFor = 10 * time.Minute

// bound judges the declared edges of a unit. An edge whose other end served for a while before anything that would be
// taken back began is cleared by that: the two have proven to work together. Units that are in the plan anyway are left out.
func (w *world) bound(id UnitID, ch choice, in []UnitID) []Finding {
	u := w.unit(id)
	var out []Finding
	for _, e := range w.edges {
		if !couples(e.Kind) || (e.Kind == providers.EdgeContract && w.tried(e.From, e.To)) {
			continue // where the two were tried together, that says more than that there is a contract
		}
		// To goes back: its consumers have to go first. From goes back: only "requires" binds it to its provider too.
		var others []UnitID
		var end string
		switch {
		case slices.Contains(w.ends(e.To, u.Environment), id):
			others, end = w.ends(e.From, u.Environment), e.From
		case e.Kind == providers.EdgeRequires && slices.Contains(w.ends(e.From, u.Environment), id):
			others, end = w.ends(e.To, u.Environment), e.To
		default:
			continue
		}
		if len(others) == 0 {
			out = append(out, w.edgeFinding(e, Unknown, nil, fmt.Sprintf("%s is declared to depend on %s, and %s is no unit here", e.From, e.To, end)))
		}
		for _, v := range others {
			if v != id && !slices.Contains(in, v) {
				out = append(out, w.across(e, id, v, ch))
			}
		}
	}
	return out
}

func (w *world) across(e providers.Edge, id, v UnitID, ch choice) Finding {
	if err, bad := w.errs[v]; bad {
		return w.edgeFinding(e, Unknown, nil, fmt.Sprintf("%s is declared to depend on %s, and one of them cannot be seen: %v", e.From, e.To, err))
	}
	theirs, start := w.obs[v].Current, since(ch.taken())
	if !theirs.Since.IsZero() && !start.IsZero() && start.Sub(theirs.Since) >= togetherFor {
		f := w.edgeFinding(e, Independent, nil, fmt.Sprintf("%s has served since before what would be taken back from %s: they worked together", v, id))
		f.Evidence = fmt.Sprintf("%s has served %s since %s", v, name(theirs), theirs.Since.UTC().Format("2006-01-02T15:04:05Z"))
		return f
	}
	if f := w.obs[v].Flag; f != nil && !f.On && slices.Contains(w.ends(e.From, w.unit(id).Environment), v) {
		out := w.edgeFinding(e, Conditional, nil, fmt.Sprintf("%s cannot serve without the change of %s, and is off for everybody: it has to stay off", v, id))
		out.Since, out.SeenAt = theirs.Since, w.obs[v].At
		return out
	}
	f := w.edgeFinding(e, Coupled, []UnitID{v}, fmt.Sprintf("%s cannot serve without the change of %s: they go back together, %s first", e.From, e.To, e.From))
	f = w.broken(f, id, oldest(ch))
	f.Since = bothSince(f.Since, theirs.Since)
	return f
}

func (w *world) edgeFinding(e providers.Edge, v Verdict, units []UnitID, text string) Finding {
	return Finding{
		Rule: ruleEdge + " " + string(e.Kind), Verdict: v, Text: text, Units: units,
		Evidence: providers.Clean(e.Evidence), Source: providers.Clean(e.Source), SeenAt: e.SeenAt,
	}
}

// precedes reports, for two units that go back together, whether an edge says that a goes before b: consumers go back
// before what they need. Calls count only where nothing stronger is known of the set.
func (w *world) precedes(a, b UnitID, calls bool) bool {
	ua := w.unit(a)
	for _, e := range w.edges {
		if !couples(e.Kind) && (!calls || e.Kind != providers.EdgeCalls) {
			continue
		}
		if slices.Contains(w.ends(e.From, ua.Environment), a) && slices.Contains(w.ends(e.To, ua.Environment), b) {
			return true
		}
	}
	return false
}

// arrange puts units that go back together in their order: by the edges between them, and where these say nothing the
// one that was deployed last goes back first. Atomic means that the edges go round in a circle.
func (w *world) arrange(ids []UnitID) (ordered []UnitID, atomic bool) {
	ordered, ok := w.sortBy(ids, false)
	if !ok {
		return w.byDeployment(ids), true
	}
	if withCalls, ok := w.sortBy(ids, true); ok {
		return withCalls, false
	}
	return ordered, false
}

func (w *world) sortBy(ids []UnitID, calls bool) (ordered []UnitID, ok bool) {
	rest := w.byDeployment(ids)
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(a UnitID) bool {
			return !slices.ContainsFunc(rest, func(b UnitID) bool { return b != a && w.precedes(b, a, calls) })
		})
		if i < 0 {
			return nil, false
		}
		ordered = append(ordered, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return ordered, true
}

func (w *world) byDeployment(ids []UnitID) []UnitID {
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b UnitID) int {
		if c := w.obs[b].Current.Since.Compare(w.obs[a].Current.Since); c != 0 {
			return c
		}
		return slices.Index(ids, a) - slices.Index(ids, b)
	})
	return out
}
