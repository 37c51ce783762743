package proof

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Rate is how many of all executions passed, with the interval that the true rate lies in with 95 % confidence (Wilson). Both
// bounds are 0 to 1; of nothing nothing is known.
type Rate struct {
	Passed int     `json:"passed"`
	Of     int     `json:"of"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// SuccessRate counts the executions that say something; those that were stopped do not.
func SuccessRate(records []Record) Rate {
	var passed, of int
	for i := range records {
		switch records[i].Outcome {
		case Pass:
			passed++
			of++
		case Fail, Unverified:
			of++
		case Aborted:
		}
	}
	return wilson(passed, of)
}

// RateOf is how many of how many, with the interval of [Rate].
func RateOf(passed, of int) Rate { return wilson(passed, of) }

func wilson(passed, of int) Rate {
	r := Rate{Passed: passed, Of: of, High: 1}
	if of == 0 {
		return r
	}
	const z = 1.959963984540054
	n, p := float64(of), float64(passed)/float64(of)
	mid, spread := p+z*z/(2*n), z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	r.Low, r.High = max((mid-spread)/(1+z*z/n), 0), min((mid+spread)/(1+z*z/n), 1)
	return r
}

// Lengths are how long the executions took that were verified. The 95th percentile is given from 20 on: with fewer, only the
// longest is known.
type Lengths struct {
	N   int           `json:"n"`
	Max time.Duration `json:"max_ns"`
	P50 time.Duration `json:"p50_ns,omitempty"`
	P95 time.Duration `json:"p95_ns,omitempty"`
}

// enough is from how many on a percentile says something.
const enough = 20

// Took measures the executions that passed.
func Took(records []Record) Lengths {
	var all []time.Duration
	for i := range records {
		if d := records[i].Times.Took(); records[i].Outcome == Pass && d > 0 {
			all = append(all, d)
		}
	}
	l := Lengths{N: len(all)}
	if l.N == 0 {
		return l
	}
	slices.Sort(all)
	l.Max = all[l.N-1]
	if l.N >= enough {
		at := func(share float64) time.Duration { return all[int(math.Ceil(share*float64(l.N)))-1] }
		l.P50, l.P95 = at(0.5), at(0.95)
	}
	return l
}

// String is the lengths as honestly as their number allows: "n=3, max 4m10s".
func (l Lengths) String() string {
	switch {
	case l.N == 0:
		return "never measured"
	case l.N < enough:
		return fmt.Sprintf("n=%d, max %s", l.N, l.Max.Round(time.Second))
	default:
		return fmt.Sprintf("n=%d, p50 %s, p95 %s, max %s", l.N, l.P50.Round(time.Second), l.P95.Round(time.Second), l.Max.Round(time.Second))
	}
}

// Coverage is the share of units whose way back is tested, weighed by how much depends on them: 3 for tier 1, 2 for tier 2, 1
// for tier 3. It is 0 where there is no unit.
func Coverage(all []Standing) float64 {
	var tested, of float64
	for i := range all {
		weight := float64(4 - all[i].Tier)
		of += weight
		if all[i].Tested() {
			tested += weight
		}
	}
	if of == 0 {
		return 0
	}
	return tested / of
}

// Segments says how long it took from each time to the next: "approved 4s". A time that is zero was never reached.
func Segments(names []string, times []time.Time) []string {
	var out []string
	var last time.Time
	for i, t := range times {
		switch {
		case t.IsZero():
		case last.IsZero():
			last = t
		default:
			out = append(out, fmt.Sprintf("%s %s", names[i], max(t.Sub(last), 0).Round(100*time.Millisecond)))
			last = t
		}
	}
	return out
}
