package culprit

import (
	"math"
	"time"

	"github.com/backout-dev/backout/providers"
)

// weighTime is the age at the first symptom, on the curve of the clock that is known.
func weighTime(s *scene, c *candidate) (float64, string) {
	switch {
	case c.clock.IsZero():
		return 0, "unknown: no time of landing or of taking effect"
	case !s.onset.known:
		return 0, "unknown: no alert says when the symptoms began"
	case c.age < 0:
		return s.curve(s.effective, 0), "began at about the same time as the symptoms, or after them"
	}
	age, verb, knots := c.age, "landed", s.landed
	if c.effective {
		verb, knots = "took effect", s.effective
		if c.Kind == providers.KindMigration || c.Kind == providers.KindInfra {
			age = time.Duration(float64(age) * s.slowStretch)
		}
	}
	text := verb + " " + span(c.age) + " before the first symptom"
	if c.age == 0 && s.onset.latest.After(c.clock) {
		text = verb + " while the symptoms began, " + span(s.onset.latest.Sub(c.clock)) + " before they were seen"
	}
	if !c.effective {
		text += " (when it took effect is unknown)"
	}
	return s.curve(knots, age), text
}

// curve reads a weight off the knots: linear in the logarithm of the age between them, level before the first, and
// falling by tailPerDoubling after the last until tailEnd.
func (s *scene) curve(knots []knot, age time.Duration) float64 {
	if age <= knots[0].age {
		return knots[0].weight
	}
	for i := 1; i < len(knots); i++ {
		a, b := knots[i-1], knots[i]
		if age <= b.age {
			f := math.Log(float64(age)/float64(a.age)) / math.Log(float64(b.age)/float64(a.age))
			return a.weight + f*(b.weight-a.weight)
		}
	}
	last := knots[len(knots)-1]
	return last.weight + s.tailPerDoubling*math.Log2(float64(min(age, s.tailEnd))/float64(last.age))
}

// weighAfterOnset speaks against what began after the first symptom, never with certainty: clocks lie.
func weighAfterOnset(s *scene, c *candidate) (float64, string) {
	if c.clock.IsZero() || !s.onset.known || c.age >= 0 {
		return 0, ""
	}
	f := min(1, float64(-c.age)/float64(s.afterOnsetTaper))
	return s.afterOnsetAtOnce + f*(s.afterOnset-s.afterOnsetAtOnce), "began " + span(c.age) + " after the first symptom"
}
