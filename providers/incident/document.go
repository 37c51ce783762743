// Package incident reads and writes the incident file, version 1: one JSON document that holds everything that is known
// about one incident, and the feed of its changes and alerts, one a line.
package incident

import (
	_ "embed"
	"encoding/json"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Format is what the first field of every document says.
const Format = "backout.incident/v1"

// Document is one incident file. Times are UTC. A zero time, an empty string and a nil slice mean unknown, and are absent
// on the wire.
type Document struct {
	Format string `json:"format"`
	ID     string `json:"id,omitempty"`
	Title  string `json:"title,omitempty"`

	// At is "now" for the reader: nothing later may influence a ranking.
	At    time.Time `json:"at,omitzero"`
	Onset Onset     `json:"onset,omitzero"`

	Services []providers.Service `json:"services,omitempty"`
	Edges    []providers.Edge    `json:"edges,omitempty"`
	Alerts   []providers.Alert   `json:"alerts,omitempty"`
	Changes  []providers.Change  `json:"changes,omitempty"`
	Signals  []providers.Signal  `json:"signals,omitempty"`

	// Record is what people and backout did, as it was written: it may be signed, so nothing in it is altered, and its
	// text has to be cleaned by whoever shows it.
	Record []json.RawMessage `json:"record,omitempty"`
	// Truth is for measurement only; a ranking never reads it.
	Truth *Truth `json:"truth,omitempty"`

	// Unknown keeps the fields that this version does not know, so that they are written back.
	Unknown map[string]json.RawMessage `json:"-"`
}

// Onset is when symptoms began, as an interval.
type Onset struct {
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}

// Truth says which changes were to blame, by id.
type Truth struct {
	Culprits []string `json:"culprits,omitempty"`
	Innocent []string `json:"innocent,omitempty"`

	Unknown map[string]json.RawMessage `json:"-"`
}

//go:embed schema.json
var schema []byte

// Schema is the JSON schema (draft 2020-12) of a document. Its $defs hold those of a change, an alert and a feed line.
func Schema() []byte { return append([]byte(nil), schema...) }
