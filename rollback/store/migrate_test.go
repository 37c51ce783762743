package store

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// What one engine has, the other one has, too: a migration in migrations/ has a twin of the same name in
// migrations/postgres/, which does the same there.
func TestEveryMigrationHasItsTwin(t *testing.T) {
	names := func(files fs.FS, pattern string) map[string]bool {
		found, err := fs.Glob(files, pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		out := map[string]bool{}
		for _, f := range found {
			out[path.Base(f)] = true
		}
		return out
	}
	sqlite, postgres := names(migrations, "migrations/*.sql"), names(sharedMigrations, "migrations/postgres/*.sql")
	for _, name := range slices.Sorted(maps.Keys(sqlite)) {
		if !postgres[name] {
			t.Errorf("migrations/%s has no twin: write migrations/postgres/%s, with the same tables and columns (BLOB is BYTEA, INTEGER is BIGINT or BOOLEAN)", name, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(postgres)) {
		if !sqlite[name] {
			t.Errorf("migrations/postgres/%s has no twin in migrations/", name)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                       "SELECT 1",
		"a = ? AND b = ?":                "a = $1 AND b = $2",
		"instr(a, ?1) OR instr(b, ?1)":   "instr(a, $1) OR instr(b, $1)",
		"a = '?' AND \"b?\" = ?":         "a = '?' AND \"b?\" = $1",
		"a = 'it''s ?' AND b = ?":        "a = 'it''s ?' AND b = $1",
		"a -- really?\n = ?":             "a -- really?\n = $1",
		"'open ?":                        "'open ?",
		"? -- what?":                     "$1 -- what?",
		strings.Repeat("?,", 11) + "? x": "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12 x",
	} {
		if got := numbered(query); got != want {
			t.Errorf("%q is %q, want %q", query, got, want)
		}
	}
}
