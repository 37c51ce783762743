// Package migration knows the files of database migrations: whose they are by name and place, what runs when one goes forward, and
// what each statement of that leaves for the version of a program that was there before. It reads no disk and asks nobody.
package migration

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Tool is whose file a migration is.
type Tool string

// The tools whose files are read. ToolOther: it is a migration by its name or place, of a tool that is not read here.
const (
	ToolGoose   Tool = "goose"
	ToolMigrate Tool = "golang-migrate"
	ToolAtlas   Tool = "atlas"
	ToolFlyway  Tool = "flyway"
	ToolOther   Tool = "other"
)

// File is one migration as its path tells. Down: it never runs when the schema goes forward.
type File struct {
	Path    string
	Tool    Tool
	Version string // "" where the name has none, as for a repeatable migration of Flyway
	Down    bool
}

var (
	migrateName = regexp.MustCompile(`^(\d+)_(.+)\.(up|down)\.sql$`)
	flywayName  = regexp.MustCompile(`^(?:([VUB])(\d[\d._]*?)|R)__.+\.sql$`)
	plainName   = regexp.MustCompile(`^(\d{3,})[_-].+\.(sql|go|rb|py|js|ts)$`)
	room        = regexp.MustCompile(`(?i)(^|/)(migrations?|migrate|alembic/versions|flyway|liquibase|changelogs?)/(.*/)?[^/]+\.(sql|go|rb|py|js|ts|php|java|kt|cs|ex|exs|xml|ya?ml|hcl)$`)
)

// Recognise tells whether a path is a migration's. Sums reports whether a directory holds a file atlas.sum; nil: nobody knows, and
// then nothing is taken for Atlas's. What only might be one is recognised too: it is better to say too often that a migration is not
// understood than not to see one.
func Recognise(file string, sums func(dir string) bool) (File, bool) {
	f, base := File{Path: file, Tool: ToolOther}, path.Base(file)
	if strings.HasSuffix(base, "_test.go") || strings.HasSuffix(base, "_test.py") {
		return f, false
	}
	if m := migrateName.FindStringSubmatch(base); m != nil {
		f.Tool, f.Version, f.Down = ToolMigrate, m[1], m[3] == "down"
		return f, true
	}
	if m := flywayName.FindStringSubmatch(base); m != nil {
		f.Tool, f.Version, f.Down = ToolFlyway, strings.ReplaceAll(m[2], "_", "."), m[1] == "U"
		return f, true
	}
	m := plainName.FindStringSubmatch(base)
	if m == nil {
		return f, room.MatchString(file)
	}
	f.Version = m[1]
	switch {
	case m[2] == "go":
		f.Tool = ToolGoose // no other of these tools has migrations in Go
	case m[2] == "sql" && sums != nil && sums(path.Dir(file)):
		f.Tool = ToolAtlas
	case m[2] != "sql":
		return f, room.MatchString(file) // a number before a name is not enough for any other language
	}
	return f, true
}

// opaque is a file of which nothing can be said; line is where that begins to be so, 0 everywhere.
type opaque struct {
	line int
	why  string
}

var (
	gooseMark   = regexp.MustCompile(`^\s*--\s*\+goose\s+(.*?)\s*$`)
	otherMark   = regexp.MustCompile(`(?m)^\s*--\s*(\+migrate|migrate:|@UNDO|rambler)`)
	atlasImport = regexp.MustCompile(`(?m)^\s*--\s*atlas:(import|delimiter)\b`)
)

// runs is the SQL that runs when the migration goes up, or down, with everything else blank, so that lines keep their number.
func runs(f *File, content string, down bool) (string, *opaque) {
	switch {
	case !strings.HasSuffix(f.Path, ".sql"):
		return "", &opaque{0, "it is a program and no SQL: what it does cannot be seen"}
	case strings.ContainsRune(content, 0):
		return "", &opaque{0, "it is no text"}
	}
	if f.Tool == ToolOther && gooseUp(content) {
		f.Tool = ToolGoose
	}
	switch f.Tool {
	case ToolGoose:
		return gooseRuns(content, down)
	case ToolFlyway:
		if at := strings.Index(content, "${"); at >= 0 {
			return "", &opaque{lineAt(content, at), "it has a placeholder, which is filled in only when it runs"}
		}
	case ToolAtlas:
		if at := atlasImport.FindStringIndex(content); at != nil {
			return "", &opaque{lineAt(content, at[0]), "it is put together only when it runs"}
		}
	case ToolMigrate:
	default:
		return "", &opaque{0, "it is of a tool whose files are not read here"}
	}
	if at := otherMark.FindStringIndex(content); at != nil {
		return "", &opaque{lineAt(content, at[0]), "it has the marks of another tool, so which part of it runs is not known"}
	}
	return content, nil
}

func gooseUp(content string) bool {
	for line := range strings.Lines(content) {
		if m := gooseMark.FindStringSubmatch(line); m != nil && strings.EqualFold(m[1], "up") {
			return true
		}
	}
	return false
}

// gooseRuns keeps what stands under "+goose Up", or Down. Whether it is one statement or several, and in a transaction or not, changes
// nothing of what it does.
func gooseRuns(content string, down bool) (string, *opaque) {
	var b strings.Builder
	keep, seen, n := false, false, 0
	for line := range strings.Lines(content) {
		n++
		m := gooseMark.FindStringSubmatch(line)
		if m == nil {
			if keep {
				b.WriteString(line)
			} else {
				b.WriteString("\n")
			}
			continue
		}
		b.WriteString("\n")
		switch strings.Join(strings.Fields(strings.ToLower(m[1])), " ") {
		case "up":
			if seen {
				return "", &opaque{n, "it has two parts that go up"}
			}
			keep, seen = !down, true
		case "down":
			keep = down
		case "statementbegin", "statementend", "no transaction", "envsub off":
		case "envsub on":
			return "", &opaque{n, "variables of the environment are put into it only when it runs"}
		default:
			return "", &opaque{n, fmt.Sprintf("its mark %q is not known", m[1])}
		}
	}
	if !seen {
		return "", &opaque{0, "no part of it is marked as the way up"}
	}
	return b.String(), nil
}

func lineAt(content string, at int) int { return 1 + strings.Count(content[:at], "\n") }
