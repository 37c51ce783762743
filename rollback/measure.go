package rollback

import (
	"context"
	"time"
)

// Measure is something temporary that must be lifted; see the glossary. A plan's measure says what will be set; ID then only
// tells it apart from the others of its proposal. Owner, Reason, Expires and what stands below them are filled in when it is set.
type Measure struct {
	ID   string            `json:"id"`
	What string            `json:"what"`           // what is so while it stands: "auto-sync of argocd/shop is off"
	Exit string            `json:"exit"`           // the condition under which it may be lifted, in words
	Undo string            `json:"undo"`           // what lifting it does: "turn auto-sync of argocd/shop on again"
	TTL  time.Duration     `json:"ttl_ns"`         // how long it may stand; 0 takes the engine's, a day
	Args map[string]string `json:"args,omitempty"` // what its provider needs for looking at it and lifting it; no secrets

	Provider string    `json:"provider"` // who sets it, looks at it and lifts it
	Unit     UnitID    `json:"unit"`     // for which it was set
	Owner    string    `json:"owner,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
	Op       string    `json:"op,omitempty"`    // of the run that set it
	Token    string    `json:"token,omitempty"` // that the step which set it gave, "" none
}

// Measurer is the extra ability of a Reverser that leaves temporary measures behind. Probe changes nothing: it tells whether
// the measure is in force now; an error is "unknown". Lift is conditional on the measure being as it was set (precondition
// failed where somebody has changed it), and idempotent per operation: already applied where nothing of it is in force.
type Measurer interface {
	Probe(ctx context.Context, m Measure) (inForce bool, detail string, err error)
	Lift(ctx context.Context, op Operation, m Measure) (Result, error)
}

// ExitProber is the extra ability of a Measurer that can tell whether a measure's exit condition holds: whether lifting it now
// would not bring back what it keeps away. An error is "unknown". Without it no measure is lifted unless somebody forces it.
type ExitProber interface {
	ExitHolds(ctx context.Context, m Measure) (holds bool, detail string, err error)
}

// Suspender is the extra ability of a Reverser that knows reconcilers above the units of other Reversers. It is asked when a
// plan for such a unit is made, with the same promises as Plan: it changes nothing. Its steps come before those of the unit's own
// provider, and its own Apply gets them. They leave the unit's content as it is, so the condition of each lies in its Args.
// The zero Suspension says that it knows of none; an error makes the plan's verdict unknown.
type Suspender interface {
	Suspend(ctx context.Context, obs Observation, to Revision) (Suspension, error)
}

// Suspension is what has to be done to a unit's reconcilers before it goes back. Every step sets one of the measures.
type Suspension struct {
	Steps       []Step
	Measures    []Measure
	NotRestored []string
	Missing     []string // rights that are not there: the plan cannot run
	Warnings    []string
	LastingFix  string
}

// MeasureState is where a measure stands.
type MeasureState string

// States of a measure; the last two are the end of it. Elsewhere: it was in force, and is not, and nobody lifted it here.
const (
	MeasureSetting   MeasureState = "being set" // it may be in force
	MeasureInForce   MeasureState = "in force"
	MeasureElsewhere MeasureState = "lifted by somebody else"
	MeasureLifting   MeasureState = "being lifted"
	MeasureLifted    MeasureState = "lifted"
	MeasureNever     MeasureState = "never set"
)

// Closed reports whether nothing is left of a measure in this state.
func (s MeasureState) Closed() bool { return s == MeasureLifted || s == MeasureNever }

// Tell is an answer that may be unknown, which is never a yes. The zero value is that nobody looked.
type Tell string

// Answers.
const (
	TellYes     Tell = "yes"
	TellNo      Tell = "no"
	TellUnknown Tell = "unknown"
)

func tell(yes bool, err error) Tell {
	switch {
	case err != nil:
		return TellUnknown
	case yes:
		return TellYes
	default:
		return TellNo
	}
}

// MeasureRun is a measure of a run as the journal has it. InForce and ExitHolds are the last answers that differed from those
// before, since LookedAt; Detail is what was said then.
type MeasureRun struct {
	Measure
	Run       string       `json:"run"`
	Step      int          `json:"step"`
	State     MeasureState `json:"state"`
	SetAt     time.Time    `json:"set_at,omitzero"`
	EndedAt   time.Time    `json:"ended_at,omitzero"`
	InForce   Tell         `json:"in_force,omitempty"`
	ExitHolds Tell         `json:"exit_holds,omitempty"`
	Detail    string       `json:"detail,omitempty"`
	LookedAt  time.Time    `json:"looked_at,omitzero"`
	Lifting   *Lifting     `json:"lifting,omitempty"`

	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
}

// Lifting is the operation that lifts a measure. It stays until its result is known, so that whoever goes on with it acts
// under the same operation.
type Lifting struct {
	Op     string    `json:"op"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Force  bool      `json:"force,omitempty"`
	Holder string    `json:"holder"` // the process that is at it
	Until  time.Time `json:"until"`  // when it has surely given up
}

// Overdue reports that the measure stands for longer than it was meant to.
func (m *MeasureRun) Overdue(now time.Time) bool { return !m.State.Closed() && now.After(m.Expires) }
