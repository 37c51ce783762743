package rollback

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// shareWindow is how far apart two deployments of the same change may be to count as one.
const shareWindow = 24 * time.Hour

// identity is what names the changes that would be taken back.
type identity struct {
	commits, sets []string
	partial       bool // some revision does not say what it carries
	each          []identity
	at            time.Time // of one of each: since when its revision served
}

func (w *world) identify(id UnitID, ch choice, c *providers.Change) identity {
	var n identity
	if c != nil {
		n.commits, n.sets = append(n.commits, c.Commit), append(n.sets, c.ChangeSet)
		n.each = []identity{{commits: []string{c.Commit}, sets: []string{c.ChangeSet}, at: ch.revs[ch.culprit].Since}}
	}
	for _, r := range ch.taken() {
		one, known := w.carried(id, r)
		named := c != nil && r.Digest == ch.revs[ch.culprit].Digest && (c.Commit != "" || c.ChangeSet != "")
		n.partial = n.partial || !known && !named
		n.commits, n.sets = append(n.commits, one.commits...), append(n.sets, one.sets...)
		n.each = append(n.each, one)
	}
	n.commits, n.sets = compact(n.commits), compact(n.sets)
	return n
}

// carried is what names the changes that a revision brought, by itself and by what was reported of it; known: something does.
func (w *world) carried(id UnitID, r Revision) (n identity, known bool) {
	n, known = identity{commits: []string{r.Commit}, at: r.Since}, r.Commit != ""
	service := w.unit(id).Service
	for i := range w.changes {
		x := &w.changes[i]
		if (x.Unit == string(id) || (x.Service != "" && x.Service == service)) && carries(r, x) {
			n.commits, n.sets = append(n.commits, x.Commit), append(n.sets, x.ChangeSet)
			known = known || x.Commit != "" || x.ChangeSet != "" && !backouts(x.Kind)
		}
	}
	return n, known
}

// shared is rule H: which other units did the same change touch.
func (w *world) shared(id UnitID, ch choice, c *providers.Change) []Finding {
	n := w.identify(id, ch, c)
	unknown := func(format string, args ...any) Finding {
		return Finding{Rule: ruleShared, Verdict: Unknown, Text: fmt.Sprintf(format, args...)}
	}
	var out []Finding
	if n.partial {
		out = append(out, w.unnamed(id, ch))
	}
	if w.listErr != nil {
		out = append(out, unknown("not all units could be listed: %v", w.listErr))
	}
	u := w.unit(id)
	var mute []string
	for _, v := range w.units {
		if w.delivers(id, v.ID) {
			continue // it goes back with what brings it
		}
		if w.delivers(v.ID, id) {
			out = append(out, w.partOf(v.ID))
			continue
		}
		if v.ID == id || !sameEnvironment(v.Environment, u.Environment) {
			continue
		}
		if err, bad := w.errs[v.ID]; bad {
			out = append(out, unknown("whether the change is on %s too cannot be told: %v", v.ID, err))
			continue
		}
		f, silent := w.sharedWith(id, ch, n, v)
		out = append(out, f...)
		if silent {
			mute = append(mute, string(v.ID))
		}
	}
	if len(mute) > 0 {
		out = append(out, Finding{
			Rule: ruleShared, Verdict: Conditional, Evidence: strings.Join(mute, ", "), Source: fromHistory,
			Text: "began to serve at about the same time and does not say what commit it carries: " + strings.Join(mute, ", "),
		})
	}
	out = append(out, w.homeless(u, n)...)
	if len(out) == 0 {
		out = append(out, Finding{
			Rule: ruleShared, Verdict: Independent, Source: fromHistory, Evidence: strings.Join(briefs(n.commits), ", "),
			Text: "no other unit serves what would be taken back from " + string(id),
		})
	}
	return out
}

// delivers reports whether one unit is what brings another.
func (w *world) delivers(a, b UnitID) bool {
	by := w.obs[a].Delivers
	return a != b && by != "" && slices.Contains(w.obs[b].Owners, by)
}

// partOf is the finding for a unit that goes back without what brings it.
func (w *world) partOf(whole UnitID) Finding {
	return Finding{
		Rule: ruleShared, Verdict: Conditional, Source: fromHistory, Evidence: w.obs[whole].Delivers, SeenAt: w.obs[whole].At,
		Text: fmt.Sprintf("it is a part of %s, which stays at %s: plan %s to take the whole back", whole, name(w.obs[whole].Current), whole),
	}
}

// sharedWith compares one other unit. Silent: it does not say what it carries, and time does not clear it either.
func (w *world) sharedWith(id UnitID, ch choice, n identity, v Unit) (out []Finding, silent bool) {
	revs := revisions(w.obs[v.ID])
	if w.bears(v, n) < 0 {
		from, start := revs[0].Since, since(ch.taken())
		before := !from.IsZero() && !start.IsZero() && from.Before(start)
		return nil, revs[0].Commit == "" && !before
	}
	at := w.together(v, n)
	if at < 0 {
		return nil, false
	}
	// Both units get the same sentence, so that it has to be read only once.
	both := []string{string(id), string(v.ID)}
	carry := []string{name(ch.revs[ch.culprit]) + " of " + string(id), name(revs[at]) + " of " + string(v.ID)}
	if v.ID < id {
		slices.Reverse(both)
		slices.Reverse(carry)
	}
	f := Finding{
		Rule: ruleShared, Verdict: Coupled, Units: []UnitID{v.ID}, Source: fromHistory, SeenAt: w.obs[v.ID].At,
		Evidence: strings.Join(carry, " and ") + " carry " + strings.Join(briefs(n.commits), ", "),
		Text: fmt.Sprintf("the same change%s is live on %s: neither goes back without the other", inBrackets(n.sets),
			strings.Join(both, " and ")),
	}
	f = w.broken(f, id, ch.revs[ch.culprit])
	f.Since = bothSince(f.Since, revs[at].Since)
	if e, ok := w.declared(id, v.ID, providers.EdgeIndependent); ok {
		f.Verdict, f.Units, f.Source = Conditional, nil, e.Source
		f.Text = fmt.Sprintf("the same change is live on %s, which is declared to be independent of it: %s", v.ID, e.Evidence)
	}
	return []Finding{f}, false
}

// together is the index of the revision of v that carries a change which would be taken back, still is on it, and was deployed at about
// the same time on both; or -1. Each change counts by its own time: a way back that is long has many.
func (w *world) together(v Unit, n identity) int {
	revs := revisions(w.obs[v.ID])
	for _, one := range n.each {
		at := w.bears(v, one)
		if at < 0 || w.isGone(v.ID, choice{revs: revs, culprit: at}) {
			continue
		}
		if when := revs[at].Since; when.IsZero() || one.at.IsZero() || when.Sub(one.at).Abs() <= shareWindow {
			return at
		}
	}
	return -1
}

// bears is the index of the revision of v that carries one of the named changes, or -1.
func (w *world) bears(v Unit, n identity) int {
	at := -1
	for i, r := range revisions(w.obs[v.ID]) {
		if r.Staged {
			continue // it is on no unit's way
		}
		if slices.ContainsFunc(n.commits, func(c string) bool { return sameCommit(c, r.Commit) }) {
			at = i
		}
		for j := range w.changes {
			x := &w.changes[j]
			ours := x.Unit == string(v.ID) || (x.Service != "" && x.Service == v.Service && sameEnvironment(x.Environment, v.Environment))
			if ours && n.names(x) && carries(r, x) {
				at = i
			}
		}
	}
	return at
}

func (n identity) names(c *providers.Change) bool {
	return slices.ContainsFunc(n.commits, func(x string) bool { return sameCommit(x, c.Commit) }) ||
		(c.ChangeSet != "" && slices.Contains(n.sets, c.ChangeSet))
}

// homeless finds parts of the same change that no unit stands for: nobody can say whether these can stay.
func (w *world) homeless(u Unit, n identity) []Finding {
	var out []Finding
	seen := map[string]bool{}
	for i := range w.changes {
		c := &w.changes[i]
		if c.Service == "" || c.Service == u.Service || seen[c.Service] || !n.names(c) || !sameEnvironment(c.Environment, u.Environment) {
			continue
		}
		if backouts(c.Kind) {
			continue
		}
		if len(w.named(c.Service, u.Environment)) > 0 {
			continue // its unit was looked at
		}
		seen[c.Service] = true
		out = append(out, Finding{
			Rule: ruleShared, Verdict: Unknown, Evidence: c.ID, Source: c.Provider, SeenAt: c.At(),
			Text: fmt.Sprintf("the same change touched %s (%s), which is no unit here: whether that part can stay cannot be told", c.Service, c.Kind),
		})
	}
	return out
}

// backouts reports what backout itself did: which run switched something says nothing of what that carries.
func backouts(k providers.Kind) bool {
	return k == providers.KindRollback || k == providers.KindDrill || k == providers.KindOperation
}

func (w *world) declared(a, b UnitID, kind providers.EdgeKind) (providers.Edge, bool) {
	ua := w.unit(a)
	for _, e := range w.edges {
		if e.Kind != kind {
			continue
		}
		from, to := w.ends(e.From, ua.Environment), w.ends(e.To, ua.Environment)
		if (slices.Contains(from, a) && slices.Contains(to, b)) || (slices.Contains(from, b) && slices.Contains(to, a)) {
			return e, true
		}
	}
	return providers.Edge{}, false
}

func compact(l []string) []string {
	sort.Strings(l)
	l = slices.Compact(l)
	if len(l) > 0 && l[0] == "" {
		l = l[1:]
	}
	return l
}

func inBrackets(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return " (" + strings.Join(l, ", ") + ")"
}

func briefs(commits []string) []string {
	out := make([]string, len(commits))
	for i, c := range commits {
		out[i] = brief(c)
	}
	return out
}
