package tui

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

func itoa(n int) string { return strconv.Itoa(n) }

// style is the look of the console: the 16 colours of the user's own terminal for three meanings, and bold, faint and
// reverse. No meaning is carried by a colour alone. Without colour the attributes stay.
type style struct {
	noColor bool
	ascii   bool
	light   bool // the terminal said that its background is light
}

const reset = "\x1b[m"

// Lip Gloss styles words; whole rows are put together by hand, which is a tenth of the cost.
func (s style) bold(t string) string  { return word(lipgloss.NewStyle().Bold(true), t) }
func (s style) faint(t string) string { return word(lipgloss.NewStyle().Faint(true), t) }
func (s style) bad(t string) string {
	return s.color(lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red), t)
}

func (s style) careful(t string) string {
	if s.light { // on white, the yellow of many terminals can hardly be read
		return s.color(lipgloss.NewStyle().Foreground(lipgloss.Black).Background(lipgloss.Yellow), t)
	}
	return s.color(lipgloss.NewStyle().Foreground(lipgloss.Yellow), t)
}

func (s style) good(t string) string {
	return s.color(lipgloss.NewStyle().Foreground(lipgloss.Green), t)
}

// strike is not Lip Gloss's, which strikes every letter out by itself.
func (s style) strike(t string) string { return ansi.NewStyle().Strikethrough(true).Styled(t) }

func (s style) color(l lipgloss.Style, t string) string {
	if s.noColor {
		return t
	}
	return word(l, t)
}

// word styles text on one line, blanks at its ends included.
func word(l lipgloss.Style, t string) string {
	if t == "" {
		return ""
	}
	return l.Inline(true).Render(t)
}

// reverse shows a whole line, which may have colours in it, as "you are here".
func (s style) reverse(t string) string {
	return "\x1b[7m" + strings.ReplaceAll(t, reset, reset+"\x1b[7m") + reset
}

// rule is the horizontal line between two zones.
func (s style) rule(w int) string {
	if s.ascii {
		return strings.Repeat("-", max(w, 0))
	}
	return strings.Repeat("─", max(w, 0))
}

// bar is the vertical line between two panes.
func (s style) bar() string {
	if s.ascii {
		return "|"
	}
	return "│"
}

// box draws lines into a frame of w columns; a modal is the only thing that has one.
func (s style) box(lines []string, w int) []string {
	h, v, tl, tr, bl, br := "─", "│", "┌", "┐", "└", "┘"
	if s.ascii {
		h, v, tl, tr, bl, br = "-", "|", "+", "+", "+", "+"
	}
	out := make([]string, 0, len(lines)+2)
	out = append(out, tl+strings.Repeat(h, max(w-2, 0))+tr)
	for _, l := range lines {
		out = append(out, v+" "+fit(l, w-4)+" "+v)
	}
	return append(out, bl+strings.Repeat(h, max(w-2, 0))+br)
}
