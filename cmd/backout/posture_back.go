package main

import (
	"slices"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// tookBack are the changes that a run took back: the one that it was asked for, and each that brought one of its units to what went away,
// also where only the unit was named.
func tookBack(r *rollback.Run, changes []providers.Change) []string {
	var out []string
	if r.Plan.Change != "" {
		out = append(out, r.Plan.Change)
	}
	for i := range changes {
		c := &changes[i]
		if c.ID == r.Plan.Change || c.EffectiveFrom.After(r.AppliedAt) {
			continue
		}
		if slices.ContainsFunc(r.Plan.Units, func(u rollback.UnitPlan) bool { return string(u.Unit.ID) == c.Unit && wentBack(&u, c) }) {
			out = append(out, c.ID)
		}
	}
	return out
}

// wentBack reports whether what a change brought to its unit does not serve there any more once the plan is carried out. Of a change
// that cannot be told to be one of those nothing is said.
func wentBack(u *rollback.UnitPlan, c *providers.Change) bool {
	if len(u.To.Without) > 0 {
		return slices.ContainsFunc(c.Artifacts, func(digest string) bool { return slices.Contains(u.To.Without, digest) })
	}
	if !u.To.Until.IsZero() && !c.EffectiveFrom.IsZero() {
		return !c.EffectiveFrom.Before(u.To.Until) // the target ended as the first of them came
	}
	if len(c.Artifacts) > 0 && u.From.Digest != "" {
		return slices.Contains(c.Artifacts, u.From.Digest)
	}
	return c.To != "" && c.To == u.From.Label
}
