package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	maxMoves  = 500
	maxSeen   = 500
	rest      = time.Minute // of looks that saw the same, one is kept in so long
	maxShape  = 1 << 20
	memoryKey = "seen/"
	shapeKey  = "schema/"
)

// memory is what earlier looks saw of a database: how the schema was at each revision, and when the version moved.
type memory struct {
	Revisions map[string]seen `json:"revisions"`
	Moves     []move          `json:"moves,omitempty"`
	Last      sight           `json:"last"`
	Highest   int64           `json:"highest"` // of the versions that were seen
}

// seen is a revision that was live. By is the operation of backout's that brought it, where it was one: what it left proves
// nothing of itself.
type seen struct {
	Label string    `json:"label"`
	Print string    `json:"schema"`
	First time.Time `json:"first"`
	By    string    `json:"by,omitempty"`
}

// sight is what one look saw.
type sight struct {
	Digest string    `json:"digest"`
	Label  string    `json:"label"`
	Print  string    `json:"schema"`
	At     time.Time `json:"at"`
}

// move is a version that followed another between two looks.
type move struct {
	From   string    `json:"from"`
	To     string    `json:"to"`
	Unseen time.Time `json:"unseen,omitzero"` // the look before
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	Down   bool      `json:"down,omitempty"`
	Digest string    `json:"digest"` // of what it went to
}

// remember holds a look against earlier ones, and keeps of it what is new.
func (p *Provider) remember(ctx context.Context, s *state) error {
	key := memoryKey + p.name + "/" + p.set.Table
	if s.print != "" {
		if err := p.keepShape(ctx, s); err != nil {
			return err
		}
	}
	err := providers.Update(ctx, p.env.Archive, p.env.Name, key, func(old []byte) ([]byte, error) {
		s.memory = memory{}
		if old != nil && json.Unmarshal(old, &s.memory) != nil {
			s.memory = memory{} // what cannot be read is forgotten: nothing is certain without it, and nothing is lost
		}
		if s.memory.Revisions == nil {
			s.memory.Revisions = map[string]seen{}
		}
		if !p.learn(s) {
			return nil, nil
		}
		return json.Marshal(s.memory)
	})
	if err != nil {
		return fmt.Errorf("%s: keep what was seen of the schema: %w", p.unit(), err)
	}
	return nil
}

// learn adds a look to the memory, and reports whether that is worth keeping. While somebody is at it, nothing is certain.
func (p *Provider) learn(s *state) bool {
	if !s.rests() {
		return false
	}
	m, now, last := &s.memory, s.listed(), s.memory.Last
	was, known := m.Revisions[now.Digest]
	accepted := p.accepted(s.print)
	if !known && !accepted && s.stayed(last) {
		s.lies = last.Label // and nothing is kept of it, so that it is told for as long as it is so
		return false
	}
	by, ours := s.stamp()
	if last.Label != now.Label {
		m.moved(move{From: last.Label, To: now.Label, Digest: now.Digest, Unseen: last.At, At: s.at, Down: s.v.current < m.Highest}, by)
	}
	m.Last = sight{Digest: now.Digest, Label: now.Label, Print: s.print, At: s.at}
	fresh := !known && len(m.Revisions) < maxSeen && (ours || s.v.current >= m.Highest)
	if fresh || accepted && was.Print != s.print {
		m.Revisions[now.Digest] = seen{Label: now.Label, Print: s.print, First: s.at, By: by.op}
		fresh = true
	}
	m.Highest = max(m.Highest, s.v.current)
	return fresh || m.Last.Digest != last.Digest || m.Last.Print != last.Print || s.at.Sub(last.At) >= rest
}

// rests reports that nobody is at it, and nothing is half done.
func (s *state) rests() bool {
	_, open := s.open()
	return s.print != "" && !s.v.dirty && !open
}

// stayed reports a version that went on while the schema did not, although it should have.
func (s *state) stayed(last sight) bool {
	return last.Label != s.listed().Label && last.Print == s.print && s.alters(last.Label)
}

// moved keeps that the version is another, with the time of the operation that did it where it was one of ours.
func (m *memory) moved(v move, by record) {
	if v.From == "" {
		return // it is the first look of all
	}
	if by.op != "" {
		v.By, v.At = by.op, by.ended
	}
	m.Moves = append(m.Moves, v)
	m.Moves = m.Moves[max(0, len(m.Moves)-maxMoves):]
}

// alters reports whether a migration between a version and the one that is listed now alters the schema in a way that shows.
func (s *state) alters(from string) bool {
	since, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return false
	}
	shows := false
	for v, m := range s.files {
		if v > min(since, s.v.current) && v <= max(since, s.v.current) {
			m.up.effects(func(_ int, _ statement, e effect) { shows = shows || e.shape })
		}
	}
	return shows
}

func (p *Provider) keepShape(ctx context.Context, s *state) error {
	key := shapeKey + s.print
	if kept, err := p.env.Archive.Get(ctx, p.env.Name, key); err == nil && len(kept) > 0 {
		return nil
	}
	data, err := json.Marshal(s.shape.lines)
	if err != nil || len(data) > maxShape {
		return err
	}
	if err := p.env.Archive.Put(ctx, p.env.Name, key, data); err != nil {
		return fmt.Errorf("%s: keep the schema: %w", p.unit(), err)
	}
	return nil
}

// differs says in what the live schema differs from one that was seen, "" where that is not known.
func (p *Provider) differs(ctx context.Context, s *state, print string) string {
	data, err := p.env.Archive.Get(ctx, p.env.Name, shapeKey+print)
	var was []string
	if err != nil || json.Unmarshal(data, &was) != nil {
		return ""
	}
	return differ(was, s.shape.lines)
}

// lives is the revision at which the live schema was seen, other than the one that is listed.
func (s *state) lives() (seen, bool) {
	now := s.listed().Digest
	var found []seen
	for digest, r := range s.memory.Revisions {
		if digest != now && r.Print == s.print {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return seen{}, false
	}
	return slices.MaxFunc(found, func(a, b seen) int { return a.First.Compare(b.First) }), true
}

// recalled is how a revision was when it was live.
func (p *Provider) recalled(ctx context.Context, digest string) (seen, error) {
	data, err := p.env.Archive.Get(ctx, p.env.Name, memoryKey+p.name+"/"+p.set.Table)
	if errors.Is(err, providers.ErrNotFound) {
		return seen{}, nil
	}
	var m memory
	if err == nil && json.Unmarshal(data, &m) != nil {
		return seen{}, nil
	}
	return m.Revisions[digest], err
}
