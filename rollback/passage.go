package rollback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/migration"
)

const (
	passageLimit = 30 * time.Second // for reading and understanding one, the start of the parser among it
	againLimit   = 3 * time.Second  // when a plan is judged once more: what was read then is known
	passagesKept = 500              // what commits did never changes; this bounds memory
	passagesMost = 20               // revisions of one unit whose commits are read
)

// passage is what lies between two commits: what the repository holds, and not what anybody says of it.
type passage struct {
	source     string // the provider that read it
	commits    map[string]bool
	migrations []crossedMigration
	missed     []string // migrations that only the older of the two has
	formats    []crossedFormat
	formatErr  error           // why they cannot be compared
	contracts  bool            // there are any between the two
	compared   map[string]bool // the documents that were compared, with what they refer to, by their path
	err        error           // why it could not be read
}

// crossedMigration is one version of a migration's file. Altered: it was there before the way began.
type crossedMigration struct {
	service string
	commits []string
	altered bool
	effect  migration.Effect
}

// passages reads them, each once.
type passages struct {
	sources map[string]providers.Contents
	reader  *migration.Reader

	mu     sync.Mutex
	kept   map[[2]string]*passage
	looked map[string]answered
}

func newPassages(sources map[string]providers.Contents) *passages {
	return &passages{sources: sources, reader: migration.NewReader(), kept: map[[2]string]*passage{}, looked: map[string]answered{}}
}

// between is the way from an older commit to a newer one; nil where no source has both.
func (p *passages) between(ctx context.Context, limit time.Duration, older, newer string) *passage {
	if p == nil || older == "" || newer == "" {
		return nil
	}
	key := [2]string{older, newer}
	p.mu.Lock()
	known := p.kept[key]
	p.mu.Unlock()
	if known != nil {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(p.sources)) {
		b, err := p.sources[name].Between(ctx, older, newer)
		if errors.Is(err, providers.ErrNotFound) {
			continue
		}
		found := &passage{source: name, commits: map[string]bool{}, err: err}
		if err == nil {
			found.err = p.fill(ctx, found, b, older, newer)
		}
		if found.err == nil && found.formatErr == nil && ctx.Err() == nil { // else it may be better the next time
			p.keep(key, found)
		}
		return found
	}
	return nil
}

func (p *passages) keep(key [2]string, found *passage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= passagesKept {
		clear(p.kept)
	}
	p.kept[key] = found
}

// fill reads what the files hold.
func (p *passages) fill(ctx context.Context, out *passage, b providers.Between, older, newer string) error {
	for _, c := range b.Commits {
		out.commits[c] = true
	}
	for _, t := range b.Missed {
		f, is := migration.Recognise(t.Path, nil)
		if where := providers.Clean(t.Path); is && t.Added && !f.Down && !slices.Contains(out.missed, where) {
			out.missed = append(out.missed, where)
		}
	}
	out.contracts = slices.ContainsFunc(b.Touched, func(t providers.Touched) bool { return strings.HasSuffix(t.Path, protobufFile) })
	out.formats, out.formatErr = p.compare(ctx, out.source, b, older, newer)
	described, compared, err := p.documents(ctx, out.source, b, older, newer)
	out.formats, out.compared = append(out.formats, described...), compared
	out.contracts, out.formatErr = out.contracts || len(compared) > 0, errors.Join(out.formatErr, err)
	files, err := p.files(ctx, out.source, b, newer)
	if err != nil {
		return err
	}
	var ids []string
	for _, f := range files {
		ids = append(ids, f.id)
	}
	slices.Sort(ids)
	contents, err := p.sources[out.source].Read(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, f := range files {
		m := crossedMigration{service: f.service, commits: f.commits, altered: f.altered}
		if text, ok := contents[f.id]; ok || f.file.Down {
			m.effect = p.reader.Effect(ctx, f.file, text)
		} else {
			m.effect = migration.Effect{File: f.file, Class: migration.Unknown, Statements: []migration.Statement{{
				Class: migration.Unknown, Text: "what it holds is not here, or too large",
			}}}
		}
		if m.effect.Class != migration.None {
			out.migrations = append(out.migrations, m)
		}
	}
	return nil
}

// touchedFile is one version of a migration's file, with the commits that left it behind.
type touchedFile struct {
	file        migration.File
	id, service string
	commits     []string
	altered     bool
}

// files are the versions of migrations on the way, by their path. What a file held for a while may have run as well as what it holds now.
func (p *passages) files(ctx context.Context, source string, b providers.Between, newer string) ([]touchedFile, error) {
	sums, err := p.sums(ctx, source, b, newer)
	if err != nil {
		return nil, err
	}
	at := map[[2]string]int{}
	added := map[string]bool{}
	var out []touchedFile
	for _, t := range b.Touched {
		added[t.Path] = added[t.Path] || t.Added
		f, is := migration.Recognise(t.Path, sums)
		if !is || t.ID == "" {
			continue
		}
		key := [2]string{t.Path, t.ID}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, touchedFile{file: f, id: t.ID, service: t.Service})
		}
		out[i].commits = append(out[i].commits, t.Commit)
	}
	for i := range out {
		out[i].altered = !added[out[i].file.Path]
	}
	slices.SortStableFunc(out, func(a, b touchedFile) int { return cmp.Compare(a.file.Path, b.file.Path) })
	return out, nil
}

// sums tells which directories hold Atlas's sums. It is asked only where there is a migration at all.
func (p *passages) sums(ctx context.Context, source string, b providers.Between, newer string) (func(string) bool, error) {
	if !slices.ContainsFunc(b.Touched, func(t providers.Touched) bool { _, is := migration.Recognise(t.Path, nil); return is }) {
		return nil, nil
	}
	found, err := p.sources[source].Files(ctx, newer, func(f string) bool { return path.Base(f) == "atlas.sum" })
	if err != nil {
		return nil, err
	}
	dirs := map[string]bool{}
	for _, f := range found {
		dirs[path.Dir(f.Path)] = true
	}
	return func(dir string) bool { return dirs[dir] }, nil
}

// covers reports whether the way was read and a commit is on it.
func (p *passage) covers(commit string) bool {
	if p == nil || p.err != nil || len(commit) < shortCommit {
		return false
	}
	if p.commits[commit] {
		return true
	}
	for c := range p.commits {
		if sameCommit(c, commit) {
			return true
		}
	}
	return false
}

// where is a statement as a person finds it.
func (m *crossedMigration) where(s migration.Statement) string {
	if s.Line == 0 {
		return fmt.Sprintf("%s %s", providers.Clean(m.effect.File.Path), s.Text)
	}
	return fmt.Sprintf("%s:%d %s", providers.Clean(m.effect.File.Path), s.Line, s.Text)
}

// says are the statements that decide, the first few of them.
func (m *crossedMigration) says() string {
	var texts []string
	for _, s := range m.effect.Worst() {
		texts = append(texts, m.where(s))
	}
	return providers.Few(texts, 3)
}

// caveats are what an older program may stumble over although nothing was taken from it.
func (m *crossedMigration) caveats() string {
	var texts []string
	for _, s := range m.effect.Statements {
		if s.Caveat != "" {
			texts = append(texts, m.where(s)+": "+s.Caveat)
		}
	}
	return strings.Join(texts[:min(len(texts), 3)], "; ")
}
