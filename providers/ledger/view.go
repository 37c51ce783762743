package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
)

// view folds entries into changes, by id.
type view struct {
	provider string
	byRun    map[string][]providers.Change
	order    []string

	measures     map[string]*measure
	measureOrder []string
	until        map[string]time.Time // when each game day's fault is undone at the latest
}

// unknownOutcome is the state of a run of which nobody knows whether it had an effect.
const unknownOutcome = "unknown"

func newView(provider string) *view {
	return &view{provider: provider, byRun: map[string][]providers.Change{}, measures: map[string]*measure{}, until: map[string]time.Time{}}
}

func (v *view) all() []providers.Change {
	var out []providers.Change
	for _, id := range v.order {
		out = append(out, v.byRun[id]...)
	}
	slices.SortStableFunc(out, func(a, b providers.Change) int { return cmp.Compare(a.At().UnixNano(), b.At().UnixNano()) })
	return out
}

// take folds one entry and returns the changes that it touched.
func (v *view) take(e ledger.Entry) []providers.Change {
	switch e.Kind {
	case ledger.KindNote, ledger.KindProposal:
		return v.put(fmt.Sprintf("note-%d", e.Seq), []providers.Change{v.note(e)})
	case ledger.KindConfirmation:
		return v.put(e.Run, v.run(e, "confirmed"))
	case ledger.KindResult:
		return v.applied(e)
	case ledger.KindMeasure:
		return v.measured(e)
	case ledger.KindGameDay:
		return v.gameDay(e)
	case ledger.KindOutcome:
		return v.put(e.Run, v.run(e, ""))
	default:
		return nil
	}
}

func (v *view) put(id string, changes []providers.Change) []providers.Change {
	if len(changes) == 0 {
		return nil
	}
	if _, ok := v.byRun[id]; !ok {
		v.order = append(v.order, id)
	}
	v.byRun[id] = changes
	return slices.Clone(changes)
}

func (v *view) note(e ledger.Entry) providers.Change {
	c := providers.Change{
		ID: fmt.Sprintf("note-%d", e.Seq), Provider: v.provider, Kind: providers.KindOperation, Status: providers.StatusNote, Title: e.Text, Unit: e.Unit,
		Author: providers.Author{Name: e.Actor, Kind: e.ActorKind}, LandedAt: e.At, EffectiveFrom: e.At,
	}
	providers.CleanChange(&c)
	return c
}

// succeeded is how the record calls a run of which somebody saw from outside that it did what it was for.
const succeeded = "succeeded"

// run makes the changes of a run, from its confirmation or its outcome.
func (v *view) run(e ledger.Entry, state string) []providers.Change {
	var b ledger.RunBody
	if json.Unmarshal(e.Body, &b) != nil || e.Run == "" {
		return nil // a damaged entry is what "ledger verify" is for
	}
	if state == "" {
		state = b.State
	}
	out := make([]providers.Change, len(b.Units))
	for i, u := range b.Units {
		c := providers.Change{
			ID: e.Run, Provider: v.provider, Kind: providers.KindRollback, Service: u.Service, Environment: u.Environment,
			Title: fmt.Sprintf("%s: %s back to %s", e.Run, word(u.Unit, "unit"), word(u.ToLabel, u.To)), Unit: u.Unit, Status: state,
			Author: providers.Author{Name: e.Actor, Kind: e.ActorKind}, LandedAt: b.ConfirmedAt, EffectiveFrom: b.AppliedAt,
			From: word(u.FromLabel, u.From), To: word(u.ToLabel, u.To),
		}
		if b.Drill != "" {
			c.Kind, c.ChangeSet, c.Title = providers.KindDrill, b.Drill, drillTitle(&b, &u)
		}
		// What a change brought is what makes another source's report one of the same change. A run that altered nothing,
		// or nothing yet, is not what somebody else switched to the same content.
		if !b.AppliedAt.IsZero() || state == unknownOutcome {
			c.Artifacts = []string{u.To}
		}
		if !b.AppliedAt.IsZero() {
			c.EffectiveTo = b.EndedAt
		}
		if state == succeeded {
			c.VerifiedAt = b.EndedAt
		}
		if e.Change != "" {
			c.Reverts = []string{e.Change}
		}
		if len(b.Units) > 1 {
			c.ID, c.ChangeSet = e.Run+"/"+u.Unit, e.Run
		}
		providers.CleanChange(&c)
		out[i] = c
	}
	return out
}

// drillTitle says which half of a drill a run is.
func drillTitle(b *ledger.RunBody, u *ledger.RunUnit) string {
	way := "back to"
	if b.Kind == "forward" {
		way = "forward again to"
	}
	return fmt.Sprintf("%s: %s %s %s", b.Drill, word(u.Unit, "unit"), way, word(u.ToLabel, u.To))
}

// applied marks the first effect of a run that is still going on.
func (v *view) applied(e ledger.Entry) []providers.Change {
	var b ledger.StepBody
	changes := v.byRun[e.Run]
	if json.Unmarshal(e.Body, &b) != nil || b.State != "applied" || len(changes) == 0 || b.From == b.To && b.From != "" {
		return nil // a step that leaves the content as it is: what it sets tells of itself
	}
	for i := range changes {
		changes[i].Status = "running"
		if changes[i].EffectiveFrom.IsZero() && (changes[i].Unit == e.Unit || e.Unit == "") {
			changes[i].EffectiveFrom, changes[i].Artifacts = e.At.UTC(), []string{b.To}
		}
	}
	return slices.Clone(changes)
}

func word(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
