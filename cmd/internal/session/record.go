package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
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
	head, err := s.DB.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the record: %w", err)
	}
	entries, err := s.DB.OfKinds(ctx, ledger.KindSuspect, ledger.KindIncident, ledger.KindGameDay)
	if err != nil {
		return fmt.Errorf("read the record: %w", err)
	}
	s.games.book = gameday.Book{}
	for _, entry := range entries {
		if entry.Seq > head.Seq {
			break // it came meanwhile, and is followed
		}
		s.take(entry)
		s.takeGame(entry)
	}
	s.heard.upTo, s.games.read = head.Seq, head.Seq
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

// write puts an entry into the record and applies it. The change that it names is told with it, as far as it is known.
func (s *Session) write(ctx context.Context, e ledger.Entry) error {
	if s.NoRecord != nil {
		return fmt.Errorf("write the record: %w", s.NoRecord)
	}
	if by := s.opts.Principal; by.Kind == policy.Agent && (e.Kind == ledger.KindSuspect || e.Kind == ledger.KindIncident) {
		return fmt.Errorf("%w: %s is an AI agent and may not judge suspects or alter incidents: a person has to, in a terminal of their own; 'backout note' says what it thinks", rollback.ErrRefused, by.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	e.Actor, e.ActorKind, e.At = s.opts.Principal.ID, string(s.opts.Principal.Kind), s.opts.Now().UTC()
	var about *providers.Change
	if c, ok := s.Timeline.Snapshot().Change(e.Change); ok && e.Change != "" {
		about = &c
	}
	written, err := s.Engine.Record(ctx, e, about)
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if s.DB.Shared() {
		s.catchUp(ctx) // with what others wrote before it, in the order of the record
		return nil
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

// Entries gives the record's entries of an incident and its time, for an export, and whatever was recorded before of AI assistance
// in changes: a timeline that shows these shows both, what was known then and what is known now.
func (s *Session) Entries(ctx context.Context, incident string, w providers.Window) ([]ledger.Entry, error) {
	if err := s.Readable(); err != nil {
		return nil, err // an export that holds no rollback would say that there was none
	}
	var out []ledger.Entry
	for e, err := range s.DB.All(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		if e.Kind == ledger.KindAttribution || (incident != "" && e.Incident == incident) || (e.Incident == "" && w.Contains(e.At)) || (incident == "" && w.Contains(e.At)) {
			out = append(out, e)
		}
	}
	return s.withFiled(out), nil
}

// Beside gives what lies beside entries of the record: digests and signatures, by number. Of the entries that an incident file holds
// nothing is known: they are of another record.
func (s *Session) Beside(ctx context.Context, entries []ledger.Entry) (map[int64]ledger.Witnessed, error) {
	if len(entries) == 0 || len(s.filed.record) > 0 {
		return nil, nil //nolint:nilnil // nothing lies beside them
	}
	out := map[int64]ledger.Witnessed{}
	for i := range entries {
		found, err := s.DB.Signed(ctx, entries[i].Seq-1, 1)
		if err != nil {
			return nil, err
		}
		for _, w := range found {
			out[w.Seq] = w
		}
	}
	return out, nil
}

// Confirmed is the change that a person confirmed as the culprit of an incident, "" none.
func (s *Session) Confirmed(incident string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.people.confirmed[incident].change
}
