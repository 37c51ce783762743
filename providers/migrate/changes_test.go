package migrate_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/migrate"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

var noArchive providertest.Archive

func all(t *testing.T, p *migrate.Provider, w providers.Window) []providers.Change {
	t.Helper()
	var out []providers.Change
	for c, err := range p.Changes(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// Goose keeps times. Golang-migrate does not: what happened before the first look has none, and what came after has that of a look.
func changes(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.at(t, 3)
	w.exec(t, "UPDATE goose_db_version SET tstamp = timestamp '2026-01-02 03:04:05' + version_id * interval '1 hour'")
	p := w.provider(t)
	got := all(t, p, providers.Window{Since: time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC), Until: time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)})
	if len(got) != 1 || got[0].Title != "migration 00002_discount.sql" || got[0].Kind != providers.KindMigration || got[0].From != "1" || got[0].To != "2" ||
		!got[0].EffectiveFrom.Equal(time.Date(2026, 1, 2, 5, 4, 5, 0, time.UTC)) || got[0].Unit != string(unitOf(t, p)) || got[0].Service != "shop" {
		t.Errorf("%+v", got)
	}
	w.at(t, 2) // goose forgets it
	if got = all(t, p, providers.Window{}); len(got) != 3 || !strings.HasPrefix(got[0].Title, "the schema went down from 3 to 2, at some time after") || !got[0].LandedApproximate {
		t.Errorf("%+v", got)
	}
}

func changesWithoutTimes(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "golang-migrate", golangFiles)
	w.at(t, 1)
	p := w.provider(t)
	if got := all(t, p, providers.Window{}); len(got) != 1 || !got[0].At().IsZero() || !strings.HasSuffix(got[0].Title, "nobody knows when") {
		t.Errorf("%+v", got)
	}
	w.at(t, 3)
	_, prop := plan(t, p, "2")
	want(t, apply(t, p, "op", prop), rollback.Applied, "at 2")
	var titles []string
	for _, c := range all(t, p, providers.Window{}) {
		titles = append(titles, fmt.Sprintf("%s %s %v", c.Kind, (c.Title + "          ")[:33], c.LandedApproximate))
	}
	if text := strings.Join(titles, "\n"); text != "rollback the schema went down from 3 to 2  false\nmigration the schema went up from 1 to 3, a true\nmigration migration 1_orders.up.sql: applie false" {
		t.Errorf("%s", text)
	}
}

// conformance is the suite of every provider, on the real database.
func conformance(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	w.at(t, 3)
	w.exec(t, "UPDATE goose_db_version SET tstamp = timestamp '2026-01-02 03:04:05' + version_id * interval '1 hour'")
	at := time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)
	fault := func(dsn string, class providers.ErrorClass, extra ...string) providertest.Fault {
		return providertest.Fault{New: func(t *testing.T) providers.Provider { return w.through(t, dsn, extra...) }, Class: class}
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return w.provider(t) },
		Window: providers.Window{Since: at, Until: at.Add(time.Hour)},
		Hang: func(t *testing.T) providers.Provider {
			l, err := net.Listen("tcp", "127.0.0.1:0") // it is connected to, and never answers
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return w.through(t, "postgres://x:y@"+l.Addr().String()+"/shop?sslmode=disable")
		},
		Faults: map[string]providertest.Fault{
			"nobody listens": fault("postgres://x:y@"+nobody.Addr().String()+"/shop?sslmode=disable", providers.ClassRetryable),
			"no table":       fault(w.dsn, providers.ClassPermanent, "table: elsewhere"),
			"no database":    fault(g.URL("no_such"), providers.ClassPermanent),
			"no such role":   fault(strings.Replace(w.dsn, "postgres@", "nobody@", 1), providers.ClassAuth),
		},
	})
}

// The address of the database holds a password: it is in no error and no health line.
func secret(t *testing.T, g *servers.Postgres) {
	w := newWorld(t, g, "goose", gooseFiles)
	for _, dsn := range []string{"postgres://ana:hunter2@127.0.0.1:1/shop", "postgres://ana:hunter2@[::1/shop", "postgres://ana:hunter2@h:port/shop", "mysql://ana:hunter2@h/shop"} {
		p, err := tryMake(w.text(dsn), &noArchive)
		text := ""
		if err != nil {
			text = err.Error()
		} else {
			_, err = p.Observe(t.Context(), "migrate:shop/goose_db_version")
			text = fmt.Sprint(err, p.Health())
			_ = p.Close()
		}
		if err == nil || strings.Contains(text, "hunter2") {
			t.Errorf("%v", text)
		}
	}
}
