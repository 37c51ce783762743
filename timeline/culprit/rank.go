package culprit

import (
	"cmp"
	"math"
	"slices"
)

// Rank weighs every change that is visible at in.At. It does not keep or alter in, is safe for use by several goroutines,
// and gives the same bytes for the same input in whatever order it comes. Suspects are sorted by probability, then newest
// first, then by id. The machine says suspect: it is for people, or for a cure, to confirm one.
func Rank(in Input) Ranking {
	s := newScene(clamp(in))
	table := terms()
	all := make([]weighed, len(s.candidates))
	for i := range s.candidates {
		all[i] = s.weigh(table, &s.candidates[i])
	}
	slices.SortFunc(all, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(b.score, a.score), b.clock.Compare(a.clock), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Provider, b.Provider))
	})
	r := Ranking{ID: in.ID, At: in.At.UTC(), Ranking: make([]Suspect, len(all))}
	p, none := s.probabilities(all)
	r.None, r.Tie = none, s.tie(all, p)
	for i := range all {
		r.Ranking[i] = Suspect{Change: all[i].ID, P: p[i], Score: float64(all[i].score) / milli, Evidence: all[i].evidence}
	}
	return r
}

// milli is the grain of a weight: thousandths of a nat, added up as integers, so that the weights of a change sum to its
// score and two machines agree on both.
const milli = 1000

// weighed is a candidate with its evidence and the sum of its weights in thousandths.
type weighed struct {
	*candidate
	score        int
	evidence     []Evidence
	corroborated bool // more than time, place and text speaks for it
}

func (s *scene) weigh(table []term, c *candidate) weighed {
	w := weighed{candidate: c, evidence: make([]Evidence, 0, 12)}
	for i := range table {
		weight, text := table[i].weigh(s, c)
		if text == "" {
			continue
		}
		grain := int(math.Round(weight * milli))
		w.score += grain
		w.evidence = append(w.evidence, Evidence{Term: table[i].name, Weight: float64(grain) / milli, Text: text})
		if grain > 0 && corroborates(table[i].name) {
			w.corroborated = true
		}
	}
	return w
}

// corroborates names the terms without which no suspect gets more than the cap: what is measured, not what is near.
func corroborates(name string) bool {
	return name == "scope" || name == "contrast" || name == "rollout"
}
