package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/rollback/store/storetest"
	"github.com/backout-dev/backout/test/servers"
)

// databases gives each name of a test a database of its own on one server.
func databases(t *testing.T, g *servers.Postgres) func(t *testing.T, name string) string {
	urls := map[string]string{}
	var mu sync.Mutex
	return func(t *testing.T, name string) string {
		mu.Lock()
		defer mu.Unlock()
		key := t.Name() + " " + name
		if urls[key] == "" {
			urls[key] = g.Create(t, fmt.Sprintf("b%d", len(urls)))
		}
		return urls[key]
	}
}

func openAt(t *testing.T, place string, opts store.Options) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), place, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestPostgreSQLConforms(t *testing.T) {
	at := databases(t, servers.StartPostgres(t))
	storetest.Run(t, func(t *testing.T, name string) *store.DB {
		return openAt(t, at(t, name), store.Options{})
	})
}
