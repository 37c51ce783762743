package ledger

import (
	"fmt"
	"strings"
)

// AttributionBody is the body of an entry about AI assistance: what was known of a change when somebody named it or acted on
// it. A later entry about the same change says what is known otherwise then; it takes nothing back.
type AttributionBody struct {
	Version  int      `json:"version"`         // 1 is the first of this change
	Since    int64    `json:"since,omitempty"` // the entry with the version before
	State    string   `json:"state"`
	Tools    []string `json:"tools,omitempty"`
	Evidence int      `json:"evidence"`          // how many pieces of it
	Sources  []string `json:"sources,omitempty"` // where those are from
	Checked  []string `json:"checked,omitempty"` // where was looked
	Ruleset  string   `json:"ruleset,omitempty"`
}

// String says it in a few words; nothing found is said as such, for it never means a human.
func (b *AttributionBody) String() string {
	if b.State == "none" {
		return "none found"
	}
	text := b.State
	if len(b.Tools) > 0 {
		text += " (" + strings.Join(b.Tools, ", ") + ")"
	}
	switch b.Evidence {
	case 0:
		return text
	case 1:
		return text + ", 1 piece of evidence"
	default:
		return fmt.Sprintf("%s, %d pieces of evidence", text, b.Evidence)
	}
}
