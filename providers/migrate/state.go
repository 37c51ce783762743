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
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// state is one look at the database, held against the files.
type state struct {
	at      time.Time
	files   map[int64]*migration
	done    []applied // in the order in which they were applied; a way down begins at its end
	next    []*migration
	skipped []string // files that are older than what was applied, and were not
	v       versions
	shape   shape
	print   string // the fingerprint of shape; "" while somebody is at it
	busy    string
	records []record
	memory  memory
	lies    string // the version that the schema still is, where the version table went on without it
}

// look reads the database in one read-only transaction, and what was remembered of it.
func (p *Provider) look(ctx context.Context) (*state, error) {
	ctx, cancel := context.WithTimeout(ctx, p.set.Timeout)
	defer cancel()
	start := p.env.Now()
	s, err := p.glance(ctx)
	if err != nil {
		err = classed(err)
	}
	p.Done(start, err)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.unit(), err)
	}
	if err := p.remember(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

func (p *Provider) glance(ctx context.Context) (*state, error) {
	const tries = 4
	for n := 1; ; n++ {
		tx, err := p.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		s, still, err := p.steady(ctx, tx)
		_ = tx.Rollback()
		if err != nil || still || n == tries {
			return s, err
		}
	}
}

// steady reads all, and reports whether nobody wrote versions meanwhile: each query sees what was committed when it began.
func (p *Provider) steady(ctx context.Context, q querier) (*state, bool, error) {
	if err := p.system.limits(ctx, q, p.set.LockTimeout, p.set.Timeout, false); err != nil {
		return nil, false, err
	}
	busy, err := p.system.busy(ctx, q, p.table)
	if err != nil {
		return nil, false, err
	}
	s, err := p.within(ctx, q, busy == "")
	if err != nil {
		return nil, false, err
	}
	s.busy = busy
	again, err := p.table.read(ctx, q)
	return s, again.mark == s.v.mark, err
}

// within reads what there is in a transaction.
func (p *Provider) within(ctx context.Context, q querier, shaped bool) (*state, error) {
	files, err := p.read()
	if err != nil {
		return nil, err
	}
	s := &state{at: p.env.Now().UTC()}
	if s.v, err = p.table.read(ctx, q); err != nil {
		return nil, err
	}
	if s.records, err = p.records(ctx, q); err != nil {
		return nil, err
	}
	if shaped {
		without := []string{p.table.bareName(), recordsTable}
		if s.shape, err = p.system.shape(ctx, q, p.set.Schemas, without); err != nil {
			return nil, err
		}
		s.print = s.shape.fingerprint()
	}
	s.sort(files, p.set.Tool)
	return s, nil
}

// sort tells the files that were applied from those that were not.
func (s *state) sort(files []*migration, tool string) {
	s.files, s.done = map[int64]*migration{}, s.v.applied
	var highest int64
	for _, m := range files {
		s.files[m.version] = m
		if tool == toolGolang && m.version <= s.v.current {
			s.done = append(s.done, applied{version: m.version})
		}
	}
	if tool == toolGolang && s.v.current > 0 && s.files[s.v.current] == nil {
		s.done = append(s.done, applied{version: s.v.current})
	}
	for _, a := range s.done {
		highest = max(highest, a.version)
	}
	for _, m := range files {
		switch {
		case slices.ContainsFunc(s.done, func(a applied) bool { return a.version == m.version }):
		case m.version < highest:
			s.skipped = append(s.skipped, m.name())
		default:
			s.next = append(s.next, m)
		}
	}
}

// file is a version's migration; one without a file can go nowhere.
func (s *state) file(version int64) *migration {
	if m := s.files[version]; m != nil {
		return m
	}
	why := fmt.Sprintf("there is no file for version %d in the directory", version)
	return &migration{version: version, up: way{why: why}, down: way{why: why}}
}

// revision is what it is after these versions were applied, in this order.
func (s *state) revision(versions []int64) rollback.Revision {
	h := sha256.New()
	label := "0"
	for _, v := range versions {
		content := "unknown"
		if m := s.files[v]; m != nil {
			content = m.content
		}
		fmt.Fprintf(h, "%d %s\n", v, content)
		label = strconv.FormatInt(v, 10)
	}
	return rollback.Revision{Digest: "sha256:" + hex.EncodeToString(h.Sum(nil)), Label: label}
}

func (s *state) versions() []int64 {
	out := make([]int64, len(s.done))
	for i, a := range s.done {
		out[i] = a.version
	}
	return out
}

// listed is the revision by what the version table says.
func (s *state) listed() rollback.Revision { return s.revision(s.versions()) }

// token is what an apply compares with.
func (s *state) token() string {
	if s.print == "" {
		return s.v.mark + " under way"
	}
	return s.v.mark + " " + s.print
}

// stamp is the operation that left the database as it is.
func (s *state) stamp() (record, bool) {
	for _, r := range s.records {
		if !r.ended.IsZero() && r.after == s.token() {
			return r, true
		}
	}
	return record{}, false
}

// open is a step that was begun outside a transaction and not ended.
func (s *state) open() (record, bool) {
	for _, r := range s.records {
		if r.ended.IsZero() {
			return r, true
		}
	}
	return record{}, false
}

func (p *Provider) unit() rollback.UnitID {
	return rollback.UnitID(p.env.Name + ":" + p.name + "/" + p.set.Table)
}

func (p *Provider) described() rollback.Unit {
	return rollback.Unit{ID: p.unit(), Kind: "database schema", Service: providers.Clean(p.set.Service), Environment: p.env.Environment, CAS: rollback.CASAtomic}
}

// known refuses a unit of somebody else.
func (p *Provider) known(unit rollback.UnitID) error {
	if unit != p.unit() {
		return providers.Permanent(fmt.Errorf("%q is no unit of %s, which has %s: %w", unit, p.env.Name, p.unit(), providers.ErrNotFound))
	}
	return nil
}

// accepted reports whether somebody said that a schema may be as it is.
func (p *Provider) accepted(print string) bool {
	return slices.ContainsFunc(p.set.Accept, func(a string) bool {
		a = strings.TrimPrefix(a, "sha256:")
		return len(a) >= 12 && strings.HasPrefix(strings.TrimPrefix(print, "sha256:"), a)
	})
}
