package rollback_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// A service's flags and its schema are units of their own, beside what runs.
func TestWhatASchemaSaysThatItRanIsJudgedByTheFilesThatWereRead(t *testing.T) {
	ran := []exampleChange{{ID: "row-4", Kind: "migration", On: "shop-db", Service: "shop", Landed: 50, Paths: []string{"00003_x.sql"}}}
	for name, c := range map[string]struct {
		files map[string]string
		want  rollback.Verdict
	}{
		"which only add":         {map[string]string{"db/00003_x.sql": "-- +goose Up\nALTER TABLE orders ADD note text;\n"}, rollback.Independent},
		"which take away":        {map[string]string{"db/00003_x.sql": "-- +goose Up\nALTER TABLE orders DROP note;\n"}, rollback.Irreversible},
		"and there are no files": {map[string]string{"main.go": "x"}, rollback.Unknown},
		"and there is another":   {map[string]string{"db/00002_y.sql": "-- +goose Up\nALTER TABLE orders ADD note text;\n"}, rollback.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			found := schemaOf(t, example{
				Units: map[string][]string{"shop": {"r2 b 60", "r1 a 900"}}, Schema: []string{"3 - 50", "2 - 9000"}, Changes: ran,
				Repo: []exampleCommit{{Commit: "a"}, {Commit: "b", Files: c.files}},
			})
			worst := rollback.Independent
			for _, f := range found {
				if f.Verdict != rollback.Independent {
					worst = f.Verdict
				}
			}
			if len(found) == 0 || worst != c.want {
				t.Errorf("%s: %+v", worst, found)
			}
		})
	}
}

func TestAnEdgeOfAServiceBringsNeitherItsSchemaNorItsFlags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, flag := withFlag(t, rollback.FlagState{On: true, Words: "on"}, 5000, nil)
		flag.unit.Service = "orders"
		db := b.target.add("orders-db", rev("3", "", 5), rev("2", "", 5000))
		db.unit.Kind, db.unit.Service = rollback.KindSchema, "orders"
		b.target.add("orders", rev("o2", "", 4), rev("o1", "", 5000))
		requires := []providers.Edge{{From: "orders", To: "pricing", Kind: providers.EdgeRequires}}
		var ids []rollback.UnitID
		for _, u := range b.plan(t, rollback.Request{Edges: requires}).Units {
			ids = append(ids, u.Unit.ID)
		}
		if !slices.Equal(ids, []rollback.UnitID{"fake:prod/orders", pricingUnit}) {
			t.Errorf("they go back together: %v", ids)
		}
		ids = nil
		before := append(requires, providers.Edge{From: string(flag.unit.ID), To: "orders", Kind: providers.EdgeOrder})
		for _, u := range b.plan(t, rollback.Request{Edges: before}).Units {
			ids = append(ids, u.Unit.ID)
		}
		if !slices.Equal(ids, []rollback.UnitID{flag.unit.ID, "fake:prod/orders", pricingUnit}) {
			t.Errorf("with the flag by its own name: %v", ids)
		}
	})
}

func TestAFlagRunsOnNoSchemaAndAsksForNoCommit(t *testing.T) {
	c := example{
		Unit: "new-cart", Units: map[string][]string{"shop": {"r2 b 60", "r1 a 900"}, "new-cart": {"e3 - 55", "e2 - 900"}}, Flags: map[string]exampleFlag{"new-cart": {On: true, Made: 9000}},
		Changes: []exampleChange{{ID: "row-4", Kind: "migration", Commit: "b", Landed: 50, Effective: 50, Paths: []string{"db/00003_x.sql"}}},
	}
	verdict, findings := c.judge(t)
	if verdict != rollback.Conditional || slices.ContainsFunc(findings, func(f rollback.Finding) bool { return f.Rule == "D schema" }) {
		t.Errorf("%s: %+v", verdict, findings)
	}
	c.Unit, c.To, c.Schema = "shop-db", "2", []string{"3 - 50", "2 - 9000"}
	_, findings = c.judge(t)
	for _, f := range findings {
		if f.Rule == "J flags" {
			t.Errorf("a schema asks for no flag: %+v", f)
		}
	}
}
