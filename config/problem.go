package config

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Problem is one thing wrong with a configuration, where it stands.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

// String is "file:line:column: key: message".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error holds every problem that was found, so that one look mends them all.
type Error struct{ Problems []Problem }

// Error implements error.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// nearest suggests the known name that is closest to what was written, or "".
func nearest(written string, known []string) string {
	best, at := "", 4
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(k)); d < at && d <= (len(k)+1)/2 {
			best, at = k, d
		}
	}
	return best
}

func names(fields []Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

func cut(key string) (head, rest string, nested bool) { return strings.Cut(key, ".") }
