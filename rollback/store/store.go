// Package store is the one database of backout: the journal of runs, the ledger with its raw payloads, and the claims and
// leases on units. A state row and its ledger entry are written in one transaction. It knows rows, not plans.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	_ "modernc.org/sqlite" // the database driver
)

// Options changes how a database is opened. The zero value is right for a command that acts.
type Options struct {
	// ReadOnly opens an existing database for looking only: nothing is created or migrated, and every write is refused.
	ReadOnly bool
	// Appended is told of entries after they were committed, by the goroutine that wrote them; it must not wait. Nil: nobody.
	Appended func([]Written)
	// Now is the clock for entries without a time of their own; nil is the system's.
	Now func() time.Time
	// Busy is how long a write waits for another process; 0 means 5 s.
	Busy time.Duration
	// Password is that of the role of a shared store; "" is what PGPASSWORD, ~/.pgpass or a service file say.
	Password string
	// Copy is the path of the copy of a shared store from which it is read while its server is away; "" is none.
	Copy string
	// MaxPages bounds the database to so many pages of 4 KiB; 0 means no bound.
	MaxPages int64
}

// DB is an open database. It may be used from several goroutines, and several processes may have the same one open.
type DB struct {
	server   *server // PostgreSQL; nil where it is a file
	copy     *DB     // from which a shared store is read while its server is away; may be nil
	path     string
	readOnly bool
	now      func() time.Time
	appended func([]Written)
	write    *sql.DB // one connection; every transaction takes the write lock when it begins
	read     *reader
}

// Open opens the database at path, and makes it (directory 0700, file 0600) if it is not there. A database of an older
// backout is copied beside itself first and then migrated; one of a newer backout is refused with [ErrNewer], a damaged
// one with [ErrCorrupt].
//
// A path that is the URL of a PostgreSQL server ([Shared]) opens the store there. Its server may be away if there is a copy to
// read from; one that follows another is refused with [ErrStandby] unless it is opened for looking only.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Busy <= 0 {
		opts.Busy = 5 * time.Second
	}
	if Shared(path) {
		return openShared(ctx, path, opts)
	}
	if !IsFile(path) {
		return nil, ErrPlace // not repeated: it may hold a password
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d := &DB{path: path, readOnly: opts.ReadOnly, now: opts.Now, appended: opts.Appended}
	if opts.ReadOnly {
		err = d.openToRead(ctx, opts)
	} else {
		err = d.openToWrite(ctx, opts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, classify(err)), d.Close())
	}
	return d, nil
}

// Empty is a database that lies nowhere, holds nothing and takes nothing: it stands in for one that cannot be read, so
// that what does not come from it can still be looked at. Whoever opens it has to say that the real one is missing.
func Empty(ctx context.Context) (*DB, error) {
	d := &DB{path: memory + ulid.Make().String(), readOnly: true, now: time.Now}
	query := url.Values{"vfs": {"memdb"}}
	var err error
	if d.write, err = pool(d.path, time.Second, 1, query); err == nil {
		err = d.migrate(ctx, latest)
	}
	if err == nil {
		err = d.readFrom(pool(d.path, time.Second, 4, query))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open an empty database: %w", classify(err)), d.Close())
	}
	return d, nil
}

// memory is the path of databases that lie in memory alone.
const memory = "/memory-"

// Path is where the database is: a path, or a URL without a password.
func (d *DB) Path() string { return d.path }

// Close closes the database. Closing twice is harmless.
func (d *DB) Close() error {
	var errs []error
	if d.copy != nil {
		errs = append(errs, d.copy.Close())
	}
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	if d.write != nil {
		errs = append(errs, d.write.Close())
	}
	return errors.Join(errs...)
}

func (d *DB) openToWrite(ctx context.Context, opts Options) error {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	pragmas := []string{"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)"}
	if opts.MaxPages > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count(%d)", opts.MaxPages))
	}
	if d.write, err = pool(d.path, opts.Busy, 1, url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}); err != nil {
		return err
	}
	if err := d.migrate(ctx, latest); err != nil {
		return err
	}
	return d.readFrom(pool(d.path, opts.Busy, 4, url.Values{"_pragma": {"query_only(1)"}}))
}

// openToRead also serves where the directory cannot be written, or no room is left: SQLite then cannot keep the shared
// memory of its write-ahead log, so the file is read as it is, which is only right when that log is empty.
func (d *DB) openToRead(ctx context.Context, opts Options) error {
	if _, err := os.Stat(d.path); err != nil {
		return err
	}
	if err := d.readFrom(pool(d.path, opts.Busy, 4, url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)"}})); err != nil {
		return err
	}
	version, err := d.version(ctx, d.read.DB)
	if unshared := classify(err); errors.Is(unshared, errNoSharedMemory) || errors.Is(unshared, ErrFull) {
		if wal, statErr := os.Stat(d.path + "-wal"); statErr == nil && wal.Size() > 0 {
			return fmt.Errorf("%w: another program left changes in %s-wal, and the directory cannot be written to read them", ErrReadOnly, d.path)
		}
		if err := d.read.Close(); err != nil {
			return err
		}
		err = d.readFrom(pool(d.path, opts.Busy, 4, url.Values{"mode": {"ro"}, "immutable": {"1"}, "_pragma": {"query_only(1)"}}))
		if err != nil {
			return err
		}
		version, err = d.version(ctx, d.read.DB)
	}
	if err != nil {
		return err
	}
	return checkVersion(version, true)
}

func pool(path string, busy time.Duration, conns int, query url.Values) (*sql.DB, error) {
	db, err := sql.Open("sqlite", address(path, busy, query))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func address(path string, busy time.Duration, query url.Values) string {
	query.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()))
	uri := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: query.Encode()}
	return uri.String()
}
