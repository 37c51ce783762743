package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// plain makes text from outside safe for a row once more, although providers clean what they hand on: a single escape
// sequence in a title would otherwise act on the terminal. Printable ASCII, which is nearly everything, is returned as
// it is. Joiners and variation selectors go too, because terminals do not agree on the width of what they make.
func plain(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return scrub(s)
		}
	}
	return s
}

func scrub(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range ansi.Strip(strings.ToValidUTF8(s, "")) {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError, r == '\u2028', r == '\u2029', unicode.IsControl(r), unicode.Is(unicode.Cf, r),
			unicode.Is(unicode.Variation_Selector, r):
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// width is the number of columns that s takes. Where the two ways to count disagree (a terminal uses one of them, and
// nothing tells which), it is the larger, so that a line never runs over its end.
func width(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return max(ansi.StringWidth(s), ansi.StringWidthWc(s))
		}
	}
	return len(s)
}

// cut shortens s to at most w columns, by grapheme, and marks the loss with a tilde.
func cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if width(s) <= w {
		return s
	}
	t := ansi.Truncate(s, w, "~")
	for n := w - 1; width(t) > w && n > 0; n-- {
		t = ansi.Truncate(s, n, "~")
	}
	if width(t) > w {
		return "~"
	}
	return t
}

// fit makes s exactly w columns wide: cut, or padded on the right.
func fit(s string, w int) string {
	s = cut(s, w)
	return s + pad(w-width(s))
}

// put writes s into b, exactly w columns wide and followed by a space.
func put(b *strings.Builder, s string, w int) {
	s = cut(s, w)
	b.WriteString(s)
	b.WriteString(pad(w - width(s) + 1))
}

// fitRight makes s exactly w columns wide, aligned to the right.
func fitRight(s string, w int) string {
	s = cut(s, w)
	return pad(w-width(s)) + s
}

const blanks = "                                                                                                    "

func pad(n int) string {
	switch {
	case n <= 0:
		return ""
	case n <= len(blanks):
		return blanks[:n]
	default:
		return strings.Repeat(" ", n)
	}
}

// between puts left and right on one line of w columns; where both do not fit, left gives way.
func between(left, right string, w int) string {
	rw := width(right)
	if rw >= w {
		return cut(right, w)
	}
	if right == "" {
		return fit(left, w)
	}
	return fit(left, w-rw-1) + " " + right
}

// wrap breaks s into lines of at most w columns at spaces only, so that a flag or a name can be copied whole, and hard
// where a word is longer than a line.
func wrap(s string, w int) []string {
	if w < 1 {
		return nil
	}
	if width(s) <= w {
		return []string{s}
	}
	var lines []string
	line, empty := "", true
	for word := range strings.SplitSeq(s, " ") {
		if !empty && width(line)+1+width(word) <= w {
			line += " " + word
			continue
		}
		if !empty {
			lines = append(lines, line)
		}
		for width(word) > w {
			head := cutHard(word, w)
			if head == "" { // one grapheme wider than the line
				head = "~"
				word = ""
			} else {
				word = ansi.TruncateLeft(word, ansi.StringWidth(head), "")
			}
			lines = append(lines, cut(head, w))
		}
		line, empty = word, false
	}
	return append(lines, line)
}

// plural is "1 unit" or "3 units".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}

// count writes n with thousands separated, since the console counts up to millions.
func count(n int) string {
	if n < 0 {
		return "-" + count(-n)
	}
	s := itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// cutHard is the first w columns of s, without a mark.
func cutHard(s string, w int) string {
	if w <= 0 {
		return ""
	}
	return ansi.Truncate(s, w, "")
}

// tail is what stands from column x to column w of s.
func tail(s string, x, w int) string {
	if x >= w {
		return ""
	}
	return fit(ansi.TruncateLeft(s, x, ""), w-x)
}
