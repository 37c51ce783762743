package process

import (
	"strings"

	"github.com/backout-dev/backout/providers"
)

const (
	tailBytes = 4096
	tailLines = 4
)

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	if len(b) >= tailBytes {
		t.b = append(t.b[:0], b[len(b)-tailBytes:]...)
		return len(b), nil
	}
	if over := len(t.b) + len(b) - tailBytes; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	t.b = append(t.b, b...)
	return len(b), nil
}

func (t *tail) text(mask []string) string { return Tail(string(t.b), mask) }

// Tail is the last lines of a program's output, fit for an error or a screen: cleaned, joined to one line, and without
// the texts in mask.
func Tail(s string, mask []string) string {
	// Masked before it is cut: half of a secret at the edge would not be found any more.
	for _, m := range mask {
		if len(m) >= 4 {
			s = strings.ReplaceAll(s, m, "***")
		}
	}
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(providers.Clean(line)); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "; ")
}
