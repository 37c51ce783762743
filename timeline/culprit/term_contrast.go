package culprit

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// weighContrast compares calls into the changed service before and after it took effect, and calls to its new instances
// with calls to its old ones. What its own failing callees explain is not held against it.
func weighContrast(s *scene, c *candidate) (float64, string) {
	if !c.effective || c.place == "" || c.clock.IsZero() {
		return 0, "unknown: when and where it took effect, so nothing to compare"
	}
	series := s.calls.into[c.place]
	if len(series) == 0 {
		return 0, "unknown: no measurement of calls to " + c.place
	}
	best, text := math.Inf(-1), ""
	for _, byFrom := range []bool{false, true} {
		if w, t := s.beforeAfter(c, series, byFrom); t != "" && w > best {
			best, text = w, t
		}
	}
	total := 0.0
	if text != "" {
		total = min(best, s.contrastHigh)
	}
	if w, t := s.newOld(c, series); t != "" {
		if w < 0 { // what fails in old and new alike did not come with the new
			total = min(total, total*s.alike)
		}
		if text != "" {
			t = text + "; " + t
		}
		total, text = total+w, t
	}
	if text == "" {
		return 0, "unknown: too few measurements of calls to " + c.place + " since it took effect"
	}
	// Not every culprit shows in failing calls (wrong answers and slow ones do not): health never speaks louder than that.
	total = math.Log(s.silent + (1-s.silent)*math.Exp(min(total, 2*s.contrastHigh)))
	return min(s.contrastHigh, max(s.contrastLow, total)), text
}

// beforeAfter weighs the calls into a service since the change took effect against those before. A service that is
// measured as a whole is not measured again by its instances.
func (s *scene) beforeAfter(c *candidate, series []*failures, byFrom bool) (float64, string) {
	start, symptoms := seconds(c.clock), seconds(s.onset.latest)-30
	whole := false
	for _, f := range series {
		whole = whole || !f.single && f.byFrom == byFrom
	}
	var old, later, during tally
	for _, f := range series {
		if f.byFrom != byFrom || f.single == whole {
			continue
		}
		for _, p := range f.points {
			if p[0] < start {
				old.add(p, s.callsPerPoint)
				continue
			}
			later.add(p, s.callsPerPoint)
			if p[0] >= symptoms {
				during.add(p, s.callsPerPoint)
			}
		}
	}
	w, passed := s.logBayes(later, old, s.historyStrength), 0.0
	if w > 0 {
		passed = s.passedOn(c, start)
		w = min(w, s.contrastHigh) * (1 - passed)
	} else { // health speaks for a change only while there are symptoms
		later = during
		w = min(0, s.logBayes(during, old, s.historyStrength))
	}
	if later.calls < s.minCalls || old.calls == 0 {
		return 0, ""
	}
	return w, fmt.Sprintf("calls to %s: %s failed since it took effect, %s before", c.place, percent(later), percent(old)) +
		passedText(passed)
}

func passedText(passed float64) string {
	if passed < 0.5 {
		return ""
	}
	return ", mostly while what it calls failed too"
}

// passedOn is the share of a service's failures that fall in minutes in which calls to one of its own callees failed at
// least half as often: a victim hands its callee's failures on.
func (s *scene) passedOn(c *candidate, start float64) float64 {
	type call struct {
		to     string
		minute int64
	}
	out, worst := map[call]tally{}, map[int64]float64{}
	for _, f := range s.calls.own[c.place] {
		for _, p := range since(f.points, start) {
			k := call{f.to, minuteOf(p)}
			t := out[k]
			t.add(p, 1)
			out[k] = t
		}
	}
	for k, t := range out {
		worst[k.minute] = max(worst[k.minute], t.ratio())
	}
	in := map[int64]tally{}
	for _, f := range s.calls.into[c.place] {
		for _, p := range since(f.points, start) {
			t := in[minuteOf(p)]
			t.add(p, 1)
			in[minuteOf(p)] = t
		}
	}
	var failed, passed float64
	for _, m := range sortedMinutes(in) {
		failed += in[m].failed
		if worst[m] > 0 && worst[m] >= in[m].ratio()/2 {
			passed += in[m].failed
		}
	}
	if failed == 0 {
		return 0
	}
	return passed / failed
}

// since cuts sorted points to those not before start.
func since(points [][2]float64, start float64) [][2]float64 {
	i, _ := slices.BinarySearchFunc(points, start, func(p [2]float64, t float64) int { return cmp.Compare(p[0], t) })
	return points[i:]
}

func minuteOf(p [2]float64) int64 { return int64(math.Floor(p[0]/60)) * 60 }

func sortedMinutes(m map[int64]tally) []int64 {
	return slices.Sorted(maps.Keys(m))
}

// newOld weighs the calls to instances of the new version against those to instances of the others.
func (s *scene) newOld(c *candidate, series []*failures) (float64, string) {
	if c.To == "" {
		return 0, ""
	}
	start := seconds(c.clock)
	var fresh, old tally
	for _, f := range series {
		if !f.single || f.version == "" || f.byFrom {
			continue
		}
		for _, p := range f.points {
			switch {
			case p[0] < start:
			case f.version == c.To:
				fresh.add(p, s.callsPerPoint)
			default:
				old.add(p, s.callsPerPoint)
			}
		}
	}
	if fresh.calls == 0 || old.calls == 0 || fresh.calls+old.calls < s.minCalls {
		return 0, ""
	}
	text := fmt.Sprintf("new instances failed %s, old ones %s", percent(fresh), percent(old))
	w := s.logBayes(fresh, old, s.peerStrength)
	if w < 0 && fresh.calls < s.minCalls {
		return 0, ""
	}
	return w, text
}

func percent(t tally) string { return fmt.Sprintf("%.0f%%", 100*t.ratio()) }
