// Package oncall is what one person has at hand in a test of the whole way: providers as their configuration makes them, an
// engine with a journal of its own, and a plain yes to a plan. Everything in it is real.
package oncall

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// Provider makes one from settings as they stand in a configuration file, with an archive of its own.
func Provider(t *testing.T, f providers.Factory, name, settings string) providers.Provider {
	t.Helper()
	p, err := f.New(providers.Environment{
		Name: name, Environment: "dev", Dir: "/", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: &providertest.Archive{},
	}, func(into any) error {
		d := yaml.NewDecoder(strings.NewReader(settings))
		d.KnownFields(true)
		return d.Decode(into)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Engine is one whose journal is new.
func Engine(t *testing.T, c rollback.Config) *rollback.Engine {
	t.Helper()
	journal, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "backout.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := journal.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Store = journal
	e, err := rollback.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Ana is a person, who may do everything.
func Ana() policy.Principal { return policy.Principal{ID: "ana", Kind: policy.Human} }

// Yes is what Ana says to a plan, with all that it asks for.
func Yes(p rollback.Plan) rollback.Confirmation {
	return rollback.Confirmation{
		PlanHash: p.Hash, By: Ana(), Typed: p.Decision.Name, Destroys: p.Decision.Destroys, Reason: "errors", Via: "command line",
	}
}

// Execute confirms a plan and carries it out to its end.
func Execute(t *testing.T, e *rollback.Engine, p rollback.Plan) rollback.Run {
	t.Helper()
	run, err := e.Confirm(t.Context(), p, Yes(p))
	if err != nil {
		t.Fatal(err)
	}
	if run, err = e.Execute(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	return run
}
