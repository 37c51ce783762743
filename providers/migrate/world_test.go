package migrate_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/migrate"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// world is a database with a directory of migrations, and the real tool that somebody else runs on it.
type world struct {
	tool    string
	dsn     string
	dir     string
	db      *sql.DB
	archive *providertest.Archive
	dialect goose.Dialect
	program string // of golang-migrate
}

var gooseFiles = map[string]string{
	"00001_orders.sql": "-- +goose Up\nCREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);\n-- +goose Down\nDROP TABLE orders;\n",
	"00002_discount.sql": "-- +goose Up\nALTER TABLE orders ADD COLUMN discount numeric DEFAULT 0;\nCREATE INDEX orders_discount ON orders (discount);\n" +
		"-- +goose Down\nDROP INDEX orders_discount;\nSELECT pg_sleep(0.1);\nALTER TABLE orders DROP COLUMN discount;\n",
	"00003_items.sql": "-- +goose Up\nCREATE TABLE items (id bigint PRIMARY KEY, of bigint REFERENCES orders (id));\n-- +goose StatementBegin\n" +
		"CREATE FUNCTION touch() RETURNS trigger AS $$\nBEGIN\n  RETURN NEW;\nEND;\n$$ LANGUAGE plpgsql;\n-- +goose StatementEnd\n" +
		"CREATE TRIGGER touched BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION touch();\n-- +goose Down\nDROP TABLE items;\nDROP FUNCTION touch;\n",
}

var golangFiles = map[string]string{
	"1_orders.up.sql":     "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);",
	"1_orders.down.sql":   "DROP TABLE orders;",
	"2_discount.up.sql":   "BEGIN;\nALTER TABLE orders ADD COLUMN discount numeric DEFAULT 0;\nCREATE INDEX orders_discount ON orders (discount);\nCOMMIT;\n",
	"2_discount.down.sql": "BEGIN;\nDROP INDEX orders_discount;\nALTER TABLE orders DROP COLUMN discount;\nCOMMIT;\n",
	"3_items.up.sql":      "CREATE TABLE items (id bigint PRIMARY KEY, of bigint REFERENCES orders (id));",
	"3_items.down.sql":    "DROP TABLE items;",
}

func newWorld(t *testing.T, g *servers.Postgres, tool string, files map[string]string) *world {
	t.Helper()
	name := "db" + strconv.FormatInt(time.Now().UnixNano(), 36)
	w := &world{tool: tool, dsn: g.Create(t, name), dir: t.TempDir(), archive: &providertest.Archive{}, dialect: goose.DialectPostgres}
	if tool == "golang-migrate" {
		w.program = servers.Need(t, "golang-migrate")
	}
	var err error
	if w.db, err = sql.Open("pgx", w.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	w.put(t, files)
	return w
}

func (w *world) put(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// migrate has the real tool go to a version, under the tool's own lock.
func (w *world) migrate(ctx context.Context, to int64) error {
	if w.tool == "golang-migrate" {
		args := []string{"goto", strconv.FormatInt(to, 10)}
		if to == 0 {
			args = []string{"down", "-all"}
		}
		return w.run(ctx, args...)
	}
	var options []goose.ProviderOption
	if w.dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 30))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(w.dialect, w.db, os.DirFS(w.dir), options...)
	if err != nil {
		return err
	}
	now, err := p.GetDBVersion(ctx)
	if err == nil && now > to {
		_, err = p.DownTo(ctx, to)
		return err
	}
	_, err = p.UpTo(ctx, to)
	return err
}

func (w *world) run(ctx context.Context, args ...string) error {
	dsn := "pgx5" + strings.TrimPrefix(w.dsn, "postgres")
	cmd := exec.CommandContext(ctx, w.program, append([]string{"-database", dsn, "-path", w.dir}, args...)...)
	cmd.Stdin = strings.NewReader("y\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("golang-migrate %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (w *world) at(t *testing.T, version int64) {
	t.Helper()
	if err := w.migrate(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

func (w *world) exec(t *testing.T, query string) {
	t.Helper()
	if _, err := w.db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func (w *world) text(dsn string, extra ...string) string {
	return fmt.Sprintf("dsn: %q\ntool: %s\ndirectory: %s\nservice: shop\npoll: 5ms\n%s\n", dsn, w.tool, w.dir, strings.Join(extra, "\n"))
}

func tryMake(text string, archive providers.Archive) (*migrate.Provider, error) {
	env := providers.Environment{
		Name: "migrate", Environment: "prod", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: archive, Dir: "/",
	}
	p, err := migrate.Factory().New(env, func(into any) error {
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		return d.Decode(into)
	})
	if err != nil {
		return nil, err
	}
	return p.(*migrate.Provider), nil
}

func (w *world) provider(t *testing.T, extra ...string) *migrate.Provider {
	t.Helper()
	return w.through(t, w.dsn, extra...)
}

func (w *world) through(t *testing.T, dsn string, extra ...string) *migrate.Provider {
	t.Helper()
	p, err := tryMake(w.text(dsn, extra...), w.archive)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func unitOf(t *testing.T, p *migrate.Provider) rollback.UnitID {
	t.Helper()
	for u, err := range p.Units(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	t.Fatal("there is no unit")
	return ""
}

func observe(t *testing.T, p *migrate.Provider) rollback.Observation {
	t.Helper()
	obs, err := p.Observe(t.Context(), unitOf(t, p))
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

func labelled(t *testing.T, obs rollback.Observation, label string) rollback.Revision {
	t.Helper()
	for _, r := range obs.History {
		if r.Label == label {
			return r
		}
	}
	t.Fatalf("no revision %s in %+v", label, obs.History)
	return rollback.Revision{}
}

func plan(t *testing.T, p *migrate.Provider, to string) (rollback.Observation, rollback.Proposal) {
	t.Helper()
	obs := observe(t, p)
	prop, err := p.Plan(t.Context(), obs, labelled(t, obs, to))
	if err != nil {
		t.Fatal(err)
	}
	return obs, prop
}

func apply(t *testing.T, p *migrate.Provider, op string, prop rollback.Proposal) rollback.Result {
	t.Helper()
	res, err := p.Apply(t.Context(), rollback.Operation{ID: op}, prop.Steps[0])
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// want compares an outcome and what is said of it.
func want(t *testing.T, res rollback.Result, outcome rollback.Outcome, says string) {
	t.Helper()
	if res.Outcome != outcome || !strings.Contains(res.Detail, says) {
		t.Errorf("got %q: %s\nwant %q with %q", res.Outcome, res.Detail, outcome, says)
	}
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is not in:\n%s", part, text)
	}
}
