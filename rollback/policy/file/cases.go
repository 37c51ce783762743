package file

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

// Case is one row of the table that stands beside a policy: a situation, and what has to be decided.
type Case struct {
	Name   string
	Line   int
	Given  policy.Situation
	Expect string   // allow, needs or deny
	Rules  []string // that have to have said something
}

// Result is what came of a case.
type Result struct {
	Name    string          `json:"name"`
	Line    int             `json:"line"`
	Passed  bool            `json:"passed"`
	Why     string          `json:"why,omitempty"`
	Got     string          `json:"got"`
	Rulings []policy.Ruling `json:"rulings,omitempty"`
}

// Noon is the moment of a case that names none: a Monday, at noon.
func Noon() time.Time { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }

func (r *reader) testCase(n *yaml.Node, key string, names map[string]bool) Case {
	s := r.section(n, key, "name", "given", "expect", "rules")
	c := Case{Name: s.text("name"), Line: n.Line, Expect: s.word("expect", "", "allow", "needs", "deny"), Rules: s.words("rules")}
	s.need("name", "given", "expect")
	for _, rule := range c.Rules {
		if !names[rule] && rule != "agents" && rule != "grants" {
			r.report(s.of["rules"], at(key, "rules"), "%q is no rule: %s", rule, instead(rule, sortedKeys(names)))
		}
	}
	c.Given = policy.Situation{
		Action: policy.ActionRollback, Actor: policy.Principal{Kind: policy.Human}, Now: Noon(),
		Plan: policy.PlanFacts{Verdict: "independent", Level: 4, Guarded: true, Seen: true},
	}
	given := s.of["given"]
	if given == nil {
		return c
	}
	r.given(&c.Given, given, at(key, "given"))
	return c
}

// given fills a situation from the paths of its facts. What is left out is what harms least.
func (r *reader) given(s *policy.Situation, n *yaml.Node, key string) {
	paths := []string{}
	for p := range r.env.facts {
		paths = append(paths, p)
	}
	g := r.section(n, key, paths...)
	lists := map[string][]string{}
	for _, p := range sortedKeys(g.of) {
		f := r.env.facts[p]
		if f.Type == policy.FactTime {
			s.Now = g.time(p)
			continue
		}
		values := g.words(p)
		for _, v := range values {
			if why := fits(f, v); why != "" {
				r.report(g.of[p], at(key, p), "%s", why)
				return
			}
		}
		if f.Type == policy.FactList {
			lists[p] = values
		} else if len(values) == 1 {
			set(s, p, values[0])
		} else {
			r.report(g.of[p], at(key, p), "is one value")
		}
	}
	s.Groups, s.Roles, s.Plan.Destroys = lists["actor.groups"], lists["actor.roles"], lists["plan.destroys"]
	for i := range max(len(lists["units"]), len(lists["env"]), len(lists["services"])) {
		s.Units = append(s.Units, policy.UnitFacts{ID: nth(lists["units"], i), Environment: nth(lists["env"], i), Service: nth(lists["services"], i)})
	}
	if g.of["tier"] == nil && len(lists["env"]) == 1 {
		s.Tier = lists["env"][0]
	}
	if g.of["direction"] == nil {
		if s.Direction = policy.Back; s.Action == policy.ActionForward {
			s.Direction = policy.Forward
		}
	}
}

// nth is an element of a list; past its end, the last one.
func nth(list []string, i int) string {
	if len(list) == 0 {
		return ""
	}
	return list[min(i, len(list)-1)]
}

func set(s *policy.Situation, path, v string) {
	texts := map[string]*string{
		"action": (*string)(&s.Action), "direction": (*string)(&s.Direction), "actor.id": &s.Actor.ID, "actor.kind": (*string)(&s.Actor.Kind),
		"actor.on_behalf_of": &s.Actor.OnBehalfOf, "change.ai": &s.Change.AI, "change.id": &s.Change.ID, "incident": &s.Incident,
		"plan.verdict": &s.Plan.Verdict, "tier": &s.Tier,
	}
	numbers := map[string]*int{"plan.alerts": &s.Alerts, "plan.criticality": &s.Plan.Criticality, "plan.level": &s.Plan.Level, "plan.measures": &s.Plan.Measures}
	flags := map[string]*bool{"plan.guarded": &s.Plan.Guarded, "plan.seen": &s.Plan.Seen}
	switch {
	case texts[path] != nil:
		*texts[path] = v
	case numbers[path] != nil:
		*numbers[path], _ = strconv.Atoi(v)
	case flags[path] != nil:
		*flags[path] = v == "true"
	}
}

// Outcome is an answer in one word: deny, needs or allow.
func Outcome(a policy.Answer) string {
	switch {
	case a.Refused:
		return "deny"
	case len(a.Needs) > 0 || a.Reason:
		return "needs"
	default:
		return "allow"
	}
}

// Test decides the cases of all layers, and says which rules none of them touched.
func (s *Set) Test() (results []Result, untouched []string) {
	touched := map[string]bool{}
	for n, p := range s.layers {
		here := &Set{layers: s.layers[:n+1]} // an organisation's cases are about its own rules
		for i := range p.Cases {
			c := &p.Cases[i]
			a := here.Answer(c.Given)
			r := Result{Name: c.Name, Line: c.Line, Got: Outcome(a), Rulings: a.Rulings, Passed: true}
			var said []string
			for _, ruling := range a.Rulings {
				touched[ruling.Rule] = true
				said = append(said, ruling.Rule)
			}
			if r.Got != c.Expect {
				r.Passed, r.Why = false, fmt.Sprintf("is %s and not %s", r.Got, c.Expect)
			}
			for _, rule := range c.Rules {
				if !slices.Contains(said, rule) {
					r.Passed, r.Why = false, fmt.Sprintf("%s says nothing here", rule)
				}
			}
			results = append(results, r)
		}
	}
	for _, p := range s.layers {
		for _, name := range p.names() {
			if !touched[name] && !slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.Name == name }) {
				untouched = append(untouched, name)
			}
		}
	}
	return results, untouched
}
