package store_test

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

// A standby is looked at and not written to. When the primary is lost and the standby promoted, a console that names both goes on with what
// was acknowledged, and with the same leases.
func TestFailOver(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	first := openAt(t, place, store.Options{})
	standby := g.Standby(t)
	synchronous(t, g)
	both, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	both.Host += "," + standby.Addr
	both.RawQuery += "&target_session_attrs=read-write"
	db := openAt(t, both.String(), store.Options{})

	if _, err := store.Open(t.Context(), standby.URL("b"), store.Options{}); !errors.Is(err, store.ErrStandby) || !store.Unwritable(err) {
		t.Errorf("a standby was opened to write: %v", err)
	}
	look := openAt(t, standby.URL("b"), store.Options{ReadOnly: true})
	if err := append1(t.Context(), look, "no"); err == nil {
		t.Error("written to a standby")
	}
	run := claimed(t, first)
	if err := acquire(t.Context(), db, run, "here:1", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := append1(t.Context(), db, "acknowledged"); err != nil {
		t.Fatal(err)
	}
	if st, err := look.Status(t.Context()); err != nil || !st.Standby || st.Entries != 1 {
		t.Errorf("%+v %v", st, err)
	}

	g.Kill()
	standby.Promote(t)
	if err := append1(t.Context(), db, "after"); err != nil {
		t.Errorf("it did not go on: %v", err)
	}
	if err := acquire(t.Context(), db, run, "there:2", time.Now().Add(time.Hour)); !errors.Is(err, store.ErrHeld) {
		t.Errorf("the lease was lost: %v", err)
	}
	if r, err := db.Verify(t.Context()); err != nil || !r.OK || r.Entries != 2 {
		t.Errorf("%+v %v", r, err)
	}
}

// synchronous has a primary acknowledge only what its standby has as well.
func synchronous(t *testing.T, g *servers.Postgres) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), g.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, q := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "ALTER SYSTEM SET synchronous_commit = 'remote_apply'", "SELECT pg_reload_conf()"} {
		if _, err := admin.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// The roles of docs/store.md can do what they are for, and no more.
func TestRoles(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	owner := openAt(t, place, store.Options{})
	r := lived(t, owner, "one")
	over(t, owner, r)
	admin, err := pgx.Connect(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if _, err := admin.Exec(t.Context(), grants(t)); err != nil {
		t.Fatal(err)
	}
	as := func(role string) string {
		u, err := url.Parse(place)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.User(role)
		return u.String()
	}
	writer := openAt(t, as("backout_writer"), store.Options{})
	over(t, writer, lived(t, writer, "two"))
	tellsWhatToGrant(t, admin, as)
	if _, err := writer.Redact(t.Context(), 1, []string{"text"}, "why", ledger.Entry{Actor: "ana"}); !errors.Is(err, store.ErrRole) {
		t.Errorf("who may append took something out: %v", err)
	}
	if _, err := store.Open(t.Context(), as("backout_reader"), store.Options{}); !errors.Is(err, store.ErrRole) || !store.Unwritable(err) {
		t.Errorf("who may read opened it to write: %v", err)
	}
	reader := openAt(t, as("backout_reader"), store.Options{ReadOnly: true})
	same(t, owner, reader)
	raw, err := pgx.Connect(t.Context(), as("backout_writer"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close(t.Context())
	for _, q := range []string{
		"UPDATE backout.ledger SET line = ''", "DELETE FROM backout.ledger", "TRUNCATE backout.ledger", "DELETE FROM backout.payload", "DELETE FROM backout.run",
		"DELETE FROM backout.lease", "UPDATE backout.proof SET doc = ''", "UPDATE backout.ledger_id SET origin = ''", "DROP TABLE backout.ledger",
	} {
		if _, err := raw.Exec(t.Context(), q); err == nil {
			t.Errorf("who may append did: %s", q)
		}
	}
	if rep, err := owner.Verify(t.Context()); err != nil || !rep.OK {
		t.Errorf("%+v %v", rep, err)
	}
}

// tellsWhatToGrant looks at what is said to a role that lacks a right that its owner can give, or use.
func tellsWhatToGrant(t *testing.T, admin *pgx.Conn, as func(string) string) {
	t.Helper()
	for _, c := range []struct{ before, role, says, after string }{
		{"CREATE ROLE stranger LOGIN", "stranger", "is there, and this role has no right to use it", "DROP ROLE stranger"},
		{
			"ALTER TABLE backout.approval RENAME TO approval0; DELETE FROM backout.backout_schema WHERE version_id = 11", "backout_writer",
			"have the owner of its tables run 'backout store status' once", "ALTER TABLE backout.approval0 RENAME TO approval; INSERT INTO backout.backout_schema (version_id, is_applied) VALUES (11, true)",
		},
	} {
		if _, err := admin.Exec(t.Context(), c.before); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), as(c.role), store.Options{}); !errors.Is(err, store.ErrRole) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.role, err)
		}
		if _, err := admin.Exec(t.Context(), c.after); err != nil {
			t.Fatal(err)
		}
	}
}

// grants are those that docs/store.md tells to run.
func grants(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/store.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(page), "```sql\n")
	sql, _, closed := strings.Cut(after, "```")
	if !ok || !closed {
		t.Fatal("docs/store.md tells of no grants")
	}
	return sql
}
