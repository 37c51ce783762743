package main

import "math"

// hits are AC@1, AC@3, AC@5 and the reciprocal rank of one document, in expectation over ties.
type hits struct {
	AC1 float64 `json:"ac1"`
	AC3 float64 `json:"ac3"`
	AC5 float64 `json:"ac5"`
	MRR float64 `json:"mrr"`
}

// expect ranks by value, higher first, with ties broken at random, and looks where the best culprit comes to stand. A
// culprit without a value counts for nothing.
func expect(values map[string]float64, culprits map[string]bool) hits {
	best, found := math.Inf(-1), false
	for id, v := range values {
		if culprits[id] && (!found || v > best) {
			best, found = v, true
		}
	}
	if !found {
		return hits{}
	}
	before, tied, right := 0, 0, 0
	for id, v := range values {
		switch {
		case v > best:
			before++
		case v == best:
			tied++
			if culprits[id] {
				right++
			}
		}
	}
	var h hits
	for j := 1; j <= tied-right+1; j++ { // the first culprit stands j-th inside the tie
		p := choose(tied-j, right-1) / choose(tied, right)
		rank := before + j
		h.AC1 += p * step(rank <= 1)
		h.AC3 += p * step(rank <= 3)
		h.AC5 += p * step(rank <= 5)
		h.MRR += p / float64(rank)
	}
	return h
}

func choose(n, k int) float64 {
	if k < 0 || k > n {
		return 0
	}
	r := 1.0
	for i := 1; i <= k; i++ {
		r = r * float64(n-k+i) / float64(i)
	}
	return r
}

func step(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func mean(all []hits) hits {
	var m hits
	for _, h := range all {
		m.AC1 += h.AC1
		m.AC3 += h.AC3
		m.AC5 += h.AC5
		m.MRR += h.MRR
	}
	if n := float64(len(all)); n > 0 {
		m = hits{m.AC1 / n, m.AC3 / n, m.AC5 / n, m.MRR / n}
	}
	return m
}
