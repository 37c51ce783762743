package file

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

const month = 31 * 24 * time.Hour

func (r *reader) rule(n *yaml.Node, key string, names map[string]bool) Rule {
	s := r.section(n, key, "name", "when", "if", "direction", "require", "not", "deny", "approval_expires", "execution_expires", "reason", "drill", "refuse", "mode")
	out := s.asks(names, "require")
	if s.of["reason"] != nil {
		out.Reason = s.word("reason", "", "required") == "required"
	}
	if s.of["refuse"] == nil && s.of["require"] == nil && s.of["drill"] == nil && s.of["reason"] == nil && n.Kind == yaml.MappingNode {
		r.report(n, key, "asks for nothing: write refuse: WHY, require: [{approve: 1, from: {group: NAME}}], drill: L3 or reason: required")
	}
	return out
}

func (r *reader) friction(n *yaml.Node, key string, names map[string]bool) Friction {
	s := r.section(n, key, "name", "when", "if", "direction", "add", "not", "deny", "approval_expires", "execution_expires", "drill", "refuse", "mode", "reason", "owner", "expires_at", "until")
	out := Friction{Rule: s.asks(names, "add"), Ends: s.ends(false)}
	if s.of["refuse"] == nil && s.of["add"] == nil && s.of["drill"] == nil && n.Kind == yaml.MappingNode {
		r.report(n, key, "asks for nothing: write add: {approve: 1, from: {group: NAME}}, drill: L3 or refuse: WHY")
	}
	return out
}

// asks reads what rules and friction have in common; thresholds stand under the key that is named.
func (s section) asks(names map[string]bool, thresholds string) Rule {
	out := Rule{
		Name: s.name(names), Line: s.node.Line, When: s.condition(), Refuse: s.text("refuse"),
		Mode: policy.Mode(s.word("mode", string(policy.ModeDeny), string(policy.ModeDeny), string(policy.ModeWarn), string(policy.ModeAudit))),
	}
	if s.of["drill"] != nil {
		level := s.word("drill", "", "L0", "L1", "L2", "L3", "L4")
		if level == "L0" {
			s.report(s.of["drill"], at(s.key, "drill"), "L0 is what everything has: leave it out, or write L1 to L4")
		} else if level != "" {
			out.Drill = int(level[1] - '0')
		}
	}
	if s.of[thresholds] != nil {
		out.Need = s.approvals(out.Name, thresholds)
		out.needs = "needs " + out.Need.String()
		return out
	}
	for _, k := range []string{"not", "deny", "approval_expires", "execution_expires"} {
		if s.of[k] != nil {
			s.report(s.of[k], at(s.key, k), "is about approvals, and none are asked for: write %s: [{approve: 1, from: {group: NAME}}] too", thresholds)
		}
	}
	return out
}

func (s section) approvals(rule, thresholds string) *policy.Need {
	need := &policy.Need{
		Rule: rule, Not: s.words("not", "requester", "on_behalf_of", "change.author", "change.driver"), Deny: s.number("deny", 1, 100),
		ApprovalExpires: s.duration("approval_expires", month), ExecutionExpires: s.duration("execution_expires", month),
	}
	key := at(s.key, thresholds)
	one := func(n *yaml.Node, key string) {
		t := s.section(n, key, "approve", "from")
		t.need("approve", "from")
		threshold := policy.Threshold{Approve: t.number("approve", 1, 100)}
		if from := t.of["from"]; from != nil {
			threshold.From = s.who(from, at(key, "from"))
		}
		need.Any = append(need.Any, threshold)
	}
	n := s.of[thresholds]
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		s.report(n, key, "asks for nobody: write [{approve: 1, from: {group: NAME}}]")
	case n.Kind == yaml.SequenceNode:
		s.list(thresholds, one)
	default:
		one(n, key)
	}
	return need
}
