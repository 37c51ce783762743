package store

import (
	"encoding/json"
	"time"
)

// Run is the row of a run. Plan, Confirmation and Doc are documents of the caller. N counts the runs of this database.
type Run struct {
	N                    int64
	ID, Op, PlanHash     string
	Plan, Confirmation   json.RawMessage
	State                string
	Final                bool
	Detail               string
	Doc                  json.RawMessage
	StartedAt            time.Time
	AppliedAt, EndedAt   time.Time // zero until it happened
	AbortBy, AbortReason string
	PauseBy              string    // who asked it to wait before its next intent, "" nobody
	PausedAt             time.Time // when that was
	Steps                []Step
	Log                  []Line
	Leases               []Lease   // on its units, while the run is not over
	Measures             []Measure // that its steps set, in their order
}

// Step is the row of one step. Doc and Result are documents of the caller; Result is nil until there is one.
type Step struct {
	N           int
	Unit, State string
	Attempt     int
	Doc, Result json.RawMessage
	At, EndedAt time.Time
}

// Line is one line of a run's log.
type Line struct {
	At   time.Time
	Text string
}

// Lease is who works on a unit: Run has claimed it, Holder is the process that works on that run until Expires. Token
// rises with every change of holder and never falls.
type Lease struct {
	Unit, Run, Holder string
	Token             int64
	Expires           time.Time
}

// Fence is what an executor writes with: the run, its own name and the tokens it got. Writes are refused with
// [ErrFenced] as soon as somebody else holds one of the units.
type Fence struct {
	Run, Holder string
	Tokens      map[string]int64
}

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unstamp(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
