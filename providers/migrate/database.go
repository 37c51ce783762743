package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/backout-dev/backout/providers"
)

// system is what differs between PostgreSQL and SQLite.
type system interface {
	// param is the n-th parameter of a statement.
	param(n int) string
	// exists reports whether a table is there.
	exists(ctx context.Context, q querier, table string) (bool, error)
	// sequence tells how many rows a table ever had, in some form of text.
	sequence(ctx context.Context, q querier, table string) (string, error)
	// shape reads the schema, without the named tables.
	shape(ctx context.Context, q querier, schemas []string, without []string) (shape, error)
	// busy says who is at a migration, "" nobody.
	busy(ctx context.Context, q querier, t table) (string, error)
	// hold takes the locks that keep others from migrating until the transaction, or where there is none the session, ends.
	hold(ctx context.Context, q querier, t table, session bool) error
	// release gives back what a session holds.
	release(ctx context.Context, q querier) error
	// limits sets for how long a transaction, or the session, may wait and work.
	limits(ctx context.Context, q querier, lock, statement time.Duration, session bool) error
	// long names transactions on the tables that are open for longer, and how many there are whose age is not told.
	long(ctx context.Context, q querier, tables []string, than time.Duration) (open []string, hidden int, err error)
	// refused is what the database itself said against a statement: then nothing of it was done.
	refused(err error) (code, text string, ok bool)
}

// querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// open makes the way to a database without connecting, and gives what the database is called. No error holds the dsn.
func open(s settings, dir string) (*sql.DB, system, string, error) {
	if path, ok := strings.CutPrefix(s.DSN, "sqlite:"); ok {
		if s.Tool != toolGoose {
			return nil, nil, "", errors.New("tool: on SQLite only goose is handled")
		}
		return openSQLite(path, dir, s.LockTimeout)
	}
	if !strings.HasPrefix(s.DSN, "postgres://") && !strings.HasPrefix(s.DSN, "postgresql://") {
		return nil, nil, "", errors.New("dsn: it is an address that begins with postgres://, or sqlite:PATH")
	}
	cfg, err := pgx.ParseConfig(s.DSN)
	if err != nil {
		return nil, nil, "", errors.New("dsn: it is no address of a PostgreSQL database (what is wrong with it is not shown, as it may hold a password)")
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "backout"
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // through poolers too, and no statement is kept across a change of the schema
	name := cfg.Database
	if name == "" {
		name = cfg.User
	}
	db := stdlib.OpenDB(*cfg)
	limit(db)
	return db, postgres{}, unitName(name), nil
}

func limit(db *sql.DB) {
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
}

func openSQLite(path, dir string, wait time.Duration) (*sql.DB, system, string, error) {
	path, query, _ := strings.Cut(path, "?")
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, nil, "", errors.New("dsn: sqlite: is followed by the path of a file")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	set, err := url.ParseQuery(query)
	if err != nil {
		return nil, nil, "", errors.New("dsn: what follows the question mark is no list of settings")
	}
	set.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()))
	set.Set("mode", "rw") // a file that is not there is a mistake, not a new database
	set.Set("_txlock", "immediate")
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: set.Encode()}).String())
	if err != nil {
		return nil, nil, "", fmt.Errorf("dsn: %w", err)
	}
	limit(db)
	base := filepath.Base(path)
	return db, sqlite{}, unitName(strings.TrimSuffix(base, filepath.Ext(base))), nil
}

// unitName is a database's name as a unit takes it.
func unitName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == ':' || r <= ' ' {
			return '_'
		}
		return r
	}, providers.Clean(name))
}

// classed gives an error of the database the class that says what a caller may do.
func classed(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch {
	case strings.HasPrefix(pg.Code, "28"):
		return providers.Unauthenticated(err)
	case pg.Code == "42501": // a right is missing
		return providers.Unauthenticated(err)
	case pg.Code == "3D000", strings.HasPrefix(pg.Code, "42"):
		return providers.Permanent(err)
	}
	return err
}

// scan reads all rows of a query.
func scan(ctx context.Context, q querier, query string, each func(*sql.Rows) error, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
