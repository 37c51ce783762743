package culprit

import (
	"fmt"
	"math"
)

// quantum is the grain of a probability. None is what the others leave over, so that all sum to one.
const quantum = 1e12

// probabilities turns scores into probabilities, with "none of these" as one more candidate. all must be sorted by score.
func (s *scene) probabilities(all []weighed) (p []float64, none float64) {
	n := 0
	for i := range all {
		if _, out := s.in.Dismissed[all[i].ID]; !out && !all[i].drill {
			n++
		}
	}
	bias := s.noneBias
	if s.placed {
		bias = s.noneBiasPlaced
	}
	zero := (bias + s.noneGrowth*math.Log1p(float64(n))) / s.temperature
	top := zero
	for i := range all {
		top = max(top, float64(all[i].score)/milli/s.temperature)
	}
	p = make([]float64, len(all))
	sum := math.Exp(zero - top)
	for i := range all {
		p[i] = math.Exp(float64(all[i].score)/milli/s.temperature - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	s.holdBack(all, p)
	rest := int64(quantum)
	for i := range p {
		q := int64(math.Round(p[i] * quantum))
		p[i], rest = float64(q)/quantum, rest-q
	}
	return p, float64(max(0, rest)) / quantum
}

// holdBack keeps a first suspect at the cap when nothing measured speaks for it. What it loses goes to the others and to
// none, each in proportion to what it had.
func (s *scene) holdBack(all []weighed, p []float64) {
	if len(all) == 0 || p[0] <= s.cap || all[0].corroborated {
		return
	}
	f := (1 - s.cap) / (1 - p[0])
	if p[0] >= 1 {
		f = 0 // nobody has anything left: none takes it all
	}
	all[0].evidence = append(all[0].evidence, Evidence{Term: "cap", Text: fmt.Sprintf(
		"held at %.0f%% (%.1f%% by the weights): no scope, no contrast and no rollout speaks for it; the rest went to the others and to none",
		100*s.cap, 100*p[0])})
	p[0] = s.cap
	for i := 1; i < len(p); i++ {
		p[i] *= f
	}
}

// tie reports whether the first two suspects cannot honestly be told apart: their scores are closer than tieGap, or
// nothing but time tells them apart, and that not by much.
func (s *scene) tie(all []weighed, p []float64) bool {
	if len(all) < 2 || p[0] < 0.05 || all[1].drill {
		return false
	}
	gap := all[0].score - all[1].score
	if gap < int(s.tieGap*milli) {
		return true
	}
	first, second := discriminating(&all[0]), discriminating(&all[1])
	for term := range second {
		first[term] -= second[term]
	}
	for _, d := range first {
		if math.Abs(d) > 0.1 {
			return false
		}
	}
	return s.onset.known && all[0].age >= 0 && all[1].age >= 0 && gap < 2*int(s.tieGap*milli)
}

// discriminating are the weights of a suspect by term, but for those that are about time alone.
func discriminating(w *weighed) map[string]float64 {
	by := map[string]float64{}
	for _, e := range w.evidence {
		if e.Term != "time" && e.Term != "recency" {
			by[e.Term] += e.Weight
		}
	}
	return by
}
