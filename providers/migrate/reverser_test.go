package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
	"github.com/backout-dev/backout/test/servers"
)

// job is what the process that is killed has to do.
type job struct {
	Settings string
	Op       rollback.Operation
	Step     rollback.Step
}

// TestMain lets this binary be the process that applies and is killed.
func TestMain(m *testing.M) {
	rollbacktest.Child(alone)
	os.Exit(m.Run())
}

func alone(j job) error {
	p, err := tryMake(j.Settings, &providertest.Archive{})
	if err != nil {
		return err
	}
	_, err = p.Apply(context.Background(), j.Op, j.Step)
	return err
}

// applyAndKill applies in a process of its own and kills that when it is time. It returns when the database has noticed.
func (w *world) applyAndKill(ctx context.Context, op rollback.Operation, step rollback.Step, until func(context.Context) error) error {
	dsn := w.dsn
	if w.dialect == goose.DialectPostgres {
		dsn += "&application_name=killed"
	}
	cmd, err := rollbacktest.Command(ctx, job{w.text(dsn), op, step})
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = until(ctx)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed, or through
	if err != nil {
		return err
	}
	if w.dialect != goose.DialectPostgres {
		return nil
	}
	for {
		var left int
		if err := w.db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'killed'").Scan(&left); err != nil || left == 0 {
			return err
		}
	}
}

// after is a moment of chance.
func after(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
		return ctx.Err()
	}
}

// heldUp is when the process waits for a lock on a table.
func (w *world) heldUp(ctx context.Context) error {
	for {
		var n int
		err := w.db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'killed' AND wait_event_type = 'Lock'").Scan(&n)
		if err != nil || n > 0 {
			return err
		}
	}
}

// door stands before the database and can be shut: what comes meanwhile waits, or is answered with nonsense.
type door struct {
	to      string
	dsn     string
	mu      sync.Mutex
	opened  *sync.Cond
	shut    bool
	garbage bool
	inside  sync.WaitGroup
}

func before(t *testing.T, dsn string) *door {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{to: u.Host}
	d.opened = sync.NewCond(&d.mu)
	u.Host = l.Addr().String()
	d.dsn = u.String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.inside.Add(1)
			go d.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return d
}

func (d *door) serve(conn net.Conn) {
	defer d.inside.Done()
	defer conn.Close()
	back, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer back.Close()
	go func() {
		_, _ = io.Copy(spoiled{conn, d}, back)
		_ = conn.Close()
	}()
	_, _ = io.Copy(waiting{back, d}, conn)
}

// waiting writes when the door is open: what was sent arrives, and late.
type waiting struct {
	io.Writer
	d *door
}

func (w waiting) Write(b []byte) (int, error) {
	w.d.mu.Lock()
	for w.d.shut {
		w.d.opened.Wait()
	}
	w.d.mu.Unlock()
	return w.Writer.Write(b)
}

type spoiled struct {
	io.Writer
	d *door
}

func (s spoiled) Write(b []byte) (int, error) {
	s.d.mu.Lock()
	garbage := s.d.garbage
	s.d.mu.Unlock()
	if garbage {
		_, err := s.Writer.Write([]byte("HTTP/1.1 200 OK\r\n\r\n<html>"))
		return len(b), errors.Join(err, io.ErrClosedPipe)
	}
	return s.Writer.Write(b)
}

func (d *door) hang() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	return func() {
		d.mu.Lock()
		d.shut = false
		d.mu.Unlock()
		d.opened.Broadcast()
	}
}

func (d *door) spoil() (restore func()) {
	set := func(on bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.garbage = on
	}
	set(true)
	return func() { set(false) }
}

// foreign has the real tool go to a version. Where it is there already, it leaves and comes back, as otherwise nobody would have
// done anything.
func (w *world) foreign(ctx context.Context, to rollback.Revision) error {
	v, err := strconv.ParseInt(to.Label, 10, 64)
	if err != nil {
		return err
	}
	err = w.migrate(ctx, v-1)
	return errors.Join(err, w.migrate(ctx, v))
}

// dump is all that there is, as PostgreSQL's catalog tells it to somebody else.
func (w *world) dump(ctx context.Context, query string) (string, error) {
	var text sql.NullString
	err := w.db.QueryRowContext(ctx, query).Scan(&text)
	return text.String, err
}

const catalogText = `SELECT string_agg(table_name || '.' || column_name || ' ' || data_type, E'\n' ORDER BY table_name, column_name)
FROM information_schema.columns WHERE table_schema = 'public'`

// suite is the suite of every reverser, on the real database and beside the real tool.
func suite(tool string, files map[string]string) func(*testing.T, *servers.Postgres) {
	return func(t *testing.T, g *servers.Postgres) {
		w := newWorld(t, g, tool, files)
		w.at(t, 3)
		d := before(t, w.dsn)
		p := w.through(t, d.dsn)
		obs := observe(t, p)
		rollbacktest.Run(t, rollbacktest.Suite{
			Reverser: p, Unit: obs.Unit.ID, To: labelled(t, obs, "1").Digest, Few: true, Hang: d.hang, Garbage: d.spoil,
			State:   func(ctx context.Context) (string, error) { return w.dump(ctx, catalogText) },
			Foreign: w.foreign,
			Kill: func(ctx context.Context, op rollback.Operation, step rollback.Step) error {
				return w.applyAndKill(ctx, op, step, after(time.Duration(20+rand.IntN(300))*time.Millisecond))
			},
		})
	}
}

var sqliteFiles = map[string]string{
	"00001_orders.sql":   "-- +goose Up\nCREATE TABLE orders (\n  id INTEGER PRIMARY KEY,\n  total REAL NOT NULL\n);\n-- +goose Down\nDROP TABLE orders;\n",
	"00002_discount.sql": "-- +goose Up\nALTER TABLE orders ADD COLUMN discount REAL;\n-- +goose Down\nALTER TABLE orders DROP COLUMN discount;\n",
	"00003_items.sql":    "-- +goose Up\nCREATE TABLE items (id INTEGER PRIMARY KEY);\nCREATE INDEX items_id ON items (id);\n-- +goose Down\nDROP TABLE items;\n",
}

// On SQLite goose has no lock of its own, so nobody else is at it during an apply here.
func TestSQLite(t *testing.T) {
	w := &world{tool: "goose", dir: t.TempDir(), archive: &providertest.Archive{}, dialect: goose.DialectSQLite3}
	path := filepath.Join(t.TempDir(), "shop.db")
	w.dsn = "sqlite:" + path
	var err error
	if w.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	w.put(t, sqliteFiles)
	w.at(t, 3)
	p := w.provider(t)
	obs := observe(t, p)
	if obs.Unit.ID != "migrate:shop/goose_db_version" || obs.Current.Label != "3" || time.Since(obs.Current.Since).Abs() > time.Hour {
		t.Errorf("%+v", obs)
	}
	calls := 0
	rollbacktest.Run(t, rollbacktest.Suite{
		Reverser: p, Unit: obs.Unit.ID, To: labelled(t, obs, "1").Digest,
		State: func(ctx context.Context) (string, error) {
			return w.dump(ctx, "SELECT group_concat(name || coalesce(sql, '')) FROM sqlite_master")
		},
		Kill: func(ctx context.Context, op rollback.Operation, step rollback.Step) error {
			calls++
			return w.applyAndKill(ctx, op, step, after(time.Duration(calls*20)*time.Millisecond))
		},
	})
	// What somebody else did between plan and apply stays.
	_, prop := plan(t, p, "2")
	if err := w.foreign(t.Context(), obs.Current); err != nil {
		t.Fatal(err)
	}
	want(t, apply(t, p, "op-late", prop), rollback.PreconditionFailed, "not what the plan saw")
	verify(t, p, obs.Current, rollback.CheckPass)
}

func verify(t *testing.T, p rollback.Reverser, to rollback.Revision, state rollback.CheckState) string {
	t.Helper()
	var unit rollback.UnitID
	for u := range p.Units(t.Context()) {
		unit = u.ID
	}
	checks, err := p.Verify(t.Context(), unit, to)
	if err != nil || len(checks) != 2 || checks[1].State != state || !checks[1].Inside {
		t.Fatalf("want the schema to be %q: %+v %v", state, checks, err)
	}
	return checks[1].Observed + ", " + checks[1].Goal
}

// One server serves every test here.
func TestPostgres(t *testing.T) {
	g := servers.StartPostgres(t)
	for name, test := range map[string]func(*testing.T, *servers.Postgres){
		"goose": suite("goose", gooseFiles), "golang-migrate": suite("golang-migrate", golangFiles),
		"plan": planned, "one way": oneWay, "seen": seenBefore, "failed down": failedDown, "between": between, "altered by hand": altered, "a down that leads elsewhere": elsewhere,
		"locks": locks, "long transaction": long, "no transaction": noTransaction, "half done": halfDone, "killed inside": killedInside, "killed outside": killedOutside,
		"changes": changes, "changes without times": changesWithoutTimes, "conformance": conformance, "secret": secret,
	} {
		t.Run(name, func(t *testing.T) { test(t, g) })
	}
}

func sprint(v any) string { return strings.TrimSpace(fmt.Sprintf("%+v", v)) }
