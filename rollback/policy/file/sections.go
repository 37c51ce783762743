package file

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

// policy reads the whole document.
func (r *reader) policy(p *Policy, root *yaml.Node, under *Policy) {
	s := r.section(root, "", "version", "groups", "roles", "responders", "rules", "grants", "freezes", "friction", "cases")
	if root.Kind != yaml.MappingNode {
		return
	}
	s.need("version")
	if v := s.of["version"]; v != nil && v.Value != "1" {
		r.report(v, "version", "is 1, the only version there is")
	}
	p.Groups, p.Roles = r.members(s, "groups", under), r.members(s, "roles", under)
	for _, l := range []*Policy{p, under} {
		if l != nil {
			known(r.groups, l.Groups)
			known(r.roles, l.Roles)
		}
	}
	s.list("responders", func(n *yaml.Node, key string) { p.Responders = append(p.Responders, r.who(n, key)) })
	names := map[string]bool{}
	s.list("rules", func(n *yaml.Node, key string) { p.Rules = append(p.Rules, r.rule(n, key, names)) })
	s.list("grants", func(n *yaml.Node, key string) { p.Grants = append(p.Grants, r.grant(n, key, names)) })
	s.list("freezes", func(n *yaml.Node, key string) { p.Freezes = append(p.Freezes, r.freeze(n, key, names)) })
	s.list("friction", func(n *yaml.Node, key string) { p.Friction = append(p.Friction, r.friction(n, key, names)) })
	if under != nil { // a case may expect rules of the layer below
		for _, name := range under.names() {
			names[name] = true
		}
	}
	s.list("cases", func(n *yaml.Node, key string) { p.Cases = append(p.Cases, r.testCase(n, key, names)) })
}

func known(into map[string]bool, from map[string][]string) {
	for name := range from {
		into[name] = true
	}
}

// members reads groups or roles: a name and who belongs to it.
func (r *reader) members(s section, name string, under *Policy) map[string][]string {
	out := map[string][]string{}
	n := s.of[name]
	if n == nil {
		return out
	}
	g := r.section(n, name)
	for _, k := range sortedKeys(g.of) {
		if under != nil && (name == "groups" && under.Groups[k] != nil || name == "roles" && under.Roles[k] != nil) {
			r.report(g.of[k], at(name, k), "is the organisation's, and only %s says who belongs to it: take another name", under.Name)
			continue
		}
		out[k] = []string{}
		if g.of[k].Kind != yaml.SequenceNode || len(g.of[k].Content) > 0 {
			out[k] = append(out[k], g.words(k)...)
		}
	}
	return out
}

// name reads the name of an entry, of which there is one.
func (s section) name(names map[string]bool) string {
	name := s.text("name")
	s.need("name")
	if names[name] && name != "" {
		s.report(s.of["name"], at(s.key, "name"), "is taken by another entry: a decision names its rule")
	}
	names[name] = true
	return name
}

// who reads whom a threshold or a grant means.
func (r *reader) who(n *yaml.Node, key string) policy.Who {
	s := r.section(n, key, "group", "role", "principal")
	w := policy.Who{Group: s.text("group"), Role: s.text("role"), Principal: s.text("principal")}
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		r.report(n, key, "names nobody: write {group: NAME}, {role: NAME} or {principal: NAME}")
	}
	if w.Group != "" && !r.groups[w.Group] {
		r.report(s.of["group"], at(key, "group"), "%q is no group of this policy: %s", w.Group, instead(w.Group, sortedKeys(r.groups)))
	}
	if w.Role != "" && !r.roles[w.Role] {
		r.report(s.of["role"], at(key, "role"), "%q is no role of this policy: %s", w.Role, instead(w.Role, sortedKeys(r.roles)))
	}
	return w
}

// condition reads when, if and direction.
func (s section) condition() Condition {
	c := Condition{tests: s.when(s.of["when"], at(s.key, "when"))}
	if d := s.words("direction", string(policy.Back), string(policy.Forward)); len(d) > 0 {
		c.tests = append(c.tests, test{path: "direction", any: d})
	}
	c.expr = s.compile(s.of["if"], at(s.key, "if"))
	return c
}

// ends reads what a temporary measure has to have.
func (s section) ends(dated bool) Ends {
	e := Ends{Reason: s.text("reason"), Owner: s.text("owner"), At: s.time("expires_at")}
	s.need("reason", "owner")
	if x := s.compile(s.of["until"], at(s.key, "until")); x != nil {
		e.Until = &Condition{expr: x}
	}
	if !dated && s.of["expires_at"] == nil && s.of["until"] == nil && s.node.Kind == yaml.MappingNode {
		s.report(s.node, s.key, "is temporary and says not when it ends: write expires_at: 2026-12-15T00:00:00Z, or until: a condition, or both")
	}
	return e
}

// over reports whether a temporary measure has ended. A condition that cannot be evaluated does not end it.
func (e *Ends) over(now time.Time, v *view) bool {
	return !e.At.IsZero() && !now.Before(e.At) || e.Until != nil && e.Until.expr.holds(v, false)
}

// names are those of all entries.
func (p *Policy) names() []string {
	var out []string
	for i := range p.Rules {
		out = append(out, p.Rules[i].Name)
	}
	for i := range p.Grants {
		out = append(out, p.Grants[i].Name)
	}
	for i := range p.Freezes {
		out = append(out, p.Freezes[i].Name)
	}
	for i := range p.Friction {
		out = append(out, p.Friction[i].Name)
	}
	return out
}
