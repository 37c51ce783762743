package ledger

// ProposalBody is the body of an entry about a proposal: that it was made, or that a person rejected it. The entry that made it is what
// it is called by afterwards; the confirmation of its run names it.
type ProposalBody struct {
	Event      string    `json:"event"`              // made, rejected
	Proposal   int64     `json:"proposal,omitempty"` // the entry that made it, where this one did not
	PlanHash   string    `json:"plan_hash,omitempty"`
	Name       string    `json:"name,omitempty"` // the change or unit that was named
	To         string    `json:"to,omitempty"`
	Only       []string  `json:"only,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	OnBehalfOf string    `json:"on_behalf_of,omitempty"`
	Evidence   string    `json:"evidence,omitempty"` // what the one who proposes was recognised by
	Units      []RunUnit `json:"units,omitempty"`
}
