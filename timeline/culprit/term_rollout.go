package culprit

import (
	"fmt"
	"math"
	"time"

	"github.com/backout-dev/backout/providers"
)

// weighRollout asks whether the symptom followed the exposed share, and speaks against what was fully exposed, and
// healthy, for long before the first symptom.
func weighRollout(s *scene, c *candidate) (float64, string) {
	if full := fullAt(c.Change); !full.IsZero() && s.onset.known {
		if healthy := s.onset.at.Sub(full); healthy > 2*s.usualLag {
			return s.healthyAtFull, "fully exposed and without symptoms for " + span(healthy)
		}
	}
	if len(c.Rollout) == 0 {
		return 0, "unknown: how it was rolled out"
	}
	r, n, steps := s.coupling(c.Rollout)
	switch {
	case steps < 2 || n < 3:
		return 0, fmt.Sprintf("unknown: too few steps or measurements to compare (%d of its steps so far)", len(c.Rollout))
	case r <= 0:
		return 0, "failures did not grow with its exposed share"
	}
	return s.rolloutHigh * r, fmt.Sprintf("failures grew with its exposed share (correlation %.2f over %d minutes)", r, n)
}

// coupling correlates the symptom with the exposed share, and says over how many minutes and how many shares.
func (s *scene) coupling(rollout []providers.RolloutStep) (r float64, n, shares int) {
	if !s.symptom.known {
		return 0, 0, 0
	}
	var xs, ys []float64
	distinct := map[float64]bool{}
	for _, m := range s.symptom.minutes {
		share := 0.0
		for _, st := range rollout {
			if st.At.Unix() <= m.at {
				share = st.Share
			}
		}
		if share > 0 {
			distinct[share] = true
		}
		xs, ys = append(xs, share), append(ys, m.ratio)
	}
	return correlation(xs, ys), len(xs), len(distinct)
}

func correlation(xs, ys []float64) float64 {
	n := float64(len(xs))
	var sx, sy, sxx, syy, sxy float64
	for i := range xs {
		sx, sy = sx+xs[i], sy+ys[i]
	}
	for i := range xs {
		dx, dy := xs[i]-sx/n, ys[i]-sy/n
		sxx, syy, sxy = sxx+dx*dx, syy+dy*dy, sxy+dx*dy
	}
	if sxx == 0 || syy == 0 {
		return 0
	}
	return sxy / math.Sqrt(sxx*syy)
}

// fullAt is when all instances ran the change; zero when that is unknown or not so.
func fullAt(c *providers.Change) time.Time {
	for _, st := range c.Rollout {
		if st.Share >= 1 {
			return st.At
		}
	}
	return c.EffectiveTo
}

// weighOngoing rewards what was between its first and its last instance when the symptoms began.
func weighOngoing(s *scene, c *candidate) (float64, string) {
	if !s.onset.known || c.clock.IsZero() || c.age < 0 || !c.effective {
		return 0, ""
	}
	full := fullAt(c.Change)
	switch {
	case full.IsZero() && len(c.Rollout) == 0:
		return 0, "unknown: whether it was still rolling out"
	case full.IsZero():
		var share float64
		for _, st := range c.Rollout {
			if !st.At.After(s.onset.latest) {
				share = st.Share
			}
		}
		return s.ongoing, fmt.Sprintf("was still rolling out at the first symptom (%.0f%% exposed)", 100*share)
	case full.After(s.onset.latest):
		return s.ongoing, "was still rolling out at the first symptom"
	}
	return 0, ""
}
