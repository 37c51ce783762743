package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is how much a rule's word counts.
type Mode string

// Modes of a rule: deny counts, warn is only shown, audit is only kept with the decision.
const (
	ModeDeny  Mode = "deny"
	ModeWarn  Mode = "warn"
	ModeAudit Mode = "audit"
)

// Effect is what a rule asks for.
type Effect string

// Effects of rules.
const (
	EffectRefuse Effect = "refuse"
	EffectNeed   Effect = "approval"
	EffectDrill  Effect = "drill"
	EffectReason Effect = "reason"
	EffectNote   Effect = "note"
)

// Ruling is what one rule said, and which facts it read to say so.
type Ruling struct {
	Rule   string `json:"rule"`
	Layer  string `json:"layer,omitempty"` // organisation or team
	Effect Effect `json:"effect"`
	Mode   Mode   `json:"mode"`
	Text   string `json:"text"`
	Facts  []Read `json:"facts,omitempty"`
}

// Read is one fact as a rule read it.
type Read struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// String is the rule with what it said.
func (r Ruling) String() string { return fmt.Sprintf("rule %s: %s", r.Rule, r.Text) }

// Because is the facts of a ruling on one line.
func (r Ruling) Because() string {
	parts := make([]string, len(r.Facts))
	for i, f := range r.Facts {
		parts[i] = f.Path + "=" + f.Value
	}
	return strings.Join(parts, ", ")
}

// Answer is what a policy's rules say of a situation: what each said, and what comes of it all.
type Answer struct {
	Rulings []Ruling
	Refused bool
	Reason  bool   // somebody has to say why
	Needs   []Need // each has to be met
}

// Add takes a ruling with its need, nil where it asks for none.
func (a *Answer) Add(r Ruling, need *Need) {
	a.Rulings = append(a.Rulings, r)
	if r.Mode != ModeDeny {
		return
	}
	switch r.Effect {
	case EffectRefuse, EffectDrill:
		a.Refused = true
	case EffectReason:
		a.Reason = true
	case EffectNeed:
		if need != nil {
			a.Needs = append(a.Needs, *need)
		}
	case EffectNote:
	}
}

// And is what two policies say together: whatever either asks for holds.
func (a Answer) And(b Answer) Answer {
	return Answer{
		Rulings: append(slices.Clone(a.Rulings), b.Rulings...), Refused: a.Refused || b.Refused, Reason: a.Reason || b.Reason,
		Needs: append(slices.Clone(a.Needs), b.Needs...),
	}
}

// With adds the answer of a policy's rules to the decision of the ground rules. It only ever takes away.
func (d Decision) With(a Answer) Decision {
	d.Rules, d.Needs = a.Rulings, append(slices.Clone(d.Needs), a.Needs...)
	d.Reasons = slices.Clone(d.Reasons)
	d.NeedsReason = d.NeedsReason || a.Reason
	if a.Refused && d.Allowed {
		d.Allowed, d.Reasons = false, nil // what else there is to know is no reason for a refusal
	}
	for _, r := range a.Rulings {
		switch {
		case r.Mode == ModeAudit:
		case r.Mode == ModeWarn && r.Effect != EffectNote:
			if d.Allowed {
				d.Reasons = append(d.Reasons, r.String()+" (only warns)")
			}
		case d.Allowed || r.Effect == EffectRefuse || r.Effect == EffectDrill:
			d.Reasons = append(d.Reasons, r.String())
		}
	}
	return d
}

// String says what a need asks for, for a person.
func (n Need) String() string {
	parts := make([]string, len(n.Any))
	for i, t := range n.Any {
		word := "approvals"
		if t.Approve == 1 {
			word = "approval"
		}
		parts[i] = fmt.Sprintf("%d %s %s", t.Approve, word, t.From)
	}
	text := strings.Join(parts, ", or ")
	if len(n.Not) > 0 {
		text += " (not by " + strings.Join(n.Not, ", ") + ")"
	}
	return text
}

// String says who is meant, for a person.
func (w Who) String() string {
	var parts []string
	for _, p := range [][2]string{{"group", w.Group}, {"role", w.Role}, {"principal", w.Principal}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if len(parts) == 0 {
		return "of anybody"
	}
	return "of " + strings.Join(parts, " and ")
}
