package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/backout-dev/backout/rollback/ledger"
)

// held is a checkpoint over the record as it is.
func held(t *testing.T, db *DB) ledger.Checkpoint {
	t.Helper()
	r, err := db.Verify(t.Context())
	if err != nil || !r.OK {
		t.Fatalf("%+v %v", r, err)
	}
	return ledger.Checkpoint{Origin: r.Origin, Head: r.Head, At: db.now(), By: "ana"}
}

// Whoever can write the database can make a record that holds in itself. An old checkpoint shows what was done.
func TestAnOldCheckpointShowsWhatWasDone(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(t *testing.T, db *DB)
		damage ledger.Damage
	}{
		"only grew": {func(t *testing.T, db *DB) { write(t, db, 9, "after") }, ""},
		"truncated": {func(t *testing.T, db *DB) { cut(t, db, 4) }, ledger.Truncated},
		"forked": {func(t *testing.T, db *DB) {
			cut(t, db, 4)
			write(t, db, 12, "another story")
		}, ledger.Rewritten},
		"rewritten": {func(t *testing.T, db *DB) {
			cut(t, db, 0)
			write(t, db, 7, "another story")
		}, ledger.Rewritten},
		"another": {func(t *testing.T, db *DB) {
			alter(t, db, "UPDATE ledger_id SET origin = lower(hex(randomblob(16)))")
		}, ledger.Foreign},
	} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
			write(t, db, 7, "a story")
			old := held(t, db)
			c.do(t, db)
			if r, err := db.Verify(t.Context()); err != nil || !r.OK {
				t.Fatalf("the record does not hold in itself: %+v %v", r, err)
			}
			r, err := db.Verify(t.Context(), old)
			if err != nil || r.OK != (c.damage == "") || (!r.OK && r.Problems[0].Damage != c.damage) {
				t.Errorf("%+v %v, want %q", r, err, c.damage)
			}
			now := held(t, db)
			if now.Head.Seq < old.Head.Seq {
				return
			}
			if _, err := db.ProveGrowth(t.Context(), old, now); (err == nil) != (c.damage == "") {
				t.Errorf("a proof that it grew: %v", err)
			}
		})
	}
}

// What is written beside a line is found to be off as well: other programs may read it.
func TestAnEditBesideTheLinesIsFound(t *testing.T) {
	for _, edit := range []string{
		"UPDATE ledger SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 3",
		"UPDATE ledger SET seq = 40 WHERE seq = 7",
		"UPDATE ledger_id SET origin = ''",
		"DELETE FROM ledger_id",
		"UPDATE head SET seq = 6",
		"UPDATE payload SET body = x'00' WHERE digest = (SELECT min(digest) FROM payload)",
	} {
		db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
		write(t, db, 7, "a story")
		old := held(t, db)
		alter(t, db, edit)
		if r, err := db.Verify(t.Context(), old); err != nil || r.OK {
			t.Errorf("%s: %+v %v", edit, r, err)
		}
	}
}

func write(t *testing.T, db *DB, n int, text string) {
	t.Helper()
	for i := range n {
		if err := note(t.Context(), db, fmt.Sprint(text, i)); err != nil {
			t.Fatal(err)
		}
	}
}

func alter(t *testing.T, db *DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.write.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// cut takes entries off the end as a careful forger does: with the head beside them.
func cut(t *testing.T, db *DB, to int) {
	t.Helper()
	alter(t, db, fmt.Sprintf("DELETE FROM ledger WHERE seq > %d", to),
		"UPDATE head SET seq = coalesce((SELECT max(seq) FROM ledger), 0), hash = coalesce((SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1), '')")
}

func TestProofsAreOfTheStoredLines(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	write(t, db, 3, "a story")
	old := held(t, db)
	write(t, db, 3, "goes on")
	for seq := range int64(3) {
		p, err := db.ProveEntry(t.Context(), old, seq+1)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := p.Check()
		lines, err2 := collect(t.Context(), db.read, scanBytes, "SELECT line FROM ledger WHERE seq = ?", seq+1)
		if errors.Join(err, err2) != nil || !slices.Equal(shown.Line, lines[0]) {
			t.Errorf("%+v %v %v", shown, err, err2)
		}
	}
	alter(t, db, "UPDATE ledger SET line = replace(line, 'a story', 'another') WHERE seq = 2")
	for seq := range int64(3) {
		if p, err := db.ProveEntry(t.Context(), old, seq+1); err == nil {
			t.Errorf("a record that was altered proves %+v", p)
		}
	}
}
