package demo

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// migrations is where the repository holds the migrations of the orders database.
const migrations = "services/orders/migrations"

// The migrations: the first makes the table, the second takes a column away that older releases read, and the third adds one.
const (
	carriersSQL = `-- +goose Up
CREATE TABLE carriers (
  name text PRIMARY KEY,
  days integer NOT NULL,
  hotline text
);
INSERT INTO carriers (name, days, hotline) VALUES ('parcel post', 4, '+46 8 555 010'), ('Nordic Parcel', 3, '+46 8 555 020');

-- +goose Down
DROP TABLE carriers;
`
	hotlineSQL = `-- +goose Up
ALTER TABLE carriers DROP COLUMN hotline;

-- +goose Down
ALTER TABLE carriers ADD COLUMN hotline text;
`
	latestSQL = `-- +goose Up
ALTER TABLE carriers ADD COLUMN latest integer;

-- +goose Down
ALTER TABLE carriers DROP COLUMN latest;
`
)

// carriersTable has orders read the days of a carrier from its own database.
func carriersTable() landing {
	return landing{
		age: 4*24*time.Hour + 3*time.Hour, author: tomas, committer: forge, changeSet: "#1159",
		message: "orders: carriers in a database of its own (#1159)\n",
		edits: []edit{
			{path: migrations + "/00001_carriers.sql", new: carriersSQL},
			{"services/orders/service.json", `"pricing_api": "v1"`, `"carriers": ["days", "hotline"],` + "\n  " + `"pricing_api": "v1"`},
			{"docs/runbook.md", "- Logs:", "- Orders has a database, `shop/orders.db`. Its migrations go up with each release of orders, before it goes live.\n" +
				"- Flags are switched in the shop's flag service. What only a new release knows is switched on after it, and off before it goes back.\n- Logs:"},
		},
		releases: []string{shop.Orders},
	}
}

// noHotline takes away what the releases before it read.
func noHotline() landing {
	return landing{
		age: 3*time.Hour + 20*time.Minute, author: tomas, committer: forge, changeSet: "#1177",
		message: "orders: the carriers' hotlines are gone (#1177)\n\nNobody ever called one, and half of them were wrong.\n",
		edits: []edit{
			{path: migrations + "/00002_no_hotline.sql", new: hotlineSQL},
			{"services/orders/service.json", `"carriers": ["days", "hotline"]`, `"carriers": ["days"]`},
		},
		releases: []string{shop.Orders},
	}
}

func (w *World) database() string { return filepath.Join(w.dir, "shop", "orders.db") }

// migrate does what a deployment of orders does before the release goes live: it brings the database up, with goose, to the
// migrations that the commit holds. At is when that was.
func (w *World) migrate(ctx context.Context, r *repository, service string, at time.Time) error {
	if w.scenario.stored == nil || service != shop.Orders {
		return nil
	}
	some, err := w.deployMigrations(ctx, r)
	if err != nil || !some {
		return err
	}
	set := url.Values{"mode": {"rwc"}, "_pragma": {"busy_timeout(5000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: w.database(), RawQuery: set.Encode()}).String())
	if err != nil {
		return fmt.Errorf("migrate the orders database: %w", err)
	}
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS(w.migrationsDir()))
	if err != nil {
		return fmt.Errorf("migrate the orders database: %w", err)
	}
	_, err = p.Up(ctx)
	if err == nil { // goose writes down when it ran; of what was done long ago, this is when
		_, err = db.ExecContext(ctx, "UPDATE goose_db_version SET tstamp = ?1 WHERE tstamp > ?1", at.UTC().Format(time.DateTime))
	}
	if err != nil {
		return fmt.Errorf("migrate the orders database: %w", err)
	}
	return os.WriteFile(filepath.Join(w.dir, "shop", "orders-database"), []byte("sqlite:"+w.database()+"\n"), 0o600)
}

// migrationsDir is where the migrations of orders lie as they were deployed; a release that goes back takes none away.
func (w *World) migrationsDir() string {
	return filepath.Join(w.dir, "shop", "migrations", shop.Orders)
}

// deployMigrations puts the migrations of a commit where goose finds them, and reports whether there are any.
func (w *World) deployMigrations(ctx context.Context, r *repository) (some bool, err error) {
	list, err := r.git(ctx, nil, "ls-tree", "--name-only", r.head, migrations+"/")
	if err != nil || len(list) == 0 {
		return false, err
	}
	if err := os.MkdirAll(w.migrationsDir(), 0o755); err != nil {
		return false, fmt.Errorf("deploy migrations: %w", err)
	}
	for _, file := range strings.Fields(string(list)) {
		text, err := r.git(ctx, nil, "show", r.head+":"+file)
		if err != nil {
			return false, err
		}
		if err := os.WriteFile(filepath.Join(w.migrationsDir(), path.Base(file)), text, 0o644); err != nil {
			return false, fmt.Errorf("deploy migrations: %w", err)
		}
	}
	return true, nil
}
