package culprit

import (
	"fmt"
	"math"
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
		total = best
	}
	if w, t := s.newOld(c, series); t != "" {
		if text != "" {
			t = text + "; " + t
		}
		total, text = total+w, t
	}
	if text == "" {
		return 0, "unknown: too few measurements of calls to " + c.place + " since it took effect"
	}
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
	var old, since, during tally
	for _, f := range series {
		if f.byFrom != byFrom || f.single == whole {
			continue
		}
		for _, p := range f.points {
			if p[0] < start {
				old.add(p, s.callsPerPoint)
				continue
			}
			since.add(p, s.callsPerPoint)
			if p[0] >= symptoms {
				during.add(p, s.callsPerPoint)
			}
		}
	}
	passed := s.passedOn(c, start)
	since.failed, during.failed = since.failed*(1-passed), during.failed*(1-passed)
	w := logBayes(since, old)
	if w < 0 { // health speaks for a change only while there are symptoms
		since = during
		w = min(0, logBayes(during, old))
	}
	if since.calls < s.minCalls || old.calls == 0 {
		return 0, ""
	}
	return w, fmt.Sprintf("calls to %s: %s failed since it took effect, %s before", c.place, percent(since), percent(old))
}

// passedOn is the share of a service's failures that its own callees explain: the failure ratio of its worst callee
// against that of the calls into it.
func (s *scene) passedOn(c *candidate, start float64) float64 {
	byPeer := map[string]tally{}
	for _, f := range s.calls.own[c.place] {
		t := byPeer[f.to]
		for _, p := range f.points {
			if p[0] >= start {
				t.add(p, s.callsPerPoint)
			}
		}
		byPeer[f.to] = t
	}
	worst := 0.0
	for _, t := range byPeer {
		worst = max(worst, t.ratio())
	}
	var in tally
	for _, f := range s.calls.into[c.place] {
		for _, p := range f.points {
			if p[0] >= start {
				in.add(p, s.callsPerPoint)
			}
		}
	}
	if in.failed == 0 {
		return 0
	}
	return min(1, worst/in.ratio())
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
	return logBayes(fresh, old), text
}

func percent(t tally) string { return fmt.Sprintf("%.0f%%", 100*t.ratio()) }
