// Package rollback takes changes back: units, observations, plans, the engine that is the only door to a Reverser, and
// the rules that say which unit can go back alone. It knows no screen and no network.
package rollback

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
)

// UnitID names a unit as "provider:scope/name".
type UnitID string

// Unit is the smallest thing that can be reversed on its own.
type Unit struct {
	ID          UnitID `json:"id"`
	Kind        string `json:"kind"` // release directory, deployment, flag, script, ...
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	CAS         CAS    `json:"cas"`
}

// CAS says how well the target itself guards against concurrent change.
type CAS string

// Kinds of compare-and-set. Without CASAtomic a plan carries a warning, nothing is retried, and the engine observes again
// at most 2 s before it applies. CASUnknown: the target could not be looked at.
const (
	CASAtomic  CAS = "atomic"
	CASNone    CAS = "none"
	CASUnknown CAS = "unknown"
)

// Revision is identified by the digest of its content. Label is the native name, which may be reused or renumbered.
type Revision struct {
	Digest string    `json:"digest"` // "sha256:<hex>"
	Label  string    `json:"label,omitempty"`
	Commit string    `json:"commit,omitempty"`
	Since  time.Time `json:"since,omitzero"` // when it last began to serve
	Until  time.Time `json:"until,omitzero"` // when it stopped
	// Staged: it lies there and is known never to have served, so nothing is lost with it. False says nothing.
	Staged bool `json:"staged,omitempty"`
	// Without makes it the current content less the changes that these revisions (digests) brought; whatever came after them
	// stays. Empty: going there takes back everything newer. It is only ever a target that a person names.
	Without []string `json:"without,omitempty"`
	// Good holds the evidence that it served well, in plain words; empty is "not known good".
	Good []string `json:"good,omitempty"`
}

// Observation is what a unit is right now. Token is what Apply compares with; Stamp is the operation that the target
// itself says it was last switched by ("" none).
type Observation struct {
	Unit     Unit      `json:"unit"`
	At       time.Time `json:"at"`
	Current  Revision  `json:"current"`
	Token    string    `json:"token"`
	Stamp    string    `json:"stamp,omitempty"`
	InFlight string    `json:"in_flight,omitempty"` // what is under way, "" nothing
	// Frozen is why somebody has said on the target itself that it must not be switched now (a migration has passed its point of
	// no return, say), "" nobody has. Nothing is begun meanwhile, whoever asks.
	Frozen string   `json:"frozen,omitempty"`
	Owners []string `json:"owners,omitempty"` // reconcilers that would undo a rollback
	// Delivers is what the Owners of other units call this one where it brings them: they go back with it, not beside it.
	Delivers   string          `json:"delivers,omitempty"`
	History    []Revision      `json:"history,omitempty"` // newest first, without Current
	References []string        `json:"references,omitempty"`
	Raw        json.RawMessage `json:"raw,omitempty"`
	// Asks is what the target's own object asks for where it is verified, by the name of the annotation: text of whoever may
	// write there.
	Asks map[string]string `json:"asks,omitempty"`
	Flag *FlagState        `json:"flag,omitempty"` // where the unit is a feature flag
}

// Step is one conditional effect on one unit. From and To are content digests.
type Step struct {
	N      int               `json:"n"`
	Unit   UnitID            `json:"unit"`
	Action string            `json:"action"`
	Title  string            `json:"title"` // plain words: "switch current to r41"
	From   string            `json:"from"`
	To     string            `json:"to"`
	Token  string            `json:"token"`
	Args   map[string]string `json:"args,omitempty"`
	// Measure is the id of the proposal's measure that the step sets, "" none. Provider applies it where that is another one
	// than the unit's own; see [Suspender].
	Measure  string `json:"measure,omitempty"`
	Provider string `json:"provider,omitempty"`
}

// Proposal is what a Reverser knows of one unit's way back: steps, diff, what it destroys and what it leaves.
type Proposal struct {
	Steps       []Step        `json:"steps"`
	Diff        string        `json:"diff"`               // unified diff from current to target; text from outside, cleaned
	Destroys    []string      `json:"destroys,omitempty"` // its name, a comma, and what more there is to say; each has to be named to be confirmed
	NotRestored []string      `json:"not_restored,omitempty"`
	Blast       string        `json:"blast,omitempty"`       // how much it touches, in a few words: "12 pods", "20% req"; "" unknown
	Estimate    time.Duration `json:"estimate_ns,omitempty"` // zero is unknown
	Pace        Pace          `json:"pace,omitzero"`
	Missing     []string      `json:"missing,omitempty"` // rights or artifacts that are not there: the plan cannot run
	Warnings    []string      `json:"warnings,omitempty"`
	Checks      []string      `json:"checks,omitempty"` // what Verify will look at from outside; none: only the content
	// Measures are what its steps leave behind to be lifted later; LastingFix is what makes the rollback last after that.
	Measures   []Measure `json:"measures,omitempty"`
	LastingFix string    `json:"lasting_fix,omitempty"`
	// Unseen is what could not be looked at and may undo the rollback: its verdict is unknown then.
	Unseen []string `json:"unseen,omitempty"`
	// Mechanism is how it goes back, and ChangeClass what kind of change lies between ("image only"), so that what was proved for
	// one counts for another of the same kind; empty where that is not known.
	Mechanism   Mechanism `json:"mechanism,omitzero"`
	ChangeClass string    `json:"change_class,omitempty"`
	// Short is room that it would lack, with what to do first. Empty where room has no meaning, too.
	Short []Shortage `json:"short,omitempty"`
	// Runs are what the target runs and RunsNow what is served, as far as is known; Exposes is what the way back opens again beside that.
	Runs    []Part     `json:"runs,omitempty"`
	RunsNow []Part     `json:"runs_now,omitempty"`
	Exposes []Exposure `json:"exposes,omitempty"`
	// Looked is what was looked at to say that it can run; see [Proposal.LookedAt].
	Looked []Look `json:"looked,omitempty"`
}

// Pace says how many copies (pods, hosts, allocations) of how many do not serve at a time while a unit goes back, at worst.
// Zero Of is unknown.
type Pace struct {
	Away int `json:"away"`
	Of   int `json:"of"`
}

// Outcome is the result of one Apply.
type Outcome string

// Outcomes of Apply. A timeout is unknown, never failed; failed only where it is known that nothing happened.
const (
	Applied            Outcome = "applied"
	AlreadyApplied     Outcome = "already applied"
	PreconditionFailed Outcome = "precondition failed"
	OutcomeUnknown     Outcome = "unknown"
	Failed             Outcome = "failed"
)

// Result is what an Apply did. Token is the compare-and-set token afterwards where it is known.
type Result struct {
	Outcome Outcome `json:"outcome"`
	Token   string  `json:"token,omitempty"`
	Detail  string  `json:"detail,omitempty"`
}

// Convergence says how far a target is. Vacuous: nothing serves, so nothing was verified.
type Convergence struct {
	Done    bool   `json:"done"`
	Failed  bool   `json:"failed,omitempty"`
	Vacuous bool   `json:"vacuous,omitempty"`
	Detail  string `json:"detail"` // "1 of 1 hosts on r41"
}

// CheckState is the result of one check. Unknown is never good.
type CheckState string

// States of a check.
const (
	CheckPass    CheckState = "pass"
	CheckFail    CheckState = "fail"
	CheckUnknown CheckState = "unknown"
)

// Check is one look at whether a unit serves well. Inside marks the target's own word on which content it is at: that has to
// be right too, but says nothing of whether the content serves, so it never verifies a rollback alone. The zero value looks
// from outside.
type Check struct {
	Name     string     `json:"name"`
	State    CheckState `json:"state"`
	Observed string     `json:"observed,omitempty"`
	Goal     string     `json:"goal,omitempty"`
	// Value is what was observed as a number and Limit the number that it may not pass, in one unit; nil where there is none.
	Value  *float64 `json:"value,omitempty"`
	Limit  *float64 `json:"limit,omitempty"`
	Inside bool     `json:"inside,omitempty"`
	// Since is since when it has been so without a break, where the target itself knows; a break between two looks begins the
	// hold again. Zero: only the looks tell.
	Since time.Time `json:"since,omitzero"`
}

// Operation identifies an effect on a target: idempotency is per Operation.ID and Step.N. By is who confirmed it and Reason
// why, for targets that keep such a record; both may be empty and decide nothing.
type Operation struct {
	ID     string `json:"id"`
	Fence  int64  `json:"fence"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Reverser takes units of one system back. Observe, Plan, Status and Verify change nothing. Apply is conditional on
// Step.Token and idempotent per operation and step. All methods honour ctx and may be called concurrently.
type Reverser interface {
	Units(ctx context.Context) iter.Seq2[Unit, error]
	Observe(ctx context.Context, unit UnitID) (Observation, error)
	Plan(ctx context.Context, obs Observation, to Revision) (Proposal, error)
	Apply(ctx context.Context, op Operation, step Step) (Result, error)
	Status(ctx context.Context, unit UnitID, to Revision) (Convergence, error)
	Verify(ctx context.Context, unit UnitID, to Revision) ([]Check, error)
}

// Locker is the extra ability of a Reverser whose target can hold a lock of its own, beside the compare-and-set. Lock
// returns an error that matches [ErrLocked] and names the holder where somebody else has it.
type Locker interface {
	Lock(ctx context.Context, unit UnitID, op Operation, ttl time.Duration) (release func(context.Context) error, err error)
}

// Patient is the extra ability of a Reverser whose Apply may rightly take longer than [Config.ApplyTimeout]: it has a limit
// of its own, after which it answers, and the engine waits at least so long before it counts an Apply as unknown.
type Patient interface {
	ApplyTimeout() time.Duration
}

// Watchful is the extra ability of a Reverser whose looks (Units, Observe, Plan, Status, Verify) may rightly take longer than
// 15 s: it has a limit of its own, after which it answers, and the engine waits at least so long before it counts a look as
// not seen.
type Watchful interface {
	LookTimeout() time.Duration
}

// Symptoms tells how the alerts that a rollback is to cure stand, as seen from outside. An alert that its source can no
// longer tell of is [providers.AlertUnknown] and verifies nothing.
type Symptoms interface {
	States(ctx context.Context, alerts []AlertRef) ([]Symptom, error)
}

// AlertRef names one alert of one provider.
type AlertRef struct {
	Provider string    `json:"provider"`
	ID       string    `json:"id"`
	Name     string    `json:"name,omitempty"`
	Service  string    `json:"service,omitempty"`
	StartsAt time.Time `json:"starts_at,omitzero"`
}

// Symptom is the state of one alert now. SeenAt is when its source last gave a complete answer.
type Symptom struct {
	AlertRef
	State  providers.AlertState `json:"state"`
	SeenAt time.Time            `json:"seen_at,omitzero"`
	Detail string               `json:"detail,omitempty"`
}
