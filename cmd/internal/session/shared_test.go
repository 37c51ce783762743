package session

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/test/servers"
)

// desk opens the console of somebody on a shared store, with a state directory of their own.
func desk(t *testing.T, place, who string) *Session {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{
		Config: &config.Config{}, Registry: &providers.Registry{}, Dir: dir, StateDir: dir, CacheDir: dir, Database: place,
		Window:    providers.Window{Since: time.Now().Add(-time.Hour)},
		Principal: policy.Principal{ID: who, Kind: policy.Human}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func recordLine(s *Session) providers.Health {
	for _, h := range s.Health() {
		if h.Provider == recordName {
			return h
		}
	}
	return providers.Health{}
}

// What one console writes the others show. While the server is away both go on with what they know, say how old that is, and write nothing.
func TestTwoConsolesOnASharedStore(t *testing.T) {
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	ana, bob := desk(t, place, "ana"), desk(t, place, "bob")
	if err := ana.Suspect(t.Context(), "INC-1", "c1", true, "it broke the page"); err != nil {
		t.Fatal(err)
	}
	if ana.Confirmed("INC-1") != "c1" {
		t.Error("ana does not see what she said")
	}
	until(t, "bob hears of it", func() bool { return bob.Confirmed("INC-1") == "c1" })
	if err := bob.Suspect(t.Context(), "INC-1", "c1", false, "no, it did not"); err != nil {
		t.Fatal(err)
	}
	until(t, "ana hears of it", func() bool { return ana.Confirmed("INC-1") == "" })
	until(t, "ana's copy is there", func() bool { a, _ := ana.DB.Away(); return !a.Copy.IsZero() })
	until(t, "ana's record is well", func() bool { return recordLine(ana).State == providers.HealthOK })

	g.Stop()
	until(t, "ana is told that it is away", func() bool {
		h := recordLine(ana)
		return h.State == providers.HealthStale && !h.LastOK.IsZero()
	})
	if entries, err := ana.Entries(t.Context(), "INC-1", providers.Window{}); err != nil || len(entries) == 0 || entries[0].Kind != ledger.KindSuspect {
		t.Errorf("%v %v", entries, err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := ana.Note(short, "", "in the dark"); err == nil {
		t.Error("written while it is away")
	}
	g.Start(t)
	until(t, "it is back", func() bool { return recordLine(ana).State == providers.HealthOK })
	if err := ana.Note(t.Context(), "", "back"); err != nil {
		t.Error(err)
	}
	if found, err := filepath.Glob(filepath.Join(ana.opts.StateDir, "copy-*.db")); err != nil || len(found) != 1 {
		t.Errorf("%v %v", found, err)
	}
}
