package migrate_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/migrate"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// A plan shows the SQL, names what it destroys and what does not come back, and goes forward too.
func planned(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.at(t, 3)
	p := w.provider(t)
	obs, prop := plan(t, p, "1")
	if slices.ContainsFunc(obs.History, func(r rollback.Revision) bool { return len(r.Good) > 0 }) {
		t.Errorf("a way down is offered without being named: %+v", obs.History)
	}
	if obs.Unit.Service != "shop" || obs.Unit.CAS != rollback.CASAtomic || len(prop.Missing) > 0 || len(prop.Steps) != 1 {
		t.Errorf("%+v %+v", obs.Unit, prop)
	}
	contains(t, prop.Diff, "@@ 00003_items.sql, down, in one transaction @@\n+DROP TABLE items;\n+DROP FUNCTION touch;\n@@ 00002_discount.sql, down, in")
	if got := strings.Join(prop.Destroys, "; "); got != "table items; 00002_discount.sql:6, what it destroys is not understood here: read it; column orders.discount" {
		t.Errorf("it destroys %s", got)
	}
	contains(t, strings.Join(prop.NotRestored, "\n"), "brings them back empty")
	contains(t, prop.Blast, "items, orders")
	want(t, apply(t, p, "op-down", prop), rollback.Applied, "at 1, by 2 files in one transaction")
	// The real tool agrees, and finds nothing to mend.
	served(t, p, "1", "op-down")
	_, prop = plan(t, p, "3")
	if prop.Steps[0].Action != "up" || prop.ChangeClass != "schema up" || len(prop.Destroys) > 0 {
		t.Errorf("%+v", prop)
	}
	want(t, apply(t, p, "op-up", prop), rollback.Applied, "at 3")
	verify(t, p, obs.Current, rollback.CheckPass) // as goose itself made it
	w.at(t, 0)
	w.at(t, 3)
	verify(t, p, obs.Current, rollback.CheckPass)
	if now := served(t, p, "3", ""); now.Current.Digest != obs.Current.Digest {
		t.Errorf("made by goose: %+v", now)
	}
	w.put(t, map[string]string{"00003_items.sql": gooseFiles["00003_items.sql"] + "DROP TABLE orders CASCADE;\n"})
	res := apply(t, p, "op-late", prop)
	want(t, res, rollback.PreconditionFailed, "nothing was done")
}

func served(t *testing.T, p *migrate.Provider, label, stamp string) rollback.Observation {
	t.Helper()
	now := observe(t, p)
	if now.Current.Label != label || now.Stamp != stamp || now.Frozen != "" {
		t.Errorf("%+v", now)
	}
	return now
}

// Without a file, with an empty one, and in Go there is no way down, and the plan says which file it is.
func oneWay(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "golang-migrate", golangFiles)
	w.put(t, map[string]string{"4_gone.up.sql": "CREATE TABLE gone (id int);", "5_none.up.sql": "CREATE TABLE none (id int);", "5_none.down.sql": "-- nothing\nSELECT 1;\n"})
	w.at(t, 5)
	p := w.provider(t)
	_, prop := plan(t, p, "4")
	contains(t, sprint(prop.Missing), "one-way: 5_none.down.sql does nothing")
	_, prop = plan(t, p, "3")
	contains(t, sprint(prop.Missing), "one-way: there is no file for its way down")
	want(t, apply(t, p, "op", prop), rollback.Failed, "one-way")

	w = newWorld(t, g, "goose", gooseFiles)
	w.put(t, map[string]string{"00004_one.sql": "-- +goose Up\nCREATE TABLE one (id int);\n"})
	w.at(t, 4)
	_, prop = plan(t, w.provider(t), "3")
	contains(t, sprint(prop.Missing), "it is one-way: 00004_one.sql")
	w.put(t, map[string]string{"00004_one.sql": "-- +goose ENVSUB ON\n-- +goose Up\nCREATE TABLE one (id int);\n-- +goose Down\nDROP TABLE one;\n"})
	_, prop = plan(t, w.provider(t), "3")
	contains(t, sprint(prop.Missing), "environment")
}

// A schema is verified against what it was when that revision was live. One that was never seen is unknown, also after backout
// itself went there.
func seenBefore(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "golang-migrate", golangFiles)
	w.at(t, 2)
	p := w.provider(t)
	two := observe(t, p).Current
	w.at(t, 3)
	obs, prop := plan(t, p, "2")
	want(t, apply(t, p, "op-1", prop), rollback.Applied, "at 2")
	verify(t, p, two, rollback.CheckPass)
	one := labelled(t, obs, "1")
	_, prop = plan(t, p, "1")
	contains(t, sprint(prop.Warnings), "how the schema was at 1 was never seen here")
	want(t, apply(t, p, "op-2", prop), rollback.Applied, "at 1")
	contains(t, verify(t, p, one, rollback.CheckUnknown), "was never seen")
	if c, err := p.Status(t.Context(), obs.Unit.ID, one); err != nil || !c.Done {
		t.Errorf("%+v %v", c, err)
	}
	// Nor is it seen live where somebody else came to it from above.
	w = newWorld(t, g, "golang-migrate", golangFiles)
	w.at(t, 3)
	p = w.provider(t)
	observe(t, p)
	w.at(t, 2)
	verify(t, p, observe(t, p).Current, rollback.CheckUnknown)
	// Another process has another archive, and knows nothing.
	w.archive = nil
	fresh, err := tryMake(w.text(w.dsn), &noArchive)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	verify(t, fresh, two, rollback.CheckUnknown)
}

// A way down of golang-migrate that fails leaves the lower version behind, and nothing happened. The version table is not believed.
func failedDown(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "golang-migrate", golangFiles)
	w.at(t, 2)
	p := w.provider(t)
	two := observe(t, p).Current
	w.at(t, 3)
	three := observe(t, p).Current
	w.put(t, map[string]string{"3_items.down.sql": "DROP TABLE itemz;"})
	if err := w.migrate(t.Context(), 2); err == nil {
		t.Fatal("the way down did not fail")
	}
	obs := observe(t, p)
	contains(t, obs.Frozen, "golang-migrate says dirty at 2: a migration ended in its middle; the live schema is the one that was live at 3: if that is so in the data too, migrate force 3")
	if c, err := p.Status(t.Context(), obs.Unit.ID, two); err != nil || c.Done {
		t.Errorf("%+v %v", c, err)
	}
	if err := w.run(t.Context(), "force", "2"); err != nil { // the wrong way to mend it
		t.Fatal(err)
	}
	obs = observe(t, p)
	contains(t, obs.Frozen, "the version table says 2, and the schema is the one that was live at 3")
	if obs.Current.Digest == two.Digest {
		t.Error("the version table was believed")
	}
	contains(t, verify(t, p, two, rollback.CheckFail), "there is")
	if err := w.run(t.Context(), "force", "3"); err != nil {
		t.Fatal(err)
	}
	if obs = observe(t, p); obs.Frozen != "" || obs.Current.Digest != three.Digest {
		t.Errorf("%+v", obs)
	}
	// Where the lower one was never seen, it is told by the schema that did not change.
	if err := w.run(t.Context(), "force", "1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		contains(t, observe(t, p).Frozen, "and the schema did not change")
	}
}

// Somebody who went up and down again since the plan was there, although all is as it was.
func between(t *testing.T, g *servers.Postgres) {
	for tool, files := range map[string]map[string]string{"goose": gooseFiles, "golang-migrate": golangFiles} {
		w := newWorld(t, g, tool, files)
		w.at(t, 1)
		p := w.provider(t)
		before, prop := plan(t, p, "3")
		w.at(t, 2)
		w.at(t, 1)
		if now := observe(t, p); now.Current.Digest != before.Current.Digest || now.Frozen != "" {
			t.Errorf("%s: %+v", tool, now)
		}
		want(t, apply(t, p, "op", prop), rollback.PreconditionFailed, "not what the plan saw")
	}
}

// What somebody altered by hand is no revision of the files, until a person says that it may stay.
func altered(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.at(t, 3)
	p := w.provider(t)
	three := observe(t, p).Current
	w.exec(t, "CREATE INDEX by_hand ON orders (total)")
	obs := observe(t, p)
	contains(t, obs.Frozen, "the schema is not the one that was seen at 3: there is index public.by_hand")
	if obs.Current.Digest == three.Digest {
		t.Error("another schema is the same revision")
	}
	_, print, _ := strings.Cut(obs.Token, " sha256:")
	accepting := w.provider(t, "accept: ["+print[:12]+"]")
	if obs := observe(t, accepting); obs.Frozen != "" || obs.Current.Digest != three.Digest {
		t.Errorf("%+v", obs)
	}
	verify(t, accepting, three, rollback.CheckPass)
}

// A way down that leads to another schema than the one that was live there is taken back as a whole.
func elsewhere(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.put(t, map[string]string{"00003_items.sql": "-- +goose Up\nCREATE TABLE items (id int);\nCREATE TABLE more (id int);\n-- +goose Down\nDROP TABLE items;\n"})
	w.at(t, 2)
	p := w.provider(t)
	observe(t, p)
	w.at(t, 3)
	_, prop := plan(t, p, "2")
	want(t, apply(t, p, "op", prop), rollback.Failed, "all of it was taken back: it does not lead to the schema that was live at 2: there is column public.more.id")
	if obs := observe(t, p); obs.Current.Label != "3" || obs.Stamp != "" {
		t.Errorf("%+v", obs)
	}
}

// Nobody waits behind a lock for long, and who migrates now is seen.
func locks(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "golang-migrate", golangFiles)
	w.at(t, 3)
	p := w.provider(t, "lock_timeout: 200ms")
	_, prop := plan(t, p, "2")
	tx, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE items IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	want(t, apply(t, p, "op-1", prop), rollback.Failed, "somebody else holds a lock on it for longer than 200ms")
	_ = tx.Rollback()

	w.put(t, map[string]string{"4_slow.up.sql": "CREATE TABLE slow (id int);\nSELECT pg_sleep(30);"})
	slow := make(chan error, 1)
	go func() { slow <- w.migrate(t.Context(), 4) }()
	obs := observe(t, p)
	for deadline := time.Now().Add(20 * time.Second); obs.InFlight == "" && time.Now().Before(deadline); {
		obs = observe(t, p)
	}
	contains(t, obs.InFlight, "holds the lock for migrations")
	want(t, apply(t, p, "op-2", prop), rollback.Failed, "lock timeout")
	w.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()")
	if err := <-slow; err == nil {
		t.Error("the migration was not ended")
	}
	contains(t, observe(t, p).Frozen, "dirty at 4") // the tool's own mark; its one transaction was taken back
}

// A transaction that has stood on the tables for long would hold up everybody behind the migration.
func long(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.at(t, 3)
	p := w.provider(t, "long_transaction: 10ms")
	_, ready := plan(t, p, "2")
	tx, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "SELECT count(*) FROM items"); err != nil {
		t.Fatal(err)
	}
	prop := ready
	for deadline := time.Now().Add(10 * time.Second); len(prop.Missing) == 0 && time.Now().Before(deadline); {
		_, prop = plan(t, p, "2")
	}
	contains(t, sprint(prop.Missing), "has a transaction open on items for")
	want(t, apply(t, p, "op", ready), rollback.Failed, "has a transaction open on items")
}

var outside = map[string]string{
	"00004_fast.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY orders_total ON orders (total);\n-- +goose Down\nDROP INDEX CONCURRENTLY orders_total;\n",
}

// A file without a transaction goes alone, and says that it may be half done.
func noTransaction(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.put(t, outside)
	w.at(t, 3)
	p := w.provider(t)
	three := observe(t, p).Current
	w.at(t, 4)
	four, prop := plan(t, p, "2")
	contains(t, sprint(prop.Missing), "00004_fast.sql runs without a transaction, so it has to go alone: go to a version next to it first (--to 3)")
	_, prop = plan(t, p, "3")
	contains(t, sprint(prop.Warnings), "half of it may stay")
	contains(t, prop.Diff, "WITHOUT a transaction")
	want(t, apply(t, p, "op-1", prop), rollback.Applied, "without a transaction")
	want(t, apply(t, p, "op-1", prop), rollback.AlreadyApplied, "at 3")
	verify(t, p, three, rollback.CheckPass)
	_, prop = plan(t, p, "4")
	want(t, apply(t, p, "op-2", prop), rollback.Applied, "at 4")
	verify(t, p, four.Current, rollback.CheckPass)
}

// What fails in its middle is half done: it is told as that until a person has looked, and nobody believes the version meanwhile.
func halfDone(t *testing.T, g *servers.Postgres) {
	for _, tool := range []string{"goose", "golang-migrate"} {
		w, table := newWorld(t, g, tool, gooseFiles), "goose_db_version"
		w.put(t, map[string]string{"00004_fast.sql": strings.Replace(outside["00004_fast.sql"], "orders_total;", "orders_total;\nDROP INDEX CONCURRENTLY no_such;", 1)})
		if tool == "golang-migrate" {
			table = "schema_migrations"
			w.put(t, golangFiles)
			w.put(t, map[string]string{"4_fast.up.sql": "CREATE INDEX CONCURRENTLY orders_total ON orders (total);", "4_fast.down.sql": "DROP INDEX CONCURRENTLY orders_total;\nDROP TABLE no_such;"})
		}
		w.at(t, 4)
		p := w.provider(t)
		four, prop := plan(t, p, "3")
		want(t, apply(t, p, "op-half", prop), rollback.OutcomeUnknown, "half done, and not taken back: 1 of 2 statements were executed")
		obs := observe(t, p)
		contains(t, obs.InFlight, "op-half) began at")
		contains(t, obs.InFlight, "the live schema is half-way")
		if obs.Current.Digest != four.Current.Digest || obs.Token != four.Token {
			t.Errorf("the same operation could not go on: %+v", obs)
		}
		want(t, apply(t, p, "op-half", prop), rollback.OutcomeUnknown, "the live schema is half-way")
		want(t, apply(t, p, "op-other", prop), rollback.PreconditionFailed, "nothing was done")
		if tool == "golang-migrate" && w.run(t.Context(), "up") == nil {
			t.Error("the tool itself went on with what is half done")
		}
		// Somebody undoes it by hand, as the text says.
		w.exec(t, "CREATE INDEX orders_total ON orders (total)")
		w.exec(t, "DELETE FROM backout_operations WHERE op = 'op-half'")
		if tool == "golang-migrate" {
			if err := w.run(t.Context(), "force", "4"); err != nil {
				t.Fatal(err)
			}
		}
		if obs = observe(t, p); obs.InFlight != "" || obs.Frozen != "" || obs.Current.Digest != four.Current.Digest {
			t.Errorf("%s: %+v", table, obs)
		}
	}
}

// A process that is killed while a statement runs without a transaction leaves a mark, and the same operation finds out what is true.
func killedOutside(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.put(t, outside)
	w.at(t, 3)
	p := w.provider(t)
	three := observe(t, p).Current
	w.at(t, 4)
	_, prop := plan(t, p, "3")
	w.killHeldUp(t, prop)
	contains(t, observe(t, p).InFlight, "op-killed) began at")
	res := apply(t, p, "op-killed", prop)
	t.Log(res)
	if res.Outcome == rollback.OutcomeUnknown { // PostgreSQL had marked the index as going before the process was killed
		contains(t, res.Detail, "the live schema is half-way")
		return
	}
	want(t, res, rollback.Applied, "at 3")
	verify(t, p, three, rollback.CheckPass)
}

// killHeldUp kills a process in the middle of its apply: a lock on the table holds up its statement until then.
func (w *world) killHeldUp(t *testing.T, prop rollback.Proposal) {
	t.Helper()
	tx, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "SELECT count(*) FROM orders"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.applyAndKill(ctx, rollback.Operation{ID: "op-killed"}, prop.Steps[0], w.heldUp); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed in the middle of a transaction leaves nothing, and the same operation does it after that.
func killedInside(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.at(t, 3)
	p := w.provider(t)
	before, prop := plan(t, p, "1")
	w.killHeldUp(t, prop)
	if obs := observe(t, p); obs.Token != before.Token || obs.InFlight != "" || obs.Stamp != "" {
		t.Errorf("%+v", obs)
	}
	want(t, apply(t, p, "op-killed", prop), rollback.Applied, "at 1")
	want(t, apply(t, p, "op-killed", prop), rollback.AlreadyApplied, "at 1")
}
