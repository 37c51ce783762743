// Package culprit ranks changes by how likely each is to blame for an incident: additive log-odds with evidence, and
// "none of these" among the candidates. It is pure: the same input gives the same bytes.
package culprit

import (
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// Input is everything a ranking may look at. Nothing later than At influences it.
type Input struct {
	ID        string
	At        time.Time
	Onset     timeline.Onset
	Services  []providers.Service
	Edges     []providers.Edge
	Alerts    []providers.Alert
	Changes   []providers.Change
	Signals   []providers.Signal
	Dismissed map[string]string // change id -> reason: still listed, with the dismissal as evidence against
}

// Ranking is the answer. None and all P sum to 1.
type Ranking struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	None    float64   `json:"none"`
	Tie     bool      `json:"tie"`
	Ranking []Suspect `json:"ranking"`
}

// Suspect is one candidate. The weights of its evidence sum to Score.
type Suspect struct {
	Change   string     `json:"change"`
	P        float64    `json:"p"`
	Score    float64    `json:"score"`
	Evidence []Evidence `json:"evidence"`
}

// Evidence is one term: for the change where Weight is positive, against it where negative. In nats. Unknown terms have
// weight 0 and say in Text what is missing.
type Evidence struct {
	Term   string  `json:"term"`
	Weight float64 `json:"weight"`
	Text   string  `json:"text"`
}

// Unknown reports a term that could not be weighed: what it needs was not there. That is no evidence of anything.
func (e *Evidence) Unknown() bool { return e.Weight == 0 && strings.HasPrefix(e.Text, "unknown: ") }
