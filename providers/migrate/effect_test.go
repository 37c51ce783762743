package migrate

import (
	"fmt"
	"strings"
	"testing"
)

// What a statement destroys is told by its words; what those do not tell is not taken for harmless.
func TestEffects(t *testing.T) {
	for sql, want := range map[string]string{
		"DROP TABLE IF EXISTS a, \"B c\" CASCADE": "table a, and all that depends on it (CASCADE); table B c, and all that depends on it (CASCADE)",
		"drop table shop.orders":                  "table shop.orders",
		"DROP INDEX CONCURRENTLY i":               "",
		"DROP TYPE mood":                          "",
		"DROP TYPE mood CASCADE":                  "type mood, and all that depends on it (CASCADE)",
		"DROP OWNED BY ana":                       "?",
		"DROP SCHEMA s":                           "schema s",
		"ALTER TABLE ONLY t DROP COLUMN IF EXISTS a, DROP b CASCADE, ADD c int DEFAULT (1, 2)": "column t.a; column t.b, and all that depends on it (CASCADE)",
		"ALTER TABLE t DROP CONSTRAINT c, ALTER COLUMN d DROP DEFAULT, ALTER e DROP NOT NULL":  "",
		"ALTER TABLE t ALTER COLUMN a SET DATA TYPE int USING a::int, ALTER b TYPE text":       "column t.a, what does not fit into its other type; column t.b, what does not fit into its other type",
		"ALTER TABLE t RENAME COLUMN a TO b":                                                   "",
		"ALTER TYPE t DROP ATTRIBUTE a":                                                        "?",
		"TRUNCATE TABLE a, b":                                                                  "rows of a, all of them; rows of b, all of them",
		"DELETE FROM ONLY a WHERE x = ';'":                                                     "rows of a, those that it deletes",
		"UPDATE a SET b = 1":                                                                   "rows of a, what it overwrites in them",
		"WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone":                          "?",
		"DO $$ BEGIN DROP TABLE a; END $$":                                                     "?",
		"CALL clean_up()":                                                                      "?",
		"SELECT pg_sleep(1)":                                                                   "?",
		"SELECT 1":                                                                             "",
		"CREATE FUNCTION f() RETURNS void AS $x$ DROP TABLE a; $x$ LANGUAGE sql":               "",
		"/* DROP TABLE a; /* nested */ */ CREATE TABLE a (b text DEFAULT E'\\'; DROP TABLE a') -- ;": "",
	} {
		var got []string
		stmts := split(sql)
		for _, s := range stmts {
			e := s.effect()
			got = append(got, e.destroys...)
			if e.opaque {
				got = append(got, "?")
			}
		}
		if text := strings.Join(got, "; "); text != want || len(stmts) != 1 {
			t.Errorf("%s\n of %d statements destroys %q, not %q", sql, len(stmts), text, want)
		}
	}
}

// A file of goose is read as goose reads it, and what goose would not take has no way here either.
func TestGooseFiles(t *testing.T) {
	read := func(text string) string {
		m := gooseMigration(7, "7_x.sql", "sql", text)
		return fmt.Sprintf("%q %q %v %q | %q", m.up.stmts, m.down.stmts, m.up.whole, m.up.why, m.down.why)
	}
	for text, want := range map[string]string{
		"-- +goose Up\n-- about it\nSELECT 1; -- one\nCREATE TABLE a (\n  b int\n);\n-- +goose Down\nDROP TABLE a;": `["SELECT 1; -- one" "CREATE TABLE a (\n  b int\n);"] ["DROP TABLE a;"] true "" | ""`,
		"-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nA;\nB;\n-- +goose StatementEnd\nC;\n":    `["A;\nB;" "C;"] [] false "" | "it is one-way: 7_x.sql has no way down that does something"`,
		"CREATE TABLE a (b int);":                                "cannot be read: line 1 stands before its first annotation",
		"-- +goose Up\nCREATE TABLE a (b int)\n":                 "cannot be read: its last statement has no semicolon",
		"-- +goose Up\n-- +goose StatementBegin\nA;\n":           "cannot be read: a statement is begun and not ended",
		"-- +goose Down\nDROP TABLE a;\n":                        "cannot be read: its annotation in line 1 stands where none may",
		"-- +goose ENVSUB ON\n-- +goose Up\nDROP TABLE ${A};\n":  "filled in from the environment",
		"-- +goose Up\nBEGIN;\nDROP TABLE a;\nCOMMIT;\n":         "begins or ends transactions itself",
		"-- +goose Up\nA;\n-- +goose Down\n-- none\nSELECT 1;\n": "it is one-way",
		"": "it has no annotation of goose",
	} {
		if got := read(text); !strings.Contains(got, want) {
			t.Errorf("%s\n is %s\nnot %s", text, got, want)
		}
	}
}

// A file of golang-migrate that wraps itself into a transaction is taken out of it; one that does more with them is not run.
func TestGolangFiles(t *testing.T) {
	for text, want := range map[string]string{
		"BEGIN;\nDROP TABLE a;\n-- c\nDROP TABLE b;\nCOMMIT;\n":      `["DROP TABLE a;\n-- c\nDROP TABLE b;"] [2] true ""`,
		"DROP INDEX CONCURRENTLY a;\nDROP INDEX CONCURRENTLY b;":     `["DROP INDEX CONCURRENTLY a" "DROP INDEX CONCURRENTLY b"] [1 2] false ""`,
		"BEGIN; DROP TABLE a; COMMIT; BEGIN; DROP TABLE b; COMMIT; ": `begins or ends transactions in its middle`,
		"BEGIN; COMMIT;": `it is one-way: f does nothing`,
		" -- nothing\n":  `it is one-way: f does nothing`,
	} {
		w := golangWay("f", text)
		if got := fmt.Sprintf("%q %v %v %q", w.stmts, w.line, w.whole, w.why); !strings.Contains(got, want) {
			t.Errorf("%s\n is %s\nnot %s", text, got, want)
		}
	}
}

// Files of migrations are text of somebody: none may stop the program, and none may lose a statement between two.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"DROP TABLE a, b", "ALTER TABLE t DROP", "E'\\", "$a$ $", "/* /* */", "\"a\"\".b,", "DELETE FROM", "ALTER TABLE t DROP a,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, s := range split(sql) {
			s.effect()
			if again := split(s.text); len(again) != 1 || len(again[0].tokens) != len(s.tokens) {
				t.Errorf("%q is read as %d statements when it stands alone", s.text, len(again))
			}
		}
		gooseMigration(1, "1_x.sql", "sql", sql)
		golangWay("f", sql)
	})
}
