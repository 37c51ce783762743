package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout/rollback/ledger"
)

// TestMain also plays a second process: with WRITE_TO set it appends entries to that database, with TORN_WRITE until it is
// killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("TORN_WRITE"); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path, os.Getenv("TORN_SEED")))
		os.Exit(1)
	}
	path := os.Getenv("WRITE_TO")
	if path == "" {
		os.Exit(m.Run())
	}
	db, err := Open(context.Background(), path, Options{})
	if err == nil {
		for range 25 {
			err = errors.Join(err, note(context.Background(), db, "from another process"))
		}
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func note(ctx context.Context, db *DB, text string) error {
	return db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: text}, []byte(text))
		return err
	})
}

func opened(t *testing.T, path string, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestOpenMakesAPrivateDatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "backout")
	db := opened(t, filepath.Join(dir, "a ?#%.db"), Options{})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v %v", info.Mode(), err)
	}
	if info, err := os.Stat(db.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %v", info.Mode(), err)
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "application_id": fmt.Sprint(applicationID), "busy_timeout": "5000",
	} {
		var got string
		if err := db.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
}

func TestLatestIsTheLastMigration(t *testing.T) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) == 0 || !strings.Contains(files[len(files)-1], fmt.Sprintf("%05d_", latest)) {
		t.Errorf("latest is %d, files are %v, %v", latest, files, err)
	}
}

// older makes a database as the backout of the first schema left it.
func older(t *testing.T, path string) {
	t.Helper()
	var err error
	d := &DB{path: path, now: time.Now}
	if d.write, err = pool(path, time.Second, 1, map[string][]string{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)"}}); err != nil {
		t.Fatal(err)
	}
	if err := d.migrate(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	plant(t, d, 1, func(int) ledger.Entry {
		return ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: "from the first schema"}
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// catchesUp looks whether the one entry of an older schema comes into the index.
func catchesUp(t *testing.T, db *DB) {
	t.Helper()
	if left, err := db.Unindexed(t.Context()); err != nil || left != 1 {
		t.Errorf("%d entries are not in the index, %v", left, err)
	}
	if err := db.Index(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if f, err := db.Search(t.Context(), ledger.Query{Text: "first schema"}); err != nil || len(f.Entries) != 1 || f.Unindexed != 0 {
		t.Errorf("found %+v, %v", f, err)
	}
}

// plant writes entries as a backout did that knew of no index.
func plant(t testing.TB, d *DB, n int, entry func(i int) ledger.Entry) {
	t.Helper()
	head := ledger.Head{}
	err := d.Update(t.Context(), func(tx *Tx) error {
		for i := range n {
			_, line, next, err := ledger.Next(head, entry(i), time.Unix(int64(i), 0))
			if err != nil {
				return err
			}
			if _, err := tx.exec("INSERT INTO ledger (seq, line, hash) VALUES (?, ?, ?)", next.Seq, line, next.Hash); err != nil {
				return err
			}
			head = next
		}
		_, err := tx.exec("UPDATE head SET seq = ?, hash = ? WHERE id = 1", head.Seq, head.Hash)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOlderSchemaIsBackedUpAndMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	older(t, path)
	if _, err := Open(t.Context(), path, Options{ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "older backout") {
		t.Errorf("opened to read: %v", err)
	}
	db := opened(t, path, Options{})
	if r, err := db.Verify(t.Context()); err != nil || !r.OK || r.Entries != 1 {
		t.Errorf("after the migration: %+v %v", r, err)
	}
	if _, err := db.Runs(t.Context()); err != nil {
		t.Errorf("the new tables are not there: %v", err)
	}
	catchesUp(t, db)
	bak, err := sql.Open("sqlite", path+".v1.bak")
	if err != nil {
		t.Fatal(err)
	}
	defer bak.Close()
	var lines, runs int
	err = bak.QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM sqlite_master WHERE name = 'run')").Scan(&lines, &runs)
	if err != nil || lines != 1 || runs != 0 {
		t.Errorf("backup holds %d entries, %d run tables, %v", lines, runs, err)
	}
	if info, err := os.Stat(path + ".v1.bak"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v", info, err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	db := opened(t, path, Options{})
	if _, err := db.write.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, 1)", latest+1); err != nil {
		t.Fatal(err)
	}
	for _, ro := range []bool{false, true} {
		if _, err := Open(t.Context(), path, Options{ReadOnly: ro}); !errors.Is(err, ErrNewer) {
			t.Errorf("read-only %v: %v", ro, err)
		}
	}
}

func TestStrangeFilesAreRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE mine (x)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("this is no database\n"), 300), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{foreign: ErrForeign, text: ErrCorrupt} {
		for _, ro := range []bool{false, true} {
			before, _ := os.ReadFile(path)
			if _, err := Open(t.Context(), path, Options{ReadOnly: ro}); !errors.Is(err, want) {
				t.Errorf("%s, read-only %v: %v", path, ro, err)
			}
			if after, _ := os.ReadFile(path); path == text && !bytes.Equal(before, after) {
				t.Errorf("%s was changed", path)
			}
		}
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "none.db"), Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file opened to read: %v", err)
	}
}

func TestDamagedPagesAreACorruptDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	db := opened(t, path, Options{})
	for range 300 {
		if err := note(t.Context(), db, strings.Repeat("x", 200)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096 * 8; i < len(b); i++ {
		b[i] = 0xa5
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err = Open(t.Context(), path, Options{})
	if err == nil {
		defer db.Close()
		_, err = db.Entries(t.Context(), 0, 0)
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestAFullDatabaseSaysSoAndLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	db := opened(t, path, Options{MaxPages: 60})
	var err error
	var written int64
	for err == nil {
		if err = note(t.Context(), db, fmt.Sprint(written, strings.Repeat("x", 3000))); err == nil {
			written++
		}
	}
	if !errors.Is(err, ErrFull) || written == 0 {
		t.Fatalf("after %d entries: %v", written, err)
	}
	if r, err := db.Verify(t.Context()); err != nil || !r.OK || r.Entries != written {
		t.Errorf("%+v %v, want %d entries", r, err, written)
	}
	roomy := opened(t, path, Options{})
	if err := note(t.Context(), roomy, "with room again"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestAnotherWriterMakesItBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	one, two := opened(t, path, Options{}), opened(t, path, Options{Busy: time.Millisecond})
	err := one.Update(t.Context(), func(*Tx) error { return note(t.Context(), two, "too early") })
	if !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if err := note(t.Context(), two, "now"); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyReadsAndNeverWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	if err := note(t.Context(), opened(t, path, Options{}), "one"); err != nil {
		t.Fatal(err)
	}
	db := opened(t, path, Options{ReadOnly: true})
	if got, err := db.Entries(t.Context(), 0, 0); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	if err := note(t.Context(), db, "two"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write gives %v", err)
	}
}

func TestTwoProcessesShareANewDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	var procs []*exec.Cmd
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "WRITE_TO="+path)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		procs = append(procs, cmd)
	}
	for _, cmd := range procs {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if r, err := opened(t, path, Options{}).Verify(t.Context()); err != nil || !r.OK || r.Entries != 75 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestVerifyFindsWhatWasDoneToTheTables(t *testing.T) {
	for name, c := range map[string]struct {
		sql    string
		damage ledger.Damage
	}{
		"altered":         {"UPDATE ledger SET line = replace(line, 'two', 'six') WHERE seq = 2", ledger.Altered},
		"altered tail":    {"UPDATE ledger SET line = replace(line, 'three', 'seven') WHERE seq = 3", ledger.Rewritten},
		"dropped":         {"DELETE FROM ledger WHERE seq = 2", ledger.Dropped},
		"truncated":       {"DELETE FROM ledger WHERE seq = 3", ledger.Truncated},
		"payload altered": {"UPDATE payload SET body = 'other' WHERE body = CAST('two' AS BLOB)", ledger.Unbound},
		"payload gone":    {"DELETE FROM payload WHERE body = CAST('two' AS BLOB)", ledger.Unbound},
		"head gone":       {"DELETE FROM head", ledger.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
			for _, s := range []string{"one", "two", "three"} {
				if err := note(t.Context(), db, s); err != nil {
					t.Fatal(err)
				}
			}
			res, err := db.write.ExecContext(t.Context(), c.sql)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := res.RowsAffected(); n != 1 {
				t.Fatalf("the damage touched %d rows", n)
			}
			r, err := db.Verify(t.Context())
			if err != nil || r.OK || r.Problems[0].Damage != c.damage {
				t.Errorf("%+v %v, want %q", r, err, c.damage)
			}
		})
	}
}

func TestAnEmptyDatabaseIsReadAndNotWritten(t *testing.T) {
	db, err := Empty(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := Empty(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if runs, err := db.Runs(t.Context()); err != nil || len(runs) != 0 {
		t.Errorf("runs %v, %v", runs, err)
	}
	if report, err := db.Verify(t.Context()); err != nil || !report.OK || report.Entries != 0 {
		t.Errorf("report %+v, %v", report, err)
	}
	if err := note(t.Context(), db, "one"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("written: %v", err)
	}
}

func TestWhatTheFileSystemSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), filepath.Join(file, "b.db"), Options{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a file where the directory should be: %v", err)
	}
	for cause, want := range map[error]error{syscall.EROFS: ErrReadOnly, syscall.ENOSPC: ErrFull, syscall.EDQUOT: ErrFull, fs.ErrNotExist: fs.ErrNotExist} {
		if err := classify(&fs.PathError{Op: "open", Path: "b.db", Err: cause}); !errors.Is(err, want) {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

// Several programs start at once on a machine that never ran one: each finds the database, whoever makes it.
func TestManyOpenOneNewDatabase(t *testing.T) {
	t.Parallel()
	for round := range 10 {
		path := filepath.Join(t.TempDir(), strconv.Itoa(round), "backout.db")
		var all errgroup.Group
		for range 8 {
			all.Go(func() error {
				d, err := Open(t.Context(), path, Options{})
				if err != nil {
					return err
				}
				return d.Close()
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
