package tui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/backout-dev/backout/timeline/culprit"
)

// evidenceLines list what speaks for and against, heaviest first, then what is not known and what does not count.
func (c *console) evidenceLines(p *page, s *culprit.Suspect) {
	all := slices.Clone(s.Evidence)
	p.evidence = len(p.lines)
	slices.SortStableFunc(all, func(a, b culprit.Evidence) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	first := true
	part := func(title, sign string, want func(e *culprit.Evidence) bool) {
		any := false
		for i := range all {
			e := &all[i]
			if !want(e) || e.Weight == 0 && slices.ContainsFunc(all[:i], func(o culprit.Evidence) bool { return o.Weight == 0 && o.Text == e.Text }) {
				continue // what several terms had no answer for is not known once
			}
			if !any {
				unit := ""
				if first {
					unit = "weight "
				}
				p.add(between(" "+c.style.bold(title), unit, p.w))
				any, first = true, false
			}
			weight := ""
			if e.Weight != 0 {
				weight = fmt.Sprintf("%+.1f ", e.Weight)
			}
			lines := wrap(strings.TrimPrefix(plain(e.Text), unknownPrefix), p.w-11)
			p.add(between("  "+sign+" "+lines[0], weight, p.w))
			for _, l := range lines[1:] {
				p.add("    " + l)
			}
		}
	}
	missing := func(e *culprit.Evidence) bool { return strings.HasPrefix(e.Text, unknownPrefix) }
	part("WHY", "+", func(e *culprit.Evidence) bool { return e.Weight > 0 })
	part("AGAINST", "-", func(e *culprit.Evidence) bool { return e.Weight < 0 })
	part("NOT KNOWN", "?", func(e *culprit.Evidence) bool { return e.Weight == 0 && missing(e) })
	part("DOES NOT COUNT", " ", func(e *culprit.Evidence) bool { return e.Weight == 0 && !missing(e) })
	p.add("")
}

// unknownPrefix begins the text of evidence that could not be weighed.
const unknownPrefix = "unknown: "

// briefEvidence is the evidence in a pane that may be too low for all of it: what speaks against is seen in any case,
// and what is out of sight is counted.
func (c *console) briefEvidence(p *page, s *culprit.Suspect) {
	all := newPage(p.w, 1000)
	c.evidenceLines(all, s)
	lines := all.lines[:len(all.lines)-1] // without the blank line at its end
	if len(lines) <= p.left() {
		p.add(lines...)
		return
	}
	part := func(want func(weight float64) bool) []string {
		of := culprit.Suspect{Evidence: slices.DeleteFunc(slices.Clone(s.Evidence), func(e culprit.Evidence) bool { return !want(e.Weight) })}
		some := newPage(p.w, 1000)
		c.evidenceLines(some, &of)
		return some.lines[:len(some.lines)-1]
	}
	why, against := part(func(w float64) bool { return w > 0 }), part(func(w float64) bool { return w < 0 })
	room := max(p.left()-1, 0)
	if shown := len(why) + len(against); shown <= room {
		p.add(lines[:room]...)
		p.add(" " + c.style.faint("enter: "+plural(len(lines)-room, "line")+" more"))
		return
	}
	against = against[:min(len(against), room/2)]
	why = why[:min(len(why), room-len(against))]
	p.add(why...)
	p.add(against...)
	p.add(" " + c.style.faint("enter: "+plural(len(lines)-len(why)-len(against), "line")+" more"))
}
