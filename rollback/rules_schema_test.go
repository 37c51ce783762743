package rollback_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback"
)

// schemaOf gives the findings of rule D on a case.
func schemaOf(t *testing.T, c example) (out []rollback.Finding) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, req := c.build(t)
		p, err := e.Plan(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range p.Units[0].Findings {
			if f.Rule == "D schema" {
				out = append(out, f)
			}
		}
	})
	return out
}

func TestAMigrationThatTookSomethingAwayNamesTheLowestRevisionThatFits(t *testing.T) {
	c := example{
		Units: map[string][]string{"shop": {"r4 d 10", "r3 c 20", "r2 b 60", "r1 a 900"}}, To: "r1",
		Changes: []exampleChange{{ID: "change-of-c", Service: "shop", Commit: "c", Landed: 25, Paths: []string{"db/2_x.up.sql"}}},
		Repo: []exampleCommit{
			{Commit: "a"},
			{Commit: "b", Files: map[string]string{"db/1_x.up.sql": "CREATE TABLE n (id int)"}},
			{Commit: "c", Files: map[string]string{"db/2_x.up.sql": "-- why\nALTER TABLE orders\n  DROP COLUMN total;"}},
			{Commit: "d", Files: map[string]string{"main.go": "x"}},
		},
	}
	found := schemaOf(t, c)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	f := found[0]
	for _, want := range []string{"db/2_x.up.sql:2 drops the column orders.total", "deployment of r3", "lowest revision that fits it is r3"} {
		if !strings.Contains(f.Text, want) {
			t.Errorf("%q does not say %q", f.Text, want)
		}
	}
	if f.Verdict != rollback.Irreversible || f.Change != "change-of-c" || f.Source != "git" || !f.Since.Equal(ago(20)) || f.SeenAt.IsZero() {
		t.Errorf("%+v", f)
	}
	c.Schema = []string{"7 - 9000"}
	if f = schemaOf(t, c)[0]; f.Verdict != rollback.Irreversible || !strings.Contains(f.Text, "fake:prod/shop-db is at version 7") {
		t.Errorf("%+v", f)
	}
	c.Schema = []string{"1 - 9000"}
	if f = schemaOf(t, c)[0]; f.Verdict != rollback.Independent || !strings.Contains(f.Evidence, "has not run") {
		t.Errorf("%+v", f)
	}
	c.Schema, c.To = nil, "r3"
	if f = schemaOf(t, c)[0]; f.Verdict != rollback.Independent || !strings.Contains(f.Text, "no migration") {
		t.Errorf("%+v", f)
	}
}
