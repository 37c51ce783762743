package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
)

// finding is one line of the preflight. What holds for several units in the same words is one line for all of them.
type finding struct {
	ok             bool
	word           string // one of weights
	units          []string
	text, evidence string
}

// weights are the words before a finding, what stands most against the plan first.
var weights = [...]string{"REFUSED", "BLOCKED", "MISSING", "ONE-WAY", "NEEDS", "UNKNOWN", "COUPLED", "IF", "WARN", "note", "ok"}

// preflight counts what every rule found and lists what has to be known; what it gives back lists what is well.
func (s *planScreen) preflight(p *page) (well func(p *page)) {
	all := s.findings()
	ok := slices.DeleteFunc(slices.Clone(all), func(f finding) bool { return !f.ok })
	know := slices.DeleteFunc(all, func(f finding) bool { return f.ok })
	busy := ""
	if s.busy != "" {
		busy = ", " + s.busy
	}
	p.add(" " + s.c.style.bold("PREFLIGHT") + "  " + itoa(len(ok)) + " ok, " + itoa(len(know)) + " to know (read-only, looked " +
		s.c.clock().stamp(s.plan.CreatedAt) + busy + ")")
	list := func(p *page, fs []finding) {
		for i := range fs {
			s.findingLines(p, &fs[i])
		}
	}
	list(p, know)
	return func(p *page) { list(p, ok) }
}

// findingLines write one finding, and what it rests on behind it where there is room.
func (s *planScreen) findingLines(p *page, f *finding) {
	text := f.text
	if len(f.units) > 0 {
		text = strings.Join(f.units, ", ") + "  " + text
	}
	lines := wrap(text, p.w-11)
	if last := lines[len(lines)-1]; f.evidence != "" && width(last)+width(f.evidence)+13 <= p.w {
		lines[len(lines)-1] = last + "  " + s.c.style.faint(f.evidence)
	} else if f.evidence != "" {
		for _, l := range wrap(f.evidence, p.w-13) {
			lines = append(lines, s.c.style.faint(l))
		}
	}
	p.add("  " + s.findingStyle(f.word)(f.word) + pad(8-width(f.word)) + lines[0])
	for _, l := range lines[1:] {
		p.add(pad(10) + l)
	}
}

// findings are what the rules, the providers and the policy say of the plan.
func (s *planScreen) findings() []finding {
	var all []finding
	for i := range s.plan.Units {
		for _, f := range s.unitFindings(&s.plan.Units[i]) {
			all = merge(all, f)
		}
	}
	for _, t := range s.planWarnings() {
		all = append(all, finding{word: "WARN", text: plain(t)})
	}
	for _, r := range s.reasons() {
		all = append(all, finding{ok: s.plan.Decision.Allowed, word: r[0], text: r[1]})
	}
	all = append(all, s.rulings()...)
	slices.SortStableFunc(all, func(a, b finding) int {
		return cmp.Compare(slices.Index(weights[:], a.word), slices.Index(weights[:], b.word))
	})
	return all
}

// merge adds the finding of a unit; where the same was found for another one, it is said once for both.
func merge(all []finding, f finding) []finding {
	for i := range all {
		if o := &all[i]; o.word == f.word && o.text == f.text && o.evidence == f.evidence {
			if !slices.Contains(o.units, f.units[0]) {
				o.units = append(o.units, f.units[0])
			}
			return all
		}
	}
	return append(all, f)
}

func (s *planScreen) unitFindings(u *rollback.UnitPlan) []finding {
	var out []finding
	units := []string{unitName(u.Unit.ID)}
	for _, f := range u.Findings {
		text := plain(f.Text)
		ok := f.Verdict == rollback.Independent || f.Verdict == rollback.NoOp
		if ok { // the unit stands at the beginning of the line
			text = strings.ReplaceAll(text, plain(string(u.Unit.ID)), "it")
		}
		evidence := plain(f.Evidence)
		if strings.Contains(text, evidence) {
			evidence = "" // said already
		}
		out = append(out, finding{ok, findingWord(f.Verdict), units, plain(f.Rule) + ": " + text, evidence})
	}
	target := name(u.To)
	switch {
	case u.To.Digest == "" || u.Verdict == rollback.NoOp:
	case len(u.To.Good) > 0:
		out = append(out, finding{ok: true, word: "ok", units: units, text: target + " is known good: " + plain(strings.Join(u.To.Good, "; "))})
	default:
		out = append(out, finding{word: "WARN", units: units, text: target + " is not known good: nothing shows that it served well"})
	}
	for _, m := range u.Missing {
		out = append(out, finding{word: "MISSING", units: units, text: plain(m)})
	}
	switch {
	case strings.HasPrefix(u.Tested, "tested"):
		out = append(out, finding{ok: true, word: "ok", units: units, text: plain(u.Tested)})
	case u.Proof != nil && u.Proof.Proof != nil:
		out = append(out, finding{word: "WARN", units: units, text: proven(u.Tested)})
	default:
		text, then := proven(u.Tested), ": "
		if strings.Contains(text, ";") {
			then = "; "
		}
		out = append(out, finding{word: "WARN", units: units, text: text + then + "this way back was never proved"})
	}
	for _, t := range u.Warnings {
		out = append(out, finding{word: "WARN", units: units, text: plain(t)})
	}
	return out
}

// reasons are what the policy says, as pairs of word and text; a warning that stands above already is left out.
func (s *planScreen) reasons() [][2]string {
	word := "note"
	if !s.plan.Decision.Allowed {
		word = "REFUSED"
	}
	var out [][2]string
	for _, t := range s.plan.Decision.Reasons {
		if s.ruled(t) {
			continue
		}
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

func findingWord(v rollback.Verdict) string {
	switch v {
	case rollback.Independent, rollback.NoOp:
		return "ok"
	case rollback.Conditional:
		return "IF"
	case rollback.Coupled:
		return "COUPLED"
	case rollback.Irreversible:
		return "ONE-WAY"
	case rollback.Blocked:
		return "BLOCKED"
	default:
		return "UNKNOWN"
	}
}

func (s *planScreen) findingStyle(word string) func(string) string {
	switch word {
	case "REFUSED", "BLOCKED", "MISSING", "ONE-WAY":
		return s.c.style.bad
	case "note":
		return s.c.style.faint
	case "ok":
		return func(text string) string { return text }
	default:
		return s.c.style.careful
	}
}
