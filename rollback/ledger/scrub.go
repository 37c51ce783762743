package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// shapes are those of well-known credentials and of "password: x" as people type it. It is a net for accidents,
// not a promise: nobody should type a secret into a reason.

var shapes = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`),
	regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b`),
	regexp.MustCompile(`\bgl(?:pat|dt|rt|cbt)-[A-Za-z0-9_-]{16,}`),
	regexp.MustCompile(`\bxox[abeprs]-[A-Za-z0-9-]{10,}`),
	regexp.MustCompile(`\bsk-[A-Za-z0-9_-]{20,}`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`),
}

var (
	bearer  = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}`)
	userinf = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*):[^\s/@]+@`)
	typed   = regexp.MustCompile(`(?i)\b((?:[a-z0-9]+[_-])*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;"']+)`)
)

// Scrub replaces what looks like a credential by [Redacted]. The same text always gives the same result, and scrubbing
// twice changes nothing more.
func Scrub(s string) string {
	for _, re := range shapes {
		s = re.ReplaceAllLiteralString(s, Redacted)
	}
	s = bearer.ReplaceAllString(s, "${1} "+Redacted)
	s = userinf.ReplaceAllString(s, "${1}:"+Redacted+"@")
	return typed.ReplaceAllString(s, "${1}"+Redacted)
}

// ScrubJSON scrubs every string value of a JSON document, and keeps its numbers as they are written.
func ScrubJSON(doc []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("scrub: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(scrubValue(v)); err != nil {
		return nil, fmt.Errorf("scrub: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func scrubValue(v any) any {
	switch v := v.(type) {
	case string:
		return Scrub(v)
	case []any:
		for i := range v {
			v[i] = scrubValue(v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = scrubValue(v[k])
		}
		return v
	default:
		return v
	}
}
