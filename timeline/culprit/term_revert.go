package culprit

import (
	"strings"

	"github.com/backout-dev/backout/providers"
)

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
