package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/gameday"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
)

// people is what people said, as the record has it.
type people struct {
	version   uint64
	dismissed map[string]map[string]string // incident, change: reason
	confirmed map[string]judgement         // by incident
}

// judgement is a suspect that a person confirmed.
type judgement struct{ change, by, reason string }

// suspectBody is the body of a suspect entry.
type suspectBody struct {
	Confirm bool   `json:"confirm"`
	Reason  string `json:"reason"`
}

// replay takes what people did to incidents and suspects from the record.
func (s *Session) replay(ctx context.Context) error {
	s.people.dismissed, s.people.confirmed = map[string]map[string]string{}, map[string]judgement{}
	s.games.book, s.games.read = gameday.Book{}, 0
	for entry, err := range s.DB.All(ctx) {
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		s.take(entry)
		s.takeGame(entry)
	}
	return nil
}

func (s *Session) take(e ledger.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case ledger.KindSuspect:
		var body suspectBody
		if json.Unmarshal(e.Body, &body) != nil {
			return
		}
		if body.Confirm {
			s.people.confirmed[e.Incident] = judgement{e.Change, e.Actor, body.Reason}
			delete(s.people.dismissed[e.Incident], e.Change)
		} else {
			if s.people.confirmed[e.Incident].change == e.Change {
				delete(s.people.confirmed, e.Incident)
			}
			if s.people.dismissed[e.Incident] == nil {
				s.people.dismissed[e.Incident] = map[string]string{}
			}
			s.people.dismissed[e.Incident][e.Change] = body.Reason
		}
		s.people.version++
	case ledger.KindIncident:
		var op timeline.HandOp
		if json.Unmarshal(e.Body, &op) == nil {
			s.Timeline.Hand(op)
			s.people.version++
		}
	default:
	}
}

// write puts an entry into the record and applies it.
func (s *Session) write(ctx context.Context, e ledger.Entry) error {
	if s.NoRecord != nil {
		return fmt.Errorf("write the record: %w", s.NoRecord)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	e.Actor, e.ActorKind, e.At = s.opts.Principal.ID, string(s.opts.Principal.Kind), s.opts.Now().UTC()
	written, err := s.Engine.Record(ctx, e)
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	s.take(written)
	return nil
}

// Note puts a note into the record; incident "" is the open one, if any.
func (s *Session) Note(ctx context.Context, incident, text string) error {
	text = strings.TrimSpace(providers.Clean(text))
	if text == "" {
		return errors.New("a note needs text")
	}
	if inc, ok := s.Incident(incident); ok {
		incident = inc.ID
	}
	return s.write(ctx, ledger.Entry{Kind: ledger.KindNote, Incident: incident, Text: text})
}

// Suspect confirms or dismisses a suspect, for a reason. The machine never does.
func (s *Session) Suspect(ctx context.Context, incident, changeID string, confirm bool, reason string) error {
	reason = strings.TrimSpace(providers.Clean(reason))
	if reason == "" {
		return errors.New("say why: a reason is kept with it")
	}
	body, err := json.Marshal(suspectBody{Confirm: confirm, Reason: reason})
	if err != nil {
		return err
	}
	verb := "dismissed as a suspect"
	if confirm {
		verb = "confirmed as the culprit"
	}
	return s.write(ctx, ledger.Entry{Kind: ledger.KindSuspect, Incident: incident, Change: changeID, Text: changeID + " " + verb + ": " + reason, Body: body})
}

// Entries gives the record's entries of an incident and its time, for an export.
func (s *Session) Entries(ctx context.Context, incident string, w providers.Window) ([]ledger.Entry, error) {
	if err := s.Readable(); err != nil {
		return nil, err // an export that holds no rollback would say that there was none
	}
	var out []ledger.Entry
	for e, err := range s.DB.All(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		if (incident != "" && e.Incident == incident) || (e.Incident == "" && w.Contains(e.At)) || (incident == "" && w.Contains(e.At)) {
			out = append(out, e)
		}
	}
	return s.withFiled(out), nil
}

// Confirmed is the change that a person confirmed as the culprit of an incident, "" none.
func (s *Session) Confirmed(incident string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.people.confirmed[incident].change
}
