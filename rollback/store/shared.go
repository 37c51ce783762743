package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/postgres/*.sql
var sharedMigrations embed.FS

// openShared opens the store on a PostgreSQL server.
func openShared(ctx context.Context, place string, opts Options) (_ *DB, err error) {
	s, err := newServer(place, opts.Password, opts.Now)
	if err != nil {
		return nil, err
	}
	d := &DB{server: s, path: s.place, readOnly: opts.ReadOnly, now: opts.Now, appended: opts.Appended}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open %s: %w", s.place, classify(err)), d.Close())
		}
	}()
	d.write = sql.OpenDB(&dialer{server: s, admit: func(ctx context.Context, w *wire) error {
		if err := s.primary(ctx, w); err != nil {
			return err
		}
		return s.known(ctx, w)
	}})
	d.write.SetMaxOpenConns(4)
	if opts.Copy != "" {
		if d.copy, err = Open(ctx, opts.Copy, Options{Now: opts.Now}); err != nil {
			return d, fmt.Errorf("the copy beside: %w", err)
		}
		s.copied(d.copy.copiedAt(ctx))
	}
	d.read = &reader{server: s, copied: d.copy != nil, DB: sql.OpenDB(&reading{copy: d.copy, dialer: dialer{server: s, admit: s.onlyRead, params: map[string]string{
		"default_transaction_isolation": "repeatable read", // a look sees one instant
		"statement_timeout":             "0",               // a long list is read as it comes; each of its rows has a deadline
	}}})}
	d.read.SetMaxOpenConns(4)
	for _, db := range []*sql.DB{d.write, d.read.DB} {
		db.SetMaxIdleConns(4)
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	if opts.ReadOnly {
		err = d.read.PingContext(ctx)
	} else {
		err = d.openSharedToWrite(ctx)
	}
	if errors.Is(err, ErrAway) && !s.copyTime().IsZero() {
		err = nil
	}
	return d, err
}

// openSharedToWrite brings the schema up where that is needed, and clears away what nobody looks for any more.
func (d *DB) openSharedToWrite(ctx context.Context) error {
	if err := d.migrateShared(ctx); err != nil {
		return err
	}
	if err := d.write.PingContext(ctx); err != nil {
		return err
	}
	_, err := d.write.ExecContext(ctx, "DELETE FROM landed WHERE at < clock_timestamp() - interval '1 day'")
	return err
}

// migrateShared makes the schema or brings it up. Programs that do so at once take turns; a server that has the schema already is only
// looked at, so that a role without the right to make tables can use it.
func (d *DB) migrateShared(ctx context.Context) (err error) {
	plain := sql.OpenDB(&dialer{server: d.server, admit: d.server.primary, params: map[string]string{
		"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
	}})
	defer func() { err = errors.Join(err, plain.Close()) }()
	plain.SetMaxOpenConns(2)
	have, err := schemaOf(ctx, plain)
	if err != nil || have == latest {
		return err
	}
	if err := checkVersion(have, false); err != nil {
		return err
	}
	return alone(ctx, plain, func() error {
		var there, hidden bool
		if err := plain.QueryRowContext(ctx, "SELECT current_schema() IS NOT NULL, EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ?)", schemaName).Scan(&there, &hidden); err != nil {
			return err
		}
		if !there {
			if hidden {
				return fmt.Errorf("%w (the schema %s is there, and this role has no right to use it: docs/store.md, Roles)", ErrRole, schemaName)
			}
			if _, err := plain.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schemaName); err != nil {
				return fmt.Errorf("make the schema %s: %w", schemaName, err)
			}
		}
		sub, err := fs.Sub(sharedMigrations, "migrations/postgres")
		if err != nil {
			return err
		}
		p, err := goose.NewProvider(goose.DialectPostgres, plain, sub, goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if _, err := p.UpTo(ctx, latest); err != nil {
			if err = classify(err); have > 0 && errors.Is(err, ErrRole) {
				return fmt.Errorf("the schema is %d and this backout needs %d: have the owner of its tables run 'backout store status' once: %w", have, latest, err)
			}
			return fmt.Errorf("migrate from schema %d to %d: %w", have, latest, err)
		}
		return nil
	})
}

func schemaOf(ctx context.Context, db *sql.DB) (v int64, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Raw(func(c any) error {
		v, err = c.(*wire).schema(ctx) //nolint:forcetypeassert // what our connector makes
		return err
	})
	return v, err
}

// alone runs fn while no other program migrates the same database.
func alone(ctx context.Context, db *sql.DB, fn func() error) (err error) {
	const key = applicationID
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for {
		var mine bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock(?)", key).Scan(&mine); err != nil {
			return err
		}
		if mine {
			break
		}
		if err := pauseFor(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("%w: somebody else migrates it: %w", ErrBusy, err)
		}
	}
	err = fn()
	_, unlock := conn.ExecContext(ctx, "SELECT pg_advisory_unlock(?)", key)
	return errors.Join(err, unlock)
}

// updateShared is [DB.Update] on a PostgreSQL server: a server that is away is waited for as long as nothing was begun.
func (d *DB) updateShared(ctx context.Context, fn func(*Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writeWithin, errSilent)
	defer cancel()
	id := ulid.Make().String()
	t, err := d.beginShared(ctx, id)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	if err := fn(t); err != nil {
		if back := t.tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) && !errors.Is(classify(back), ErrAway) {
			err = errors.Join(err, back)
		}
		return classify(err)
	}
	if err := t.tx.Commit(); err != nil {
		if err := d.settle(ctx, id, err); err != nil {
			return err
		}
	}
	d.told(t)
	return nil
}

// beginShared begins a transaction, and waits for its turn.
func (d *DB) beginShared(ctx context.Context, id string) (*Tx, error) {
	for {
		tx, err := d.write.BeginTx(ctx, nil)
		if err == nil {
			t := &Tx{ctx: ctx, tx: tx, now: d.now, shared: true}
			if err = t.turn(d.server, id); err == nil {
				return t, nil
			}
			_ = tx.Rollback() // nothing was written, and what is wrong is told already
		}
		if since, _ := d.server.away(); ctx.Err() != nil && !since.IsZero() {
			if errors.Is(err, ErrAway) {
				return nil, err
			}
			return nil, fmt.Errorf("%w (%w)", ErrAway, err) // the caller had less time than the wait for it takes
		}
		if typed := classify(err); !errors.Is(typed, ErrAway) && !errors.Is(typed, ErrBusy) {
			return nil, err
		}
		if pauseFor(ctx, 200*time.Millisecond) != nil {
			return nil, err
		}
	}
}

// turn waits until nobody else writes, notes the transaction's id, has the others told if it commits, and asks for the time.
func (t *Tx) turn(s *server, id string) error {
	var seq, micros int64
	if err := t.tx.QueryRowContext(t.ctx, "SELECT seq FROM head WHERE id = 1 FOR UPDATE").Scan(&seq); err != nil {
		return err
	}
	err := t.tx.QueryRowContext(t.ctx, "WITH mine AS (INSERT INTO landed (id) VALUES (?) RETURNING id) SELECT "+clock+", 0 * length(pg_notify(?, '')::text) FROM mine", id, channel).Scan(&micros, &seq)
	if err != nil {
		return err
	}
	t.ahead = s.setClock(micros)
	return nil
}

// settle finds out what became of a transaction whose commit gave an error. Whoever looks waits for the same turn as all who
// write, so that it is over by then, one way or the other.
func (d *DB) settle(ctx context.Context, id string, lost error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWithin)
	defer cancel()
	for {
		there, err := d.landed(ctx, id)
		switch {
		case err == nil && there:
			return nil
		case err == nil:
			return fmt.Errorf("commit: nothing was written: %w", classify(lost))
		}
		if pauseFor(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("%w: %w", ErrUncertain, lost)
		}
	}
}

func (d *DB) landed(ctx context.Context, id string) (there bool, err error) {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	var seq int64
	if err := tx.QueryRowContext(ctx, "SELECT seq FROM head WHERE id = 1 FOR UPDATE").Scan(&seq); err != nil {
		return false, err
	}
	err = tx.QueryRowContext(ctx, "SELECT count(*) > 0 FROM landed WHERE id = ?", id).Scan(&there)
	return there, err
}

// unwritable is why nothing is written where a database is open for looking only.
func (d *DB) unwritable() error {
	if d.server != nil {
		return fmt.Errorf("%s is open for looking only: %w", d.path, os.ErrPermission)
	}
	return ErrReadOnly
}

// ahead is by how much the clock that leases go by is ahead of this process's, as far as is known.
func (d *DB) ahead() time.Duration {
	if d.server == nil {
		return 0
	}
	return time.Duration(d.server.ahead.Load())
}

func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// channel is what those who wait for news listen to.
const channel = "backout"

// remainsShared is what remains is, as PostgreSQL has it.
var remainsShared = []string{
	"SELECT 'entry ' || seq FROM ledger WHERE position(?1::bytea IN line) > 0 ORDER BY seq",
	"SELECT 'payload ' || digest FROM payload WHERE position(?1::bytea IN body) > 0",
	"SELECT 'the journal of ' || id FROM run WHERE position(?1::bytea IN plan || confirmation || doc || convert_to(detail || abort_reason, 'UTF8')) > 0 ORDER BY n",
	"SELECT DISTINCT 'the steps of ' || run FROM step WHERE position(?1::bytea IN doc || coalesce(result, '')) > 0",
	"SELECT DISTINCT 'the log of ' || run FROM run_log WHERE position(?1::bytea IN convert_to(text, 'UTF8')) > 0",
	"SELECT 'the journal of the measure ' || id FROM measure WHERE position(?1::bytea IN doc) > 0",
}

// vacuum has the server overwrite what was taken out, which only the owner of the tables may ask for.
func (d *DB) vacuum(ctx context.Context) (still []string) {
	for _, table := range []string{"ledger", "payload"} {
		if _, err := d.write.ExecContext(ctx, "VACUUM "+table); err != nil {
			still = append(still, "the dead rows of the table "+table+", until its owner vacuums it")
		}
	}
	return still
}
