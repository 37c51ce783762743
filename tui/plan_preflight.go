package tui

import (
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
)

// preflight lists what every rule found, the worst word first on its line, with what it rests on.
func (s *planScreen) preflight(p *page) {
	var ok, other int
	var lines []string
	add := func(word, text, evidence string) {
		body := wrap(text, p.w-11)
		lines = append(lines, "  "+word+" "+body[0])
		for _, l := range body[1:] {
			lines = append(lines, pad(10)+l)
		}
		if evidence != "" {
			for _, l := range wrap(evidence, p.w-13) {
				lines = append(lines, pad(10)+s.c.style.faint(l))
			}
		}
	}
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		name := unitName(u.Unit.ID)
		for _, f := range u.Findings {
			word := s.findingWord(f.Verdict)
			if f.Verdict == rollback.Independent || f.Verdict == rollback.NoOp {
				ok++
			} else {
				other++
			}
			add(word, name+"  "+plain(f.Rule)+": "+plain(f.Text), plain(f.Evidence))
		}
		for _, m := range u.Missing {
			other++
			add(s.c.style.bad("MISSING"), name+"  "+plain(m), "")
		}
		if !strings.HasPrefix(u.Tested, "tested") {
			other++
			add(s.c.style.careful("WARN   "), name+"  "+proof(u.Tested)+": this way back was never proved", "")
		}
		for _, t := range u.Warnings {
			other++
			add(s.c.style.careful("WARN   "), name+"  "+plain(t), "")
		}
	}
	for _, t := range s.planWarnings() {
		other++
		add(s.c.style.careful("WARN   "), plain(t), "")
	}
	for _, r := range s.reasons() {
		if !s.plan.Decision.Allowed {
			other++
		}
		add(r[0], r[1], "")
	}
	busy := ""
	if s.busy != "" {
		busy = ", " + s.busy
	}
	p.add(" " + s.c.style.bold("PREFLIGHT") + "  " + itoa(ok) + " ok, " + itoa(other) + " to know (read-only, looked " +
		s.c.clock().stamp(s.plan.CreatedAt) + busy + ")")
	p.add(lines...)
}

// reasons are what the policy says, as pairs of word and text; a warning that stands above already is left out.
func (s *planScreen) reasons() [][2]string {
	word := s.c.style.faint("note   ")
	if !s.plan.Decision.Allowed {
		word = s.c.style.bad("REFUSED")
	}
	var out [][2]string
	for _, t := range s.plan.Decision.Reasons {
		if !s.plan.Decision.Allowed || !slices.Contains(s.plan.Warnings, t) {
			out = append(out, [2]string{word, "policy: " + plain(t)})
		}
	}
	return out
}

// planWarnings are those of the whole plan that no unit's own lines say already.
func (s *planScreen) planWarnings() []string {
	var out []string
	for _, t := range s.plan.Warnings {
		said := slices.ContainsFunc(s.plan.Units, func(u rollback.UnitPlan) bool {
			untested := strings.Contains(t, string(u.Unit.ID)) && strings.Contains(t, "untested")
			return untested || slices.Contains(u.Warnings, t)
		})
		if !said {
			out = append(out, t)
		}
	}
	return out
}

func (s *planScreen) findingWord(v rollback.Verdict) string {
	switch v {
	case rollback.Independent, rollback.NoOp:
		return "ok     "
	case rollback.Conditional:
		return s.c.style.careful("IF     ")
	case rollback.Coupled:
		return s.c.style.careful("COUPLED")
	case rollback.Irreversible:
		return s.c.style.bad("ONE-WAY")
	case rollback.Blocked:
		return s.c.style.bad("BLOCKED")
	default:
		return s.c.style.careful("UNKNOWN")
	}
}
