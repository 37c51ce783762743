package ledger

import "time"

// ApprovalBody is the body of an entry about a plan that waits for approval. Statement and Signature are what was signed and the
// signature over it, in base64, so that the record holds who approved also where the tables do not any more.
type ApprovalBody struct {
	Request   string    `json:"request"`
	PlanHash  string    `json:"plan_hash"`
	Event     string    `json:"event"` // asked, approved, refused, revoked, late, used, expired, void
	Nonce     string    `json:"nonce,omitempty"`
	Key       string    `json:"key,omitempty"` // the fingerprint of who signed
	Reason    string    `json:"reason,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	Missing   string    `json:"missing,omitempty"`
	Units     []RunUnit `json:"units,omitempty"`
	Statement string    `json:"statement,omitempty"`
	Signature string    `json:"signature,omitempty"`
}
