package file

import (
	"fmt"
	"slices"

	"github.com/backout-dev/backout/rollback/policy"
)

// Set is the policies that hold together, the organisation's first. Each is asked, and whatever one of them asks for holds:
// so a team can only tighten.
type Set struct{ layers []*Policy }

// NewSet puts a team's policy over an organisation's; either may be nil.
func NewSet(organisation, team *Policy) *Set {
	s := &Set{}
	for _, p := range []*Policy{organisation, team} {
		if p != nil {
			s.layers = append(s.layers, p)
		}
	}
	return s
}

// Layers are the policies, the organisation's first.
func (s *Set) Layers() []*Policy { return s.layers }

// Answer says what the rules want. It is deterministic and knows no clock but the situation's.
func (s *Set) Answer(at policy.Situation) policy.Answer {
	var out policy.Answer
	facts := at.Facts()
	for i, p := range s.layers {
		// A group of the team's is none to the organisation's rules: one that excepts a group by name would be opened by it.
		who := (&Set{layers: s.layers[:i+1]}).asker(at.Actor.ID, at.Groups, at.Roles)
		facts["actor.groups"], facts["actor.roles"] = who.groups, who.roles
		a := p.answer(&at, newView(facts), who)
		if len(s.layers) > 1 {
			for j := range a.Rulings {
				a.Rulings[j].Layer = []string{"organisation", "team"}[i]
			}
		}
		out = out.And(a)
	}
	return out
}

// Member reports whether a principal is one of those meant, beside the groups and roles that it is known to have anyway.
func (s *Set) Member(id string, groups, roles []string, w policy.Who) bool {
	return s.asker(id, groups, roles).is(w)
}

func (s *Set) asker(id string, groups, roles []string) asker {
	out := asker{id: id, groups: slices.Clone(groups), roles: slices.Clone(roles)}
	add := func(list []string, of map[string][]string) []string {
		for name, members := range of {
			if id != "" && slices.Contains(members, id) && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
		slices.Sort(list)
		return list
	}
	for _, p := range s.layers {
		out.groups, out.roles = add(out.groups, p.Groups), add(out.roles, p.Roles)
	}
	return out
}

func (p *Policy) answer(s *policy.Situation, v *view, who asker) policy.Answer {
	var out policy.Answer
	p.granted(&out, s, v, who)
	for i := range p.Freezes {
		f := &p.Freezes[i]
		if until, on := f.on(s.Now); on && f.When.holds(v) && !f.Ends.over(s.Now, v) {
			out.Add(f.ruling(until, p.stops(s, who), v), nil)
		}
	}
	for i := range p.Rules {
		p.Rules[i].answer(&out, s, v, nil)
	}
	for i := range p.Friction {
		if f := &p.Friction[i]; !f.Ends.over(s.Now, v) {
			f.answer(&out, s, v, &f.Ends)
		}
	}
	return out
}

// granted refuses what nobody has the right to, where the policy gives rights at all.
func (p *Policy) granted(out *policy.Answer, s *policy.Situation, v *view, who asker) {
	refuse := func(rule, text string) {
		reads := Condition{tests: []test{{path: "actor.id"}, {path: "actor.kind"}, {path: "actor.groups"}, {path: "actor.roles"}, {path: "action"}, {path: "units"}, {path: "env"}, {path: "direction"}}}
		out.Add(policy.Ruling{Rule: rule, Effect: policy.EffectRefuse, Mode: policy.ModeDeny, Text: text, Facts: reads.reads(v)}, nil)
	}
	if s.Actor.Kind == policy.Agent && !forAgents(s.Action.Scope()) {
		refuse("agents", "an AI agent may see, plan and propose; a person has to "+s.Action.Scope())
	}
	if len(p.Grants) == 0 {
		return
	}
	units := s.Units
	if len(units) == 0 {
		units = []policy.UnitFacts{{}}
	}
	for _, u := range units {
		if !slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.gives(s, u, who) }) {
			refuse("grants", refused(s, u, who))
		}
	}
}

// answer adds what the rule asks for where it holds; ends is its end where it is temporary.
func (r *Rule) answer(out *policy.Answer, s *policy.Situation, v *view, ends *Ends) {
	if !r.When.holds(v) {
		return
	}
	suffix := ""
	if ends != nil {
		suffix = fmt.Sprintf(" (temporary: %s, %s)", ends.Reason, ends.Owner)
	}
	say := func(effect policy.Effect, text string, need *policy.Need) {
		out.Add(policy.Ruling{Rule: r.Name, Effect: effect, Mode: r.Mode, Text: text + suffix, Facts: r.When.reads(v)}, need)
	}
	if r.Refuse != "" {
		say(policy.EffectRefuse, r.Refuse, nil)
	}
	if r.Drill > s.Plan.Level && s.Action.Scope() == "run" { // a drill is how it gets there
		say(policy.EffectDrill, fmt.Sprintf("the way back has to be tested to L%d and is at L%d: make a drill (backout drill)", r.Drill, s.Plan.Level), nil)
	}
	if r.Reason {
		say(policy.EffectReason, "a reason has to be given", nil)
	}
	if r.Need != nil && (s.Action.Scope() == "run" || s.Action == policy.ActionDrill) { // approvals are of plans
		say(policy.EffectNeed, r.needs, r.Need)
	}
}
