package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback/ledger"
)

// table is one of those that a copy of the store holds.
type table struct {
	name  string
	order string // what its rows are read and written in the order of
	drop  string // a column that the other database counts by itself
}

// tables are those that a copy holds, in an order in which none refers to one after it.
var tables = []table{
	{name: "ledger_id", order: "id"},
	{name: "head", order: "id"},
	{name: "ledger", order: "seq"},
	{name: "payload", order: "digest"},
	{name: "signature", order: "seq, key"},
	{name: "attribution", order: "seq"},
	{name: "run", order: "n"},
	{name: "step", order: "run, n"},
	{name: "run_log", order: "id", drop: "id"},
	{name: "lease", order: "unit"},
	{name: "measure", order: "rowid", drop: "rowid"},
	{name: "proof", order: "rowid", drop: "rowid"},
	{name: "drill", order: "n"},
	{name: "probe", order: "unit"},
	{name: "approval_request", order: "id"},
	{name: "approval", order: "nonce"},
}

const batch = 100 // rows that are written with one statement

var (
	// ErrNotEmpty refuses to copy a store over another one.
	ErrNotEmpty = errors.New("it holds a record already: copy into an empty one")
	// ErrUnfinished refuses to copy a store while a run is under way in it.
	ErrUnfinished = errors.New("a run is not over: end it first ('backout runs resume', 'backout runs abort')")
)

// Copied is what a copy of a store holds.
type Copied struct {
	Report ledger.Report // of the copy, verified after it was made
	Rows   map[string]int64
}

// Copy moves everything that from holds to the empty store to, as it stands: the lines, their chain and tree, runs, measures, proofs and
// the tokens of the leases. It refuses a damaged record, one with a run that is not over, and a store that holds anything. The copy is
// verified against the head that from had.
func Copy(ctx context.Context, from, to *DB) (Copied, error) {
	if to.readOnly {
		return Copied{}, to.unwritable()
	}
	if r, err := from.Verify(ctx); err != nil {
		return Copied{}, err
	} else if !r.OK {
		return Copied{}, errors.New("copy the store: the record to copy is damaged, see backout ledger verify")
	}
	out := Copied{Rows: map[string]int64{}}
	var held ledger.Checkpoint
	err := from.viewOnce(ctx, func(src *sql.Tx) error {
		if err := finished(ctx, src); err != nil {
			return err
		}
		origin, err := originOf(ctx, src)
		if err != nil {
			return err
		}
		if held.Head, err = headOf(ctx, src); err != nil {
			return err
		}
		held.Origin = origin
		return to.bulk(ctx, func(dst *sql.Tx) error { return moveAll(ctx, to.server != nil, src, dst, out.Rows) })
	})
	if err == nil {
		err = to.Index(ctx, nil)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copy the store: %w", err)
	}
	out.Report, err = to.Verify(ctx, held)
	if err == nil && (!out.Report.OK || out.Report.Head.Seq != held.Head.Seq || out.Report.Head.Hash != held.Head.Hash) {
		err = errors.New("copy the store: the copy does not hold what was copied: do not use it")
	}
	return out, err
}

// moveAll copies every table into an empty store, and counts the rows.
func moveAll(ctx context.Context, shared bool, src, dst *sql.Tx, rows map[string]int64) (err error) {
	if err := empty(ctx, dst); err != nil {
		return err
	}
	for _, t := range tables {
		if rows[t.name], err = t.move(ctx, shared, src, dst, ""); err != nil {
			return err
		}
	}
	return unindexed(ctx, dst)
}

func finished(ctx context.Context, q querier) error {
	open, err := collect(ctx, q, scanText, "SELECT id FROM run WHERE NOT final ORDER BY n")
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("%s: %w", strings.Join(open[:min(len(open), 5)], ", "), ErrUnfinished)
	}
	return err
}

// empty refuses a store that holds anything, and takes away what a new one is born with.
func empty(ctx context.Context, tx *sql.Tx) error {
	var entries, runs int64
	if err := tx.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM run)").Scan(&entries, &runs); err != nil {
		return err
	}
	if entries+runs > 0 {
		origin, err := originOf(ctx, tx)
		return errors.Join(fmt.Errorf("the ledger %s, %d entries: %w", origin, entries, ErrNotEmpty), err)
	}
	return clearTables(ctx, tx, tables, "")
}

func clearTables(ctx context.Context, tx *sql.Tx, all []table, where string) error {
	for _, t := range slices.Backward(all) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+t.name+where); err != nil {
			return fmt.Errorf("clear %s: %w", t.name, err)
		}
	}
	return nil
}

// bulk runs fn in one writing transaction that may take long.
func (d *DB) bulk(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	if d.server != nil {
		var seq int64
		err = tx.QueryRowContext(ctx, "SELECT seq FROM head WHERE id = 1 FOR UPDATE").Scan(&seq)
	}
	if err == nil {
		err = fn(tx)
	}
	if err != nil {
		return errors.Join(classify(err), tx.Rollback())
	}
	return classify(tx.Commit())
}

// move copies the rows of a table for which the condition holds.
func (t table) move(ctx context.Context, shared bool, src, dst *sql.Tx, where string, args ...any) (n int64, err error) {
	rows, err := src.QueryContext(ctx, "SELECT * FROM "+t.name+where+" ORDER BY "+t.order, args...)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	w := &writing{ctx: ctx, tx: dst, table: t, columns: columns}
	if shared {
		if err := w.askTypes(); err != nil {
			return 0, err
		}
	}
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return n, fmt.Errorf("read %s: %w", t.name, err)
		}
		n++
		if err := w.add(row); err != nil {
			return n, err
		}
	}
	if err := rows.Err(); err != nil {
		return n, fmt.Errorf("read %s: %w", t.name, err)
	}
	return n, w.flush()
}

// writing writes rows in batches.
type writing struct {
	ctx     context.Context //nolint:containedctx // it lives for one call
	tx      *sql.Tx
	table   table
	columns []string
	types   map[string]string // of PostgreSQL's columns
	rows    [][]any
}

func (w *writing) askTypes() (err error) {
	w.types = map[string]string{}
	_, err = collect(w.ctx, w.tx, func(s scanner) (none struct{}, err error) {
		var name, kind string
		err = s.Scan(&name, &kind)
		w.types[name] = kind
		return none, err
	}, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ?", w.table.name)
	return err
}

// as is a value as its column has it there: SQLite has no type of its own for what is true, and no strict one for bytes.
func (w *writing) as(column string, v any) any {
	switch is := v.(type) {
	case int64:
		if w.types[column] == "boolean" {
			return is != 0
		}
	case string:
		if w.types[column] == "bytea" {
			return []byte(is)
		}
	}
	return v
}

func (w *writing) add(row []any) error {
	w.rows = append(w.rows, row)
	if len(w.rows) < batch {
		return nil
	}
	return w.flush()
}

func (w *writing) flush() error {
	if len(w.rows) == 0 {
		return nil
	}
	var names []string
	for _, c := range w.columns {
		if c != w.table.drop {
			names = append(names, c)
		}
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	var args []any
	for _, row := range w.rows {
		for i, c := range w.columns {
			if c != w.table.drop {
				args = append(args, w.as(c, row[i]))
			}
		}
	}
	query := "INSERT INTO " + w.table.name + " (" + strings.Join(names, ", ") + ") VALUES " + strings.TrimSuffix(strings.Repeat(one+", ", len(w.rows)), ", ")
	w.rows = w.rows[:0]
	if _, err := w.tx.ExecContext(w.ctx, query, args...); err != nil {
		return fmt.Errorf("write %s: %w", w.table.name, err)
	}
	return nil
}
