package tui

import (
	"github.com/backout-dev/backout/rollback/policy"
)

// ruled reports whether a reason of the decision is what a rule of the policy file said: that has a line of its own, with what
// the rule read.
func (s *planScreen) ruled(reason string) bool {
	for _, r := range s.plan.Decision.Rules {
		if reason == r.String() || reason == r.String()+" (only warns)" {
			return true
		}
	}
	return false
}

// rulings are what the rules of the policy file said. What is only kept for an audit is nothing to know now.
func (s *planScreen) rulings() []finding {
	var out []finding
	for _, r := range s.plan.Decision.Rules {
		word := "WARN"
		switch {
		case r.Mode == policy.ModeAudit:
			continue
		case r.Mode == policy.ModeWarn:
		case r.Effect == policy.EffectRefuse || r.Effect == policy.EffectDrill:
			word = "REFUSED"
		case r.Effect == policy.EffectNeed:
			word = "NEEDS"
		default:
			word = "IF"
		}
		out = append(out, finding{word: word, text: plain(r.String()), evidence: plain(r.Because())})
	}
	return out
}
