package tui

// list is the cursor and the first visible row of a list of which only the window is ever formatted, so that its cost
// does not depend on its length. The zero value stands on row 0.
type list struct {
	cursor, top int
}

// clamp keeps the cursor in a list of n rows and inside a window of h rows.
func (l *list) clamp(n, h int) {
	h = max(h, 1)
	l.cursor = min(max(l.cursor, 0), max(n-1, 0))
	if l.cursor < l.top {
		l.top = l.cursor
	}
	if l.cursor >= l.top+h {
		l.top = l.cursor - h + 1
	}
	l.top = min(max(l.top, 0), max(n-h, 0))
}

// move applies a movement key to a list of n rows with h visible, and reports whether it was one.
func (l *list) move(key string, n, h int) bool {
	switch key {
	case "j", "down":
		l.cursor++
	case "k", "up":
		l.cursor--
	case "g", "home":
		l.cursor = 0
	case "G", "end":
		l.cursor = n - 1
	case "ctrl+f", "pgdown":
		l.cursor += h
		l.top += h
	case "ctrl+b", "pgup":
		l.cursor -= h
		l.top -= h
	case "ctrl+d":
		l.cursor += h / 2
	case "ctrl+u":
		l.cursor -= h / 2
	default:
		return false
	}
	l.clamp(n, h)
	return true
}

// scroll is the position in a text that is longer than its window.
type scroll struct{ top int }

// move applies a movement key to a text of n lines with h visible, and reports whether it was one.
func (s *scroll) move(key string, n, h int) bool {
	switch key {
	case "j", "down":
		s.top++
	case "k", "up":
		s.top--
	case "g", "home":
		s.top = 0
	case "G", "end":
		s.top = n
	case "ctrl+f", "pgdown", "space":
		s.top += h
	case "ctrl+b", "pgup":
		s.top -= h
	case "ctrl+d":
		s.top += h / 2
	case "ctrl+u":
		s.top -= h / 2
	default:
		return false
	}
	s.top = min(max(s.top, 0), max(n-h, 0))
	return true
}

// window is the visible part of lines, always h long.
func (s *scroll) window(lines []string, h int) []string {
	top := min(max(s.top, 0), max(len(lines)-h, 0))
	out := make([]string, 0, h)
	out = append(out, lines[top:min(top+h, len(lines))]...)
	for len(out) < h {
		out = append(out, "")
	}
	return out
}
