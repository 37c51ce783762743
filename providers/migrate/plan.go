package migrate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// The two directions. A step says which it is, and neither is a part of any other unit's way back.
const (
	actionDown = "down"
	actionUp   = "up"
)

// maxDiff is the most that the SQL of a plan may take.
const maxDiff = 256 << 10

// path is how to get from what is applied to a revision.
type path struct {
	down  bool
	steps []*migration // in the order in which they are gone
	left  []int64      // the version that is the newest after each
	to    rollback.Revision
}

func (m path) ways() []way {
	out := make([]way, len(m.steps))
	for i, s := range m.steps {
		out[i] = s.up
		if m.down {
			out[i] = s.down
		}
	}
	return out
}

func (m path) action() string {
	if m.down {
		return actionDown
	}
	return actionUp
}

// whole reports whether all of it may be one transaction.
func (m path) whole() bool {
	return !slices.ContainsFunc(m.ways(), func(w way) bool { return !w.whole })
}

// digest binds a step to the SQL that was shown.
func (m path) digest() string {
	h := sha256.New()
	for i, w := range m.ways() {
		fmt.Fprintf(h, "%s %d %s %v\n", m.action(), m.steps[i].version, hex.EncodeToString([]byte(strings.Join(w.stmts, "\x00"))), w.whole)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (m path) title() string {
	var names []string
	for _, s := range m.steps {
		names = append(names, s.gone(m.down))
	}
	return fmt.Sprintf("migrate %s to %s: %s", m.action(), m.to.Label, providers.Few(names, 4))
}

// gone is the file of one direction.
func (m *migration) gone(down bool) string {
	w := m.up
	if down {
		w = m.down
	}
	if w.file == "" {
		return m.name()
	}
	return providers.Clean(w.file)
}

// way finds the path to a revision.
func (s *state) way(to string) (path, bool) {
	versions := s.versions()
	m := path{down: true}
	for n := len(versions) - 1; n >= 0; n-- {
		m.steps = append(m.steps, s.file(versions[n]))
		m.to = s.revision(versions[:n])
		left := int64(0)
		if n > 0 {
			left = versions[n-1]
		}
		m.left = append(m.left, left)
		if m.to.Digest == to {
			return m, true
		}
	}
	m = path{}
	for _, next := range s.next {
		versions = append(versions, next.version)
		m.steps, m.left = append(m.steps, next), append(m.left, next.version)
		if m.to = s.revision(versions); m.to.Digest == to {
			return m, true
		}
	}
	return path{}, false
}

// Plan implements rollback.Reverser.
func (p *Provider) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	if err := p.known(obs.Unit.ID); err != nil {
		return rollback.Proposal{}, err
	}
	s, err := p.look(ctx)
	if err != nil {
		return rollback.Proposal{}, err
	}
	_, open := s.open()
	if s.token() != obs.Token && !open {
		return rollback.Proposal{}, fmt.Errorf("%s changed while its way back was looked for: look again", obs.Unit.ID)
	}
	way, ok := s.way(to.Digest)
	if !ok {
		return rollback.Proposal{}, fmt.Errorf("there is no way from version %d to %s by the files in the directory", s.v.current, providers.Clean(to.Label))
	}
	prop := rollback.Proposal{
		Steps: []rollback.Step{{
			N: 1, Unit: obs.Unit.ID, Action: way.action(), Title: way.title(), From: obs.Current.Digest, To: to.Digest, Token: obs.Token,
			Args: map[string]string{"sql": way.digest()},
		}},
		Missing: way.missing(), Mechanism: rollback.MechanismOf("migrate "+way.action(), "1", map[string]any{"tool": p.set.Tool, "table": p.set.Table, "sql": way.digest()}),
		ChangeClass: "schema " + way.action(),
	}
	if prop.Diff, err = way.diff(s.listed().Label); err != nil {
		return rollback.Proposal{}, err
	}
	prop.Destroys, prop.NotRestored = way.destroys(), way.lost()
	prop.Warnings = p.warnings(s, way)
	if tables := s.shape.touched(way.ways()); len(tables) > 0 {
		prop.Blast = "tables " + providers.Clean(providers.Few(tables, 4))
		if len(tables) == 1 {
			prop.Blast = "table " + providers.Clean(tables[0])
		}
		found, err := p.others(ctx, tables)
		if err != nil {
			return rollback.Proposal{}, err
		}
		prop.Missing = append(prop.Missing, found.open...)
		if found.hidden > 0 {
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("%d transactions are open on these tables whose age this user may not see (pg_read_all_stats): a long one would only be found by waiting for its lock", found.hidden))
		}
	}
	return prop, nil
}

// openOn is what others have open.
type openOn struct {
	open   []string
	hidden int
}

// others looks for long transactions.
func (p *Provider) others(ctx context.Context, tables []string) (openOn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.set.Timeout)
	defer cancel()
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return openOn{}, fmt.Errorf("%s: %w", p.unit(), err)
	}
	defer func() { _ = tx.Rollback() }()
	var out openOn
	out.open, out.hidden, err = p.system.long(ctx, tx, tables, p.set.LongTransaction)
	if err != nil {
		return openOn{}, fmt.Errorf("%s: look for long transactions: %w", p.unit(), classed(err))
	}
	for i := range out.open {
		out.open[i] += ": end it first, or wait"
	}
	return out, nil
}

// missing is why a path cannot be gone.
func (m path) missing() []string {
	var out []string
	for i, w := range m.ways() {
		if w.why != "" {
			out = append(out, w.why)
			continue
		}
		if !w.whole && len(m.steps) > 1 {
			out = append(out, fmt.Sprintf("%s runs without a transaction, so it has to go alone: go to a version next to it first (%s)", m.steps[i].name(), m.beside(i)))
		}
	}
	return out
}

// beside names where to stop before a migration that has to go alone.
func (m path) beside(i int) string {
	if i == 0 {
		return "--to " + strconv.FormatInt(m.left[0], 10)
	}
	return "--to " + strconv.FormatInt(m.left[i-1], 10)
}

// diff is the SQL that would be executed.
func (m path) diff(from string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "--- schema at %s\n+++ schema at %s\n", from, m.to.Label)
	for i, w := range m.ways() {
		how := "in one transaction"
		if !w.whole {
			how = "WITHOUT a transaction: half of it may stay"
		}
		fmt.Fprintf(&b, "@@ %s, %s, %s @@\n", m.steps[i].gone(m.down), m.action(), how)
		for _, stmt := range w.stmts {
			for line := range strings.Lines(stmt) {
				b.WriteString("+" + providers.Clean(strings.TrimRight(line, "\r\n")) + "\n")
			}
		}
		if b.Len() > maxDiff {
			return "", fmt.Errorf("the SQL of the way to %s is longer than %d KiB: go there in parts", m.to.Label, maxDiff>>10)
		}
	}
	return b.String(), nil
}

// destroys is what a path takes away, and what of it is not understood.
func (m path) destroys() []string {
	var out []string
	for i, w := range m.ways() {
		base := m.steps[i].gone(m.down)
		w.effects(func(line int, _ statement, e effect) {
			for _, d := range e.destroys {
				out = append(out, providers.Clean(d))
			}
			if e.opaque {
				out = append(out, fmt.Sprintf("%s:%d, what it destroys is not understood here: read it", base, line))
			}
		})
	}
	var once []string
	for _, d := range out {
		if !slices.Contains(once, d) {
			once = append(once, d)
		}
	}
	return once
}

// lost is what no path brings back.
func (m path) lost() []string {
	if m.down {
		return []string{
			"data: what stood in tables and columns that go is gone, and going up again brings them back empty",
			"what programs did meanwhile with the schema as it is",
		}
	}
	return []string{"data that an earlier way down destroyed: going up makes the structure, not what stood in it"}
}

func (p *Provider) warnings(s *state, m path) []string {
	out := []string{
		fmt.Sprintf("no statement waits longer than %s for a lock or works longer than %s", p.set.LockTimeout, p.set.StatementTimeout),
	}
	if m.down {
		out = append(out, "a program that still uses what goes fails at once")
	}
	if !m.whole() {
		out = append(out, "a file of it runs without a transaction: half of it may stay when it fails, and what came of it is judged by the live schema")
	}
	if len(s.skipped) > 0 {
		out = append(out, "older files that were never applied stay so: "+providers.Clean(providers.Few(s.skipped, 3)))
	}
	if _, known := s.memory.Revisions[m.to.Digest]; !known {
		out = append(out, "how the schema was at "+m.to.Label+" was never seen here, so it will not be verified against that")
	}
	if s.print != "" {
		if was := s.memory.Revisions[s.listed().Digest]; was.Print != "" && was.Print != s.print {
			out = append(out, "the schema is not the one that was seen at "+s.listed().Label)
		}
	}
	return out
}
