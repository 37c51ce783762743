package migration_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers/migration"
)

func TestRecognise(t *testing.T) {
	atlas := func(dir string) bool { return dir == "db/atlas" }
	for _, c := range []struct {
		path    string
		is      bool
		tool    migration.Tool
		version string
		down    bool
	}{
		{"db/migrations/0042_add.up.sql", true, migration.ToolMigrate, "0042", false},
		{"db/migrations/0042_add.down.sql", true, migration.ToolMigrate, "0042", true},
		{"1_x.up.sql", true, migration.ToolMigrate, "1", false},
		{"db/V1_2__x.sql", true, migration.ToolFlyway, "1.2", false},
		{"db/V20260101.1__x.sql", true, migration.ToolFlyway, "20260101.1", false},
		{"db/U7__x.sql", true, migration.ToolFlyway, "7", true},
		{"db/R__view.sql", true, migration.ToolFlyway, "", false},
		{"db/atlas/20260101120000_x.sql", true, migration.ToolAtlas, "20260101120000", false},
		{"db/goose/00001_x.sql", true, migration.ToolOther, "00001", false},
		{"db/goose/00002_x.go", true, migration.ToolGoose, "00002", false},
		{"db/migrate/20260101120000_x.rb", true, migration.ToolOther, "20260101120000", false},
		{"db/changelog/changes.xml", true, migration.ToolOther, "", false},
		{"alembic/versions/ab12_x.py", true, migration.ToolOther, "", false},
		{"migrations/run_test.go", false, "", "", false},
		{"migrations/README.md", false, "", "", false},
		{"main.go", false, "", "", false},
		{"reports/2026_sales.py", false, "", "", false},
		{"Views__x.sql", false, "", "", false},
	} {
		f, is := migration.Recognise(c.path, atlas)
		if is != c.is || is && (f.Tool != c.tool || f.Version != c.version || f.Down != c.down) {
			t.Errorf("%s: %v %+v", c.path, is, f)
		}
	}
}

const goose = `-- +goose Up
ALTER TABLE a ADD b int;
-- +goose StatementBegin
CREATE INDEX i ON a (b);
-- +goose StatementEnd

-- +goose Down
DROP TABLE a;
`

func TestWhatRunsForward(t *testing.T) {
	for _, c := range []struct {
		name, path, content string
		class               migration.Class
		line                int
	}{
		{"what goes down does not run", "db/00001_x.sql", goose, expand, 2},
		{"without a transaction", "db/00001_x.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY i ON a (b);\n", expand, 3},
		{"down first", "db/00001_x.sql", "-- +goose Down\nDROP TABLE x;\n-- +goose up\nDROP TABLE a;", contract, 4},
		{"with variables", "db/00001_x.sql", "-- +goose Up\n-- +goose ENVSUB ON\nSELECT 1;\n", unknown, 2},
		{"a mark that is not known", "db/00001_x.sql", "-- +goose Up\n-- +goose Include x\nSELECT 1;\n", unknown, 2},
		{"two ways up", "db/00001_x.sql", "-- +goose Up\nSELECT 1;\n-- +goose Up\n", unknown, 3},
		{"no way up", "db/00001_x.sql", "ALTER TABLE a ADD b int;", unknown, 0},
		{"in Go", "db/00001_x.go", "package migrations", unknown, 0},
		{"in Ruby", "db/migrate/001_x.rb", "drop_table :a", unknown, 0},
		{"a down file", "db/1_x.down.sql", "DROP TABLE a", migration.None, 0},
		{"an undo of Flyway", "db/U1__x.sql", "DROP TABLE a", migration.None, 0},
		{"Flyway", "db/V1__x.sql", "ALTER TABLE a ADD b int;", expand, 1},
		{"Flyway with a placeholder", "db/V1__x.sql", "SELECT 1;\nDROP TABLE \"${table}\";", unknown, 2},
		{"repeatable", "db/R__x.sql", "CREATE OR REPLACE VIEW v AS SELECT 1", unknown, 1},
		{"marks of another tool", "db/1_x.up.sql", "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nDROP TABLE a;", unknown, 1},
		{"nothing in it", "db/1_x.up.sql", "-- later\n", migration.None, 0},
		{"too large", "db/1_x.up.sql", strings.Repeat("SELECT 1;\n", 110_000), unknown, 0},
	} {
		e := effect(t, c.path, c.content)
		line := 0
		if w := e.Worst(); len(w) > 0 {
			line = w[0].Line
		}
		if e.Class != c.class || line != c.line {
			t.Errorf("%s: %s at line %d: %+v", c.name, e.Class, line, e.Statements)
		}
	}
	f, _ := migration.Recognise("db/20260101120000_x.sql", func(string) bool { return true })
	if e := reader.Effect(t.Context(), f, "-- atlas:txmode none\n\nDROP TABLE a;"); e.Class != contract || e.Statements[0].Line != 3 {
		t.Errorf("Atlas: %+v", e)
	}
	if e := reader.Effect(t.Context(), f, "-- atlas:import x.sql\n"); e.Class != unknown {
		t.Errorf("Atlas, put together: %+v", e)
	}
}

// A statement cannot make a migration better, wherever it stands.
func TestWorstWins(t *testing.T) {
	alone := map[string]migration.Effect{} // each is parsed once: the parser is most of what this costs
	rapid.Check(t, func(r *rapid.T) {
		picks := rapid.SliceOfN(rapid.SampledFrom(statements), 1, 5).Draw(r, "statements")
		want, sql, parses := migration.None, make([]string, 0, len(picks)), true
		for _, p := range picks {
			e, known := alone[p.sql]
			if !known {
				e = effect(t, "db/1_x.up.sql", p.sql)
				alone[p.sql] = e
			}
			parses = parses && e.Statements[0].Line > 0 && !strings.Contains(e.Statements[0].Text, "understands") && !strings.Contains(p.sql, "\x00")
			want = migration.Worse(want, e.Class)
			sql = append(sql, p.sql)
		}
		got := effect(t, "db/1_x.up.sql", strings.Join(sql, ";\n")).Class
		switch {
		case !parses && got != unknown:
			r.Fatalf("%s, and a part of it is no SQL: %q", got, sql)
		case parses && migration.Worse(got, want) != got && !makes(sql):
			r.Fatalf("%s, and a part of it is %s: %q", got, want, sql)
		}
	})
}

// makes reports whether something is made first: what is done to that later does not matter.
func makes(sql []string) bool {
	for _, s := range sql {
		if strings.Contains(s, "CREATE TABLE") || strings.Contains(s, "CREATE TEMP") || strings.Contains(s, "INTO copy") {
			return true
		}
	}
	return false
}

func FuzzEffect(f *testing.F) {
	f.Add("db/1_x.up.sql", "DROP TABLE a; -- \x00")
	f.Add("db/00001_x.sql", goose)
	f.Add("db/V1__x.sql", "SELECT ((((((1))))))")
	f.Add("db/1_x.up.sql", strings.Repeat("(", 20_000))
	f.Add("db/1_x.up.sql", "/* /* */ SELECT 1")
	f.Fuzz(func(t *testing.T, path, content string) {
		file, ok := migration.Recognise(path, nil)
		if !ok {
			return
		}
		e := reader.Effect(t.Context(), file, content)
		for _, s := range e.Statements {
			if s.Line < 0 || s.Line > 1+strings.Count(content, "\n") || migration.Worse(e.Class, s.Class) != e.Class {
				t.Fatalf("%+v", e)
			}
		}
		if len(e.Statements) == 0 && e.Class != migration.None {
			t.Fatalf("%+v", e)
		}
	})
}

func TestWhatTheWayDownTakes(t *testing.T) {
	for _, c := range []struct {
		path, content string
		class         migration.Class
		takes         string
	}{
		{"db/00001_x.sql", goose, contract, "a"},
		{"db/00001_x.sql", "-- +goose Up\nDROP TABLE a;\n", migration.None, ""},
		{"db/1_x.down.sql", "ALTER TABLE a DROP COLUMN b", contract, "a.b"},
		{"db/U1__x.sql", "DROP TABLE a", contract, "a"},
		{"db/1_x.up.sql", "DROP TABLE a", migration.None, ""},
		{"db/V1__x.sql", "DROP TABLE a", migration.None, ""},
		{"db/00001_x.go", "package db", unknown, ""},
	} {
		f, _ := migration.Recognise(c.path, nil)
		e := reader.Down(t.Context(), f, c.content)
		takes := ""
		for _, s := range e.Statements {
			takes += strings.Join(s.Takes, " ")
		}
		if e.Class != c.class || takes != c.takes {
			t.Errorf("%s: %s, takes %q: %+v", c.path, e.Class, takes, e.Statements)
		}
	}
}
