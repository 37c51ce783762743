package culprit

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// routine matches work that is planned together with its inverse.
var routine = regexp.MustCompile(`(?i)\b(re|de)?pool(ed|ing|s)?\b|\brestart(s|ed|ing)?\b|\breboot(s|ed|ing)?\b|\bdrain(s|ed|ing)?\b|` +
	`\bcordon(ed)?\b|\btemporar(y|ily)\b|\bmaintenance\b|\bdowntime\b|\bfailover drill\b`)

// weighMaintenance speaks against routine work, unless it is at the place of the symptoms.
func weighMaintenance(s *scene, c *candidate) (float64, string) {
	word := routine.FindString(c.Title)
	if word == "" {
		return 0, ""
	}
	if s.alerting[c.place] > 0 {
		return 0, "routine work (" + strings.ToLower(word) + "), but at the place of the symptoms"
	}
	if w, _ := weighScope(s, c); w > 0 {
		return 0, "routine work (" + strings.ToLower(word) + "), but in the scope of the symptoms"
	}
	return s.maintenance, "routine work with a planned inverse (" + strings.ToLower(word) + ")"
}

// weighRevert: taking something back is safer than most changes, but for what has come to depend on it since.
func weighRevert(s *scene, c *candidate) (float64, string) {
	if c.Kind != providers.KindRollback && len(c.Reverts) == 0 {
		return 0, ""
	}
	reverted := s.reverted(c)
	if reverted != nil {
		for i := range s.candidates {
			d := &s.candidates[i]
			if d.clock.After(reverted.clock) && d.clock.Before(c.clock) && s.dependsOn(d, reverted) {
				return s.rollback + s.rollbackDependants, "takes back " + reverted.ID + ", on which " + d.ID + " has come to depend"
			}
		}
	}
	return s.rollback, "takes a change back"
}

// reverted finds what a change takes back among the candidates.
func (s *scene) reverted(c *candidate) *candidate {
	for _, r := range c.Reverts {
		for i := range s.candidates {
			d := &s.candidates[i]
			if d.ID == r || len(r) >= 7 && strings.HasPrefix(d.Commit, r) {
				return d
			}
		}
	}
	return nil
}

// dependsOn: d touches the same unit, or a service that calls the one that r touches.
func (s *scene) dependsOn(d, r *candidate) bool {
	if d.drill || d.Kind == providers.KindRollback {
		return false
	}
	if d.Unit != "" && d.Unit == r.Unit {
		return true
	}
	if d.place == "" || r.place == "" {
		return false
	}
	for _, caller := range s.world.callers[r.place] {
		if caller == d.place {
			return true
		}
	}
	return false
}

// weighSize hardly counts: what is taken back is not larger than what is not.
func weighSize(s *scene, c *candidate) (float64, string) {
	if c.Lines <= 0 {
		return 0, "unknown: how many lines"
	}
	text := fmt.Sprintf("%d lines", c.Lines)
	if c.Lines == 1 {
		text = "1 line"
	}
	if c.Files > 0 {
		text += fmt.Sprintf(" in %d files", c.Files)
	}
	return min(s.sizeMax, s.sizePerLog*math.Log1p(float64(c.Lines))), text
}

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
