package tui

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// confirmScreen is the modal between a plan and its run. In production the name has to be typed; elsewhere y is enough. What
// the plan destroys is asked for one by one, everywhere.
// Enter alone never runs anything, esc always cancels, and a paste empties the field.
type confirmScreen struct {
	keymap
	c     *console
	of    *planScreen
	plan  rollback.Plan // the plan as it was shown
	name  string        // what has to be typed, "" where y is enough
	gone  []string      // what is destroyed and has not been typed yet
	typed string        // the unit's name, once only what is destroyed is left to be typed
	text  string
	pasts bool
}

// confirmedMsg tells the plan's screen what came of a confirmation.
type confirmedMsg struct {
	to  *planScreen
	run rollback.Run
	err error
	yes rollback.Confirmation
}

func newConfirmScreen(c *console, of *planScreen) *confirmScreen {
	s := &confirmScreen{c: c, of: of, plan: *of.plan}
	if d := s.plan.Decision; c.prod() || d.Confirm != policy.ConfirmYes {
		s.name = d.Name
		if s.name == "" {
			s.name = unitName(s.plan.Units[0].Unit.ID)
		}
	}
	s.gone = s.plan.Destroyed()
	if s.name == "" && len(s.gone) > 0 {
		s.ask()
	}
	s.actions = []action{{keys: []string{"esc"}, label: "esc", desc: "cancel", brief: true}}
	if s.name == "" {
		s.actions = append(s.actions, action{keys: []string{"y"}, label: "y", desc: "run", brief: true, acts: true, do: s.confirm})
	} else {
		s.actions = append(s.actions, action{keys: []string{"enter"}, label: "enter", desc: "run, once the name matches", brief: true, acts: true})
	}
	return s
}

// Title implements screen.
func (s *confirmScreen) Title() string { return "CONFIRM" }

// Update implements screen.
func (s *confirmScreen) Update(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	if s.name == "" {
		cmd, _ := s.press(s.c, k.String())
		return cmd
	}
	switch k.String() {
	case "enter":
		switch {
		case s.text != s.name:
		case len(s.gone) > 0:
			s.ask()
		default:
			return s.confirm()
		}
	case "backspace":
		s.text = dropLast(s.text)
	case "ctrl+u":
		s.text = ""
	default:
		s.pasts = false
		if k.Text != "" && len(s.text) < 200 {
			s.text += plain(k.Text)
		}
	}
	return nil
}

// spoil empties the field after a paste: the point of the name is that a person types it.
func (s *confirmScreen) spoil() { s.text, s.pasts = "", true }

// ask goes on to the next thing that is destroyed.
func (s *confirmScreen) ask() {
	if s.typed == "" {
		s.typed = cmp.Or(s.text, "y")
	}
	s.name, s.gone, s.text = s.gone[0], s.gone[1:], ""
}

// confirm hands the plan to the engine and starts the process that runs it.
func (s *confirmScreen) confirm() tea.Cmd {
	if why := s.of.whyNoRun(); why != "" {
		s.c.dismiss()
		s.c.say("not run: " + why)
		return nil
	}
	c, of, plan := s.c, s.of, s.plan
	yes := rollback.Confirmation{PlanHash: plan.Hash, By: c.opts.Principal, Typed: cmp.Or(s.typed, s.text), Destroys: plan.Destroyed(), Reason: cmp.Or(of.reason, plan.Reason), Via: "console"}
	c.dismiss()
	return of.begin(plan, yes)
}

// begin has the engine take a confirmation, and starts the run.
func (of *planScreen) begin(plan rollback.Plan, yes rollback.Confirmation) tea.Cmd {
	c := of.c
	of.busy = "confirming"
	return c.call(func(ctx context.Context) tea.Msg {
		m := confirmedMsg{to: of, yes: yes}
		if m.run, m.err = c.opts.Planner.Confirm(ctx, plan, yes); m.err == nil {
			m.err = c.opts.Runs.Start(m.run.ID)
		}
		return m
	})
}

// Render implements screen.
func (s *confirmScreen) Render(w, h int) string {
	bw := min(68, w-2)
	in := bw - 4
	verb := "ROLL BACK IN "
	if s.plan.Kind == "forward" {
		verb = "BRING FORWARD IN "
	}
	lines := []string{s.c.style.bold(verb + s.where()), ""}
	lines = append(lines, s.units(in)...)
	lines = append(append(lines, " plan     "+shortHash(s.plan.Hash)), s.proofs(in)...)
	lines = append(lines, s.leftBehind(in)...)
	lines = append(append(lines, labelled(" command  ", s.of.line(), in)...), "")
	question := s.question(in)
	if room := h - 2 - len(question); len(lines) > room { // the question has to be seen, whatever the plan's size
		lines = append(lines[:max(room-1, 1)], " more is on the plan's own screen")
	}
	lines = append(lines, question...)
	return strings.Join(s.c.style.box(lines, bw), "\n")
}

// proofs says of every unit whether its way back is tested, once where it is the same for all.
func (s *confirmScreen) proofs(w int) []string {
	var words []string
	of := map[string][]string{}
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		word := proven(u.Tested)
		if of[word] == nil {
			words = append(words, word)
		}
		of[word] = append(of[word], unitName(u.Unit.ID))
	}
	if len(words) == 1 {
		return []string{cut(" proof    "+s.c.tested(words[0]), w)}
	}
	var out []string
	for _, word := range words {
		out = append(out, cut(" proof    "+strings.Join(of[word], ", ")+": "+s.c.tested(word), w))
	}
	return out
}

// where is the environment in a word, as the badge has it.
func (s *confirmScreen) where() string {
	if s.c.opts.Environment == "" {
		return "AN UNNAMED ENVIRONMENT, TREATED AS PRODUCTION"
	}
	word := strings.ToUpper(plain(s.c.opts.Environment))
	if word == "PROD" {
		word = "PRODUCTION"
	}
	return strings.TrimRight(word+"  "+plain(s.c.opts.Context), " ")
}

// units are what goes from what to what, in the order of the plan.
func (s *confirmScreen) units(w int) []string {
	var out []string
	n := len(s.plan.Units)
	if n > 1 {
		out = append(out, " together, in this order:")
	}
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		if i == 3 && n > 4 {
			return append(out, fmt.Sprintf(" and %d units more", n-3))
		}
		est := "time unknown"
		if u.Estimate > 0 {
			est = "about " + roughly(u.Estimate)
		}
		if u.Blast != "" {
			est = plain(u.Blast) + ", " + est
		}
		out = append(out, cut(" unit     "+plain(string(u.Unit.ID)), w), cut("          "+revision(u.From)+" -> "+revision(u.To)+"   "+est, w))
	}
	return out
}

// leftBehind is what stays as it is, what is destroyed, and what is held back until somebody lifts it; all of it is on the
// plan's own screen.
func (s *confirmScreen) leftBehind(w int) []string {
	var stays, gone, held []string
	for i := range s.plan.Units {
		for _, m := range s.plan.Units[i].Measures {
			held = append(held, labelled(" measure  ", plain(m.What)+"; lift it when "+plain(m.Exit), w)...)
		}
		for _, t := range s.plan.Units[i].NotRestored {
			if len(stays) == 0 {
				stays = labelled(" stays    ", plain(t), w)
			}
		}
		for _, t := range s.plan.Units[i].Destroys {
			gone = append(gone, labelled(" destroys ", plain(t), w)...)
		}
	}
	return append(append(gone[:min(len(gone), 4)], held[:min(len(held), 4)]...), stays[:min(len(stays), 3)]...)
}

// labelled is text behind a label, wrapped under itself.
func labelled(label, text string, w int) []string {
	n := width(label)
	lines := wrap(text, w-n)
	for i := range lines {
		if i == 0 {
			lines[i] = label + lines[i]
		} else {
			lines[i] = pad(n) + lines[i]
		}
	}
	return lines
}

func (s *confirmScreen) question(w int) []string {
	if s.name == "" {
		return []string{" Press y to run.", "", between(" enter does nothing", "esc cancel ", w)}
	}
	tail := between(" enter does nothing until the name matches", "esc cancel ", w)
	if s.text == s.name {
		next := "enter runs it"
		if len(s.gone) > 0 {
			next = "enter goes on to what it destroys"
		}
		tail = between(" "+s.c.style.bold(next), "esc cancel ", w)
	}
	if s.pasts {
		tail = between(" "+s.c.style.careful("that was pasted: the name has to be typed"), "esc cancel ", w)
	}
	if s.typed != "" {
		return append(labelled(" "+s.c.style.bad("DESTROYS")+" ", "what going back again would not bring back. Type its name to let it go: "+s.c.style.bold(plain(s.name))+"  "+s.text+"_", w), "", tail)
	}
	return []string{cut(" Type "+s.c.style.bold(plain(s.name))+" to run:  "+s.text+"_", w), "", tail}
}

// dropLast takes the last grapheme off.
func dropLast(s string) string {
	last := ""
	for rest := s; rest != ""; {
		g, _ := ansi.FirstGraphemeCluster(rest, ansi.GraphemeWidth)
		if g == "" {
			break
		}
		last, rest = g, rest[len(g):]
	}
	return s[:len(s)-len(last)]
}

// askScreen is a modal with one question that y answers: stopping a run, leaving while one is live.
type askScreen struct {
	keymap
	c     *console
	lines []string
	yes   func() tea.Cmd
}

func newAskScreen(c *console, desc string, lines []string, yes func() tea.Cmd) *askScreen {
	s := &askScreen{c: c, lines: lines, yes: yes}
	s.actions = []action{
		{keys: []string{"esc"}, label: "esc", desc: "cancel", brief: true},
		{keys: []string{"y"}, label: "y", desc: desc, brief: true, do: func() tea.Cmd {
			c.dismiss()
			return yes()
		}},
	}
	return s
}

// newLeaveScreen asks before quitting while a run is live.
func newLeaveScreen(c *console, run string) *askScreen {
	lines := append([]string{c.style.bold("A RUN IS LIVE"), "", " " + plain(run) + " goes on without this console."},
		labelled(" come back with  ", c.command(CommandAttach, run), 64)...)
	return newAskScreen(c, "quit", append(lines, "", " Press y to quit."), func() tea.Cmd { return tea.Quit })
}

// Title implements screen.
func (s *askScreen) Title() string { return "QUESTION" }

// Update implements screen.
func (s *askScreen) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		cmd, _ := s.press(s.c, k.String())
		return cmd
	}
	return nil
}

// Render implements screen.
func (s *askScreen) Render(w, _ int) string {
	bw := min(68, w-2)
	lines := append(append([]string{}, s.lines...), "", between(" enter does nothing", "esc cancel ", bw-4))
	return strings.Join(s.c.style.box(lines, bw), "\n")
}
