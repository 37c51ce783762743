package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// wire is a connection to PostgreSQL as database/sql sees it: it takes the queries that SQLite takes, and none of its calls
// lasts longer than the server's patience, whatever the context says.
type wire struct {
	*stdlib.Conn
	server *server
	worn   atomic.Bool // it is not to be used again
}

var errSilent = errors.New("no answer in time")

// call runs one call under the deadline, and takes note of what it says of the server.
func (w *wire) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.server.patience, errSilent)
	defer cancel()
	return w.note(ctx, do(ctx))
}

// note tells a call that was cut short by its deadline from one whose caller gave up, and takes down a server that is away.
func (w *wire) note(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	silent := errors.Is(context.Cause(ctx), errSilent)
	if silent {
		err = fmt.Errorf("%w (%s)", errSilent, w.server.patience)
	}
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == readOnlyTransaction {
		w.worn.Store(true) // what was a primary is none any more
	}
	if silent || ctx.Err() == nil && errors.Is(classify(err), ErrAway) {
		w.worn.Store(true)
		w.server.gone(err)
	}
	return err
}

// ExecContext implements driver.ExecerContext.
func (w *wire) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	err = w.call(ctx, func(ctx context.Context) error {
		res, err = w.Conn.ExecContext(ctx, numbered(query), storable(args))
		return err
	})
	return res, err
}

// QueryContext implements driver.QueryerContext. The deadline holds for the first row, and anew for each one after it.
func (w *wire) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(w.server.patience, func() { cancel(errSilent) })
	rows, err := w.Conn.QueryContext(ctx, numbered(query), storable(args))
	if err != nil {
		timer.Stop()
		err = w.note(ctx, err)
		cancel(nil)
		return nil, err
	}
	return &wireRows{Rows: rows, w: w, ctx: ctx, timer: timer, cancel: cancel}, nil
}

type wireRows struct {
	driver.Rows
	w      *wire
	ctx    context.Context //nolint:containedctx // it is the deadline of the rows, and ends with them
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// Next implements driver.Rows.
func (r *wireRows) Next(dest []driver.Value) error {
	r.timer.Reset(r.w.server.patience)
	err := r.Rows.Next(dest)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return r.w.note(r.ctx, err)
}

// Close implements driver.Rows.
func (r *wireRows) Close() error {
	err := r.Rows.Close()
	r.timer.Stop()
	r.cancel(nil)
	return err
}

// PrepareContext implements driver.ConnPrepareContext.
func (w *wire) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return w.Conn.PrepareContext(ctx, numbered(query))
}

// BeginTx implements driver.ConnBeginTx.
func (w *wire) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(w.server.patience, func() { cancel(errSilent) })
	tx, err := w.Conn.BeginTx(ctx, opts)
	timer.Stop()
	if err != nil {
		err = w.note(ctx, err)
		cancel(nil)
		return nil, err
	}
	return &wireTx{Tx: tx, w: w, ctx: ctx, cancel: cancel}, nil
}

// wireTx ends a transaction under a deadline: the driver has it end under the context that it began with.
type wireTx struct {
	driver.Tx
	w      *wire
	ctx    context.Context //nolint:containedctx // the driver keeps the same one
	cancel context.CancelCauseFunc
}

// Commit implements driver.Tx.
func (t *wireTx) Commit() error { return t.end(t.Tx.Commit) }

// Rollback implements driver.Tx.
func (t *wireTx) Rollback() error { return t.end(t.Tx.Rollback) }

func (t *wireTx) end(do func() error) error {
	timer := time.AfterFunc(t.w.server.patience, func() { t.cancel(errSilent) })
	defer t.cancel(nil)
	defer timer.Stop()
	return t.w.note(t.ctx, do())
}

// ResetSession implements driver.SessionResetter.
func (w *wire) ResetSession(ctx context.Context) error {
	if w.worn.Load() || w.server.resting() {
		return driver.ErrBadConn // the next one is tried, or the copy taken
	}
	return w.call(ctx, w.Conn.ResetSession)
}

// IsValid implements driver.Validator.
func (w *wire) IsValid() bool { return !w.worn.Load() && !w.Conn.Conn().IsClosed() }

// Close ends the connection. What was acknowledged is written, and the rest the server undoes by itself: that one which is gone cannot be
// told so is no error of the work that was done.
func (w *wire) Close() error {
	_ = w.Conn.Close()
	return nil
}

// numbered writes the placeholders of a query as PostgreSQL wants them: ? is $1, $2 and on, ?1 is $1. What stands in quotes
// or comments is left as it is.
func numbered(query string) string {
	if !strings.Contains(query, "?") {
		return query
	}
	var b strings.Builder
	n := 0
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c == '\'' || c == '"':
			end := strings.IndexByte(query[i+1:], c)
			if end < 0 {
				end = len(query) - i - 2
			}
			b.WriteString(query[i : i+end+2])
			i += end + 1
		case c == '-' && strings.HasPrefix(query[i:], "--"):
			end := strings.IndexByte(query[i:], '\n')
			if end < 0 {
				end = len(query) - i
			}
			b.WriteString(query[i : i+end])
			i += end - 1
		case c == '?' && i+1 < len(query) && query[i+1] >= '1' && query[i+1] <= '9':
			b.WriteByte('$')
		case c == '?':
			n++
			fmt.Fprintf(&b, "$%d", n)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// storable takes out of texts what PostgreSQL does not hold in one: a zero byte, and what is no UTF-8.
func storable(args []driver.NamedValue) []driver.NamedValue {
	for i := range args {
		if text, ok := args[i].Value.(string); ok {
			args[i].Value = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return args
}
