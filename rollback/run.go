package rollback

import (
	"errors"
	"time"
)

// RunState is where a run stands; section "outcomes" of the docs has the table with the words and exit codes.
type RunState string

// States of a run, in the order of the protocol; the last eight are final.
const (
	RunConfirmed  RunState = "confirmed" // journaled, no effect yet
	RunRunning    RunState = "running"
	RunConverging RunState = "converging"
	RunVerifying  RunState = "verifying"

	RunSucceeded   RunState = "succeeded"
	RunUnverified  RunState = "applied, unverified"
	RunAlreadyGood RunState = "already restored"
	RunSuperseded  RunState = "superseded"
	RunUnknown     RunState = "unknown"
	RunNeedsHuman  RunState = "needs a human"
	RunAborted     RunState = "aborted without effect"
	RunRefused     RunState = "refused"
)

// Final reports whether a run in this state is over.
func (s RunState) Final() bool {
	switch s {
	case RunConfirmed, RunRunning, RunConverging, RunVerifying:
		return false
	default:
		return true
	}
}

// Run is one execution of a plan, as the journal has it.
type Run struct {
	ID        string       `json:"id"`
	Plan      Plan         `json:"plan"`
	By        Confirmation `json:"confirmed"`
	State     RunState     `json:"state"`
	Detail    string       `json:"detail"` // what is true now
	Steps     []StepRun    `json:"steps"`
	Checks    []Check      `json:"checks,omitempty"`
	Symptoms  []Symptom    `json:"symptoms,omitempty"`
	Before    []Symptom    `json:"before,omitempty"` // how the alerts stood before anything was touched
	Log       []LogLine    `json:"log,omitempty"`
	StartedAt time.Time    `json:"started_at"`
	AppliedAt time.Time    `json:"applied_at,omitzero"`
	EndedAt   time.Time    `json:"ended_at,omitzero"`
	// ConvergedAt is when all units were first seen to serve their targets.
	ConvergedAt time.Time `json:"converged_at,omitzero"`
	// BeforeChecks is how the checks stood before anything was touched, Trail how they and the alerts looked since; nil where
	// nobody looked yet.
	BeforeChecks []Check `json:"before_checks,omitempty"`
	Trail        *Trail  `json:"trail,omitempty"`
	// Executor is the process that works on it ("host:pid"), Alive whether its lease is fresh.
	Executor string `json:"executor,omitempty"`
	Alive    bool   `json:"alive"`
	AbortBy  string `json:"abort_by,omitempty"`
	// PauseBy asked it at PausedAt to wait before its next intent. Paused says that it begins nothing meanwhile: what was
	// being applied then has ended.
	PauseBy  string    `json:"pause_by,omitempty"`
	PausedAt time.Time `json:"paused_at,omitzero"`
	Paused   bool      `json:"paused,omitempty"`
	// Measures are what its steps set, or may have set, in their order.
	Measures []MeasureRun `json:"measures,omitempty"`
}

// StepState is where one step stands.
type StepState string

// States of a step.
const (
	StepPending       StepState = "pending"
	StepIntent        StepState = "intent"
	StepApplied       StepState = "applied"
	StepNoOp          StepState = "no-op"
	StepPrecondFailed StepState = "precondition failed"
	StepUnknown       StepState = "unknown"
	StepFailed        StepState = "failed"
)

// StepRun is a step of a run with what came of it.
type StepRun struct {
	Step
	State   StepState `json:"state"`
	Attempt int       `json:"attempt"`
	Result  *Result   `json:"result,omitempty"`
	At      time.Time `json:"at,omitzero"`
	EndedAt time.Time `json:"ended_at,omitzero"`
}

// LogLine is one line of a run's log.
type LogLine struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// What the engine refuses with; a command maps each to an exit code.
var (
	ErrReadOnly    = errors.New("read-only mode: start without --readonly to act")
	ErrRefused     = errors.New("refused by policy")
	ErrPlanChanged = errors.New("the plan changed since it was shown")
	ErrLocked      = errors.New("another run holds the unit")
	ErrNotFound    = errors.New("no such unit, change or run")
	ErrNotAlone    = errors.New("cannot go back alone")
	ErrNoTarget    = errors.New("no known good revision: name one with --to")
)
