package session

import (
	"encoding/json"
	"testing"

	"github.com/backout-dev/backout/rollback/ledger"
)

// The last word on a suspect holds.
func TestLastWordOnASuspectHolds(t *testing.T) {
	s := &Session{people: people{dismissed: map[string]map[string]string{}, confirmed: map[string]judgement{}}}
	say := func(confirm bool, reason string) {
		body, err := json.Marshal(suspectBody{Confirm: confirm, Reason: reason})
		if err != nil {
			t.Fatal(err)
		}
		s.take(ledger.Entry{Kind: ledger.KindSuspect, Incident: "INC-1", Change: "c1", Actor: "ana", Body: body})
	}
	say(false, "only a greeting")
	if s.people.dismissed["INC-1"]["c1"] == "" || s.Confirmed("INC-1") != "" {
		t.Errorf("after the dismissal: %+v", s.people)
	}
	say(true, "it broke the page")
	if _, ok := s.people.dismissed["INC-1"]["c1"]; ok || s.Confirmed("INC-1") != "c1" {
		t.Errorf("after the confirmation: %+v", s.people)
	}
	say(false, "no, it did not")
	if s.people.dismissed["INC-1"]["c1"] == "" || s.Confirmed("INC-1") != "" {
		t.Errorf("after the second thought: %+v", s.people)
	}
}
