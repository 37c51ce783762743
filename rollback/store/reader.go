package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// reader reads. Reading does nothing, so where the server of a shared store is lost on the way it is asked again: at once where there
// is a copy to read, else until it is back or the time for that is over.
type reader struct {
	*sql.DB
	server *server // nil: a file
	copied bool
}

func (d *DB) readFrom(db *sql.DB, err error) error {
	if err == nil {
		d.read = &reader{DB: db}
	}
	return err
}

// lasting asks until there is an answer.
func (r *reader) lasting(ctx context.Context, ask func() error) error {
	err := ask()
	if err == nil || r.server == nil || !errors.Is(classify(err), ErrAway) {
		return err
	}
	if r.copied {
		return ask()
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	for pauseFor(ctx, 200*time.Millisecond) == nil {
		if err = ask(); err == nil || !errors.Is(classify(err), ErrAway) {
			return err
		}
	}
	return err
}

// QueryContext asks for rows.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = r.lasting(ctx, func() error {
		rows, err = r.DB.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // the caller's
		return err
	})
	return rows, err
}

// QueryRowContext asks for a row.
func (r *reader) QueryRowContext(ctx context.Context, query string, args ...any) (row *sql.Row) {
	_ = r.lasting(ctx, func() error { // it is the row's own
		row = r.DB.QueryRowContext(ctx, query, args...)
		return row.Err()
	})
	return row
}
