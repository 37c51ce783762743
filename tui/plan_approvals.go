package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
)

// wait keeps a confirmation that was taken for later: it goes on by itself once people have approved the plan.
func (s *planScreen) wait(m confirmedMsg, w *rollback.Waiting) {
	s.waiting, s.yes, s.err = w, m.yes, nil
	s.c.say("it waits for approval and goes on by itself; send: " + CommandLine(CommandApprove, shortHash(w.Plan)))
}

// goOn confirms again what was confirmed, once all that it waited for is there. The engine judges everything anew.
func (s *planScreen) goOn() tea.Cmd {
	if s.waiting == nil || s.busy != "" || s.plan == nil || s.plan.Hash != s.waiting.Plan {
		return nil
	}
	p := s.c.pendingOf(s.waiting.Request)
	if p == nil || !p.Met() || s.tried == len(p.Said) { // the engine may judge otherwise: it is asked once for each word
		return nil
	}
	s.waiting, s.tried = nil, len(p.Said)
	return s.begin(*s.plan, s.yes)
}

// pendingOf is a plan that waits, as it is known now; nil where it does not.
func (c *console) pendingOf(request string) *rollback.Pending {
	for i := range c.st.Waiting {
		if c.st.Waiting[i].ID == request {
			return &c.st.Waiting[i]
		}
	}
	return nil
}

// approvals says whose yes the plan needs, who said it, and what is missing.
func (s *planScreen) approvals(p *page) {
	if len(s.plan.Decision.Needs) == 0 {
		return
	}
	add := func(word, text string) {
		lines := wrap(plain(text), p.w-12)
		p.add(" " + word + pad(max(10-width(word), 1)) + lines[0])
		for _, l := range lines[1:] {
			p.add(pad(11) + l)
		}
	}
	for _, n := range s.plan.Decision.Needs {
		add(s.c.style.bold("NEEDS"), approval.Asks(n)+"  (rule "+n.Rule+")")
	}
	if s.waiting == nil {
		return
	}
	answers := s.waiting.Answers
	if now := s.c.pendingOf(s.waiting.Request); now != nil {
		answers = now.Answers
	}
	s.c.standing(add, answers)
	add(s.c.style.careful("WAITS"), "it is confirmed and goes on by itself. Send: "+CommandLine(CommandApprove, shortHash(s.waiting.Plan)))
}

// standing says of each need who said yes and what is missing.
func (c *console) standing(add func(word, text string), answers []approval.Answer) {
	for i := range answers {
		a := &answers[i]
		if len(a.By) > 0 {
			add(c.style.good("YES"), strings.Join(a.By, ", "))
		}
		if !a.Met {
			add(c.style.bad("MISSING"), a.Missing)
		}
	}
}

// waits is the line about plans that wait for somebody's yes, "" where none does.
func (c *console) waits() string {
	var unmet []*rollback.Pending
	for i := range c.st.Waiting {
		if p := &c.st.Waiting[i]; !p.Met() {
			unmet = append(unmet, p)
		}
	}
	if len(unmet) == 0 {
		return ""
	}
	p := unmet[0]
	text := "APPROVAL  " + unitName(p.Plan.Units[0].Unit.ID) + " " + revision(p.Plan.Units[0].From) + " -> " + revision(p.Plan.Units[0].To) + " waits, asked by " + plain(p.By.ID) + ": 8 shows it"
	if n := len(unmet) - 1; n > 0 {
		text += " (+" + itoa(n) + " more)"
	}
	return text
}
