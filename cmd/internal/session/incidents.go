package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
)

// Edit does by hand to an incident what the words say, and puts it into the record:
//
//	open TITLE           a new incident from now on
//	split SERVICE...     the alerts of these services leave it and make a new one
//	merge OTHER          the alerts of OTHER move into it
//	close REASON         it is over
//
// It returns the id of the incident to show next, "" where that is left open.
func (s *Session) Edit(ctx context.Context, verb, incident string, words []string) (string, error) {
	op := timeline.HandOp{Action: timeline.HandAction(verb), At: s.opts.Now().UTC(), Who: s.opts.Principal.ID}
	if s.filed.doc != nil {
		return "", fmt.Errorf("%s an incident: %s is shown from a file, as it was: nothing was recorded", verb, s.filed.doc.ID)
	}
	text := strings.TrimSpace(providers.Clean(strings.Join(words, " ")))
	var inc timeline.Incident
	if op.Action != timeline.HandOpen {
		var ok bool
		if inc, ok = s.Incident(incident); !ok {
			return "", s.NoIncident(incident)
		}
		op.Incident = inc.ID
	}
	next, said, err := s.handOp(&op, inc, words, text)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(op)
	if err != nil {
		return "", err
	}
	about := op.Incident
	if about == "" {
		about = next
	}
	return next, s.write(ctx, ledger.Entry{Kind: ledger.KindIncident, Incident: about, Text: about + " " + said, Body: body})
}

// NoIncident is the error for an incident that is not there, with those that are.
func (s *Session) NoIncident(id string) error {
	var there []string
	for _, i := range s.Incidents() {
		there = append(there, i.ID)
	}
	switch {
	case len(there) == 0:
		return fmt.Errorf("no incident %q: nothing alerted in this window; --since looks further back", id)
	case len(there) > 5:
		return fmt.Errorf("no incident %q among the %d of this window: see 'backout incident list'", id, len(there))
	default:
		return fmt.Errorf("no incident %q in this window: there are %s", id, strings.Join(there, ", "))
	}
}

// handOp completes the operation, and says which incident to show next and what was done to it.
func (s *Session) handOp(op *timeline.HandOp, inc timeline.Incident, words []string, text string) (next, said string, err error) {
	switch op.Action {
	case timeline.HandOpen:
		if text == "" {
			return "", "", errors.New("open an incident: give it a title")
		}
		op.Title = text
		return op.NewIncident(), "opened: " + text, nil
	case timeline.HandSplit:
		op.Alerts = alertsOf(inc, words)
		if len(op.Alerts) == 0 || len(op.Alerts) == len(inc.Alerts) {
			return "", "", fmt.Errorf("split %s: name the services or alerts that leave it, some of %s", inc.ID, strings.Join(inc.Services, ", "))
		}
		next = op.NewIncident()
		alerts := "alerts"
		if len(op.Alerts) == 1 {
			alerts = "alert"
		}
		return next, fmt.Sprintf("%d %s split off to %s", len(op.Alerts), alerts, next), nil
	case timeline.HandMerge:
		other, ok := s.Incident(text)
		switch {
		case text == "" || other.ID == inc.ID:
			return "", "", fmt.Errorf("merge into %s: name another incident, not %q", inc.ID, text)
		case !ok:
			return "", "", fmt.Errorf("merge into %s: %w", inc.ID, s.NoIncident(text))
		}
		op.Other = other.ID
		return inc.ID, "took over the alerts of " + other.ID, nil
	case timeline.HandClose:
		if text == "" {
			return "", "", errors.New("close an incident: say why, it is kept in the record")
		}
		if !inc.Open() {
			return "", "", fmt.Errorf("close %s: it is closed since %s; a note says more about it", inc.ID, inc.ClosedAt.UTC().Format(time.RFC3339))
		}
		op.Reason = text
		return "", "closed: " + text, nil
	default:
		return "", "", fmt.Errorf("%q is not open, split, merge or close", op.Action)
	}
}

// alertsOf finds the incident's alerts by service, name or id.
func alertsOf(inc timeline.Incident, words []string) []timeline.AlertRef {
	var out []timeline.AlertRef
	for _, a := range inc.Alerts {
		if slices.ContainsFunc(words, func(w string) bool { return w == a.Service || w == a.ID || strings.EqualFold(w, a.Name) }) {
			out = append(out, timeline.AlertRef{Provider: a.Provider, ID: a.ID})
		}
	}
	return out
}
