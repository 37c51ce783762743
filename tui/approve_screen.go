package tui

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
)

// approveScreen shows one plan that waits, as it waits, and asks for a word on it. It plans nothing.
type approveScreen struct {
	keymap
	c      *console
	of     rollback.Pending
	view   *planScreen
	target string // whether the target is still what the plan saw
	bad    bool   // it is not, or nobody can tell
	busy   bool
	scroll scroll
}

// seenMsg says whether the target of a plan that waits is still what that saw.
type seenMsg struct {
	to  *approveScreen
	err error
}

// spokenMsg says what became of a word.
type spokenMsg struct {
	to   *approveScreen
	text string
	err  error
}

// showWaiting opens the next plan that waits.
func (m *Model) showWaiting() tea.Cmd {
	if len(m.st.Waiting) == 0 {
		m.say("no plan waits for approval")
		return nil
	}
	next := 0
	if open, ok := m.top().(*approveScreen); ok {
		for i := range m.st.Waiting {
			if m.st.Waiting[i].ID == open.of.ID {
				next = (i + 1) % len(m.st.Waiting)
			}
		}
		m.pop()
	}
	s := newApproveScreen(m.console, m.st.Waiting[next])
	m.front(s)
	return s.look()
}

func newApproveScreen(c *console, of rollback.Pending) *approveScreen {
	s := &approveScreen{c: c, of: of, view: &planScreen{c: c, plan: &of.Plan, only: map[rollback.UnitID]bool{}}, target: "being looked at", bad: true}
	s.view.selected()
	s.actions = []action{
		{keys: moveKeys(), label: "j/k", desc: "scroll"},
		{keys: []string{"d"}, label: "d", desc: "diff", brief: true, do: func() tea.Cmd {
			s.view.diff, s.scroll.top = !s.view.diff, 0
			return nil
		}},
		{keys: []string{"c"}, label: "c", desc: "look again", brief: true, do: s.look},
		{keys: []string{"y"}, label: "y", desc: "copy command", brief: true, do: func() tea.Cmd { return c.copy(s.line()) }},
		{keys: []string{"A"}, label: "A", desc: "approve (asks)", brief: true, acts: true, why: s.whyNot, line: s.line, do: func() tea.Cmd {
			c.ask(newApproveConfirm(c, s))
			return nil
		}},
		{keys: []string{"D"}, label: "D", desc: "deny (asks why)", brief: true, acts: true, why: s.whyNoWord, line: func() string { return s.line() + " --deny --reason WHY" }, do: s.refuse},
	}
	return s
}

// Title implements screen.
func (s *approveScreen) Title() string { return "APPROVE " + shortHash(s.of.Plan.Hash) }

func (s *approveScreen) line() string { return s.c.command(CommandApprove, shortHash(s.of.Plan.Hash)) }

// look asks whether the target is still what the plan saw.
func (s *approveScreen) look() tea.Cmd {
	plan := s.of.Plan
	if s.c.opts.Approvals == nil {
		s.target = "nobody can look here"
		return nil
	}
	return s.c.call(func(ctx context.Context) tea.Msg { return seenMsg{s, s.c.opts.Approvals.Seen(ctx, plan)} })
}

// Update implements screen.
func (s *approveScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case seenMsg:
		if msg.to == s {
			s.target, s.bad = "still as the plan saw it", false
			if msg.err != nil {
				s.target, s.bad = msg.err.Error(), true
			}
		}
	case spokenMsg:
		if msg.to == s {
			s.busy = false
			s.c.say(msg.text)
			if msg.err != nil {
				s.c.say("not recorded: " + msg.err.Error())
			}
		}
	case stateMsg:
		if p := s.c.pendingOf(s.of.ID); p != nil {
			s.of = *p
		} else {
			s.of.State = "over"
		}
	case tea.KeyPressMsg:
		if cmd, ok := s.press(s.c, msg.String()); ok {
			return cmd
		}
		s.scroll.move(msg.String(), len(s.lines(s.c.w)), s.c.body())
	}
	return nil
}

// whyNoWord is why nothing can be said of the plan.
func (s *approveScreen) whyNoWord() string {
	switch {
	case s.c.readOnly() != "":
		return s.c.readOnly()
	case s.c.opts.Approvals == nil:
		return "nothing can be approved here"
	case s.busy:
		return "signing is under way"
	case s.of.State != "waiting":
		return "this plan does not wait any more: 4 shows the runs"
	default:
		return ""
	}
}

// whyNot is why the plan cannot be approved.
func (s *approveScreen) whyNot() string {
	switch why := s.whyNoWord(); {
	case why != "":
		return why
	case s.of.By.ID == s.c.opts.Principal.ID && slices.ContainsFunc(s.of.Needs, func(n policy.Need) bool { return slices.Contains(n.Not, "requester") }):
		return "you asked for it: somebody else has to approve"
	case !s.bad:
		return ""
	}
	return "target: " + plain(s.target)
}

// say has who acts sign a word.
func (s *approveScreen) say(decision, reason string) tea.Cmd {
	s.busy = true
	of := s.of
	done := "approved: the plan goes on where it was asked for, once nothing is missing"
	if decision == approval.No {
		done = "refused"
	}
	return s.c.call(func(ctx context.Context) tea.Msg {
		return spokenMsg{s, done, s.c.opts.Approvals.Approve(ctx, of, decision, reason)}
	})
}

// refuse asks why, and signs.
func (s *approveScreen) refuse() tea.Cmd {
	s.c.prompt = &prompt{
		c: s.c, mark: "refuse, why? ",
		send: func(text string) tea.Cmd {
			if text == "" {
				return nil
			}
			return s.say(approval.No, text)
		},
		hint: func(string) string { return "whoever is on call reads it   enter signs the refusal, esc drops" },
	}
	return nil
}

// Render implements screen.
func (s *approveScreen) Render(w, h int) string {
	return strings.Join(s.scroll.window(s.lines(w), h), "\n")
}

func (s *approveScreen) lines(w int) []string {
	if s.view.diff {
		return s.view.diffLines(w)
	}
	p := newPage(w, 2000)
	add := func(word, text string) {
		lines := wrap(plain(text), p.w-12)
		p.add(" " + word + pad(max(10-width(word), 1)) + lines[0])
		for _, l := range lines[1:] {
			p.add(pad(11) + l)
		}
	}
	add(s.c.style.bold("ASKED BY"), s.of.By.ID+" ("+string(s.of.By.Kind)+"), "+s.c.clock().stamp(s.of.AskedAt))
	if s.of.Plan.Reason != "" {
		add(s.c.style.bold("REASON"), s.of.Plan.Reason)
	}
	word := s.c.style.good("TARGET")
	if s.bad {
		word = s.c.style.bad("TARGET")
	}
	add(word, s.target)
	if s.of.State == "waiting" {
		s.c.standing(add, s.of.Answers)
	} else {
		add(s.c.style.careful("OVER"), "this plan does not wait any more: it runs, or what it saw has changed")
	}
	for _, said := range s.of.Said {
		if said.Decision == approval.No && said.State == "given" {
			add(s.c.style.bad("REFUSED"), said.By+": "+said.Reason)
		}
	}
	return append(p.lines, s.view.lines(w)...)
}

// approveConfirm is the modal before a signature.
type approveConfirm struct {
	keymap
	c  *console
	of *approveScreen
}

func newApproveConfirm(c *console, of *approveScreen) *approveConfirm {
	s := &approveConfirm{c: c, of: of}
	s.actions = []action{
		{keys: []string{"esc"}, label: "esc", desc: "cancel", brief: true},
		{keys: []string{"y"}, label: "y", desc: "sign", brief: true, acts: true, line: of.line, do: func() tea.Cmd {
			c.dismiss()
			if why := of.whyNot(); why != "" {
				c.say("not signed: " + why)
				return nil
			}
			return of.say(approval.Yes, "")
		}},
	}
	return s
}

// Title implements screen.
func (s *approveConfirm) Title() string { return "APPROVE" }

// Update implements screen.
func (s *approveConfirm) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		cmd, _ := s.press(s.c, k.String())
		return cmd
	}
	return nil
}

// Render implements screen.
func (s *approveConfirm) Render(w, _ int) string {
	bw := min(68, w-2)
	in := bw - 4
	lines := []string{s.c.style.bold("APPROVE IN " + s.c.badge()), ""}
	for i := range s.of.of.Plan.Units {
		u := &s.of.of.Plan.Units[i]
		lines = append(lines, cut(" "+fit(unitName(u.Unit.ID), 14)+" "+revision(u.From)+" -> "+revision(u.To), in))
	}
	lines = append(lines, " plan     "+shortHash(s.of.of.Plan.Hash), cut(" asked by "+plain(s.of.of.By.ID), in), "")
	lines = append(lines, wrap("Your key signs that you, "+plain(s.c.opts.Principal.ID)+", approve this plan. y signs, esc cancels.", in)...)
	return strings.Join(s.c.style.box(lines, bw), "\n")
}
