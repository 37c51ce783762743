package main

import (
	"math"
	"sort"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/timeline/culprit"
)

// scores collects what one file's documents give.
type scores struct {
	name                     string
	offset, took             time.Duration
	docs, candidates         int
	invisible, leaks, unseen int
	ties                     int
	sumError                 float64
	got, random, latest      []hits
	brier                    []float64
	tops                     []top
	auc                      []labelled
	negatives                bool // some document has no culprit
}

// top is the first suspect of one document: its probability, and whether it is a culprit (a share, when several tie).
type top struct {
	p     float64
	id    string
	right float64
}

type labelled struct {
	some  float64 // 1 - none
	there bool    // a culprit is visible
}

func (s *scores) add(d *incident.Document, r culprit.Ranking) {
	s.docs++
	culprits := map[string]bool{}
	if d.Truth != nil {
		for _, id := range d.Truth.Culprits {
			culprits[id] = true
		}
	}
	visible, even, newest := map[string]bool{}, map[string]float64{}, map[string]float64{}
	here := map[string]bool{}
	for i := range d.Changes {
		c := &d.Changes[i]
		if !c.VisibleAt(d.At) {
			continue
		}
		visible[c.ID], even[c.ID], newest[c.ID] = true, 0, newestTime(c, d.At)
		if culprits[c.ID] {
			here[c.ID] = true
		}
	}
	p := map[string]float64{}
	sum := r.None
	for _, x := range r.Ranking {
		p[x.Change] = x.P
		sum += x.P
		s.leaks += int(step(!visible[x.Change]))
	}
	for id := range visible {
		if _, ok := p[id]; !ok {
			s.unseen++
		}
	}
	s.sumError = math.Max(s.sumError, math.Abs(sum-1))
	s.ties += int(step(r.Tie))
	if len(culprits) > 0 {
		s.candidates += len(visible)
		s.invisible += int(step(len(here) == 0))
		s.got = append(s.got, expect(p, culprits))
		s.random = append(s.random, expect(even, culprits))
		s.latest = append(s.latest, expect(newest, culprits))
	} else {
		s.negatives = true
	}
	s.calibrate(d.ID, r, culprits, here)
}

// calibrate keeps what Brier, the calibration error and the curves need. All culprits are one class; the truth is none
// when no culprit is visible.
func (s *scores) calibrate(id string, r culprit.Ranking, culprits, here map[string]bool) {
	mass, others := 0.0, 0.0
	for _, x := range r.Ranking {
		if here[x.Change] {
			mass += x.P
		} else {
			others += x.P * x.P
		}
	}
	there := step(len(here) > 0)
	s.brier = append(s.brier, (1-mass)*(1-mass)*there+others+(r.None-(1-there))*(r.None-(1-there)))
	s.auc = append(s.auc, labelled{1 - r.None, len(here) > 0})
	if len(r.Ranking) == 0 {
		return
	}
	first, n, right := r.Ranking[0].P, 0.0, 0.0
	for _, x := range r.Ranking {
		if x.P == first {
			n++
			right += step(culprits[x.Change])
		}
	}
	s.tops = append(s.tops, top{first, id, right / n})
}

// newestTime is the newest time of a change that is not later than at, for the floor "the latest change first".
func newestTime(c *providers.Change, at time.Time) float64 {
	best := math.Inf(-1)
	times := []time.Time{c.LandedAt, c.EffectiveFrom}
	for _, s := range c.Rollout {
		times = append(times, s.At)
	}
	for _, t := range times {
		if !t.IsZero() && !t.After(at) {
			best = math.Max(best, float64(t.UnixNano()))
		}
	}
	return best
}

// calibrationError is the expected calibration error of the first suspect in ten bins of equal mass.
func calibrationError(tops []top) float64 {
	tops = append([]top(nil), tops...)
	sort.Slice(tops, func(i, j int) bool {
		a, b := tops[i], tops[j]
		switch {
		case a.p != b.p:
			return a.p < b.p
		case a.id != b.id:
			return a.id < b.id
		}
		return a.right < b.right
	})
	const bins = 10
	e := 0.0
	for k := range bins {
		off := 0.0
		for _, t := range tops[k*len(tops)/bins : (k+1)*len(tops)/bins] {
			off += t.p - t.right
		}
		e += math.Abs(off)
	}
	return e / math.Max(1, float64(len(tops)))
}
