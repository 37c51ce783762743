package store

import (
	"path/filepath"
	"slices"
	"testing"
)

// A copy of the store holds every table. One that is not of the record, or made from others, is named here.
func TestACopyHoldsEveryTable(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	names, err := collect(t.Context(), db.read, scanText, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY name")
	if err != nil || len(names) < len(tables) {
		t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
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
