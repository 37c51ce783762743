package tui

import (
	"strings"

	"github.com/backout-dev/backout/providers"
)

// assistanceWords never say "human": nothing found is only that.
func assistanceWords(a *providers.Assistance) string {
	text := plain(string(a.State))
	switch a.State {
	case "":
		return "not looked at"
	case providers.AssistanceNone:
		text = "none found"
	default:
	}
	if len(a.Tools) > 0 {
		text += " (" + plain(strings.Join(a.Tools, ", ")) + ")"
	}
	return text
}
