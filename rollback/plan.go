package rollback

import (
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

// Request asks for a plan: for a change (Change set), for a unit (Unit set), or to undo what a run switched (Run set): all
// its units go to what they served before it. A change that is itself a run's rollback is undone in the same way.
type Request struct {
	Change   *providers.Change
	Unit     UnitID
	Run      string
	To       string // digest, unique digest prefix or label of the target; "" lets the engine choose the newest known good
	Only     []UnitID
	Incident string
	Alerts   []AlertRef         // the symptoms that a verified rollback must have cured
	Context  []providers.Change // what is known of other changes, for the rules
	Edges    []providers.Edge   // declared and observed edges
	Services []providers.Service
	// Unread says which declarations there are and could not be read, and why: what they would say is unknown.
	Unread     []string
	Advisories []Advisory // what was mended since, and must not come back unseen
	Reason     string
	For        policy.Principal // who looks at the plan, for the rules of the policy file; nobody named: any person
	Drill      *DrillAsk        // it is to be a drill; see [Engine.PlanDrill]
}

// Verdict says whether a unit can be taken back alone; the worst of its findings.
type Verdict string

// Verdicts, from good to bad. Unknown is never shown as good.
const (
	Independent  Verdict = "independent"
	NoOp         Verdict = "no-op"
	Conditional  Verdict = "conditional"
	Coupled      Verdict = "coupled"
	Unknown      Verdict = "unknown"
	Irreversible Verdict = "irreversible"
	Blocked      Verdict = "blocked"
)

// Finding is one rule's answer, with what it rests on.
type Finding struct {
	Rule     string    `json:"rule"` // "A in-flight", "B identity", "H shared change", "I stacked", "edge"
	Verdict  Verdict   `json:"verdict"`
	Text     string    `json:"text"`
	Units    []UnitID  `json:"units,omitempty"` // what it is coupled to
	Evidence string    `json:"evidence,omitempty"`
	Source   string    `json:"source,omitempty"`
	SeenAt   time.Time `json:"seen_at,omitzero"`
	// Broke is the change or revision that made it so, in words, Change its id where it is on the timeline, and Since when it began
	// to serve. Empty: the evidence does not tell.
	Broke  string    `json:"broke,omitempty"`
	Change string    `json:"change,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// UnitPlan is one unit's part of a plan. Tested says in words what Proof says: "untested", with why where there was a proof, or
// "tested L4 3d ago by ana, 41s".
type UnitPlan struct {
	Unit     Unit        `json:"unit"`
	From     Revision    `json:"from"`
	To       Revision    `json:"to"`
	Observed Observation `json:"observed"`
	Proposal
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings,omitempty"`
	Tested   string    `json:"tested"`
	// Proof is what the way back counts for by what was ever executed of it; nil in a plan that nobody compared with that.
	Proof *proof.Standing `json:"proof,omitempty"`
	// Distance is how many revisions back To lies; 0 is not known.
	Distance int        `json:"distance,omitempty"`
	Choices  []Revision `json:"choices,omitempty"` // other targets
	// Declared are the checks that people declared for the unit; they look from outside.
	Declared []DeclaredCheck `json:"declared,omitempty"`
}

// Plan is what will be done, in order, bound to what was observed by Hash: the hex SHA-256 of the canonical JSON of
// everything that decides what happens (units, digests, tokens, steps, diffs, verification), without times and ages.
type Plan struct {
	Hash      string          `json:"hash"`
	Kind      string          `json:"kind"`            // incident, forward, drill
	Slice     proof.Slice     `json:"slice,omitempty"` // of a drill: on how much of the unit
	Change    string          `json:"change,omitempty"`
	Incident  string          `json:"incident,omitempty"`
	Units     []UnitPlan      `json:"units"`
	Verdict   Verdict         `json:"verdict"`
	Atomic    bool            `json:"atomic,omitempty"` // its units need each other in a circle: none is well until all are back
	Alerts    []AlertRef      `json:"alerts,omitempty"`
	Earlier   []AlertRef      `json:"earlier_alerts,omitempty"` // were open before what is taken back: not its symptoms
	Onset     time.Time       `json:"onset,omitzero"`           // an alert that opened from here on may be a symptom; zero where nobody knows
	Unseen    bool            `json:"unseen,omitempty"`         // nothing will look at it from outside: it will end as applied, unverified
	Hold      time.Duration   `json:"hold_ns"`                  // how long all has to be well before it counts as verified
	Deadline  time.Duration   `json:"deadline_ns"`
	Decision  policy.Decision `json:"decision"`
	Warnings  []string        `json:"warnings,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	CreatedAt time.Time       `json:"created_at"`

	// Assistance is what is known of AI in Change. It decides nothing, so the hash leaves it out.
	Assistance providers.AssistanceState `json:"assistance,omitempty"`

	basis *basis // what it was judged by; nil in a plan that was read from somewhere
}

// Confirmation is a person's yes to one plan. Typed is the text that was typed where the policy asks for a name.
type Confirmation struct {
	PlanHash string           `json:"plan_hash"`
	By       policy.Principal `json:"by"`
	Typed    string           `json:"typed,omitempty"`
	Destroys []string         `json:"destroys,omitempty"` // each thing that may go, by its name; see [Plan.Destroyed]
	Reason   string           `json:"reason,omitempty"`
	Via      string           `json:"via"`                // console, command line
	Drill    string           `json:"drill,omitempty"`    // that it is a half of; the engine sets it
	Proposal string           `json:"proposal,omitempty"` // that it takes up
}
