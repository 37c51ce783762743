package file

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

// Scopes are the rights that a grant may give.
func Scopes() []string {
	return []string{"see", "plan", "propose", "approve", "run", "drill", "lift", "policy"}
}

// forAgents are the rights that an AI agent may have.
func forAgents(scope string) bool { return scope == "see" || scope == "plan" || scope == "propose" }

// Hours are the hours of a week, in a time zone of its own. To may lie on the next day.
type Hours struct {
	From, To int // minutes of the day
	Days     []time.Weekday
	Zone     *time.Location
}

func (r *reader) grant(n *yaml.Node, key string, names map[string]bool) Grant {
	s := r.section(n, key, "name", "to", "kind", "may", "units", "env", "direction", "hours")
	g := Grant{
		Name: s.name(names), Line: n.Line, Kinds: s.words("kind", "human", "automation", "agent"), May: s.words("may", Scopes()...),
		Units: s.words("units"), Env: s.words("env"), Directions: s.words("direction", string(policy.Back), string(policy.Forward)),
	}
	s.need("to", "may")
	if to := s.of["to"]; to != nil && to.Kind == yaml.ScalarNode && to.Value == "anybody" {
		g.To = policy.Who{}
	} else if to != nil {
		g.To = r.who(to, at(key, "to"))
	}
	if slices.Contains(g.Kinds, string(policy.Agent)) {
		for _, m := range g.May {
			if !forAgents(m) {
				r.report(s.of["may"], at(key, "may"), "gives an AI agent the right to %s: it may see, plan and propose, and a person does the rest", m)
			}
		}
	}
	if h := s.of["hours"]; h != nil {
		g.Hours = r.hours(h, at(key, "hours"))
	}
	return g
}

func (r *reader) hours(n *yaml.Node, key string) *Hours {
	s := r.section(n, key, "from", "to", "days", "timezone")
	s.need("from", "to", "timezone")
	h := &Hours{From: s.clock("from"), To: s.clock("to"), Zone: s.zone("timezone")}
	days := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	for _, d := range s.words("days", days...) {
		h.Days = append(h.Days, time.Weekday(slices.Index(days, d)))
	}
	return h
}

// clock reads a time of day as minutes; 24:00 is the end of it.
func (s section) clock(name string) int {
	n := s.of[name]
	if n == nil {
		return 0
	}
	if n.Value == "24:00" {
		return 24 * 60
	}
	t, err := time.Parse("15:04", n.Value)
	if err != nil {
		s.report(n, at(s.key, name), "is a time of day such as \"08:30\", in quotes")
		return 0
	}
	return t.Hour()*60 + t.Minute()
}

// zone reads the name of a time zone. What the machine calls its own would mean something else on the next one.
func (s section) zone(name string) *time.Location {
	text := s.text(name)
	if text == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(text)
	if err != nil || text == "Local" {
		s.report(s.of[name], at(s.key, name), "%q is no time zone: write one such as Europe/Berlin or UTC", text)
		return time.UTC
	}
	return zone
}

// covers reports whether a moment lies in the hours.
func (h *Hours) covers(now time.Time) bool {
	t := now.In(h.Zone)
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	on := func(d time.Weekday) bool { return len(h.Days) == 0 || slices.Contains(h.Days, d) }
	if h.From < h.To {
		return on(day) && minute >= h.From && minute < h.To
	}
	return on(day) && minute >= h.From || on((day+6)%7) && minute < h.To
}

// gives reports whether the grant lets the actor do it to this unit.
func (g *Grant) gives(s *policy.Situation, u policy.UnitFacts, who asker) bool {
	any := func(patterns []string, text string) bool {
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return like(p, text) })
	}
	return slices.Contains(g.May, s.Action.Scope()) && who.is(g.To) &&
		(len(g.Kinds) == 0 || slices.Contains(g.Kinds, string(s.Actor.Kind))) &&
		any(g.Units, u.ID) && any(g.Env, u.Environment) &&
		(len(g.Directions) == 0 || slices.Contains(g.Directions, string(s.Direction))) &&
		(g.Hours == nil || g.Hours.covers(s.Now))
}

// asker is the actor with the groups and roles that a policy gives.
type asker struct {
	id            string
	groups, roles []string
}

func (a asker) is(w policy.Who) bool {
	return (w.Principal == "" || w.Principal == a.id) && (w.Group == "" || slices.Contains(a.groups, w.Group)) &&
		(w.Role == "" || slices.Contains(a.roles, w.Role))
}

// refused says in words what nobody grants.
func refused(s *policy.Situation, u policy.UnitFacts, who asker) string {
	what := "may " + s.Action.Scope()
	if s.Direction != "" {
		what += " " + string(s.Direction)
	}
	if u.ID != "" {
		what += " " + u.ID
	}
	text := "nothing grants that " + or(who.id, "nobody") + " " + what
	if len(who.groups) > 0 {
		text += " (groups: " + strings.Join(who.groups, ", ") + ")"
	}
	return text
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
