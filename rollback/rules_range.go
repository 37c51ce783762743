package rollback

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/migration"
)

// Rules on what lies between the target and what is served, as findings name them.
const (
	ruleSchema  = "D schema"
	ruleFormat  = "E data format"
	ruleFlags   = "J flags"
	ruleEffects = "P external effects"
	ruleAge     = "Q age"
	ruleUnread  = "declarations"

	// A target that stopped serving longer ago than oldTarget, or that more than farTarget contents came after, says less than a
	// fresh one.
	oldTarget = 14 * 24 * time.Hour
	farTarget = 5
)

var (
	formatName = regexp.MustCompile(`\.(proto|avsc|avdl|thrift|fbs|capnp)$|\.schema\.(json|ya?ml)$|(^|[/._-])(openapi|swagger)\.(json|ya?ml)$`)
	flagName   = regexp.MustCompile(`(^|/)(feature[-_]?)?flags?(/.*|\.(flagd\.)?)(json|ya?ml|toml)$`)
)

// crossed are the changes that would be taken back as far as they are known: those that brought what goes, and what landed for the
// unit's service between the commits of the two.
func (w *world) crossed(id UnitID, ch choice) []*providers.Change {
	u := w.unit(id)
	taken := ch.taken()
	after, until := w.landed(ch.revs[ch.target].Commit), w.landed(ch.revs[0].Commit)
	var out []*providers.Change
	for i := range w.changes {
		c := &w.changes[i]
		if (c.Unit != string(id) && c.Service != "" && c.Service != u.Service) || !sameEnvironment(c.Environment, u.Environment) {
			continue
		}
		own := c.Unit == string(id) || c.Service == u.Service
		brought := own && slices.ContainsFunc(taken, func(r Revision) bool { return carries(r, c) })
		between := c.Commit != "" && !after.IsZero() && c.LandedAt.After(after) && !c.LandedAt.After(until)
		if brought || between || migratedSince(c, u, ch.revs[ch.target]) {
			out = append(out, c)
		}
	}
	return out
}

// migratedSince reports a migration that the database of the unit's service tells of, and that the target has not served beside for
// as long as shows that it can.
func migratedSince(c *providers.Change, u Unit, target Revision) bool {
	return c.Kind == providers.KindMigration && c.Unit != "" && c.Unit != string(u.ID) && c.Service == u.Service && u.Service != "" &&
		!target.Until.IsZero() && !c.At().IsZero() && c.At().After(target.Until.Add(-togetherFor))
}

// landed is when a commit was accepted, zero where nobody here knows.
func (w *world) landed(commit string) time.Time {
	for i := range w.changes {
		if c := &w.changes[i]; sameCommit(commit, c.Commit) && !c.LandedAt.IsZero() {
			return c.LandedAt
		}
	}
	return time.Time{}
}

// nameRule finds what a rule is about by the kind of a change, or by what its files are called.
type nameRule struct {
	rule    string
	verdict Verdict
	kind    providers.Kind
	is      func(string) bool
	text    string
}

// nameRules are the rules D, E and J for changes whose files nobody can read.
func nameRules() []nameRule {
	return []nameRule{
		{
			ruleSchema, Unknown, providers.KindMigration,
			func(p string) bool { _, is := migration.Recognise(p, nil); return is },
			"a migration lies between the two, and the schema does not go back: whether %s can serve on it is not known",
		},
		{
			ruleFormat, Unknown, "", formatName.MatchString,
			"a data format was altered between the two: whether %s can read what was written since is not known",
		},
		{
			ruleFlags, Conditional, providers.KindFlag, flagName.MatchString,
			"a flag was altered between the two, and flags do not go back with %s: turn off first what it does not know",
		},
	}
}

// crossing are the rules D, E and J: what would be taken back whose effect stays. Where nobody can read the files, their names tell.
func (w *world) crossing(id UnitID, ch choice) []Finding {
	read := w.crossings(ch)
	out := append(w.schema(id, ch, read), w.formats(id, ch, read)...)
	for _, c := range w.crossed(id, ch) {
		for _, k := range nameRules() {
			var files []string
			for _, p := range c.Paths {
				if k.is(p) {
					files = append(files, providers.Clean(p))
				}
			}
			if !w.crosses(id, c, &k, files) || w.toldByFiles(&read, c, &k, files) {
				continue
			}
			out = append(out, w.crossedBy(c, Finding{
				Rule: k.rule, Verdict: k.verdict, Text: fmt.Sprintf(k.text, name(ch.revs[ch.target])), Evidence: providers.Few(files, 4),
			}))
		}
	}
	return out
}

// crosses reports whether a change is what a rule is about, and is not itself what goes back.
func (w *world) crosses(id UnitID, c *providers.Change, k *nameRule, files []string) bool {
	if len(files) == 0 && (k.kind == "" || c.Kind != k.kind) || c.Kind == k.kind && c.Unit == string(id) {
		return false
	}
	if w.obs[id].Flag != nil { // the code stays as it is: what it can serve on and read does not change with a flag
		return k.rule == ruleFlags
	}
	return w.unit(id).Kind != KindSchema || k.rule != ruleSchema // its migrations are what goes back
}

// toldByFiles reports whether what the files hold was judged, which says more than what they are called.
func (w *world) toldByFiles(read *travel, c *providers.Change, k *nameRule, files []string) bool {
	return len(files) > 0 && (read.tells(k.rule, files, c.Commit) || k.rule == ruleSchema && w.ranOne(read, c, files))
}

// ranOne reports whether a change is the word of a schema that migrations ran, and all of these were read on the way: then what is in
// them was judged. Where a tool finds them is not where the repository has them.
func (w *world) ranOne(t *travel, c *providers.Change, files []string) bool {
	return w.unit(UnitID(c.Unit)).Kind == KindSchema && !slices.ContainsFunc(files, func(file string) bool { return !t.read(path.Base(file)) })
}

// crossedBy lays a finding to a change.
func (w *world) crossedBy(c *providers.Change, f Finding) Finding {
	f.Source, f.SeenAt, f.Change, f.Since = c.Provider, c.At(), c.ID, c.At()
	f.Broke = providers.Clean(c.Title)
	if c.Author.Name != "" {
		f.Broke = providers.Clean(c.Author.Name) + ": " + f.Broke
	}
	if f.Evidence == "" {
		f.Evidence = c.ID
	}
	return f
}

// effects is rule P: what the unit did to the outside since does not go back.
func (w *world) effects(id UnitID, ch choice) []Finding {
	u := w.unit(id)
	var out []Finding
	for i := range w.facts {
		s := &w.facts[i]
		if s.Name != u.Service || u.Service == "" || len(s.Emits) == 0 || !sameEnvironment(s.Environment, u.Environment) {
			continue
		}
		f := Finding{Rule: ruleEffects, Verdict: Conditional, Source: "catalogue", Evidence: providers.Clean(strings.Join(s.Emits, ", "))}
		f = w.broken(f, id, oldest(ch))
		f.Text = fmt.Sprintf("%s has effects outside that do not go back (%s): know what is done twice or has to be made good", u.Service, f.Evidence)
		out = append(out, f)
	}
	return out
}

// undeclared is what may be declared and could not be read.
func (w *world) undeclared() []Finding {
	var out []Finding
	for _, why := range w.unread {
		name, _, _ := strings.Cut(why, ":")
		out = append(out, Finding{
			Rule: ruleUnread, Verdict: Unknown, Source: name, SeenAt: w.now,
			Text: providers.Clean("what is declared cannot be read, so what else hangs on it is not known: " + why),
		})
	}
	return out
}

// age is rule Q: a way back that is long costs a level, because what was found is of a world that is gone.
func (w *world) age(id UnitID, ch choice, found []Finding) []Finding {
	target, contents := ch.revs[ch.target], map[string]bool{}
	for _, r := range ch.taken() {
		contents[r.Digest] = true
	}
	old := !target.Until.IsZero() && w.now.Sub(target.Until) > oldTarget
	if !old && len(contents) <= farTarget {
		return nil
	}
	f := Finding{Rule: ruleAge, Verdict: Conditional, Source: fromHistory, SeenAt: w.obs[id].At}
	if worst(found) != Independent {
		f.Verdict = Unknown
	}
	f.Evidence = fmt.Sprintf("%d contents came after it", len(contents))
	if !target.Until.IsZero() {
		f.Evidence += ", and it stopped serving at " + target.Until.UTC().Format(time.RFC3339)
	}
	f.Text = fmt.Sprintf("%s is old (more than %d contents or %s ago): look at what it needs before it serves again", name(target), farTarget, providers.Span(oldTarget))
	return []Finding{f}
}
