package culprit

import (
	"strings"

	"github.com/backout-dev/backout/providers"
)

// weighAssistance shows what is known of AI in a change. It never counts: no data says that it should.
func weighAssistance(_ *scene, c *candidate) (float64, string) {
	tools := strings.Join(c.Assistance.Tools, ", ")
	if tools != "" {
		tools = " (" + tools + ")"
	}
	switch c.Assistance.State {
	case "":
		return 0, "unknown: nobody looked for AI assistance"
	case providers.AssistanceNone:
		return 0, "AI assistance: none found"
	default:
		return 0, "AI assistance: " + string(c.Assistance.State) + tools + ", shown and not counted"
	}
}
