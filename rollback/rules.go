package rollback

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// The rules that are judged now, as findings name them.
const (
	ruleInFlight   = "A in-flight"
	ruleIdentity   = "B identity"
	ruleShared     = "H shared change"
	ruleStacked    = "I stacked"
	ruleReconciler = "M reconciler"
	ruleArtifact   = "N artifact"
	ruleEdge       = "edge"
	ruleClosure    = "closure"
	ruleForward    = "forward"
)

// fromHistory is the source of what the histories of the units say when they are laid side by side.
const fromHistory = "history"

// verdicts are ordered from good to bad; the worst of the findings wins.
var verdicts = []Verdict{Independent, NoOp, Conditional, Coupled, Unknown, Irreversible, Blocked}

// worst is the worst verdict of the findings. No finding at all is unknown: nothing was judged.
func worst(findings []Finding) Verdict {
	if len(findings) == 0 {
		return Unknown
	}
	w := Independent
	for _, f := range findings {
		w = worseOf(w, f.Verdict)
	}
	return w
}

func worseOf(a, b Verdict) Verdict {
	if slices.Index(verdicts, b) > slices.Index(verdicts, a) {
		return b
	}
	return a
}

// judge runs the rules that look at one unit alone: A, B, I and M.
func (w *world) judge(id UnitID, ch choice, c *providers.Change) []Finding {
	o := w.obs[id]
	source := providerOf(id)
	var out []Finding
	add := func(rule string, v Verdict, evidence, format string, args ...any) {
		out = append(out, Finding{
			Rule: rule, Verdict: v, Text: fmt.Sprintf(format, args...), Evidence: evidence, Source: source, SeenAt: o.At,
		})
	}
	switch {
	case o.InFlight != "":
		add(ruleInFlight, Blocked, o.InFlight, "something is under way on %s: %s; wait for it or stop it there first", id, o.InFlight)
	case w.claims[id] != "":
		run := w.claims[id]
		add(ruleInFlight, Blocked, run, "%s holds %s: follow it (runs attach %s), or stop it (runs abort %s)", run, id, run, run)
	default:
		add(ruleInFlight, Independent, "", "nothing has to finish on %s first", id)
	}
	switch {
	case ch.gone && ch.revs[ch.target].Digest == ch.revs[0].Digest:
		add(ruleIdentity, NoOp, "", "nothing to do: %s already serves %s, from before the change", id, name(ch.revs[0]))
	case ch.revs[ch.target].Digest == ch.revs[0].Digest:
		add(ruleIdentity, NoOp, "", "nothing to do: %s already serves the content of %s", id, name(ch.revs[ch.target]))
	default:
		add(ruleIdentity, Independent, "", "%s and %s differ in content", name(ch.revs[0]), name(ch.revs[ch.target]))
	}
	if o.Frozen != "" {
		add(ruleFreeze, Blocked, o.Frozen, "%s is frozen: %s; whoever froze it has to lift that there first", id, o.Frozen)
	}
	out = append(out, w.looping(id, ch.revs[0], ch.revs[ch.target])...)
	out = append(out, w.stacked(id, ch)...)
	if len(o.Owners) > 0 {
		owners := strings.Join(o.Owners, ", ")
		add(ruleReconciler, Conditional, owners, "%s will undo the rollback unless it is stopped or its source is changed too", owners)
	}
	return out
}

// stacked is rule I: what else goes when everything down to the target goes.
func (w *world) stacked(id UnitID, ch choice) []Finding {
	source := providerOf(id)
	f := Finding{Rule: ruleStacked, Source: source, SeenAt: w.obs[id].At}
	if !ch.found {
		f.Verdict = Unknown
		f.Text = "no revision of " + string(id) + " says that it carries the change: what else would be lost cannot be told"
		return []Finding{f}
	}
	var lost []string
	var first Revision // the oldest of them: since then there is something to lose
	seen := map[string]bool{ch.revs[ch.culprit].Digest: true}
	for _, r := range ch.taken() {
		if seen[r.Digest] {
			continue
		}
		seen[r.Digest] = true
		lost, first = append(lost, name(r)+w.credit(id, r)), r
	}
	if len(lost) == 0 {
		f.Verdict, f.Text = Independent, "nothing else was deployed to "+string(id)+" that would be lost"
		return []Finding{f}
	}
	f.Verdict, f.Evidence = Conditional, strings.Join(lost, "; ")
	f = w.broken(f, id, first)
	f.Text = fmt.Sprintf("%d more %s would be lost: %s", len(lost), plural(len(lost), "revision", "revisions"), f.Evidence)
	return []Finding{f}
}

// credit says who made a revision and what it was, as far as the changes at hand tell.
func (w *world) credit(id UnitID, r Revision) string {
	by := w.bringer(id, r)
	if by == nil {
		return " (author unknown)"
	}
	return fmt.Sprintf(" (%s: %s)", cmp.Or(by.Author.Name, "author unknown"), providers.Clean(by.Title))
}

// bringer is the change at hand that tells best that it brought a revision; nil where none does.
func (w *world) bringer(id UnitID, r Revision) *providers.Change {
	u := w.unit(id)
	var by *providers.Change
	best := 0
	for i := range w.changes {
		c := &w.changes[i]
		if n := bears(r, c); n > best && (c.Unit == string(id) || (c.Service != "" && c.Service == u.Service)) {
			by, best = c, n
		}
	}
	return by
}

// since is the start of the oldest revision that would be taken back; zero where it is not known.
func since(taken []Revision) time.Time {
	if len(taken) == 0 {
		return time.Time{}
	}
	return taken[len(taken)-1].Since
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
