package store

import (
	"context"
	"database/sql"
	"time"
)

// Status is where a store is and how it stands.
type Status struct {
	Place   string `json:"place"`
	Engine  string `json:"engine"` // SQLite or PostgreSQL, with its version
	Schema  int64  `json:"schema_version"`
	Origin  string `json:"ledger"`
	Entries int64  `json:"entries"`
	Runs    int64  `json:"runs"`
	// Of a server alone.
	Standby    bool          `json:"standby,omitempty"`     // it follows another one, and takes no writes
	Lag        time.Duration `json:"lag_ns,omitempty"`      // how old what a standby replayed last is
	Ahead      time.Duration `json:"clock_ns,omitempty"`    // by how much its clock is ahead of this one
	Unsafe     string        `json:"unsafe,omitempty"`      // a setting by which it may lose what it acknowledged
	Connection string        `json:"connection,omitempty"`  // the version of TLS, [NotEncrypted], or local socket
	Consoles   int64         `json:"connections,omitempty"` // of backout to it, this one's among them, as far as the role may see
	AwaySince  time.Time     `json:"away_since,omitzero"`
	AwayWhy    string        `json:"away_because,omitempty"`
	CopyBeside time.Time     `json:"copy_of,omitzero"` // of when the copy is
}

// NotEncrypted is the connection to a server that anybody on the way can read.
const NotEncrypted = "not encrypted"

// Status looks at the store. Of one that is away it tells what the copy says.
func (d *DB) Status(ctx context.Context) (Status, error) {
	s := Status{Place: d.path, Schema: latest}
	err := d.view(ctx, func(tx *sql.Tx) (err error) {
		if s.Origin, err = originOf(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM run)").Scan(&s.Entries, &s.Runs)
	})
	if err != nil {
		return s, err
	}
	if d.server == nil {
		err := d.read.QueryRowContext(ctx, "SELECT 'SQLite ' || sqlite_version()").Scan(&s.Engine)
		return s, classify(err)
	}
	away, is := d.Away()
	s.CopyBeside = away.Copy
	if is {
		s.Engine, s.AwaySince, s.AwayWhy = "PostgreSQL", away.Since, away.Why.Error()
		return s, nil
	}
	s.Ahead = d.ahead()
	var lag float64
	err = d.read.QueryRowContext(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version'), pg_is_in_recovery(),
		coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float8,
		concat_ws(', ', CASE WHEN current_setting('fsync') = 'off' THEN 'fsync is off' END, CASE WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes is off' END),
		coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), CASE WHEN inet_client_addr() IS NULL THEN 'local socket' ELSE 'not encrypted' END),
		(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'backout')`).
		Scan(&s.Engine, &s.Standby, &lag, &s.Unsafe, &s.Connection, &s.Consoles)
	s.Lag = time.Duration(lag * float64(time.Second))
	return s, classify(err)
}
