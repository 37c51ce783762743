package file

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Problem is one thing wrong with a policy, where it stands.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

// String is "file:line:column: key: message".
func (p Problem) String() string {
	key := ""
	if p.Key != "" {
		key = p.Key + ": "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, key, p.Message)
}

// Error holds every problem of a policy, so that one look mends them all.
type Error struct{ Problems []Problem }

// Error implements error.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// instead says what may be written in place of a word that is not known: the nearest one, or all of them.
func instead(written string, known []string) string {
	best, at := "", 4
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(k)); d < at && d <= (len(k)+1)/2 {
			best, at = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) == 0 {
		return "none is named yet, so write it down first"
	}
	sorted := slices.Sorted(slices.Values(known))
	return "write one of " + strings.Join(sorted, ", ")
}
