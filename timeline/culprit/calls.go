package culprit

import (
	"math"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// failures is one ratio series as a failure ratio.
type failures struct {
	version string
	from    string // the caller, "" unknown
	to      string // the callee
	byFrom  bool   // measured by the caller
	single  bool   // of one instance, not of the service as a whole
	of      string // the service whose instances measured it
	points  [][2]float64
}

// callIndex finds the series of failing calls by callee and by caller.
type callIndex struct {
	into map[string][]*failures
	own  map[string][]*failures // outgoing calls of a service, as it sees them
}

func newCallIndex(signals []providers.Signal) callIndex {
	x := callIndex{into: map[string][]*failures{}, own: map[string][]*failures{}}
	for i := range signals {
		f, ok := failuresOf(&signals[i])
		if !ok {
			continue
		}
		x.into[f.to] = append(x.into[f.to], f)
		if f.byFrom {
			x.own[f.from] = append(x.own[f.from], f)
		}
	}
	return x
}

// failuresOf reads a series whose name says that it is a ratio of successes or of failures, from 0 to 1.
func failuresOf(s *providers.Signal) (*failures, bool) {
	name := strings.ToLower(s.Name)
	success := strings.Contains(name, "success") || strings.Contains(name, "availab")
	failure := strings.Contains(name, "error") || strings.Contains(name, "fail")
	if s.Service == "" || success == failure {
		return nil, false
	}
	f := &failures{version: s.Labels["version"], to: s.Service, of: s.Service, from: s.Labels["peer"]}
	if d := s.Labels["direction"]; d == "out" || d == "outbound" || d == "client" {
		f.from, f.to, f.byFrom = s.Service, s.Labels["peer"], true
	}
	f.single = s.Labels["instance"] != "" || s.Labels["pod"] != ""
	f.points = make([][2]float64, len(s.Points))
	for i, p := range s.Points {
		if p[1] < 0 || p[1] > 1 {
			return nil, false // a count or a percentage: not the ratio that the name promised
		}
		if success {
			p[1] = 1 - p[1]
		}
		f.points[i] = p
	}
	return f, f.to != ""
}

// FailureRatio reads a series as the share of its service's calls that fail, from 0 to 1, under the rule that the ranking
// reads it by. It is false for every other series, those of the calls that a service makes itself among them.
func FailureRatio(s *providers.Signal) (points [][2]float64, ok bool) {
	f, ok := failuresOf(s)
	if !ok || f.byFrom {
		return nil, false
	}
	return f.points, true
}

// tally counts calls and failed calls; a point without a count stands for callsPerPoint calls.
type tally struct{ calls, failed float64 }

func (t *tally) add(p [2]float64, calls float64) {
	t.calls += calls
	t.failed += calls * p[1]
}

func (t tally) ratio() float64 {
	if t.calls == 0 {
		return 0
	}
	return t.failed / t.calls
}

// logBayes compares "these calls fail at a rate of their own" (about one in five, widely spread) with "they fail as the
// reference does": a Beta-binomial factor, the larger the more the calls stand out for the worse. The reference is taken
// for healthy beforehand, one failure in a hundred, with the strength of so many calls.
func (s *scene) logBayes(t, reference tally, strength float64) float64 {
	if reference.calls > s.referenceCalls {
		f := s.referenceCalls / reference.calls // calls of one minute are no independent draws
		reference = tally{reference.calls * f, reference.failed * f}
	}
	// One-sided: calls that fail less than the reference do not stand out for the worse.
	reference.failed = min(reference.failed, t.ratio()*reference.calls)
	own := betaBinomial(t, 1, 4)
	same := betaBinomial(t, strength/100+reference.failed, strength+reference.calls-reference.failed)
	return own - same
}

// betaBinomial is the log probability of the tally under Beta(a, b), but for the binomial coefficient, which cancels.
func betaBinomial(t tally, a, b float64) float64 {
	return logBeta(a+t.failed, b+t.calls-t.failed) - logBeta(a, b)
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
