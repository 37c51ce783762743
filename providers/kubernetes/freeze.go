package kubernetes

import (
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// freezeAnnotation is by which anybody says on a workload or ConfigMap that it must not be switched: a reason, after a time in RFC 3339
// until which it counts, where it is not to count for ever. Every backout that looks at the workload heeds it.
const freezeAnnotation = "backout.dev/freeze"

// frozen is why an object with these annotations must not be switched now, "" it may.
func (p *Provider) frozen(notes map[string]string) string {
	text, ok := notes[freezeAnnotation]
	if !ok {
		return ""
	}
	text = strings.TrimSpace(providers.Clean(text))
	first, rest, _ := strings.Cut(text, " ")
	until, err := time.Parse(time.RFC3339, first)
	switch {
	case err == nil && !p.now().Before(until):
		return ""
	case err == nil:
		text = "until " + until.UTC().Format("2006-01-02 15:04 UTC") + ": " + strings.TrimSpace(rest)
	}
	return strings.TrimSuffix(strings.TrimSpace(text), ":") + " (annotation " + freezeAnnotation + ")"
}
