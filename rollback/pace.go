package rollback

import (
	"fmt"
	"time"
)

// extremes warns of a way back that takes everything away at once, and of one that takes longer than anybody watches.
func (u UnitPlan) extremes(deadline time.Duration) []string {
	var out []string
	if u.Pace.Of > 1 && u.Pace.Away >= u.Pace.Of {
		out = append(out, fmt.Sprintf("%s: all %d are replaced at once: until the first is back nothing serves", u.Unit.ID, u.Pace.Of))
	}
	if u.Estimate > deadline {
		out = append(out, fmt.Sprintf("%s: going back takes about %s, and the run watches for %s: it will end as applied, unverified; if that is too slow, see whether its target has a faster way",
			u.Unit.ID, u.Estimate.Round(time.Second), deadline))
	}
	return out
}
