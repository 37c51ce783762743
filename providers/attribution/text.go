package attribution

import (
	"regexp"
	"strings"
)

// What is scanned of a message. Trailers live at the end, so a longer message loses its middle and never its end.
const (
	scanHead = 128 << 10
	scanTail = 384 << 10
	maxLine  = 4 << 10
)

// text is a commit message as the rules read it: lines that somebody wrote about this commit, without what is only
// quoted, commented out or shown as code.
type text struct {
	lines   []string
	final   int // index in lines of the first line of the last paragraph
	merge   bool
	picked  bool // carries "(cherry picked from commit ...)"
	subject string
}

var (
	mergeSubject = regexp.MustCompile(`^Merge(d in)? (pull request|branch|branches|remote-tracking|tag|commit|[^ ]+ \(pull request)`)
	cherryPicked = regexp.MustCompile(`(?m)^\s{0,3}\(cherry[ -]picked from commit [0-9a-f]{7,64}`)
)

func newText(message string) text {
	if len(message) > scanHead+scanTail {
		message = message[:scanHead] + "\n" + message[len(message)-scanTail:]
	}
	message = strings.ReplaceAll(message, "\r\n", "\n")
	message = strings.ReplaceAll(message, "\r", "\n")
	if strings.Contains(message, `\n`) {
		message = breakLiterals(message)
	}
	var t text
	t.picked = cherryPicked.MatchString(message)
	message = withoutBlocks(message)
	raw := strings.Split(strings.TrimRight(message, "\n \t"), "\n")
	for _, l := range raw {
		l = cut(strings.TrimRight(l, " \t"), maxLine)
		if l == "" {
			t.final = len(t.lines)
			continue
		}
		if hidden(l) {
			continue
		}
		t.lines = append(t.lines, l)
	}
	if len(t.lines) > 0 {
		t.subject = t.lines[0]
		t.merge = mergeSubject.MatchString(t.subject)
	}
	return t
}

// breakLiterals treats the two characters \n as a line break, as commit messages made by a shell have it. Inside
// quotes it stays, since that is somebody writing about line breaks.
func breakLiterals(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) || s[i+1] != 'n' || (i > 0 && strings.IndexByte("\"'`\\", s[i-1]) >= 0) {
			b.WriteByte(s[i])
			continue
		}
		for i+1 < len(s) && s[i] == '\\' && s[i+1] == 'n' {
			b.WriteByte('\n')
			i += 2
		}
		i--
	}
	return b.String()
}

// hidden reports lines that show something instead of saying it: indented code and quotations.
func hidden(l string) bool {
	return strings.HasPrefix(l, "    ") || strings.HasPrefix(strings.TrimLeft(l, " \t"), ">")
}

// withoutBlocks drops HTML comments, fenced code and folded details. A block that is never closed is no block: the
// trailers after a stray fence count.
func withoutBlocks(s string) string {
	if strings.Contains(s, "<!--") {
		s = dropBetween(s, "<!--", "-->")
	}
	if strings.Contains(s, "<details") {
		s = dropBetween(s, "<details", "</details>")
	}
	if strings.Contains(s, "```") || strings.Contains(s, "~~~") {
		s = withoutFences(s)
	}
	return s
}

// dropBetween removes what lies between open and end, both included, keeping the line structure.
func dropBetween(s, open, end string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, open)
		if i < 0 {
			break
		}
		j := strings.Index(s[i:], end)
		if j < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i+j+len(end):]
	}
	b.WriteString(s)
	return b.String()
}

func withoutFences(s string) string {
	lines := strings.Split(s, "\n")
	ends := closings(lines)
	kept := make([]string, 0, len(lines))
	for i := 0; i < len(lines); i++ {
		mark := fence(lines[i])
		if mark == "" {
			kept = append(kept, lines[i])
			continue
		}
		if end := ends[mark][i+1]; end > 0 {
			i = end
		}
	}
	return strings.Join(kept, "\n")
}

// The two marks of fenced code.
var fences = []string{"```", "~~~"}

func fence(l string) string {
	l = strings.TrimLeft(l, " \t")
	for _, m := range fences {
		if strings.HasPrefix(l, m) {
			return m
		}
	}
	return ""
}

// closings gives for each mark and line the next line from there on that closes a fence, 0 for none. A closing fence
// carries nothing but the mark.
func closings(lines []string) map[string][]int {
	ends := map[string][]int{}
	for _, mark := range fences {
		next := make([]int, len(lines)+1)
		for i := len(lines) - 1; i >= 0; i-- {
			next[i] = next[i+1]
			if fence(lines[i]) == mark && strings.Trim(lines[i], " \t"+mark[:1]) == "" {
				next[i] = i
			}
		}
		ends[mark] = next
	}
	return ends
}
