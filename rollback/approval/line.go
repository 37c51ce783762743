package approval

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

const (
	prefix  = "backout-approval-1."
	suffix  = ".end"
	maxLine = 24 << 10
	// maxPaste is how much text around a line is looked through.
	maxPaste = 64 << 10
)

// Line is a statement and its signature as one line that can be pasted anywhere.
func (s Signed) Line() (string, error) {
	text, err := s.Statement.Text()
	if err != nil {
		return "", err
	}
	line := prefix + base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString(s.Signature) + suffix
	if len(line) > maxLine {
		return "", fmt.Errorf("the approval is %d bytes long, at most %d fit on its line", len(line), maxLine)
	}
	return line, nil
}

// Read finds the line in what was pasted. Chat tools quote, wrap and mark: white space, quotation marks, backquotes and signs without
// a width within the line mean nothing, and neither does what stands around it. All else has to be as [Signed.Line] wrote it, and there
// has to be exactly one line.
func Read(pasted string) (Signed, error) {
	if len(pasted) > maxPaste {
		return Signed{}, errors.New("that is too much text for an approval: give its line alone")
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("`>|\"'", r) {
			return -1
		}
		return r
	}, pasted)
	_, body, found := strings.Cut(text, prefix)
	if !found {
		return Signed{}, fmt.Errorf("no approval in it: its line begins with %s", prefix)
	}
	body, rest, whole := strings.Cut(body, suffix)
	switch {
	case !whole:
		return Signed{}, fmt.Errorf("the line of the approval is cut off: it ends with %s", suffix)
	case strings.Contains(rest, prefix):
		return Signed{}, errors.New("there is more than one approval in it: give one at a time")
	case len(body) > maxLine:
		return Signed{}, errors.New("it is too long to be an approval")
	}
	first, second, _ := strings.Cut(body, ".")
	strict := base64.RawURLEncoding.Strict()
	raw, err := strict.DecodeString(first)
	signature, err2 := strict.DecodeString(second)
	if err != nil || err2 != nil || len(signature) == 0 {
		return Signed{}, errors.New("the line of the approval was altered on its way: copy it again")
	}
	statement, err := Parse(raw)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Statement: statement, Signature: signature}, nil
}
