package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/test/servers"
)

// A copy of the store holds every table. One that is not of the record, or made from others, is named here.
func TestACopyHoldsEveryTable(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	names, err := collect(t.Context(), db.read, scanText, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY name")
	if err != nil || len(names) < len(tables) {
		t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "search") { // the index is made anew from the lines
			continue
		}
		if !slices.ContainsFunc(tables, func(t table) bool { return t.name == name }) {
			t.Errorf("the table %s is not copied: add it to tables, after those that it refers to", name)
		}
	}
	for _, table := range tables {
		if !slices.Contains(names, table.name) {
			t.Errorf("there is no table %s", table.name)
		}
	}
}

// Both engines have the same columns: a query that works on one works on the other.
func TestTablesAreTheSameOnBothEngines(t *testing.T) {
	sqlite := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	server := opened(t, servers.StartPostgres(t).Create(t, "tables"), Options{})
	for _, table := range tables {
		mine, err := collect(t.Context(), sqlite.read, scanText, "SELECT name FROM pragma_table_info(?) ORDER BY name", table.name)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := collect(t.Context(), server.read, scanText, "SELECT column_name::text FROM information_schema.columns WHERE table_name = ? AND column_name <> 'rowid' ORDER BY 1", table.name)
		slices.Sort(theirs) // the server's order is that of its locale
		if err != nil || !slices.Equal(mine, theirs) {
			t.Errorf("%s has %v on SQLite, %v on PostgreSQL, %v", table.name, mine, theirs, err)
		}
	}
}
