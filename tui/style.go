package tui

import (
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// style is the look of the console: the 16 colours of the user's own terminal for three meanings, and bold, faint and
// reverse. No meaning is carried by a colour alone. Without colour the attributes stay.
type style struct {
	noColor bool
	ascii   bool
}

const reset = "\x1b[m"

func (s style) bold(t string) string    { return "\x1b[1m" + t + reset }
func (s style) faint(t string) string   { return "\x1b[2m" + t + reset }
func (s style) strike(t string) string  { return "\x1b[9m" + t + reset }
func (s style) bad(t string) string     { return s.color("\x1b[1;31m", t) }
func (s style) careful(t string) string { return s.color("\x1b[33m", t) }
func (s style) good(t string) string    { return s.color("\x1b[32m", t) }

func (s style) color(sgr, t string) string {
	if s.noColor {
		return t
	}
	return sgr + t + reset
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
