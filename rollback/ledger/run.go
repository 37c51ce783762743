package ledger

import "time"

// RunBody is the body of a confirmation and of an outcome: what a reader of the record needs to know of a run without
// its plan. From and To are digests; the labels are the native names. State is empty in a confirmation.
type RunBody struct {
	PlanHash    string    `json:"plan_hash"`
	Kind        string    `json:"kind,omitempty"`  // incident, forward, drill
	Drill       string    `json:"drill,omitempty"` // that it is a half of
	State       string    `json:"state,omitempty"`
	Detail      string    `json:"detail,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Via         string    `json:"via,omitempty"`
	Proposal    string    `json:"proposal,omitempty"` // that was taken up by it
	OnBehalfOf  string    `json:"on_behalf_of,omitempty"`
	Units       []RunUnit `json:"units"`
	Alerts      []string  `json:"alerts,omitempty"`
	Assistance  string    `json:"assistance,omitempty"` // of AI in the change that goes back, as it was known then; empty where nobody looked
	Destroys    []string  `json:"destroys,omitempty"`   // what was named as what may be destroyed
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	AppliedAt   time.Time `json:"applied_at,omitzero"` // first effect
	EndedAt     time.Time `json:"ended_at,omitzero"`
}

// RunUnit is one unit of a run.
type RunUnit struct {
	Unit        string `json:"unit"`
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	From        string `json:"from"`
	FromLabel   string `json:"from_label,omitempty"`
	To          string `json:"to"`
	ToLabel     string `json:"to_label,omitempty"`
}

// DrillBody is the body of an entry about a drill: that it began, or how it ended. From is what was live.
type DrillBody struct {
	Drill       string    `json:"drill"`
	Event       string    `json:"event"` // began, stopped, left, ended
	State       string    `json:"state"`
	Service     string    `json:"service,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Slice       string    `json:"slice"`
	From        string    `json:"from"`
	FromLabel   string    `json:"from_label,omitempty"`
	To          string    `json:"to"`
	ToLabel     string    `json:"to_label,omitempty"`
	Back        string    `json:"back"`
	Forward     string    `json:"forward,omitempty"`
	Until       time.Time `json:"until"`
	Detail      string    `json:"detail,omitempty"`
}

// StepBody is the body of an intent and of a result.
type StepBody struct {
	Step    int    `json:"step"`
	Action  string `json:"action"`
	Title   string `json:"title,omitempty"`
	From    string `json:"from"`
	To      string `json:"to"`
	Token   string `json:"token,omitempty"` // what the effect was made conditional on
	Fence   string `json:"fence,omitempty"` // decimal: it may outgrow a JSON number
	Attempt int    `json:"attempt"`
	Op      string `json:"op,omitempty"`
	State   string `json:"state,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// MeasureBody is the body of an entry about a temporary measure: the measure, and what is known of it from here on.
type MeasureBody struct {
	Measure     string    `json:"measure"` // its id: the run and the step that sets it
	Event       string    `json:"event"`   // setting, set, never set, looked at, lifting, lifted, not lifted
	State       string    `json:"state"`
	Closed      bool      `json:"closed,omitempty"`
	What        string    `json:"what"`
	Service     string    `json:"service,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Owner       string    `json:"owner"`
	Reason      string    `json:"reason"`
	Exit        string    `json:"exit"`
	Expires     time.Time `json:"expires"`
	SetAt       time.Time `json:"set_at,omitzero"`
	InForce     string    `json:"in_force,omitempty"` // yes, no, unknown; "" nobody looked
	ExitHolds   string    `json:"exit_holds,omitempty"`
	Op          string    `json:"op,omitempty"` // of the lift
	Outcome     string    `json:"outcome,omitempty"`
	Detail      string    `json:"detail,omitempty"`
	Force       bool      `json:"force,omitempty"` // lifted although its exit condition did not hold
	Why         string    `json:"why,omitempty"`   // the reason for lifting it
	Drill       string    `json:"drill,omitempty"` // the drill that set it and lifts it
}
