package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	schemaName   = "backout"
	versionTable = "backout_schema"

	patience    = 5 * time.Second  // how long one call may take
	writeWithin = 15 * time.Second // how long a transaction may wait for the server, and last
	tryEvery    = 3 * time.Second  // how often a server that is away is tried by those who read
	staleAfter  = 10 * time.Second // when the server ends a transaction whose client does not go on
)

// ErrPassword refuses a URL that holds a password: it would show in the list of processes and in logs.
var ErrPassword = errors.New("the URL of the store holds a password: leave it out, and give it as store.password ({env: NAME}, {file: PATH}), PGPASSWORD, ~/.pgpass or service=NAME")

// Shared reports whether place is the URL of a shared store, and not the path of a file.
func Shared(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// IsFile reports whether place is the path of a file, and not the URL of something, or what PostgreSQL's programs take instead of one.
func IsFile(place string) bool {
	return !strings.Contains(place, "://") && !keywords.MatchString(place)
}

var keywords = regexp.MustCompile(`^\s*(host|hostaddr|port|dbname|user|password|service)\s*=`)

// server is a PostgreSQL server, and what is known of whether it answers.
type server struct {
	cfg      *pgx.ConnConfig
	place    string // for people
	patience time.Duration
	now      func() time.Time
	ahead    atomic.Int64 // by how much its clock was ahead of this process's when it was asked last

	mu     sync.Mutex
	since  time.Time // when it went away; zero: it answers
	tried  time.Time // on the monotonic clock
	why    error
	copyAt time.Time     // of when the copy is; zero: there is none
	told   chan struct{} // closed when there is news
}

func newServer(place, password string, now func() time.Time) (*server, error) {
	if u, err := url.Parse(place); err != nil {
		return nil, errors.New("the URL of the store cannot be read: it is written as postgres://USER@HOST:PORT/DATABASE")
	} else if _, has := u.User.Password(); has || u.Query().Has("password") {
		return nil, ErrPassword
	}
	cfg, err := pgx.ParseConfig(place)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the store: %w", err)
	}
	if password != "" {
		cfg.Password = password
	}
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > patience {
		cfg.ConnectTimeout = patience
	}
	for name, value := range map[string]string{
		"application_name": "backout", "search_path": schemaName, "statement_timeout": millis(2 * patience), "lock_timeout": millis(patience - time.Second),
		"idle_in_transaction_session_timeout": millis(staleAfter), "client_min_messages": "warning",
	} {
		if cfg.RuntimeParams[name] == "" {
			cfg.RuntimeParams[name] = value
		}
	}
	at := []string{net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))}
	for _, other := range cfg.Fallbacks { // each way to a host is one
		if a := net.JoinHostPort(other.Host, strconv.Itoa(int(other.Port))); !slices.Contains(at, a) {
			at = append(at, a)
		}
	}
	return &server{cfg: cfg, place: (&url.URL{Scheme: "postgres", User: url.User(cfg.User), Host: strings.Join(at, ","), Path: "/" + cfg.Database}).String(), patience: patience, now: now}, nil
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// gone takes note that the server does not answer.
func (s *server) gone(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		s.since = s.now()
		s.tellLocked()
	}
	s.why, s.tried = why, time.Now()
}

// back takes note that it does.
func (s *server) back() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.IsZero() {
		s.tellLocked()
	}
	s.since, s.why = time.Time{}, nil
}

// tell wakes those who wait for news.
func (s *server) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked()
}

func (s *server) tellLocked() {
	if s.told != nil {
		close(s.told)
		s.told = nil
	}
}

func (s *server) news() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		s.told = make(chan struct{})
	}
	return s.told
}

// copied takes note of when the copy was brought up.
func (s *server) copied(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copyAt = at
}

func (s *server) copyTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copyAt
}

// away says since when the server does not answer, and why; zero where it does, as far as is known.
func (s *server) away() (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, s.why
}

// resting reports whether the server is away and was tried just now.
func (s *server) resting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.since.IsZero() && time.Since(s.tried) < tryEvery
}

// dialer makes connections for one purpose.
type dialer struct {
	server *server
	params map[string]string
	admit  func(ctx context.Context, w *wire) error // looks at what was reached; nil: whatever it is
}

// Connect implements driver.Connector.
func (d *dialer) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.server.patience, errSilent)
	defer cancel()
	cfg := *d.server.cfg.Copy()
	for name, value := range d.params {
		cfg.RuntimeParams[name] = value
	}
	conn, err := stdlib.GetConnector(cfg).Connect(ctx)
	if err != nil {
		if err = classify(err); errors.Is(err, ErrAway) && (ctx.Err() == nil || errors.Is(context.Cause(ctx), errSilent)) {
			d.server.gone(err)
		}
		return nil, err
	}
	w := &wire{Conn: conn.(*stdlib.Conn), server: d.server} //nolint:forcetypeassert // what this connector makes
	if d.admit != nil {
		if err := d.admit(ctx, w); err != nil {
			return nil, errors.Join(classify(err), w.Close())
		}
	}
	d.server.back()
	return w, nil
}

// Driver implements driver.Connector.
func (d *dialer) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// setClock takes note of what the server's clock said just now, in microseconds.
func (s *server) setClock(micros int64) time.Duration {
	ahead := time.UnixMicro(micros).Sub(s.now())
	s.ahead.Store(int64(ahead))
	return ahead
}

// primary refuses a connection to a server that nobody can write to, and makes sure that what it acknowledges is on its disk.
func (s *server) primary(ctx context.Context, w *wire) error {
	var follows bool
	var sync string
	err := w.Conn.Conn().QueryRow(ctx, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', current_setting('synchronous_commit')").Scan(&follows, &sync)
	switch {
	case err != nil:
		return err
	case follows:
		return ErrStandby
	case sync == "off":
		_, err = w.Conn.Conn().Exec(ctx, "SET synchronous_commit = on")
	}
	return err
}

// known refuses a connection to a schema that this program does not know, and asks what time it is there.
func (s *server) known(ctx context.Context, w *wire) error {
	var micros int64
	if err := w.Conn.Conn().QueryRow(ctx, "SELECT "+clock).Scan(&micros); err != nil {
		return err
	}
	s.setClock(micros)
	have, err := w.schema(ctx)
	switch {
	case err != nil:
		return err
	case have == 0:
		return fmt.Errorf("the record is not there yet: start once without --readonly to make it: %w", ErrNotFound)
	}
	return checkVersion(have, true)
}

// onlyRead has a connection take no write. That is not said when it is made: a URL may ask for a server that takes some.
func (s *server) onlyRead(ctx context.Context, w *wire) error {
	if err := s.known(ctx, w); err != nil {
		return err
	}
	_, err := w.Conn.Conn().Exec(ctx, "SET default_transaction_read_only = on")
	return err
}

// clock is the server's, in microseconds.
const clock = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// schema gives the version of the schema that a connection finds; 0 is none.
func (w *wire) schema(ctx context.Context) (int64, error) {
	var tables, mine int64
	err := w.Conn.Conn().QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE c.relname = $1) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relkind = 'r'`, versionTable).Scan(&tables, &mine)
	switch {
	case err != nil:
		return 0, err
	case tables == 0:
		return 0, nil
	case mine == 0:
		return 0, ErrForeign
	}
	var v sql.NullInt64
	if err := w.Conn.Conn().QueryRow(ctx, "SELECT max(version_id) FROM "+versionTable+" WHERE is_applied").Scan(&v); err != nil {
		return 0, err
	}
	return v.Int64, nil
}
