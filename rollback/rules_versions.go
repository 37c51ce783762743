package rollback

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/backout-dev/backout/providers"
)

// Rules on declared versions, as findings name them.
const (
	ruleProvider   = "F provider contract"
	ruleConsumer   = "G consumer contract"
	ruleMinVersion = "K min-version"
)

// answer to whether a version lies in a range.
type answer int

const (
	cannotTell answer = iota
	outside
	within
)

// versionOf is the semantic version of a revision: its label, else what the changes that brought it call it. Nil: none is known,
// or they differ.
func (w *world) versionOf(id UnitID, r Revision) *semver.Version {
	if v := version(r.Label); v != nil {
		return v
	}
	u := w.unit(id)
	var found *semver.Version
	for i := range w.changes {
		c := &w.changes[i]
		v := version(c.To)
		ours := c.Unit == string(id) || (c.Service != "" && c.Service == u.Service && sameEnvironment(c.Environment, u.Environment))
		switch {
		case v == nil || !ours || !carries(r, c):
		case found != nil && !found.Equal(v):
			return nil
		default:
			found = v
		}
	}
	return found
}

// version reads a label as a semantic version. A plain number is a count and not a version.
func version(label string) *semver.Version {
	if !strings.Contains(label, ".") {
		return nil
	}
	v, err := semver.NewVersion(strings.TrimSpace(label))
	if err != nil {
		return nil
	}
	return v
}

func lies(v *semver.Version, versions string) answer {
	if versions == "" {
		return within
	}
	c, err := semver.NewConstraint(versions)
	if err != nil || v == nil {
		return cannotTell
	}
	if c.Check(v) {
		return within
	}
	return outside
}

// tried reports whether anything was said of how two ends work together at some versions.
func (w *world) tried(from, to string) bool {
	return slices.ContainsFunc(w.edges, func(e providers.Edge) bool { return trial(e.Kind) && e.From == from && e.To == to })
}

func trial(k providers.EdgeKind) bool {
	return k == providers.EdgeVerified || k == providers.EdgeRefuted
}

// contracts are the rules F and G: does what the unit goes back to work with what the other end of each tried contract serves now?
func (w *world) contracts(id UnitID, ch choice) []Finding {
	environment := w.unit(id).Environment
	var out []Finding
	seen := map[string]bool{}
	for _, e := range w.edges {
		if !trial(e.Kind) || seen[e.From+"\x00"+e.To] {
			continue
		}
		seen[e.From+"\x00"+e.To] = true
		from, to := w.ends(e.From, environment), w.ends(e.To, environment)
		switch {
		case slices.Contains(to, id):
			out = append(out, w.against(ruleProvider, e, id, ch, from)...)
		case slices.Contains(from, id):
			out = append(out, w.against(ruleConsumer, e, id, ch, to)...)
		}
	}
	return out
}

func (w *world) against(rule string, e providers.Edge, id UnitID, ch choice, others []UnitID) []Finding {
	if len(others) == 0 {
		f := w.edgeFinding(e, Unknown, nil, fmt.Sprintf("%s and %s have a contract, and one of them is no unit here: which version of it serves is not known", e.From, e.To))
		f.Rule = rule
		return []Finding{f}
	}
	var out []Finding
	for _, v := range others {
		if v != id {
			out = append(out, w.pair(rule, e, id, ch, v))
		}
	}
	return out
}

// pair judges one unit at its target with another at what it serves.
func (w *world) pair(rule string, e providers.Edge, id UnitID, ch choice, v UnitID) Finding {
	if err, bad := w.errs[v]; bad {
		f := w.edgeFinding(e, Unknown, nil, fmt.Sprintf("whether %s works with what it would meet cannot be told: %s cannot be seen: %v", id, v, err))
		f.Rule = rule
		return f
	}
	target, theirs := ch.revs[ch.target], w.obs[v].Current
	mine, other := w.versionOf(id, target), w.versionOf(v, theirs)
	from, to := other, mine
	if rule == ruleConsumer {
		from, to = mine, other
	}
	both := fmt.Sprintf("%s at %s and %s at %s", id, name(target), v, name(theirs))
	if said, at := w.said(e, from, to, providers.EdgeRefuted); said {
		f := w.edgeFinding(at, Coupled, []UnitID{v}, both+" are known not to work together: they go back together")
		f.Rule = rule
		f = w.broken(f, id, oldest(ch))
		f.Since = bothSince(f.Since, theirs.Since)
		return f
	}
	if said, at := w.said(e, from, to, providers.EdgeVerified); said {
		f := w.edgeFinding(at, Independent, nil, both+" were tried together and work")
		f.Rule = rule
		return f
	}
	if f := w.across(e, id, v, ch); f.Verdict == Independent {
		f.Rule = rule
		return f
	}
	f := w.edgeFinding(e, Unknown, nil, "nothing says that "+both+" work together: try the two, and declare what came of it")
	f.Rule = rule
	f = w.broken(f, id, oldest(ch))
	f.Since = bothSince(f.Since, theirs.Since)
	return f
}

// said looks for a word of one kind on two versions.
func (w *world) said(e providers.Edge, from, to *semver.Version, kind providers.EdgeKind) (bool, providers.Edge) {
	for _, x := range w.edges {
		if x.Kind == kind && x.From == e.From && x.To == e.To && lies(from, x.FromVersions) == within && lies(to, x.ToVersions) == within {
			return true, x
		}
	}
	return false, providers.Edge{}
}

// minimum is rule K: who needs at least some version of this unit, as it is now?
func (w *world) minimum(id UnitID, ch choice) []Finding {
	environment := w.unit(id).Environment
	var out []Finding
	for _, e := range w.edges {
		if e.Kind != providers.EdgeMinVersion || !slices.Contains(w.ends(e.To, environment), id) {
			continue
		}
		target := ch.revs[ch.target]
		needs := fmt.Sprintf("%s needs %s %s", e.From, e.To, e.ToVersions)
		var f Finding
		switch lies(w.versionOf(id, target), e.ToVersions) {
		case within:
			f = w.edgeFinding(e, Independent, nil, fmt.Sprintf("%s, and %s is", needs, name(target)))
		case outside:
			f = w.tooOld(e, id, ch, fmt.Sprintf("%s, and %s is not", needs, name(target)))
		default:
			f = w.edgeFinding(e, Unknown, nil, fmt.Sprintf("%s, and which version %s is cannot be told", needs, name(target)))
		}
		f.Rule = ruleMinVersion
		out = append(out, f)
	}
	return out
}

// tooOld couples those that need more than the target to it. What is no unit here (an app on somebody's phone) stays.
func (w *world) tooOld(e providers.Edge, id UnitID, ch choice, text string) Finding {
	others := slices.DeleteFunc(w.ends(e.From, w.unit(id).Environment), func(v UnitID) bool { return v == id })
	if len(others) == 0 {
		return w.edgeFinding(e, Blocked, nil, text+fmt.Sprintf("; %s is no unit here that could go back too", e.From))
	}
	for _, v := range others {
		if err, bad := w.errs[v]; bad {
			return w.edgeFinding(e, Unknown, nil, text+fmt.Sprintf("; %s cannot be seen: %v", v, err))
		}
	}
	f := w.broken(w.edgeFinding(e, Coupled, others, text+": they go back together"), others[0], w.obs[others[0]].Current)
	f.Since = bothSince(f.Since, oldest(ch).Since)
	return f
}
