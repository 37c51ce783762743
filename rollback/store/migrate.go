package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/rogpeppe/go-internal/lockedfile"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	applicationID = 1111707983
	latest        = int64(11) // the newest schema that this program knows
)

// migrate brings the schema up to target. Processes that open the same file at once take turns, from the first connection
// on if the file is new: SQLite does not wait when two of them turn on its write-ahead log.
func (d *DB) migrate(ctx context.Context, target int64) error {
	if d.logsAhead() {
		if have, err := d.version(ctx, d.write); err != nil || have == target {
			return err
		}
	}
	unlock, err := d.alone()
	if err != nil {
		return fmt.Errorf("lock for the migration: %w", err)
	}
	defer unlock()
	have, err := d.version(ctx, d.write)
	if err != nil || have == target {
		return err
	}
	if have > 0 {
		if err := d.backup(ctx, have); err != nil {
			return err
		}
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, d.write, sub, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.UpTo(ctx, target); err != nil {
		return fmt.Errorf("migrate from schema %d to %d: %w", have, target, err)
	}
	return nil
}

// logsAhead tells whether the file is a database that has been set to a write-ahead log, by the two format bytes of its
// header (https://www.sqlite.org/fileformat2.html#the_database_header).
func (d *DB) logsAhead() bool {
	f, err := os.Open(d.path)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [20]byte
	_, err = io.ReadFull(f, header[:])
	return err == nil && header[18] == 2 && header[19] == 2
}

// alone keeps other processes from migrating the same file.
func (d *DB) alone() (unlock func(), err error) {
	if strings.HasPrefix(d.path, memory) {
		return func() {}, nil // no other process has it
	}
	return lockedfile.MutexAt(d.path + ".lock").Lock()
}

// backup copies a database of an older schema beside itself. An earlier copy of the same schema is kept: it may be the
// only good one after a migration that was cut short.
func (d *DB) backup(ctx context.Context, version int64) error {
	to := fmt.Sprintf("%s.v%d.bak", d.path, version)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up before the migration: %w", err)
	}
	if _, err := d.write.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("back up before the migration: %w", err)
	}
	if err := os.Chmod(part, 0o600); err != nil {
		return fmt.Errorf("back up before the migration: %w", err)
	}
	if err := os.Rename(part, to); err != nil {
		return fmt.Errorf("back up before the migration: %w", err)
	}
	return nil
}

// version is the schema of a database; 0 is an empty one. It looks at one state of the file: what another process is
// creating at this moment would otherwise look like a stranger's.
func (d *DB) version(ctx context.Context, db *sql.DB) (_ int64, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	var app, tables, mine int64
	if err := tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE name = 'goose_db_version') FROM sqlite_master").Scan(&tables, &mine)
	if err != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil
	}
	if mine == 0 || (app != 0 && app != applicationID) {
		return 0, ErrForeign
	}
	var v sql.NullInt64
	if err := tx.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&v); err != nil {
		return 0, err
	}
	if app == 0 && v.Int64 > 0 {
		return 0, ErrForeign
	}
	return v.Int64, checkVersion(v.Int64, false)
}

func checkVersion(v int64, exact bool) error {
	switch {
	case v > latest:
		return fmt.Errorf("%w (its schema is %d, this backout knows %d)", ErrNewer, v, latest)
	case exact && v < latest:
		return fmt.Errorf("the database is of an older backout (schema %d, this one needs %d): start once without --readonly to bring it up", v, latest)
	}
	return nil
}
