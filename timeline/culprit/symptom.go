package culprit

import (
	"math"
	"slices"
	"time"
)

// symptom is the failure ratio of the alerting services, minute by minute, and when it began to move.
type symptom struct {
	minutes []minute
	moved   time.Time // start of the minute in which it began to move before the first alert; zero: not seen
	known   bool
}

type minute struct {
	at    int64 // unix seconds, start of the minute
	ratio float64
}

// findSymptom pools the calls into the services that alert. The movement is the run of bad minutes that leads up to the
// first alert: worse than the usual minute by five points and by three times the usual spread.
func (s *scene) findSymptom() symptom {
	tallies := map[int64]tally{}
	for _, a := range s.alertServices {
		for _, f := range s.calls.into[a] {
			for _, p := range f.points {
				m := int64(math.Floor(p[0]/60)) * 60
				t := tallies[m]
				t.add(p, 1)
				tallies[m] = t
			}
		}
	}
	y := symptom{known: len(tallies) >= 3}
	for m, t := range tallies {
		y.minutes = append(y.minutes, minute{m, t.ratio()})
	}
	slices.SortFunc(y.minutes, func(a, b minute) int { return int(a.at - b.at) })
	if !y.known || !s.onset.known {
		return y
	}
	first := s.onset.latest.Unix()
	var quiet []float64
	for _, m := range y.minutes {
		if m.at < first-10*60 {
			quiet = append(quiet, m.ratio)
		}
	}
	if len(quiet) < 5 {
		return y
	}
	slices.Sort(quiet)
	usual := quiet[len(quiet)/2]
	limit := usual + max(0.05, 3*(quiet[len(quiet)*9/10]-usual))
	last := first
	for i := len(y.minutes) - 1; i >= 0; i-- {
		switch m := y.minutes[i]; {
		case m.at >= first:
		case m.ratio <= limit || last-m.at > 120: // a missing minute ends the run
			return y
		default:
			y.moved, last = time.Unix(m.at, 0).UTC(), m.at
		}
	}
	return y
}

// weighPrecursor speaks against a change that took effect when the symptom was already moving. What began after the first
// alert is weighed by that alone.
func weighPrecursor(s *scene, c *candidate) (float64, string) {
	switch {
	case c.clock.IsZero() || !s.onset.known || c.age < 0:
		return 0, ""
	case !s.symptom.known:
		return 0, "unknown: no measurement of the symptom before the first alert"
	case s.symptom.moved.IsZero() || !c.clock.After(s.symptom.moved.Add(time.Minute)):
		return 0, ""
	}
	return s.precursor, "calls to what alerts were failing already " + span(c.clock.Sub(s.symptom.moved)) + " before it"
}
