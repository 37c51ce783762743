package tui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// drillConfirm is the modal between a drill's plan and the drill: what would be done and what speaks against it. It asks as the
// confirmation of a rollback does. Where something speaks against the drill, there is nothing to confirm.
type drillConfirm struct {
	keymap
	c       *console
	m       drillPlannedMsg
	name    string // what has to be typed, "" where y is enough
	refused string
	text    string
	pasts   bool
}

func newDrillConfirm(c *console, m drillPlannedMsg) *drillConfirm {
	s := &drillConfirm{c: c, m: m}
	for _, b := range m.before {
		if b.Refuse && s.refused == "" {
			s.refused = b.Text
		}
	}
	if d := m.plan.Decision; s.refused == "" && !d.Allowed {
		s.refused = cmp.Or(strings.Join(d.Reasons, "; "), "the policy does not allow it")
	}
	if d := m.plan.Decision; c.prod() || d.Confirm != policy.ConfirmYes {
		s.name = d.Name
		if s.name == "" {
			s.name = unitName(m.unit)
		}
	}
	s.actions = []action{{keys: []string{"esc"}, label: "esc", desc: "cancel", brief: true}}
	if s.name == "" && s.refused == "" {
		s.actions = append(s.actions, action{keys: []string{"y"}, label: "y", desc: "drill", brief: true, acts: true, do: s.confirm})
	}
	return s
}

// Title implements screen.
func (s *drillConfirm) Title() string { return "DRILL" }

// Update implements screen.
func (s *drillConfirm) Update(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	switch {
	case !ok || s.refused != "":
		return nil
	case s.name == "":
		cmd, _ := s.press(s.c, k.String())
		return cmd
	}
	switch k.String() {
	case "enter":
		if s.text == s.name {
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
func (s *drillConfirm) spoil() { s.text, s.pasts = "", true }

// confirm begins the drill.
func (s *drillConfirm) confirm() tea.Cmd {
	c, m := s.c, s.m
	yes := rollback.Confirmation{PlanHash: m.plan.Hash, By: c.opts.Principal, Typed: s.text, Via: "console"}
	if s.name == "" {
		yes.Typed = "y"
	}
	c.dismiss()
	return c.call(func(ctx context.Context) tea.Msg {
		d, err := c.opts.Drills.Drill(ctx, m.plan, yes)
		if err == nil {
			err = c.opts.Runs.Start(d.ID)
		}
		if err != nil {
			return saidMsg{text: "no drill: " + strings.TrimPrefix(err.Error(), "no drill: ")}
		}
		return saidMsg{text: fmt.Sprintf("%s began: it goes back, and forward again by itself", d.ID)}
	})
}

// Render implements screen.
func (s *drillConfirm) Render(w, h int) string {
	bw := min(76, w-2)
	in := bw - 4
	u := &s.m.plan.Units[max(slices.IndexFunc(s.m.plan.Units, func(u rollback.UnitPlan) bool { return u.Unit.ID == s.m.unit }), 0)]
	lines := []string{
		s.c.style.bold("DRILL IN " + s.c.badge()), "",
		cut(" unit     "+plain(string(u.Unit.ID)), in),
		cut(" back     "+revision(u.From)+" -> "+revision(u.To)+fmt.Sprintf(", for %s at most", s.m.plan.Deadline), in),
		cut(" forward  "+revision(u.To)+" -> "+revision(u.From)+", by itself", in),
		" plan     " + shortHash(s.m.plan.Hash),
	}
	lines = append(lines, labelled(" command  ", s.c.command(CommandDrill, string(s.m.unit)), in)...)
	for _, b := range s.speaking() {
		word := s.c.style.good(fit("ok", 8))
		if b.Refuse {
			word = s.c.style.bad(fit("REFUSED", 8))
		} else if b.State != rollback.CheckPass {
			word = s.c.style.careful(fit(plain(string(b.State)), 8))
		}
		lines = append(lines, cut(" "+word+" "+fit(plain(string(b.Name)), 13)+" "+plain(b.Text), in))
	}
	question := append([]string{""}, s.question(in)...)
	if room := h - 2 - len(question); len(lines) > room {
		lines = append(lines[:max(room-1, 1)], " more with the command above and --dry-run")
	}
	return strings.Join(s.c.style.box(append(lines, question...), bw), "\n")
}

// speaking are the preconditions, those that somebody has to know of first: a small screen does not have room for all.
func (s *drillConfirm) speaking() []rollback.Precondition {
	out := slices.Clone(s.m.before)
	slices.SortStableFunc(out, func(a, b rollback.Precondition) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return out
}

func rank(b rollback.Precondition) int {
	switch {
	case b.Refuse:
		return 0
	case b.State != rollback.CheckPass:
		return 1
	default:
		return 2
	}
}

func (s *drillConfirm) question(w int) []string {
	switch {
	case s.refused != "":
		return append(labelled(" "+s.c.style.bad("NO DRILL")+"  ", plain(s.refused), w), "", between("", "esc close ", w))
	case s.name == "":
		return []string{" Press y to drill.", "", between(" enter does nothing", "esc cancel ", w)}
	}
	tail := between(" enter does nothing until the name matches", "esc cancel ", w)
	switch {
	case s.pasts:
		tail = between(" "+s.c.style.careful("that was pasted: the name has to be typed"), "esc cancel ", w)
	case s.text == s.name:
		tail = between(" "+s.c.style.bold("enter begins it"), "esc cancel ", w)
	}
	return []string{cut(" Type "+s.c.style.bold(plain(s.name))+" to drill:  "+s.text+"_", w), "", tail}
}
