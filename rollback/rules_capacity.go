package rollback

import "github.com/backout-dev/backout/providers"

// ruleCapacity is rule L: whether there is room for the way back, and for the target at the load of now.
const ruleCapacity = "L capacity"

// Shortage is room that the way back would lack. First is what a person can do before, such as scaling; Evidence what it rests on.
type Shortage struct {
	What     string `json:"what"`
	First    string `json:"first,omitempty"`
	Evidence string `json:"evidence,omitempty"`
}

// capacity is rule L. A provider for which room has no meaning says nothing of it, and nothing is found.
func capacity(p *Proposal, o Observation) []Finding {
	var out []Finding
	for _, s := range p.Short {
		f := Finding{Rule: ruleCapacity, Verdict: Conditional, SeenAt: o.At, Text: providers.Clean(s.What), Evidence: providers.Clean(s.Evidence)}
		if s.First != "" {
			f.Text += "; before it goes back: " + providers.Clean(s.First)
		}
		out = append(out, f)
	}
	return out
}
