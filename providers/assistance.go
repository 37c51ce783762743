package providers

import "encoding/json"

// AssistanceState is what is known of AI in a change. The zero value means that nobody looked.
type AssistanceState string

// The five states. None says that nothing was found in the sources that were looked at; it never means "human".
const (
	AssistanceAgent      AssistanceState = "agent"
	AssistanceAssisted   AssistanceState = "assisted"
	AssistancePossible   AssistanceState = "possible"
	AssistanceAutomation AssistanceState = "automation"
	AssistanceNone       AssistanceState = "none"
)

// Assistance is the verdict on AI assistance of one change, with what it rests on and where was looked.
type Assistance struct {
	State    AssistanceState `json:"state,omitempty"`
	Tools    []string        `json:"tools,omitempty"`
	Evidence []Evidence      `json:"evidence,omitempty"`
	Checked  []string        `json:"checked,omitempty"` // the sources that were looked at
	Ruleset  string          `json:"ruleset,omitempty"` // version of the identity table
}

// Evidence is one reason for a verdict. Role says what the AI is said to have done, Strength how the claim was made.
type Evidence struct {
	Role     string `json:"role,omitempty"`     // authored, co-authored, assisted, committed, reviewed, session
	Strength string `json:"strength,omitempty"` // recorded, declared, inferred
	Tool     string `json:"tool,omitempty"`
	Model    string `json:"model,omitempty"`
	Session  string `json:"session,omitempty"` // a link to show, never to fetch
	Source   string `json:"source,omitempty"`  // commit.author, trailer:assisted-by, note:refs/notes/ai, ...
	Raw      string `json:"raw,omitempty"`     // the line itself, for the record
	Caveat   string `json:"caveat,omitempty"`
}

// UnmarshalJSON also takes a plain string, which becomes Raw: other writers put evidence down as text.
func (e *Evidence) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &e.Raw)
	}
	type plain Evidence
	return json.Unmarshal(b, (*plain)(e))
}
