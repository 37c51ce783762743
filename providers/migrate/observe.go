package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// maxRevisions are offered in each direction.
const maxRevisions = 50

// Units implements rollback.Reverser: the one database. It asks nobody.
func (p *Provider) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) { yield(p.described(), nil) }
}

// Observe implements rollback.Reverser.
func (p *Provider) Observe(ctx context.Context, unit rollback.UnitID) (rollback.Observation, error) {
	if err := p.known(unit); err != nil {
		return rollback.Observation{}, err
	}
	s, err := p.look(ctx)
	if err != nil {
		return rollback.Observation{}, err
	}
	obs := rollback.Observation{Unit: p.described(), At: s.at, Token: s.token()}
	obs.Current = s.current(p.doubt(ctx, s))
	if by, ok := s.stamp(); ok {
		obs.Stamp = by.op
	}
	switch r, open := s.open(); {
	case s.busy != "":
		obs.InFlight = s.busy
	case open:
		// It is told as it was when that step began, so that the same operation can go on with it.
		obs.Current.Digest, obs.Token = r.from, r.before
		obs.InFlight = p.half(s, r)
	case s.v.dirty:
		obs.Frozen = p.dirty(s)
	default:
		obs.Frozen = p.doubt(ctx, s)
	}
	obs.History = s.history()
	obs.Raw, err = json.Marshal(map[string]any{
		"tool": p.set.Tool, "table": p.set.Table, "version": s.v.current, "schema": s.print, "schema_recorded": s.memory.Revisions[s.listed().Digest].Print,
		"never_applied": s.skipped,
	})
	return obs, err
}

// current is the revision that is served. One whose schema is not its own is another: what stands in a version table proves nothing.
func (s *state) current(doubt string) rollback.Revision {
	r := s.listed()
	if n := len(s.done); n > 0 {
		r.Since = s.done[n-1].at
	}
	if doubt != "" {
		sum := sha256.Sum256([]byte(r.Digest + "\n" + s.print))
		r.Digest, r.Label = "sha256:"+hex.EncodeToString(sum[:]), r.Label+", with another schema"
	}
	return r
}

// history is what it can go to: forward what was not applied yet, the nearest first, then back. None of it is known good, as
// nothing says that a schema served well without what was applied since; so a way down is only ever what a person names.
func (s *state) history() []rollback.Revision {
	var out []rollback.Revision
	versions := s.versions()
	for _, m := range s.next[:min(len(s.next), maxRevisions)] {
		versions = append(versions, m.version)
		r := s.revision(versions)
		_, was := s.memory.Revisions[r.Digest]
		r.Staged = !was
		out = append(out, r)
	}
	versions = s.versions()
	for n := len(versions) - 1; n >= max(0, len(versions)-maxRevisions); n-- {
		r := s.revision(versions[:n])
		r.Until = s.done[n].at
		if n > 0 {
			r.Since = s.done[n-1].at
		}
		out = append(out, r)
	}
	return out
}

// doubt says why the version table is not believed, "" where nothing speaks against it.
func (p *Provider) doubt(ctx context.Context, s *state) string {
	now := s.listed()
	was, known := s.memory.Revisions[now.Digest]
	mend := "set the version right with goose"
	if p.set.Tool == toolGolang {
		mend = "set it right (migrate force VERSION)"
	}
	switch {
	case s.print == "" || p.accepted(s.print) || s.lies == "" && (!known || was.Print == s.print):
		return ""
	case s.lies != "":
		return fmt.Sprintf("the version went from %s to %s, and the schema did not change: a migration failed, or somebody set the version by hand; look at the schema and %s", s.lies, now.Label, mend)
	}
	if r, ok := s.lives(); ok {
		return fmt.Sprintf("the version table says %s, and the schema is the one that was live at %s: a migration failed, or somebody set the version by hand; look at the schema and %s", now.Label, r.Label, mend)
	}
	text := fmt.Sprintf("the schema is not the one that was seen at %s", now.Label)
	if d := p.differs(ctx, s, was.Print); d != "" {
		text += ": " + d
	}
	return text + fmt.Sprintf("; undo that, or accept %s in the settings if it may stay so", brief(s.print))
}

// dirty says what golang-migrate's mark means here, by the live schema.
func (p *Provider) dirty(s *state) string {
	text := fmt.Sprintf("golang-migrate says dirty at %d: a migration ended in its middle", s.v.current)
	var like []string
	for _, r := range s.memory.Revisions {
		if r.Print == s.print {
			like = append(like, r.Label)
		}
	}
	slices.Sort(like)
	if len(like) == 0 {
		return text + "; the live schema is none that was seen before: look what is there, finish or undo it, then migrate force VERSION"
	}
	return fmt.Sprintf("%s; the live schema is the one that was live at %s: if that is so in the data too, migrate force %s", text, providers.Few(slices.Compact(like), 3), like[len(like)-1])
}

// half says how far a step without a transaction came, by the live schema.
func (p *Provider) half(s *state, r record) string {
	state := "the live schema is half-way, or of something else"
	switch to := s.memory.Revisions[r.to]; {
	case s.print == r.shapeAsWas:
		state = "the live schema is as it was before"
	case s.print == to.Print && to.Print != "":
		state = "the live schema is the one that was live at " + to.Label + " already"
	}
	undo := ""
	if p.set.Tool == toolGolang {
		undo = " and migrate force VERSION"
	}
	return fmt.Sprintf("%s (%s) began at %s, outside a transaction, and nobody wrote down how it ended; %s. If no run goes on with it: look, finish or undo it by hand, then DELETE FROM %s WHERE op = '%s'%s",
		providers.Clean(r.title), r.op, r.began.Format("15:04:05 UTC"), state, p.table.records(), r.op, undo)
}

// Status implements rollback.Reverser.
func (p *Provider) Status(ctx context.Context, unit rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	if err := p.known(unit); err != nil {
		return rollback.Convergence{}, err
	}
	s, err := p.look(ctx)
	if err != nil {
		return rollback.Convergence{}, err
	}
	doubt := p.doubt(ctx, s)
	_, open := s.open()
	now := s.current(doubt)
	switch {
	case s.busy != "":
		return rollback.Convergence{Detail: s.busy}, nil
	case open, s.v.dirty:
		return rollback.Convergence{Detail: "a migration was begun and not ended"}, nil
	case now.Digest != to.Digest && doubt != "":
		return rollback.Convergence{Detail: doubt}, nil
	case now.Digest != to.Digest:
		return rollback.Convergence{Detail: "the schema is at " + now.Label}, nil
	}
	return rollback.Convergence{Done: true, Detail: "the schema is at " + now.Label}, nil
}

// Verify implements rollback.Reverser: the version, and the schema against what it was when that revision was live. Both are the
// database's own word, so neither verifies a rollback alone.
func (p *Provider) Verify(ctx context.Context, unit rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	if err := p.known(unit); err != nil {
		return nil, err
	}
	s, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	version := rollback.Check{Name: "version", State: rollback.CheckFail, Observed: s.listed().Label, Goal: providers.Clean(to.Label), Inside: true}
	if s.listed().Digest == to.Digest && !s.v.dirty {
		version.State = rollback.CheckPass
	}
	return []rollback.Check{version, p.verifyShape(ctx, s, to)}, nil
}

func (p *Provider) verifyShape(ctx context.Context, s *state, to rollback.Revision) rollback.Check {
	c := rollback.Check{Name: "schema", State: rollback.CheckUnknown, Observed: "schema " + brief(s.print), Inside: true}
	was, known := s.memory.Revisions[to.Digest]
	by, ours := s.stamp()
	switch {
	case s.print == "":
		c.Observed = s.busy
	case !known || ours && was.By == by.op || was.First.Equal(s.at): // what is seen now proves nothing of itself
		c.Goal = "how the schema was at " + providers.Clean(to.Label) + " was never seen"
	case was.Print == s.print:
		c.State, c.Goal = rollback.CheckPass, "as it was at "+was.Label
	default:
		c.State, c.Goal = rollback.CheckFail, "schema "+brief(was.Print)+", as it was at "+was.Label
		if d := p.differs(ctx, s, was.Print); d != "" {
			c.Observed += ": " + d
		}
	}
	return c
}
