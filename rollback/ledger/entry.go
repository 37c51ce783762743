// Package ledger is the record: canonical entries in a hash chain, and its verification. It is pure.
package ledger

import (
	"encoding/json"
	"time"
)

// Entry is one line of the record. Prev is the hex SHA-256 of the canonical JSON (RFC 8785) of the line before; empty in
// the first. Payload is the hex SHA-256 of a raw payload that is kept beside the ledger.
type Entry struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Kind      Kind            `json:"kind"`
	Actor     string          `json:"actor"`
	ActorKind string          `json:"actor_kind,omitempty"`
	Run       string          `json:"run,omitempty"`
	Unit      string          `json:"unit,omitempty"`
	Change    string          `json:"change,omitempty"`
	Incident  string          `json:"incident,omitempty"`
	Text      string          `json:"text"` // one plain sentence
	Body      json.RawMessage `json:"body,omitempty"`
	Payload   string          `json:"payload,omitempty"`
	Prev      string          `json:"prev"`
	Redacted  *StandIn        `json:"redacted,omitempty"` // it stands in for the line that was written; nil is that line itself
}

// Kind is the kind of an entry.
type Kind string

// Kinds of entries.
const (
	KindPlan         Kind = "plan"
	KindConfirmation Kind = "confirmation"
	KindIntent       Kind = "intent"
	KindResult       Kind = "result"
	KindVerification Kind = "verification"
	KindOutcome      Kind = "outcome"
	KindRefusal      Kind = "refusal"
	KindAbort        Kind = "abort"
	KindPause        Kind = "pause"   // somebody let a run wait before its next intent, or go on
	KindMeasure      Kind = "measure" // a temporary measure: set, lifted, or found to be otherwise
	KindProof        Kind = "proof"   // what a run showed of one unit, passed or failed
	KindDrill        Kind = "drill"   // a drill began, was stopped, left its unit back, or ended
	KindLoss         Kind = "loss"    // a proof was first seen not to count any more
	KindNote         Kind = "note"
	KindSuspect      Kind = "suspect"     // a person dismissed or confirmed a suspect
	KindIncident     Kind = "incident"    // opened, split, merged, closed by hand
	KindRedaction    Kind = "redaction"   // something was taken out of an earlier entry
	KindAttribution  Kind = "attribution" // what was known of AI assistance in a change
	KindGameDay      Kind = "gameday"     // a fault made on purpose: announced, made, seen, cured or undone
	KindProposal     Kind = "proposal"    // somebody who may not confirm a plan proposed it, or a person rejected that
	KindApproval     Kind = "approval"    // a plan waits, was approved or refused, that was taken back or used, or came too late
)

// Kinds are all kinds, in the order in which a record has them.
func Kinds() []Kind {
	return []Kind{
		KindPlan, KindConfirmation, KindIntent, KindResult, KindVerification, KindOutcome, KindRefusal, KindAbort, KindPause, KindMeasure, KindProof,
		KindDrill, KindLoss, KindNote, KindSuspect, KindIncident, KindRedaction, KindAttribution, KindGameDay, KindProposal, KindApproval,
	}
}
