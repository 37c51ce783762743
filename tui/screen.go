package tui

import (
	"strings"

	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// screen is one full view. Render is pure: the same state and size give the same string of at most h lines, none wider
// than w. A screen never asks which other screen is there.
type screen interface {
	help.KeyMap
	Update(msg tea.Msg) tea.Cmd
	Render(w, h int) string
	Title() string
	keys() []action
}

// action is one key of one screen. A key that cannot be used now stays on the screen, and says why when it is pressed.
type action struct {
	keys  []string
	label string // how the key is written
	desc  string
	brief bool           // shown on the key line, not only in the help
	acts  bool           // leads to something that alters the world: an uppercase key
	why   func() string  // why it cannot be used now; nil or "" is that it can
	line  func() string  // the command line that does the same
	do    func() tea.Cmd // nil for keys that are handled elsewhere (movement)
}

func (a *action) off() string {
	if a.why == nil {
		return ""
	}
	return a.why()
}

func (a *action) matches(key string) bool {
	for _, k := range a.keys {
		if k == key {
			return true
		}
	}
	return false
}

func (a *action) binding() key.Binding {
	return key.NewBinding(key.WithKeys(a.keys...), key.WithHelp(a.label, a.desc))
}

// keymap is the part of a screen that knows its keys; it gives a screen help.KeyMap.
type keymap struct{ actions []action }

func (k keymap) keys() []action { return k.actions }

// ShortHelp implements help.KeyMap: the keys of the key line.
func (k keymap) ShortHelp() []key.Binding {
	var out []key.Binding
	for i := range k.actions {
		if k.actions[i].brief {
			out = append(out, k.actions[i].binding())
		}
	}
	return out
}

// FullHelp implements help.KeyMap: every key, in one column.
func (k keymap) FullHelp() [][]key.Binding {
	var out []key.Binding
	for i := range k.actions {
		if k.actions[i].label != "" {
			out = append(out, k.actions[i].binding())
		}
	}
	return [][]key.Binding{out}
}

// press runs the action of a key, or tells why it is off. False: no action has this key.
func (k keymap) press(c *console, key string) (tea.Cmd, bool) {
	for i := range k.actions {
		a := &k.actions[i]
		if a.do == nil || !a.matches(key) {
			continue
		}
		if why := a.off(); why != "" {
			c.say(a.label + " is off: " + why)
			return nil, true
		}
		return a.do(), true
	}
	return nil, false
}

// keyLine is the last line of a screen: its own keys as far as they fit, then those of every screen, which always do.
// Where not all fit, those that act go first and those that are off give way; ? has all of them.
func keyLine(st style, own, every []action, w int) string {
	tail := ""
	for i := range every {
		tail += "  " + every[i].label + " " + every[i].desc
	}
	shown, used := make([]bool, len(own)), width(tail)
	for rank := range 3 {
		for i := range own {
			if _, n := own[i].written(st); own[i].brief && own[i].rank() == rank && used+n+2 <= w {
				shown[i] = true
				used += n + 2
			}
		}
	}
	var texts []string
	for i := range own {
		if shown[i] {
			text, _ := own[i].written(st)
			texts = append(texts, text)
		}
	}
	return " " + strings.TrimLeft(strings.Join(texts, "  ")+tail, " ")
}

// rank is the order in which keys get their room on the key line.
func (a *action) rank() int {
	switch {
	case a.acts:
		return 0
	case a.off() == "":
		return 1
	default:
		return 2
	}
}

// written is a key as the key line has it, and its width. One that is off is struck off and put in brackets.
func (a *action) written(st style) (string, int) {
	text := a.label + " " + a.desc
	if a.off() == "" {
		return text, width(text)
	}
	text = "(" + text + ")"
	return st.strike(text), width(text)
}

// page collects the lines of a screen. It knows how many fit and drops the rest.
type page struct {
	w, h     int
	lines    []string
	evidence int // the line at which it begins
}

func newPage(w, h int) *page { return &page{w: w, h: h, lines: make([]string, 0, h)} }

// add appends lines, each cut to the width.
func (p *page) add(lines ...string) {
	for _, l := range lines {
		if len(p.lines) < p.h {
			p.lines = append(p.lines, cut(l, p.w))
		}
	}
}

// left is how many lines still fit.
func (p *page) left() int { return p.h - len(p.lines) }

// text is the page, filled up to its height.
func (p *page) text() string {
	for len(p.lines) < p.h {
		p.lines = append(p.lines, "")
	}
	return strings.Join(p.lines, "\n")
}
