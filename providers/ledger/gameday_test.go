package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	record "github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

func event(t *testing.T, at int, b ledger.GameDayBody) ledger.Entry {
	t.Helper()
	b.Game = "GAME-0001"
	return ledger.Entry{At: minute(at), Kind: ledger.KindGameDay, Actor: "ingo\x1b[2J", ActorKind: "human", Unit: ledger.GameDayUnit(b.Game), Text: "GAME-0001", Body: body(t, b)}
}

// A game day is on the timeline as a drill that says nothing of what is broken; its fault alerts once it has outlived its deadline.
func TestAGameDayOnTheTimeline(t *testing.T) {
	db := open(t)
	write(t, db,
		event(t, 0, ledger.GameDayBody{What: "announced", Until: minute(10), Detail: "pricing"}),
		event(t, 1, ledger.GameDayBody{What: "injecting", Step: 1, Detail: "pricing"}),
		event(t, 2, ledger.GameDayBody{What: "page", Detail: "pricing"}),
	)
	now := minute(5)
	p := record.New("ledger", db, func() time.Time { return now })
	changes := collect(t, p, providers.Window{})
	if len(changes) != 1 || changes[0].Kind != providers.KindDrill || !changes[0].EffectiveTo.IsZero() || changes[0].Service != "" {
		t.Fatalf("%+v", changes)
	}
	if text := changes[0].Title + changes[0].Unit + changes[0].Author.Name; strings.Contains(text, "pricing") || strings.Contains(text, "\x1b") {
		t.Errorf("it tells too much: %q", text)
	}
	gameDayAlerts(t, db)
}

func gameDayAlerts(t *testing.T, db *store.DB) {
	t.Helper()
	now := minute(5)
	p := record.New("ledger", db, func() time.Time { return now })
	if got := alertsAt(t, p, providers.Window{}); len(got) != 0 {
		t.Errorf("before the deadline: %+v", got)
	}
	now = minute(30) // nobody undid it: its conductor is gone
	if got := alertsAt(t, p, providers.Window{}); len(got) != 1 || got[0].Name != "measure expired" || got[0].State != providers.AlertFiring || !got[0].StartsAt.Equal(minute(11)) {
		t.Errorf("after the deadline: %+v", got)
	}
	write(t, db, event(t, 31, ledger.GameDayBody{What: "ended", Outcome: "called off"}))
	now = minute(40)
	if got := alertsAt(t, p, providers.Window{}); len(got) != 1 || got[0].State != providers.AlertResolved || !got[0].EndsAt.Equal(minute(31)) {
		t.Errorf("after the end: %+v", got)
	}
	if c := collect(t, p, providers.Window{})[0]; !c.EffectiveTo.Equal(minute(31)) || c.Status != "called off" {
		t.Errorf("%+v", c)
	}
}
