package session

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/tui"
)

// The strip's bounds: into how many parts a window is divided at most, up to which share of failures a service is taken
// for well, and what is the least that a strip is full at.
const (
	stripParts = 1440
	wellRatio  = 0.001
	leastFull  = 0.01
)

// symptomOf is what the series tell of an incident's symptom: the failures of the services that alert, and how long they
// take where nothing failed.
func symptomOf(signals []providers.Signal, inc *timeline.Incident, w providers.Window) tui.Symptom {
	failed, slow := newStrip(w), newStrip(w)
	unit := ""
	for i := range signals {
		s := &signals[i]
		if !slices.Contains(inc.Services, s.Service) {
			continue
		}
		if points, ok := culprit.FailureRatio(s); ok {
			failed.add(s, points)
		} else if u, ok := latencyUnit(s.Name); ok && (unit == "" || unit == u) {
			unit = u
			slow.add(s, s.Points)
		}
	}
	errs := tui.Symptom{Name: "errors", Unit: tui.UnitRatio, Low: wellRatio, Measures: failed.measures()}
	errs.High = max(peak(errs.Measures), leastFull)
	if peak(errs.Measures) > wellRatio {
		return errs
	}
	took := tui.Symptom{Name: "latency", Unit: unit, Measures: slow.measures()}
	if len(took.Measures) == 0 {
		return errs
	}
	took.Low = usual(took.Measures, inc.OpenedAt)
	took.High = max(peak(took.Measures), 2*took.Low)
	return took
}

// latencyUnit reads from a series' name whether it is a time that calls took, and in what.
func latencyUnit(name string) (unit string, ok bool) {
	name = strings.ToLower(name)
	ms := strings.HasSuffix(name, "_ms") || strings.Contains(name, "milli")
	sec := strings.Contains(name, "second") || strings.HasSuffix(name, "_s")
	switch {
	case ms:
		return tui.UnitMilliseconds, true
	case sec:
		return tui.UnitSeconds, true
	default:
		return "", strings.Contains(name, "latency") || strings.Contains(name, "duration")
	}
}

// usual is a quarter more than what a measure was for half of the time before a moment, 0 where nothing was measured then:
// what is usual is not known, and so nothing is shown as such.
func usual(measures []tui.Measure, before time.Time) float64 {
	var earlier []tui.Measure
	all := time.Duration(0)
	for _, m := range measures {
		if m.Until.After(before) {
			m.Until = before
		}
		if m.From.Before(m.Until) {
			earlier = append(earlier, m)
			all += m.Until.Sub(m.From)
		}
	}
	slices.SortFunc(earlier, func(a, b tui.Measure) int { return cmp.Compare(a.Value, b.Value) })
	sum := time.Duration(0)
	for _, m := range earlier {
		if sum += m.Until.Sub(m.From); sum >= all/2 {
			return m.Value * 1.25
		}
	}
	return 0
}

func peak(measures []tui.Measure) float64 {
	top := 0.0
	for _, m := range measures {
		top = max(top, m.Value)
	}
	return top
}

// strip divides a window into equal parts and takes down what was measured in each.
type strip struct {
	w      providers.Window
	start  time.Time
	step   time.Duration
	n      int
	whole  map[string]*track // a service as a whole, by series
	partly map[string]*track // a service by its instances, callers or versions, which are averaged
	wholly map[string]bool   // the services of whole
}

type track struct {
	service    string
	sum, times []float64
}

func newStrip(w providers.Window) *strip {
	s := &strip{w: w, whole: map[string]*track{}, partly: map[string]*track{}, wholly: map[string]bool{}}
	s.step = time.Second
	for _, round := range []time.Duration{2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600} {
		if w.Until.Sub(w.Since)/s.step <= stripParts {
			break
		}
		s.step = round * time.Second
	}
	s.start = w.Since.Truncate(s.step) // so that the parts stay where they are when the window goes on
	s.n = min(int(w.Until.Sub(s.start)/s.step)+1, 2*stripParts)
	return s
}

// add takes down a series. A point holds until the next one, but not for longer than points usually are apart.
func (s *strip) add(sig *providers.Signal, points [][2]float64) {
	tracks, key := s.whole, sig.Name+"\x00"+sig.Service+"\x00"+sig.Labels["check"]
	for _, l := range []string{"instance", "pod", "peer", "version", "direction"} {
		if sig.Labels[l] != "" {
			tracks, key = s.partly, sig.Service
		}
	}
	t := tracks[key]
	if t == nil {
		t = &track{service: sig.Service, sum: make([]float64, s.n), times: make([]float64, s.n)}
		tracks[key] = t
	}
	if len(points) > 0 {
		s.wholly[sig.Service] = s.wholly[sig.Service] || key != sig.Service
	}
	gap := spacing(points, s.step.Seconds())
	zero := float64(s.start.UnixNano()) / 1e9
	for i, p := range points {
		hold := gap
		if i+1 < len(points) && points[i+1][0]-p[0] < 2*gap {
			hold = points[i+1][0] - p[0]
		}
		if math.IsNaN(p[1]) || math.IsInf(p[1], 0) {
			continue
		}
		from := int(math.Floor((p[0] - zero) / s.step.Seconds()))
		to := int(math.Ceil((p[0] + hold - zero) / s.step.Seconds()))
		for b := max(from, 0); b < min(max(to, from+1), s.n); b++ {
			t.sum[b] += p[1]
			t.times[b]++
		}
	}
}

// spacing is how far the points of a series usually are apart, in seconds.
func spacing(points [][2]float64, otherwise float64) float64 {
	var gaps []float64
	for i := 1; i < len(points); i++ {
		if d := points[i][0] - points[i-1][0]; d > 0 {
			gaps = append(gaps, d)
		}
	}
	if len(gaps) == 0 {
		return otherwise
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// measures are the worst of the services in each part, neighbours of the same value as one.
func (s *strip) measures() []tui.Measure {
	var out []tui.Measure
	for b := range s.n {
		v, known := s.worst(b)
		from := s.start.Add(time.Duration(b) * s.step)
		until := from.Add(s.step)
		if until.After(s.w.Until) {
			until = s.w.Until // of what is to come nothing is known
		}
		if !known || !from.Before(until) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].Value == v && out[last].Until.Equal(from) {
			out[last].Until = until
			continue
		}
		out = append(out, tui.Measure{From: from, Until: until, Value: v})
	}
	return out
}

func (s *strip) worst(b int) (v float64, known bool) {
	look := func(t *track) {
		if t.times[b] > 0 {
			v, known = max(v, t.sum[b]/t.times[b]), true
		}
	}
	for _, t := range s.whole {
		look(t)
	}
	for _, t := range s.partly {
		if !s.wholly[t.service] {
			look(t)
		}
	}
	return v, known
}
