//go:build unix

package faults

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // to damage a database in ways that keep it one
)

// recorded is a world with a unit, and a note and a run on the record.
func recorded(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + ", " + w.releases("orders") + "]}\n")
	w.run("note", "before it broke").ends(fine)
	w.rollBack("orders", "--to", "r1").ends(fine)
	return w
}

// looks checks that everything that does not come from the record is still shown, and that nothing is done.
func (w *world) looks(why string) {
	w.t.Helper()
	w.run("timeline").ends(fine).says("read-only, .*"+why).shows("shop +release r2 went live", "before it broke")
	w.run().ends(fine).shows("shop +release r2 went live")
	w.run("plan", "releases:local/shop", "--to", "r1").ends(fine).shows("r2 -> r1")
	w.run("providers", "list").ends(fine).shows("unit releases:local/shop")
	w.run("note", "lost?").ends(failed).says("write the record: .*" + why)
	w.rollBack("shop", "--to", "r1").ends(refused).says("nothing is done that cannot be recorded: .*" + why)
	w.run("doctor").ends(failed).shows("FAIL +record +.*"+why, "ok +provider releases")
	if got := w.serves("shop"); got != "r2" {
		w.t.Errorf("shop serves %s", got)
	}
}

// unreadable checks that commands about the record say that it cannot be read, and never that it is empty.
func (w *world) unreadable(why string) {
	w.t.Helper()
	for _, args := range [][]string{{"runs"}, {"runs", "show", "RUN-0001"}, {"runs", "resume"}, {"ledger", "list"}, {"ledger", "verify"}, {"export", "--since", "1h"}} {
		w.run(args...).ends(failed).says("the record cannot be read: .*" + why).lacks(".")
	}
	w.run("providers", "check").ends(strict).shows("backout +failing +.*'backout doctor' says why", "releases +ok")
}

// alter changes the database behind the program's back.
func (w *world) alter(query string, args ...any) {
	w.t.Helper()
	w.query(w.path("state/backout.db"), query, args...)
}

func (w *world) query(path, query string, args ...any) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	w.must(err)
	_, err = db.ExecContext(w.t.Context(), query, args...)
	w.must(err)
	w.must(db.Close())
}

// readable checks that the record holds what it held.
func (w *world) readable() {
	w.t.Helper()
	w.run("ledger", "verify").ends(fine).shows("^8 entries, the chain holds")
	w.run("ledger", "list").ends(fine).shows("before it broke", "RUN-0001 succeeded")
	w.run("runs").ends(fine).shows("RUN-0001 .*succeeded")
}

func TestADamagedDatabase(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(data []byte) []byte{
		"overwritten at its beginning": func(d []byte) []byte { copy(d, "this is no database"); return d },
		"cut off":                      func(d []byte) []byte { return d[:9000] },
		"overwritten in the middle":    func(d []byte) []byte { copy(d[8192:40000], bytes.Repeat([]byte{0xa5}, 40000)); return d },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := recorded(t)
			path := w.path("state/backout.db")
			whole, err := os.ReadFile(path)
			w.must(err)
			broken := damage(bytes.Clone(whole))
			w.must(os.WriteFile(path, broken, 0o600))
			w.looks("the database is damaged: put its newest backup .* in its place, or move it away")
			w.unreadable("the database is damaged")
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, broken) {
				t.Errorf("the damaged file was touched (%v)", err)
			}
			w.must(os.WriteFile(path, whole, 0o600))
			w.readable()
		})
	}
}

func TestADatabaseThatIsNotOurs(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	other := w.path("other.db")
	w.query(other, "CREATE TABLE t (a)")
	w.run("timeline", "--store", other).ends(fine).says("a database of another program: point --store elsewhere")
	w.run("runs", "--store", other).ends(failed).says("another program")
	w.readable()

	w.alter("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	w.looks("made by a newer backout: update this one")
	w.unreadable("made by a newer backout")
}

func TestAnAlteredRecord(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	w.alter("UPDATE ledger SET line = replace(line, 'before it broke', 'never') WHERE seq = 1")
	w.run("ledger", "verify").ends(failed).shows("entry 1: altered")
	w.run("doctor").ends(failed).shows("FAIL +record +the record is damaged. 8 entries", "ok +provider releases")
	w.run("timeline").ends(fine)
}

// A user without rights looks at what others recorded, and where they may not even look, at everything else.
func TestAStateDirectoryWithoutRights(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	state := w.path("state")
	w.must(filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o444)
		if d.IsDir() {
			mode = 0o555
		}
		return os.Chmod(path, mode)
	}))
	why := "the database cannot be written: check the rights"
	w.end(w.unprivileged("timeline")).ends(fine).says("read-only, because the record cannot be written: .*"+why).shows("before it broke", "shop +release r2")
	w.end(w.unprivileged("runs")).ends(fine).shows("RUN-0001 .*succeeded")
	w.end(w.unprivileged("ledger", "verify")).ends(fine).shows("the chain holds")
	w.end(w.unprivileged("note", "x")).ends(failed).says("write the record: .*" + why)
	w.end(w.unprivileged("rollback", "releases:local/shop", "--to", "r1", "--confirm", "shop", "--reason", "x")).ends(refused).says(why)
	w.end(w.unprivileged("doctor")).ends(failed).shows("FAIL +state directory", "FAIL +record +.*"+why)

	w.must(os.Chmod(state, 0o000))
	w.end(w.unprivileged("timeline")).ends(fine).says("read-only, .*permission denied").shows("shop +release r2")
	w.end(w.unprivileged("runs")).ends(failed).says("the record cannot be read: .*permission denied").lacks(".")
	w.must(os.Chmod(state, 0o755))
	w.must(os.Chmod(filepath.Join(state, "backout.db"), 0o600))
	w.readable()
}

// A file where the state directory should be is one more place that cannot be written.
func TestAStateDirectoryThatIsAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	w.write("state", "in the way\n")
	w.run("timeline").ends(fine).says("read-only, .*not a directory").shows("shop +release r2")
	w.run("runs").ends(failed).says("the record cannot be read: .*not a directory")
	w.run("doctor").ends(failed).shows("FAIL +state directory +cannot be made", "FAIL +record", "ok +provider releases")
}

// What is only kept for the next start may be broken at any time.
func TestADamagedCache(t *testing.T) {
	t.Parallel()
	for _, junk := range []string{"", "{", "\x00\x01", `{"format":"backout.incident/v1","changes":[{"id":`, `{"format":"backout.incident/v1","last_ok":7}`} {
		w := newWorld(t)
		w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
		w.run("timeline").ends(fine)
		kept, err := filepath.Glob(w.path("cache/last/*"))
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept for the next start: %v %v", kept, err)
		}
		w.must(os.WriteFile(kept[0], []byte(junk), 0o600))
		w.run("timeline", "--strict").ends(fine).shows("shop +release r2 went live")
	}
}
