package tui

import (
	"github.com/backout-dev/backout/rollback"
)

// verifies says in one line what a verification of the plan rests on.
func (s *planScreen) verifies() string {
	n := len(s.plan.Alerts)
	text := "the checks of " + plural(len(s.plan.Units), "unit")
	declared := 0
	for i := range s.plan.Units {
		declared += len(s.plan.Units[i].Declared)
	}
	if n+declared > 0 {
		text = "and " + text
	}
	if declared > 0 {
		text = plural(declared, "declared check") + ", " + text
	}
	if n > 0 {
		text = plural(n, "alert") + " of the incident resolved, " + text
	}
	return text
}

// declared is one check that somebody declared: what passes first, then what it looks at and where that was said.
func (s *planScreen) declared(p *page, u *rollback.UnitPlan, c *rollback.DeclaredCheck) {
	text := plain(c.Name)
	if len(s.plan.Units) > 1 {
		text = unitName(u.Unit.ID) + ": " + text
	}
	if c.Goal != "" {
		text += ": " + plain(c.Goal)
	}
	lines := wrap(text+"   "+plain(c.What())+" ("+plain(c.Source)+")", p.w-7)
	for i, l := range lines {
		if c.Bad != "" {
			l = s.c.style.bad(l)
		}
		p.add(pad(5+min(i, 1)) + l)
	}
}
