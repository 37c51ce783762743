package rollback

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/migration"
)

// KindSchema is the kind of a unit that is the schema of a database. The label of its revision is the version of the newest
// migration that ran.
const KindSchema = "database schema"

// travel is what a unit crosses on its way back: one passage from the target to each revision that would be taken, newest first.
// Whole: all of them were read, so what is not in them was not there.
type travel struct {
	to    []Revision
	ways  []*passage
	whole bool
}

// crossings reads the unit's way; none where no source knows its commits. A target that keeps what came after it (without one
// change) is no older commit.
func (w *world) crossings(ch choice) travel {
	target := ch.revs[ch.target]
	if w.asks == nil || target.Commit == "" || len(target.Without) > 0 {
		return travel{}
	}
	t := travel{whole: true}
	for i, r := range ch.taken() {
		p := (*passage)(nil)
		if i < passagesMost {
			p = w.asks.between(target.Commit, r.Commit)
		}
		t.to, t.ways = append(t.to, r), append(t.ways, p)
		t.whole = t.whole && p != nil && p.err == nil
	}
	return t
}

// covers reports whether a commit was read on the way.
func (t *travel) covers(commit string) bool {
	return slices.ContainsFunc(t.ways, func(p *passage) bool { return p.covers(commit) })
}

// tells reports whether what a commit did to files was read, so that what they are called says no more.
func (t *travel) tells(rule string, files []string, commit string) bool {
	switch rule {
	case ruleSchema:
	case ruleFormat:
		if slices.ContainsFunc(files, func(f string) bool { return !strings.HasSuffix(f, protobufFile) && !t.compared(f) }) {
			return false
		}
	default:
		return false
	}
	return t.covers(commit)
}

// compared reports whether a file is one of a document that was compared on the way to each revision that touched it.
func (t *travel) compared(file string) bool {
	return slices.ContainsFunc(t.ways, func(p *passage) bool { return p != nil && p.err == nil && p.compared[file] })
}

// read reports whether a migration of that name was read on the way.
func (t *travel) read(base string) bool {
	return slices.ContainsFunc(t.ways, func(p *passage) bool {
		return p != nil && p.err == nil && slices.ContainsFunc(p.migrations, func(m crossedMigration) bool { return path.Base(m.effect.File.Path) == base })
	})
}

// source is who read it, "" nobody.
func (t *travel) source() string {
	for _, p := range t.ways {
		if p != nil {
			return p.source
		}
	}
	return ""
}

// schema is rule D from what the migrations on the way say.
func (w *world) schema(id UnitID, ch choice, t travel) []Finding {
	var out []Finding
	target := name(ch.revs[ch.target])
	var passed, failed []string
	seen := map[string]bool{}
	for i, p := range t.ways {
		switch {
		case p == nil:
			continue
		case p.err != nil:
			if why := p.err.Error(); !slices.Contains(failed, why) {
				failed = append(failed, why)
			}
			continue
		}
		if i == 0 {
			out = append(out, w.missed(id, ch, p)...)
		}
		for j := range p.migrations {
			m := &p.migrations[j]
			key := m.effect.File.Path + "\x00" + m.says() + m.caveats()
			if seen[key] || m.service != "" && m.service != w.unit(id).Service {
				continue
			}
			seen[key] = true
			if f := w.migrated(id, ch, t, m); f.Verdict != Independent {
				out = append(out, f)
			} else {
				passed = append(passed, f.Evidence)
			}
		}
	}
	for _, why := range failed {
		out = append(out, Finding{
			Rule: ruleSchema, Verdict: Unknown, Source: t.source(), SeenAt: w.now,
			Text: providers.Clean(fmt.Sprintf("what lies between the commits of %s and what is served could not be read: %s", target, why)),
		})
	}
	if len(out) == 0 && t.whole {
		text := "no migration lies between the two"
		if len(passed) > 0 {
			text = fmt.Sprintf("the migrations between the two leave what %s uses as it was", target)
		}
		out = append(out, Finding{Rule: ruleSchema, Verdict: Independent, Source: t.source(), SeenAt: w.now, Text: text, Evidence: providers.Few(passed, 3)})
	}
	return out
}

// migrated judges one migration.
func (w *world) migrated(id UnitID, ch choice, t travel, m *crossedMigration) Finding {
	target := name(ch.revs[ch.target])
	carrier := t.carrier(m)
	f := w.broken(Finding{Rule: ruleSchema, Source: t.source(), SeenAt: w.now, Evidence: m.says()}, id, carrier)
	f = w.laid(f, m.commits)
	ran, why := w.ran(id, m, carrier)
	if !ran {
		f.Verdict, f.Evidence = Independent, providers.Clean(m.effect.File.Path)+": "+why
		return f
	}
	path := providers.Clean(m.effect.File.Path)
	switch class := m.effect.Class; {
	case m.altered && class != migration.Expand:
		f.Verdict = Unknown
		f.Text = fmt.Sprintf("%s was there before and was altered between the two: whether it ran again, and whether %s can serve after that, is not known", path, target)
	case class == migration.Contract:
		f.Verdict = Irreversible
		f.Text = fmt.Sprintf("%s may need what is no longer so: %s. It ran (%s), and the schema does not go back with %s; the lowest revision that fits it is %s",
			target, m.says(), why, id, w.floor(ch))
	case class == migration.Migrate:
		f.Verdict = Conditional
		f.Text = fmt.Sprintf("%s changed rows (%s), and they do not go back: know that %s can read them", path, why, target)
	case class == migration.Expand && m.caveats() != "":
		f.Verdict, f.Evidence = Conditional, m.caveats()
		f.Text = fmt.Sprintf("%s took nothing away (%s), but know that %s bears it: %s", path, why, target, m.caveats())
	case class == migration.Expand:
		f.Verdict = Independent
	default:
		f.Verdict = Unknown
		f.Text = fmt.Sprintf("whether %s can serve on the schema is not known, because what a migration between the two did cannot be told: %s", target, m.says())
	}
	return f
}

// carrier is the oldest revision on the way that carried a migration.
func (t *travel) carrier(m *crossedMigration) Revision {
	var out Revision
	for i, p := range t.ways { // newest first
		if p != nil && slices.ContainsFunc(m.commits, func(c string) bool { return p.commits[c] }) {
			out = t.to[i]
		}
	}
	return out
}

// laid names the change that brought one of the commits, else the commit.
func (w *world) laid(f Finding, commits []string) Finding {
	for i := range w.changes {
		c := &w.changes[i]
		if slices.ContainsFunc(commits, func(x string) bool { return sameCommit(x, c.Commit) }) && c.Kind != providers.KindRollback {
			f.Change, f.Broke = c.ID, providers.Clean(c.Title)
			if c.Author.Name != "" {
				f.Broke = providers.Clean(c.Author.Name) + ": " + f.Broke
			}
			return f
		}
	}
	f.Change = ""
	if len(commits) > 0 {
		f.Broke = "commit " + brief(commits[0])
	}
	return f
}

// ran tells whether a migration ran, and what says so: the schema's own unit where there is one, else that a revision which
// carried it was deployed.
func (w *world) ran(id UnitID, m *crossedMigration, carrier Revision) (ran bool, why string) {
	u := w.unit(id)
	for _, v := range w.units {
		if v.Kind != KindSchema || v.Service != u.Service || v.Service == "" || !sameEnvironment(v.Environment, u.Environment) {
			continue
		}
		o, seen := w.obs[v.ID]
		version, live, numbers := versions(m.effect.File.Version, o.Current.Label)
		if !seen || !numbers {
			continue
		}
		at := fmt.Sprintf("%s is at version %s", v.ID, o.Current.Label)
		if version.Cmp(live) > 0 {
			return false, "it has not run: " + at
		}
		return true, at
	}
	if carrier.Since.IsZero() {
		return true, fmt.Sprintf("with the deployment of %s; nothing here tells the version of the schema", name(carrier))
	}
	return true, fmt.Sprintf("with the deployment of %s at %s; nothing here tells the version of the schema", name(carrier), carrier.Since.UTC().Format("2006-01-02T15:04:05Z"))
}

// floor is the oldest revision of the way that serves on a schema after a migration: what came after it brought no other that takes
// something away.
func (w *world) floor(ch choice) string {
	live := ch.revs[0]
	lowest := live
	for _, r := range ch.taken() {
		if r.Commit == "" || r.Digest == live.Digest {
			continue
		}
		p := w.asks.between(r.Commit, live.Commit)
		if p == nil || p.err != nil || slices.ContainsFunc(p.migrations, func(m crossedMigration) bool {
			return m.effect.Class == migration.Contract || m.effect.Class == migration.Unknown
		}) {
			break
		}
		lowest = r
	}
	if lowest.Digest == live.Digest {
		return name(live) + ", which is served"
	}
	return name(lowest)
}

// missed are migrations that the target was made with and what is served was not.
func (w *world) missed(id UnitID, ch choice, p *passage) []Finding {
	if len(p.missed) == 0 {
		return nil
	}
	f := w.broken(Finding{Rule: ruleSchema, Verdict: Unknown, Source: p.source, SeenAt: w.now, Evidence: providers.Few(p.missed, 4)}, id, ch.revs[0])
	f.Text = fmt.Sprintf("%s was made with migrations that what is served does not have, and whether they are still in the schema is not known: %s",
		name(ch.revs[ch.target]), strings.TrimSpace(f.Evidence))
	return []Finding{f}
}
