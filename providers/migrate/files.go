package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
)

const (
	maxFiles = 20_000
	maxFile  = 1 << 20
)

// migration is one version with its files.
type migration struct {
	version int64
	file    string // of the way up, its base name
	content string // the digest of the way up
	up      way
	down    way
}

// way is one direction of a migration. Why says why it cannot be gone here, "" it can.
type way struct {
	file  string
	text  string
	stmts []string // each is sent on its own
	line  []int    // in the file
	whole bool     // it may run within one transaction
	why   string
}

func (w way) digest() string {
	sum := sha256.Sum256([]byte(w.text))
	return hex.EncodeToString(sum[:])
}

// effects are what each statement of a way does, with where it stands.
func (w way) effects(each func(line int, s statement, e effect)) {
	for i, text := range w.stmts {
		for _, s := range split(text) {
			each(w.line[i]+s.line-1, s, s.effect())
		}
	}
}

// name is how a migration is called in a sentence.
func (m *migration) name() string {
	if m.file == "" {
		return strconv.FormatInt(m.version, 10)
	}
	return providers.Clean(m.file)
}

var (
	gooseFile  = regexp.MustCompile(`^(\d+)_.+\.(sql|go)$`)
	golangFile = regexp.MustCompile(`^(\d+)_.*\.(up|down)\.(\w+)$`)
)

// read reads the migration files, sorted by version.
func (p *Provider) read() ([]*migration, error) {
	entries, err := os.ReadDir(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, providers.Permanent(fmt.Errorf("the directory of migrations %s is not there", p.dir))
	case err != nil:
		return nil, fmt.Errorf("read the directory of migrations: %w", err)
	case len(entries) > maxFiles:
		return nil, providers.Permanent(fmt.Errorf("%s has more than %d files: that is no directory of migrations", p.dir, maxFiles))
	}
	byVersion := map[int64]*migration{}
	for _, entry := range entries {
		if err := p.take(byVersion, entry.Name()); err != nil {
			return nil, err
		}
	}
	out := make([]*migration, 0, len(byVersion))
	for _, m := range byVersion {
		m.content = m.up.digest()
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *migration) int { return int(max(-1, min(1, a.version-b.version))) })
	return out, nil
}

func (p *Provider) take(byVersion map[int64]*migration, base string) error {
	pattern := gooseFile
	if p.set.Tool == toolGolang {
		pattern = golangFile
	}
	m := pattern.FindStringSubmatch(base)
	if m == nil || strings.HasSuffix(base, "_test.go") {
		return nil
	}
	version, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || version < 1 {
		return nil // the tools take no such number either
	}
	text, err := slurp(filepath.Join(p.dir, base))
	if err != nil {
		return err
	}
	now := byVersion[version]
	if p.set.Tool == toolGoose {
		if now != nil {
			return providers.Permanent(fmt.Errorf("%s and %s in %s have the same version", now.file, base, p.dir))
		}
		byVersion[version] = gooseMigration(version, base, m[2], text)
		return nil
	}
	if now == nil {
		now = &migration{version: version}
		now.up.why, now.down.why = "there is no file for its way up", "it is one-way: there is no file for its way down"
		byVersion[version] = now
	}
	w := golangWay(base, text)
	if m[3] != "sql" {
		w.why = base + " is no SQL, and only SQL is executed here"
	}
	if m[2] == "up" {
		now.up, now.file = w, base
	} else {
		now.down = w
	}
	return nil
}

func slurp(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read a migration: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", providers.Permanent(fmt.Errorf("%s is no file of at most %d KiB, so it is not read as a migration", path, maxFile>>10))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a migration: %w", err)
	}
	return string(data), nil
}

// golangWay reads a file of golang-migrate, which sends it to the database as it is. One that only wraps itself into a transaction
// is taken out of it, as it gets one here.
func golangWay(base, text string) way {
	w := way{file: base, text: text, whole: true}
	stmts := split(text)
	work := func(s statement) bool { return !s.nothing() && !s.effect().control }
	if !slices.ContainsFunc(stmts, work) {
		w.why = "it is one-way: " + base + " does nothing"
		return w
	}
	inner := stmts
	if len(stmts) > 2 && (stmts[0].words("BEGIN") || stmts[0].words("START")) && (stmts[len(stmts)-1].words("COMMIT") || stmts[len(stmts)-1].words("END")) {
		inner = stmts[1 : len(stmts)-1]
	}
	for _, s := range inner {
		e := s.effect()
		if e.control {
			w.why = base + " begins or ends transactions in its middle: only the tool itself can run it"
			return w
		}
		w.whole = w.whole && !e.alone
	}
	if w.whole {
		first, last := inner[0].tokens[0], inner[len(inner)-1].tokens
		w.stmts, w.line = []string{text[first.start:last[len(last)-1].end] + ";"}, []int{first.line}
		return w
	}
	for _, s := range inner {
		w.stmts, w.line = append(w.stmts, s.text), append(w.line, s.line)
	}
	return w
}
