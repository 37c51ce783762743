package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	driver "modernc.org/sqlite"

	"github.com/backout-dev/backout/providers"
)

// sqlite is one file: whoever writes holds all of it, so its transactions are the lock.
type sqlite struct{}

func (sqlite) param(n int) string { return fmt.Sprintf("?%d", n) }

func (sqlite) exists(ctx context.Context, q querier, table string) (there bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = ?1", table).Scan(&there)
	return there, err
}

func (sqlite) sequence(ctx context.Context, q querier, table string) (string, error) {
	var last sql.NullString
	err := q.QueryRowContext(ctx, "SELECT CAST(seq AS TEXT) FROM sqlite_sequence WHERE name = ?1", table).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return last.String, err
}

// shape takes the text of each thing as SQLite keeps it: that is rewritten whenever a column comes or goes.
func (sqlite) shape(ctx context.Context, q querier, _, without []string) (shape, error) {
	var out shape
	err := scan(ctx, q, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", func(rows *sql.Rows) error {
		var kind, name, of string
		var text sql.NullString
		if err := rows.Scan(&kind, &name, &of, &text); err != nil {
			return err
		}
		if !slices.Contains(without, of) {
			out.add(kind + " " + name + " " + plain(text.String))
			out.own(name, of)
		}
		return nil
	})
	return out, err
}

func (sqlite) busy(context.Context, querier, table) (string, error) { return "", nil }

func (sqlite) hold(context.Context, querier, table, bool) error { return nil }

func (sqlite) release(context.Context, querier) error { return nil }

func (sqlite) limits(context.Context, querier, time.Duration, time.Duration, bool) error { return nil }

func (sqlite) long(context.Context, querier, []string, time.Duration) ([]string, int, error) {
	return nil, 0, nil
}

func (sqlite) refused(err error) (code, text string, ok bool) {
	var e *driver.Error
	if !errors.As(err, &e) {
		return "", "", false
	}
	return fmt.Sprint(e.Code()), providers.Clean(strings.TrimSpace(e.Error())), true
}
