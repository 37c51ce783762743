package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers"
	record "github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), store.Options{})
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

func write(t *testing.T, db *store.DB, entries ...ledger.Entry) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		for _, e := range entries {
			if _, err := tx.Append(e, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func body(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// story is a note, a run of one unit that ended, and one of two units that is going on.
func story(t *testing.T) []ledger.Entry {
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	pricing := ledger.RunUnit{Unit: "releases:prod/pricing", Service: "pricing", Environment: "prod", From: "sha256:b", FromLabel: "r42", To: "sha256:a", ToLabel: "r41"}
	orders := ledger.RunUnit{Unit: "releases:prod/orders", Service: "orders", Environment: "prod", From: "sha256:d", To: "sha256:c"}
	confirmed := ledger.RunBody{PlanHash: "h", Units: []ledger.RunUnit{pricing}, ConfirmedAt: at(2)}
	ended := confirmed
	ended.State, ended.AppliedAt, ended.EndedAt = "succeeded", at(3), at(5)
	both := ledger.RunBody{PlanHash: "h2", Units: []ledger.RunUnit{pricing, orders}, ConfirmedAt: at(10)}
	return []ledger.Entry{
		{At: at(1), Kind: ledger.KindNote, Actor: "bob", ActorKind: "human", Text: "calling\x1b[2J the payment team"},
		{At: at(2), Kind: ledger.KindConfirmation, Actor: "ana", ActorKind: "human", Run: "RUN-0001", Change: "CHG-1", Body: body(t, confirmed)},
		{At: at(3), Kind: ledger.KindResult, Run: "RUN-0001", Unit: pricing.Unit, Body: body(t, ledger.StepBody{Step: 1, State: "applied", To: "sha256:a"})},
		{At: at(5), Kind: ledger.KindOutcome, Actor: "ana", ActorKind: "human", Run: "RUN-0001", Change: "CHG-1", Body: body(t, ended)},
		{At: at(10), Kind: ledger.KindConfirmation, Actor: "ana", ActorKind: "human", Run: "RUN-0002", Body: body(t, both)},
		{At: at(11), Kind: ledger.KindResult, Run: "RUN-0002", Unit: pricing.Unit, Body: body(t, ledger.StepBody{Step: 1, State: "applied", To: "sha256:a"})},
	}
}

func collect(t *testing.T, p *record.Provider, w providers.Window) []providers.Change {
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

func TestTheRecordAsChanges(t *testing.T) {
	db := open(t)
	write(t, db, story(t)...)
	got := collect(t, record.New("ledger", db, time.Now), providers.Window{})
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	want := []providers.Change{
		{
			ID: "note-1", Provider: "ledger", Kind: providers.KindOperation, Status: providers.StatusNote, Title: "calling the payment team",
			Author: providers.Author{Name: "bob", Kind: "human"}, LandedAt: at(1), EffectiveFrom: at(1),
		},
		{
			ID: "RUN-0001", Provider: "ledger", Kind: providers.KindRollback, Service: "pricing", Environment: "prod",
			Title: "RUN-0001: releases:prod/pricing back to r41", Author: providers.Author{Name: "ana", Kind: "human"},
			LandedAt: at(2), EffectiveFrom: at(3), EffectiveTo: at(5), From: "r42", To: "r41", Unit: "releases:prod/pricing",
			Status: "succeeded", VerifiedAt: at(5), Reverts: []string{"CHG-1"}, Artifacts: []string{"sha256:a"},
		},
		{
			ID: "RUN-0002/releases:prod/orders", ChangeSet: "RUN-0002", Provider: "ledger", Kind: providers.KindRollback, Service: "orders",
			Environment: "prod", Title: "RUN-0002: releases:prod/orders back to sha256:c", Author: providers.Author{Name: "ana", Kind: "human"},
			LandedAt: at(10), From: "sha256:d", To: "sha256:c", Unit: "releases:prod/orders", Status: "running",
		},
		{
			ID: "RUN-0002/releases:prod/pricing", ChangeSet: "RUN-0002", Provider: "ledger", Kind: providers.KindRollback, Service: "pricing",
			Environment: "prod", Title: "RUN-0002: releases:prod/pricing back to r41", Author: providers.Author{Name: "ana", Kind: "human"},
			LandedAt: at(10), EffectiveFrom: at(11), From: "r42", To: "r41", Unit: "releases:prod/pricing", Status: "running",
			Artifacts: []string{"sha256:a"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A run that altered nothing names no content that it brought: somebody else's switch to that content is not its own.
func TestARunWithoutEffectBroughtNothing(t *testing.T) {
	for state, brought := range map[string][]string{
		"aborted without effect": nil, "already restored": nil, "superseded": nil, "unknown": {"sha256:a"},
	} {
		db := open(t)
		ended := ledger.RunBody{
			PlanHash: "h", Units: []ledger.RunUnit{{Unit: "releases:prod/pricing", To: "sha256:a"}}, ConfirmedAt: noon, EndedAt: noon, State: state,
		}
		write(t, db, ledger.Entry{At: noon, Kind: ledger.KindOutcome, Actor: "ana", Run: "RUN-0001", Body: body(t, ended)})
		got := collect(t, record.New("ledger", db, time.Now), providers.Window{})
		if len(got) != 1 || got[0].Status != state || !cmp.Equal(got[0].Artifacts, brought) {
			t.Errorf("%s: %+v", state, got)
		}
	}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Suite{
		New: func(t *testing.T) providers.Provider {
			db := open(t)
			write(t, db, append(story(t), measureStory(t)...)...)
			return record.New("ledger", db, time.Now)
		},
		Window: providers.Window{Since: noon, Until: noon.Add(4 * time.Minute)},
	})
}

func TestWatchGivesWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t)
		entries := story(t)
		write(t, db, entries[0])
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := make(chan providers.Change)
		go func() {
			defer close(events)
			for e, err := range record.New("ledger", db, time.Now).Watch(ctx) {
				if err != nil {
					t.Error(err)
					return
				}
				events <- *e.Change
			}
		}()
		time.Sleep(poll / 2) // fake time: the watcher has seen what was there before
		for i, want := range []string{"confirmed", "running", "succeeded"} {
			write(t, db, entries[i+1])
			if c := <-events; c.ID != "RUN-0001" || c.Status != want {
				t.Errorf("event %d is %s %q, want %q", i, c.ID, c.Status, want)
			}
		}
		cancel()
		if c, ok := <-events; ok {
			t.Errorf("one more event: %+v", c)
		}
	})
}

const poll = time.Second

// away is a record that cannot be read.
type away struct{ err error }

func (a away) Entries(context.Context, int64, int) ([]ledger.Entry, error) { return nil, a.err }

func TestARecordThatCannotBeReadIsOnTheHealthLine(t *testing.T) {
	p := record.New("ledger", away{store.ErrCorrupt}, time.Now)
	for _, err := range p.Changes(t.Context(), providers.Window{}) {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
	}
	if h := p.Health(); h.State != providers.HealthFailing {
		t.Errorf("health is %+v", h)
	}
}
