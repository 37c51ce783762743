// Package migrate reads the version table that goose or golang-migrate keeps in a database, and takes migrations back: each
// database and table is a unit whose revisions are what was applied. It never runs the tool. It executes the statements of the
// tool's files itself, in one transaction with the look at what is there, because neither tool takes a condition. What stands
// in the version table is held against the live schema, by a fingerprint: a failed migration may leave a version that is not there.
package migrate

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	toolGoose  = "goose"
	toolGolang = "golang-migrate"

	defaultPoll      = 30 * time.Second
	defaultTimeout   = 10 * time.Second
	defaultLock      = 5 * time.Second
	defaultStatement = time.Minute
	defaultApply     = 5 * time.Minute
	defaultLong      = 30 * time.Second
)

type settings struct {
	DSN              string        `yaml:"dsn"`
	Tool             string        `yaml:"tool"`
	Directory        string        `yaml:"directory"`
	Table            string        `yaml:"table"`
	Schemas          []string      `yaml:"schemas"`
	Service          string        `yaml:"service"`
	Accept           []string      `yaml:"accept"`
	Poll             time.Duration `yaml:"poll"`
	Timeout          time.Duration `yaml:"timeout"`
	LockTimeout      time.Duration `yaml:"lock_timeout"`
	StatementTimeout time.Duration `yaml:"statement_timeout"`
	ApplyTimeout     time.Duration `yaml:"apply_timeout"`
	LongTransaction  time.Duration `yaml:"long_transaction"`
}

// Factory makes providers of type "migrate".
func Factory() providers.Factory {
	d := time.Duration.String
	return providers.Factory{
		Type: "migrate",
		Help: "the schema of a database, by goose or golang-migrate: which migrations were applied, and the way down and up",
		Fields: []providers.Field{
			{Name: "dsn", Type: providers.FieldSecret, Required: true, Help: "the database: postgres://..., or sqlite:PATH"},
			{Name: "tool", Type: providers.FieldString, Required: true, Enum: []string{toolGoose, toolGolang}, Help: "whose files and version table"},
			{Name: "directory", Type: providers.FieldString, Required: true, Help: "the migration files, as they are deployed"},
			{Name: "table", Type: providers.FieldString, Help: "the version table, with its schema if need be; none: what the tool calls it itself"},
			{Name: "schemas", Type: providers.FieldStrings, Help: "the schemas of PostgreSQL that the fingerprint covers; none: those on the search path"},
			{Name: "service", Type: providers.FieldString, Help: "the service whose schema it is"},
			{Name: "accept", Type: providers.FieldStrings, Help: "fingerprints of a schema that was altered by hand, and may stay so"},
			{Name: "poll", Type: providers.FieldDuration, Default: d(defaultPoll), Help: "how often to look for new migrations"},
			{Name: "timeout", Type: providers.FieldDuration, Default: d(defaultTimeout), Help: "longest time for one look"},
			{Name: "lock_timeout", Type: providers.FieldDuration, Default: d(defaultLock), Help: "longest wait for a lock, that of the tool and those on tables"},
			{Name: "statement_timeout", Type: providers.FieldDuration, Default: d(defaultStatement), Help: "longest time for one statement of a migration"},
			{Name: "apply_timeout", Type: providers.FieldDuration, Default: d(defaultApply), Help: "longest time for all of a way down or up"},
			{Name: "long_transaction", Type: providers.FieldDuration, Default: d(defaultLong), Help: "a transaction on the same tables that is open for longer keeps a migration from beginning"},
		},
		New: build,
	}
}

// Provider is the schema of one database. It is a ChangeSource, a Watcher and a rollback.Reverser. It is safe for use by several
// goroutines.
type Provider struct {
	*providers.Vitals
	env    providers.Environment
	set    settings
	dir    string
	db     *sql.DB
	system system
	table  table
	name   string // of the database
}

// tableName is what a version table may be called: it stands in SQL as it is.
var tableName = regexp.MustCompile(`^([A-Za-z_]\w{0,62}\.)?[A-Za-z_]\w{0,62}$`)

func build(env providers.Environment, decode func(any) error) (providers.Provider, error) {
	s := settings{
		Poll: defaultPoll, Timeout: defaultTimeout, LockTimeout: defaultLock, StatementTimeout: defaultStatement,
		ApplyTimeout: defaultApply, LongTransaction: defaultLong,
	}
	if err := decode(&s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &Provider{Vitals: providers.NewVitals(env.Name, env.Now, 0), env: env, set: s, dir: s.Directory}
	if !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(env.Dir, p.dir)
	}
	var err error
	if p.db, p.system, p.name, err = open(s, env.Dir); err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	p.table = table{name: s.Table, tool: s.Tool, system: p.system}
	return p, nil
}

func (s *settings) check() error {
	for name, d := range map[string]time.Duration{
		"poll": s.Poll, "timeout": s.Timeout, "lock_timeout": s.LockTimeout, "statement_timeout": s.StatementTimeout,
		"apply_timeout": s.ApplyTimeout, "long_transaction": s.LongTransaction,
	} {
		if d < time.Millisecond {
			return fmt.Errorf("%s must be at least a millisecond", name)
		}
	}
	switch {
	case s.Tool != toolGoose && s.Tool != toolGolang:
		return fmt.Errorf("tool: it is %s or %s", toolGoose, toolGolang)
	case s.Directory == "":
		return errors.New("directory: where are the migration files?")
	}
	if s.Table == "" {
		s.Table = "goose_db_version"
		if s.Tool == toolGolang {
			s.Table = "schema_migrations"
		}
	}
	if !tableName.MatchString(s.Table) {
		return fmt.Errorf("table: %q is no name of a table that is handled here: letters, digits and underscores, and one dot after a schema", s.Table)
	}
	return nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// Close lets go of the database.
func (p *Provider) Close() error { return p.db.Close() }

// ApplyTimeout implements rollback.Patient.
func (p *Provider) ApplyTimeout() time.Duration { return p.set.ApplyTimeout + defaultTimeout }

// LookTimeout implements rollback.Watchful.
func (p *Provider) LookTimeout() time.Duration { return p.set.Timeout + time.Second }
