package culprit

import (
	"github.com/backout-dev/backout/providers"
)

// weighDrill sets aside what was made on purpose and put back.
func weighDrill(s *scene, c *candidate) (float64, string) {
	if !c.drill {
		return 0, ""
	}
	return s.drill, "a drill: made on purpose, and put back"
}

// weighDismissed sets aside what a person has ruled out, in the person's words.
func weighDismissed(s *scene, c *candidate) (float64, string) {
	reason, ok := s.in.Dismissed[c.ID]
	if !ok {
		return 0, ""
	}
	if reason = providers.Clean(reason); reason == "" {
		reason = "no reason given"
	}
	return s.dismissed, "dismissed by a person: " + reason
}
