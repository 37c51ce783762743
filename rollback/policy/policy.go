// Package policy says who may do what: principals, what a plan needs before it runs, and why not. It is pure.
package policy

// PrincipalKind is what acts: a human, an automation or an AI agent.
type PrincipalKind string

// Kinds of principals.
const (
	Human      PrincipalKind = "human"
	Automation PrincipalKind = "automation"
	Agent      PrincipalKind = "agent"
)

// Principal is who acts, for whom.
type Principal struct {
	ID         string        `json:"id"`
	Kind       PrincipalKind `json:"kind"`
	OnBehalfOf string        `json:"on_behalf_of,omitempty"`
}

// Confirm is how strongly a plan must be confirmed.
type Confirm string

// Strengths of confirmation. ConfirmName asks for a typed name, ConfirmYes for one key.
const (
	ConfirmYes  Confirm = "yes"
	ConfirmName Confirm = "name"
)

// Decision is the policy's answer to one plan. Name is what must be typed for ConfirmName.
type Decision struct {
	Allowed bool     `json:"allowed"`
	Confirm Confirm  `json:"confirm"`
	Name    string   `json:"name,omitempty"`
	Reasons []string `json:"reasons,omitempty"` // why not, or what to know

	// Destroys is what the plan destroys: the confirmation must name each, whatever the tier.
	Destroys []string `json:"destroys,omitempty"`

	// NeedsReason: the confirmation must say why, because something about the plan is unknown.
	NeedsReason bool `json:"needs_reason,omitempty"`

	// Needs are approvals without which it does not begin: all of them.
	Needs []Need `json:"needs,omitempty"`

	// Rules is what the rules of the policy file said, with what each of them read.
	Rules []Ruling `json:"rules,omitempty"`
}
