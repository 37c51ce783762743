package culprit

import (
	"strings"
	"unicode"
)

// routineWord finds a word of work that is planned together with its inverse; "" when there is none.
func routineWord(title string) string {
	for w := range strings.FieldsFuncSeq(title, func(r rune) bool { return !unicode.IsLetter(r) }) {
		switch w = strings.ToLower(w); w {
		case "pool", "pooled", "pooling", "depool", "depooled", "depooling", "repool", "repooled", "repooling",
			"restart", "restarts", "restarted", "restarting", "reboot", "reboots", "rebooted", "rebooting",
			"drain", "drained", "draining", "undrain", "cordon", "cordoned", "uncordon",
			"temporary", "temporarily", "maintenance", "downtime":
			return w
		}
	}
	return ""
}

// weighMaintenance speaks against routine work, unless it is at the place of the symptoms.
func weighMaintenance(s *scene, c *candidate) (float64, string) {
	word := routineWord(c.Title)
	if word == "" {
		return 0, ""
	}
	if s.alerting[c.place] > 0 {
		return 0, "routine work (" + word + "), but at the place of the symptoms"
	}
	if w, _ := weighScope(s, c); w > 0 {
		return 0, "routine work (" + word + "), but in the scope of the symptoms"
	}
	return s.maintenance, "routine work with a planned inverse (" + word + ")"
}
