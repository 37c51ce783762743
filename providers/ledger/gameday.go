package ledger

import (
	"encoding/json"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
)

// The words that the record uses of a game day.
const (
	gameAnnounced = "announced"
	gameInjecting = "injecting"
	gameEnded     = "ended"
	// gameGrace is how long after its deadline a fault may be in the course of being undone.
	gameGrace = time.Minute
)

// gameDay folds an event of a game day. Its announcement is a change of kind drill that says neither what is broken nor where.
// The fault is a temporary measure from before it is made until the game day is over: one that outlives its deadline is an alert.
func (v *view) gameDay(e ledger.Entry) []providers.Change {
	var b ledger.GameDayBody
	if json.Unmarshal(e.Body, &b) != nil || b.Game == "" {
		return nil // a damaged entry is what "ledger verify" is for
	}
	id := "gameday-" + b.Game
	switch b.What {
	case gameAnnounced:
		if len(v.byRun[id]) > 0 {
			return nil
		}
		v.until[b.Game] = b.Until
		c := providers.Change{
			ID: id, Provider: v.provider, Kind: providers.KindDrill, Title: b.Game + ": a game day is announced: something is going to break", Unit: e.Unit,
			Status: "under way", Author: providers.Author{Name: e.Actor, Kind: e.ActorKind}, LandedAt: e.At.UTC(), EffectiveFrom: e.At.UTC(),
		}
		providers.CleanChange(&c)
		return v.put(id, []providers.Change{c})
	case gameInjecting:
		return v.faulty(e, b, false)
	case gameEnded:
		v.faulty(e, b, true)
		changes := v.byRun[id]
		for i := range changes {
			changes[i].Status, changes[i].EffectiveTo = providers.Clean(b.Outcome), e.At.UTC()
			changes[i].Title = providers.Clean(b.Game + ": a game day, over: " + b.Outcome)
		}
		return v.put(id, changes)
	}
	return nil
}

// faulty has the fault stand as a measure, or be gone.
func (v *view) faulty(e ledger.Entry, b ledger.GameDayBody, gone bool) []providers.Change {
	id := b.Game + ".1"
	m := v.measures[id]
	switch {
	case m == nil && gone:
		return nil
	case m == nil:
		m = &measure{unit: e.Unit}
		v.measures[id] = m
		v.measureOrder = append(v.measureOrder, id)
		m.body = ledger.MeasureBody{
			Measure: id, State: inForce, What: "the fault of a game day stands", Owner: e.Actor, Reason: b.Game, SetAt: e.At.UTC(),
			Exit: "the game day is over", Expires: v.until[b.Game].Add(gameGrace),
		}
	case gone:
		m.body.State, m.body.Closed, m.closedAt = "lifted", true, e.At.UTC()
	}
	return nil
}
