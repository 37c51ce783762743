package store_test

import (
	"path/filepath"
	"testing"

	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/rollback/store/storetest"
)

func TestSQLiteConforms(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T, name string) *store.DB {
		if dirs[t.Name()] == "" {
			dirs[t.Name()] = t.TempDir()
		}
		db, err := store.Open(t.Context(), filepath.Join(dirs[t.Name()], name+".db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	})
}
