package policy

import "time"

// Need is approvals that an action waits for. Any one of the thresholds suffices. What a threshold counts are people, not
// keys: a person's two keys are one, and an AI agent's or an automation's yes never counts.
type Need struct {
	Rule string      `json:"rule"` // that asks for it
	Any  []Threshold `json:"any"`

	// Not names who may not be among them, beside AI agents: "requester", "on_behalf_of" (whom the requester acts for),
	// "change.author" and "change.driver" (who wrote what is taken back, and who drove the tool that wrote it).
	Not []string `json:"not,omitempty"`

	Deny             int           `json:"deny,omitempty"`              // so many refusals end it; zero: one does
	ApprovalExpires  time.Duration `json:"approval_expires,omitempty"`  // an older yes counts no more; zero: never
	ExecutionExpires time.Duration `json:"execution_expires,omitempty"` // the run must begin within this of the last yes; zero: any time
}

// Threshold is how many have to say yes, and who may.
type Threshold struct {
	Approve int `json:"approve"`
	From    Who `json:"from"`
}

// Who names principals: each field that is set has to hold. The zero value is every human.
type Who struct {
	Group     string `json:"group,omitempty"`
	Role      string `json:"role,omitempty"` // on call, incident commander: held for a time
	Principal string `json:"principal,omitempty"`
}
