package migration_test

import (
	"context"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers/migration"
)

// reader is one for all tests of the package: starting the parser is most of what they cost.
var reader = migration.NewReader()

func effect(t *testing.T, name, content string) migration.Effect {
	t.Helper()
	f, ok := migration.Recognise(name, nil)
	if !ok {
		t.Fatalf("%s is not recognised", name)
	}
	return reader.Effect(t.Context(), f, content)
}

const (
	expand   = migration.Expand
	migrate  = migration.Migrate
	contract = migration.Contract
	unknown  = migration.Unknown
)

var statements = []struct {
	class  migration.Class
	caveat bool // it is let through with a word on what may still be stumbled over
	sql    string
}{
	// What was there is as it was.
	{expand, false, "CREATE TABLE a (id bigint PRIMARY KEY, t text NOT NULL)"},
	{expand, false, "CREATE TABLE IF NOT EXISTS a (id int)"},
	{expand, false, "CREATE TEMP TABLE a (id int)"},
	{expand, false, "CREATE TABLE b (a_id int REFERENCES a (id) ON DELETE CASCADE)"},
	{expand, false, "CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree (id))"},
	{expand, true, "CREATE TABLE b (a_id int REFERENCES a (id))"},
	{expand, true, "CREATE TABLE b (a_id int, FOREIGN KEY (a_id) REFERENCES a (id))"},
	{expand, false, "CREATE TABLE p PARTITION OF q FOR VALUES IN (1)"},
	{expand, false, "CREATE TABLE a AS SELECT 1 AS x"},
	{expand, false, "SELECT id INTO copy FROM a"},
	{expand, false, "CREATE INDEX i ON a (b)"},
	{expand, false, "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (lower(b)) WHERE c IS NULL"},
	{expand, false, "ALTER TABLE a ADD COLUMN b text"},
	{expand, false, "ALTER TABLE a ADD COLUMN IF NOT EXISTS b text"},
	{expand, false, "ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 0"},
	{expand, false, "ALTER TABLE a ADD b timestamptz NOT NULL DEFAULT now()"},
	{expand, false, "ALTER TABLE a ADD b uuid UNIQUE DEFAULT gen_random_uuid()"},
	{expand, false, "ALTER TABLE a ADD b bigserial"},
	{expand, false, "ALTER TABLE a ADD b int GENERATED ALWAYS AS IDENTITY"},
	{expand, false, "ALTER TABLE a ADD b text GENERATED ALWAYS AS (lower(c)) STORED"},
	{expand, false, "ALTER TABLE a ADD b int REFERENCES q (id) ON DELETE SET NULL"},
	{expand, true, "ALTER TABLE a ADD b int REFERENCES q (id)"},
	{expand, true, "ALTER TYPE status ADD VALUE IF NOT EXISTS 'held' AFTER 'open'"},
	{expand, true, "ALTER TABLE a ALTER b DROP NOT NULL"},
	{expand, true, "ALTER TABLE a ALTER b SET DEFAULT 3"},
	{expand, true, "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0) NOT VALID"},
	{expand, true, "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES q (id) NOT VALID"},
	{expand, false, "ALTER TABLE a VALIDATE CONSTRAINT c"},
	{expand, false, "ALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX i"},
	{expand, false, "ALTER TABLE a SET (fillfactor = 70)"},
	{expand, true, "ALTER TABLE a OWNER TO app"},
	{expand, true, "ALTER TABLE a ATTACH PARTITION p FOR VALUES IN (1)"},
	{expand, false, "CREATE VIEW v AS SELECT 1"},
	{expand, false, "CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM a"},
	{expand, false, "REFRESH MATERIALIZED VIEW CONCURRENTLY v"},
	{expand, false, "CREATE TYPE mood AS ENUM ('sad', 'ok')"},
	{expand, false, "CREATE DOMAIN d AS int CHECK (VALUE > 0)"},
	{expand, false, "CREATE SEQUENCE s"},
	{expand, false, "CREATE SCHEMA s CREATE TABLE t (a int)"},
	{expand, false, "CREATE EXTENSION IF NOT EXISTS pgcrypto"},
	{expand, false, "GRANT SELECT ON a TO app"},
	{expand, false, "COMMENT ON COLUMN a.b IS 'text'"},
	{expand, false, "BEGIN; SET LOCAL lock_timeout = '5s'; SET statement_timeout TO 0; COMMIT"},
	{expand, false, "SELECT pg_catalog.set_config('search_path', '', false)"},
	{expand, false, "ANALYZE a; VACUUM a; REINDEX INDEX i"},
	{expand, false, "ALTER INDEX i RENAME TO j"},
	{expand, false, "CREATE TABLE a (id int); ALTER TABLE a ADD b int NOT NULL; INSERT INTO a VALUES (1, 2); ALTER TABLE a RENAME TO c; DROP TABLE c"},
	{expand, false, "CREATE TEMP TABLE x AS SELECT 1 AS y; DELETE FROM x; TRUNCATE x; DROP TABLE x"},
	{expand, false, "CREATE TABLE a (id int); CREATE UNIQUE INDEX i ON a (id); COPY a FROM STDIN"},

	// The data changed.
	{migrate, false, "UPDATE a SET b = lower(c) WHERE b IS NULL"},
	{migrate, false, "INSERT INTO a SELECT * FROM b ON CONFLICT DO NOTHING"},
	{migrate, false, "INSERT INTO a (x) VALUES ('DROP TABLE a')"},
	{migrate, false, "WITH n AS (UPDATE a SET b = 1 RETURNING id) SELECT count(*) FROM n"},
	{migrate, false, "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET x = b.x"},
	{migrate, false, "COPY a FROM STDIN"},
	{migrate, false, "SELECT setval('s', 10)"},
	{migrate, false, "ALTER TABLE a ADD b text; UPDATE a SET b = 'x'"},

	// What an older program uses is gone, or what it writes is refused.
	{contract, false, "DROP TABLE a"},
	{contract, false, "DROP TABLE IF EXISTS a, b CASCADE"},
	{contract, false, "ALTER TABLE a DROP COLUMN b"},
	{contract, false, "ALTER TABLE a ADD COLUMN b int, DROP COLUMN IF EXISTS c"},
	{contract, false, "ALTER TABLE a RENAME TO b"},
	{contract, false, "ALTER TABLE a RENAME COLUMN b TO c"},
	{contract, false, "ALTER TABLE a RENAME CONSTRAINT b TO c"},
	{contract, false, "ALTER TABLE a ADD COLUMN b int NOT NULL"},
	{contract, false, "ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT NULL::int"},
	{contract, false, "ALTER TABLE a ADD COLUMN b int PRIMARY KEY"},
	{contract, false, "ALTER TABLE a ADD COLUMN b int UNIQUE DEFAULT 1"},
	{contract, false, "ALTER TABLE a ADD COLUMN b int CHECK (b IS NOT NULL)"},
	{contract, false, "ALTER TABLE a ALTER COLUMN b SET NOT NULL"},
	{contract, false, "ALTER TABLE a ALTER COLUMN b DROP DEFAULT"},
	{contract, false, "ALTER TABLE a ALTER COLUMN b TYPE varchar(10)"},
	{contract, false, "ALTER TABLE a ALTER COLUMN b TYPE bigint USING b::bigint"},
	{contract, false, "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)"},
	{contract, false, "ALTER TABLE a ADD UNIQUE (b)"},
	{contract, false, "ALTER TABLE ONLY a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES q (id)"},
	{contract, false, "ALTER TABLE a DROP CONSTRAINT c"},
	{contract, false, "ALTER TABLE a ENABLE ROW LEVEL SECURITY"},
	{contract, false, "ALTER TABLE a DETACH PARTITION p"},
	{contract, false, "ALTER TABLE a SET SCHEMA old"},
	{contract, false, "ALTER TYPE status RENAME VALUE 'a' TO 'b'"},
	{contract, false, "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)"},
	{contract, false, "CREATE UNIQUE INDEX CONCURRENTLY i ON a (b)"},
	{contract, false, "DROP INDEX CONCURRENTLY i"},
	{contract, false, "DROP VIEW v"},
	{contract, false, "DROP TYPE s.mood"},
	{contract, false, "DROP FUNCTION f(int)"},
	{contract, false, "DROP SCHEMA s CASCADE"},
	{contract, false, "TRUNCATE a"},
	{contract, false, "DELETE FROM a WHERE b"},
	{contract, false, "WITH old AS (DELETE FROM a RETURNING *) INSERT INTO archive SELECT * FROM old"},
	{contract, false, "MERGE INTO a USING b ON a.i = b.i WHEN NOT MATCHED BY SOURCE THEN DELETE"},
	{contract, false, "REVOKE ALL ON a FROM app"},
	{contract, false, "CREATE TABLE n (id int); DROP TABLE a; ALTER TABLE n RENAME TO a"},
	{contract, false, "CREATE TEMP TABLE a (id int); DROP TABLE a; DROP TABLE a"},
	{contract, false, "CREATE TABLE IF NOT EXISTS a (id int); DROP TABLE a"},
	{contract, false, "CREATE TABLE a (id int); SET search_path = other; DROP TABLE a"},
	{contract, false, "CREATE TABLE s.a (id int); DROP TABLE a"},
	{contract, false, "EXPLAIN ANALYZE DELETE FROM a"},
	{contract, false, "DROP TABLE a; DO $$ BEGIN END $$"},

	// Nobody can tell.
	{unknown, false, "DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$"},
	{unknown, false, "SELECT drop_old_things()"},
	{unknown, false, "UPDATE a SET b = mine(c)"},
	{unknown, false, "CALL p()"},
	{unknown, false, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"},
	{unknown, false, "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"},
	{unknown, false, "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()"},
	{unknown, false, "CREATE RULE r AS ON INSERT TO a DO INSTEAD NOTHING"},
	{unknown, false, "CREATE POLICY p ON a USING (owner = current_user)"},
	{unknown, false, "CREATE OR REPLACE VIEW v AS SELECT 1"},
	{unknown, false, "CREATE EXTENSION timescaledb"},
	{unknown, false, "ALTER TABLE a ADD b int DEFAULT mine()"},
	{unknown, false, "ALTER TABLE a ALTER b TYPE text"},
	{unknown, false, "ALTER TABLE a DISABLE TRIGGER t"},
	{unknown, false, "ALTER SEQUENCE s RESTART"},
	{unknown, false, "CREATE INDEX i ON a (mine(b))"},
	{unknown, false, "CREATE TABLE a (id int); ROLLBACK"},
	{unknown, false, "SET session_replication_role = replica"},
	{unknown, false, "COPY a FROM PROGRAM 'cat /etc/passwd'"},
	{unknown, false, "PREPARE x AS DELETE FROM a; EXECUTE x"},
	{unknown, false, "ALTER SYSTEM SET x = 1"},
	{unknown, false, "ALTER TABLE `a` ADD b int"},
	{unknown, false, "\\connect shop"},
	{unknown, false, "CREATE TABLE a (id int"},
	{unknown, false, "CREATE TABLE a (id int);\x00 DROP TABLE b"},
}

func TestEachStatementHasItsClass(t *testing.T) {
	for _, s := range statements {
		e := effect(t, "migrations/7_x.up.sql", s.sql)
		caveat := false
		for _, x := range e.Statements {
			caveat = caveat || x.Caveat != ""
		}
		if e.Class != s.class || caveat != s.caveat && s.class == expand {
			t.Errorf("%s\n\tis %s, caveat %v: %+v", s.sql, e.Class, caveat, e.Statements)
		}
	}
}

// A person has to find the statement: its line is where its own text begins, not the comment before it.
func TestAStatementHasItsLine(t *testing.T) {
	e := effect(t, "migrations/7_x.up.sql", "-- what for\n\nALTER TABLE a ADD b int;\n\n/* and\n now */ -- at last\n  DROP TABLE c;\n\nDO $$ BEGIN END $$;")
	var lines []int
	for _, s := range e.Statements {
		lines = append(lines, s.Line)
	}
	if len(lines) != 3 || lines[0] != 3 || lines[1] != 7 || lines[2] != 9 {
		t.Errorf("%v: %+v", lines, e.Statements)
	}
	if w := e.Worst(); len(w) != 1 || w[0].Line != 7 || len(w[0].Takes) != 1 || w[0].Takes[0] != "c" {
		t.Errorf("worst: %+v", w)
	}
	e = effect(t, "migrations/7_x.up.sql", "SELECT 'ä';\nSELECT 1;\n\nALTER TABLEE a;\n")
	if e.Class != unknown || e.Statements[0].Line != 4 || !strings.Contains(e.Statements[0].Text, "TABLEE") {
		t.Errorf("%+v", e.Statements)
	}
}

func TestNamesThatComeAndGo(t *testing.T) {
	e := effect(t, "migrations/7_x.up.sql", `ALTER TABLE s.orders DROP COLUMN "Total"; ALTER TABLE orders RENAME COLUMN a TO b; DROP TABLE old, s.older; CREATE TABLE n (id int); ALTER TABLE a ADD c int`)
	var takes, adds []string
	for _, s := range e.Statements {
		takes, adds = append(takes, s.Takes...), append(adds, s.Adds...)
	}
	if got := strings.Join(takes, " "); got != "s.orders.Total orders.a old s.older" {
		t.Errorf("takes %s", got)
	}
	if got := strings.Join(adds, " "); got != "orders.b n a.c" {
		t.Errorf("adds %s", got)
	}
}

func TestNobodyWaitsLongerThanTheyWant(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, _ := migration.Recognise("migrations/7_x.up.sql", nil)
	if e := migration.NewReader().Effect(ctx, f, "SELECT drop_it()"); e.Class != unknown {
		t.Errorf("%+v", e)
	}
}
