package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	lookEvery = 5 * time.Second // how often a follower looks although nobody told it anything
	copyEvery = time.Second     // how often its copy is brought up at most
)

// Away is a shared store whose server does not answer.
type Away struct {
	Since time.Time // when that was noticed
	Why   error
	Copy  time.Time // of when what is read instead is; zero where there is nothing
}

// Away tells whether the server of a shared store does not answer; a file is never away.
func (d *DB) Away() (Away, bool) {
	if d.server == nil {
		return Away{}, false
	}
	since, why := d.server.away()
	return Away{Since: since, Why: classify(why), Copy: d.server.copyTime()}, !since.IsZero()
}

// Shared reports whether the store is on a server, and others may write to it.
func (d *DB) Shared() bool { return d.server != nil }

// News gives what is closed when something was written to a shared store, by whomever, or when its server went away or came
// back. It is asked for before reading, so that nothing is missed. In a file nothing is told: nil.
func (d *DB) News() <-chan struct{} {
	if d.server == nil {
		return nil
	}
	return d.server.news()
}

// Follow listens to the server of a shared store and keeps the copy beside up, until ctx is done. What goes wrong is told, and tried
// again. For a file it returns at once.
func (d *DB) Follow(ctx context.Context, tell func(error)) {
	if d.server == nil {
		return
	}
	for ctx.Err() == nil {
		err := d.listen(ctx, tell)
		if ctx.Err() != nil {
			return
		}
		if away := classify(err); errors.Is(away, ErrAway) {
			d.server.gone(err)
		}
		tell(fmt.Errorf("listen to %s: %w", d.path, classify(err)))
		_ = pauseFor(ctx, tryEvery)
	}
}

// listen listens on a connection of its own, until it is lost.
func (d *DB) listen(ctx context.Context, tell func(error)) (err error) {
	conn, err := d.server.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hangUp(ctx, conn)) }()
	d.server.back()
	var copied time.Time
	for {
		if wait := copyEvery - time.Since(copied); !copied.IsZero() && wait > 0 {
			if err := pauseFor(ctx, wait); err != nil {
				return err
			}
		}
		if err := d.Refresh(ctx); err != nil && ctx.Err() == nil {
			tell(err)
		}
		copied = time.Now()
		if err := d.await(ctx, conn); err != nil {
			return err
		}
		d.server.tell()
	}
}

// await waits for somebody to write, or until it is time to look anyway; whether the server still answers is seen then.
func (d *DB) await(ctx context.Context, conn *pgx.Conn) error {
	wait, cancel := context.WithTimeout(ctx, lookEvery)
	_, err := conn.WaitForNotification(wait)
	quiet := wait.Err() != nil && ctx.Err() == nil
	cancel()
	if err != nil && !quiet {
		return err
	}
	ask, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	var micros int64
	if err := conn.QueryRow(ask, "SELECT "+clock).Scan(&micros); err != nil {
		if errors.Is(context.Cause(ask), errSilent) {
			return errSilent
		}
		return err
	}
	d.server.setClock(micros)
	return nil
}

// dial makes a connection that listens.
func (s *server) dial(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.cfg.Copy())
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return nil, errors.Join(err, hangUp(ctx, conn))
	}
	return conn, nil
}

// hangUp ends a connection, whether or not the server says so as well.
func hangUp(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return conn.Close(ctx)
}

// reading makes connections to the server, and to the copy while it is away.
type reading struct {
	dialer
	copy *DB
}

// Connect implements driver.Connector.
func (r *reading) Connect(ctx context.Context) (driver.Conn, error) {
	if r.copy == nil || !r.server.resting() {
		conn, err := r.dialer.Connect(ctx)
		if err == nil || r.copy == nil || r.server.copyTime().IsZero() || !errors.Is(err, ErrAway) {
			return conn, err
		}
	}
	if r.server.copyTime().IsZero() {
		return nil, ErrAway
	}
	conn, err := r.copy.read.Driver().Open(address(r.copy.path, 5*time.Second, url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		return nil, err
	}
	return &copyWire{fileConn: conn.(fileConn), server: r.server}, nil //nolint:forcetypeassert // the driver's own
}

// fileConn is what SQLite's driver makes.
type fileConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

// copyWire is a connection to the copy. It is not used again once the server is back, or is to be tried again.
type copyWire struct {
	fileConn
	server *server
}

// ResetSession implements driver.SessionResetter.
func (w *copyWire) ResetSession(context.Context) error {
	if w.IsValid() {
		return nil
	}
	return driver.ErrBadConn
}

// IsValid implements driver.Validator.
func (w *copyWire) IsValid() bool { return w.server.resting() }
