package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backout-dev/backout/providers"
)

type postgres struct{}

func (postgres) param(n int) string { return fmt.Sprintf("$%d", n) }

func (postgres) exists(ctx context.Context, q querier, table string) (there bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there)
	return there, err
}

func (postgres) sequence(ctx context.Context, q querier, table string) (string, error) {
	var last sql.NullString
	err := q.QueryRowContext(ctx, "SELECT pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass)::text", table).Scan(&last)
	return last.String, err
}

// gooseLock is what goose's own session lock is called.
const gooseLock = 4097083626

// locks are the numbers of the advisory locks that a tool takes. Golang-migrate's holds the name of the database, and where it was
// opened by an address the slash before it too; so there are two.
func (postgres) locks(ctx context.Context, q querier, t table) ([]int64, error) {
	if t.tool == toolGoose {
		return []int64{gooseLock}, nil
	}
	var database, schema sql.NullString
	if err := q.QueryRowContext(ctx, "SELECT current_database(), current_schema()").Scan(&database, &schema); err != nil {
		return nil, err
	}
	name := t.name
	if s, n, ok := strings.Cut(t.name, "."); ok {
		schema.String, name = s, n
	}
	var out []int64
	for _, slash := range []string{"", "/"} {
		sum := crc32.ChecksumIEEE([]byte(schema.String + "\x00" + name + "\x00" + slash + database.String))
		out = append(out, int64(sum*1486364155))
	}
	slices.Sort(out) // so that two take them in the same order
	return out, nil
}

const holders = `SELECT l.pid, coalesce(a.application_name, '') FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND (
  (l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = ANY (string_to_array($1, ',')::bigint[]))
  OR (l.locktype = 'relation' AND l.relation = to_regclass($2) AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock')))
ORDER BY l.pid LIMIT 1`

func (s postgres) busy(ctx context.Context, q querier, t table) (string, error) {
	ids, err := s.locks(ctx, q, t)
	if err != nil {
		return "", err
	}
	var pid int
	var app string
	err = q.QueryRowContext(ctx, holders, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ids)), ","), "[]"), t.quoted()).Scan(&pid, &app)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	}
	who := fmt.Sprintf("process %d", pid)
	if app = providers.Clean(app); app != "" {
		who += " (" + app + ")"
	}
	return who + " of the database holds the lock for migrations", nil
}

func (s postgres) hold(ctx context.Context, q querier, t table, session bool) error {
	ids, err := s.locks(ctx, q, t)
	if err != nil {
		return err
	}
	take := "SELECT pg_advisory_xact_lock($1)"
	if session {
		take = "SELECT pg_advisory_lock($1)"
	}
	for _, id := range ids {
		if _, err := q.ExecContext(ctx, take, id); err != nil {
			return err
		}
	}
	if session {
		return nil
	}
	// Goose takes its lock only where it was told to. What it writes at the end of a migration has to wait all the same.
	_, err = q.ExecContext(ctx, "LOCK TABLE "+t.quoted()+" IN SHARE ROW EXCLUSIVE MODE")
	return err
}

func (postgres) release(ctx context.Context, q querier) error {
	_, err := q.ExecContext(ctx, "SELECT pg_advisory_unlock_all()")
	return err
}

func (postgres) limits(ctx context.Context, q querier, lock, statement time.Duration, session bool) error {
	for name, d := range map[string]time.Duration{"lock_timeout": lock, "statement_timeout": statement} {
		if _, err := q.ExecContext(ctx, "SELECT set_config($1, $2, $3)", name, fmt.Sprintf("%dms", max(1, d.Milliseconds())), !session); err != nil {
			return err
		}
	}
	// A server of version 14 or later then notices also in the middle of a statement that whoever sent it has gone.
	_, err := q.ExecContext(ctx, "SELECT set_config(name, '1000', $1) FROM pg_settings WHERE name = 'client_connection_check_interval'", !session)
	return err
}

const openFor = `SELECT DISTINCT a.pid, coalesce(a.application_name, ''), extract(epoch FROM clock_timestamp() - a.xact_start)::float8, c.relname::text
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1, 4`

func (postgres) long(ctx context.Context, q querier, tables []string, than time.Duration) (open []string, hidden int, err error) {
	err = scan(ctx, q, openFor, func(rows *sql.Rows) error {
		var pid int
		var app, on string
		var age sql.NullFloat64
		if err := rows.Scan(&pid, &app, &age, &on); err != nil {
			return err
		}
		stands := time.Duration(age.Float64 * float64(time.Second))
		switch {
		case !slices.Contains(tables, on):
		case !age.Valid:
			hidden++
		case stands >= than:
			if app = providers.Clean(app); app != "" {
				app = " (" + app + ")"
			}
			open = append(open, fmt.Sprintf("process %d%s has a transaction open on %s for %s", pid, app, providers.Clean(on), providers.Span(stands)))
		}
		return nil
	})
	return open, hidden, err
}

func (postgres) refused(err error) (code, text string, ok bool) {
	var pg *pgconn.PgError
	// Of class 57P.. are those after which the server has gone, and what was done is not known.
	if !errors.As(err, &pg) || strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08") {
		return "", "", false
	}
	text = pg.Message
	if pg.Detail != "" {
		text += " (" + pg.Detail + ")"
	}
	return pg.Code, providers.Clean(text), true
}
