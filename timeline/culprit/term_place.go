package culprit

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// noPlace says why the place of a change cannot be weighed; "" when it can.
func (s *scene) noPlace(c *candidate) string {
	switch {
	case len(s.alerting) == 0:
		return "unknown: no alert names a service"
	case c.place == "":
		return "unknown: which service it touches"
	}
	return ""
}

// alertNames lists the alerting services in order; long lists are cut.
func (s *scene) alertNames() string {
	return providers.Few(s.alertServices, 3)
}

func weighTarget(s *scene, c *candidate) (float64, string) {
	if why := s.noPlace(c); why != "" {
		return 0, why
	}
	if s.alerting[c.place] > 0 {
		text := c.place + " itself alerts"
		if w := s.targetByChance(); w < s.targetExact {
			return w, text + fmt.Sprintf(", as %d of %d known services do", len(s.alerting), len(s.services))
		}
		return s.targetExact, text
	}
	for _, a := range s.alertServices {
		if o := s.world.owner[a]; o != "" && o == s.world.owner[c.place] {
			return s.targetOwner, c.place + " does not alert, but belongs to " + o + " as " + a + " does"
		}
		if n := namespace(a); n != "" && n == namespace(c.place) {
			return s.targetOwner, c.place + " does not alert, but is in " + n + " as " + a + " is"
		}
	}
	return s.targetOther, c.place + " does not alert (" + s.alertNames() + ")"
}

// targetByChance is what a match with an alerting service is worth: little where most services alert, for then a harmless
// change stands on one as well. It is the log of how often a culprit does against how often anything would.
func (s *scene) targetByChance() float64 {
	return max(0, math.Log(s.culpritAlerts*float64(len(s.services))/float64(len(s.alerting))))
}

func namespace(service string) string {
	if i := strings.LastIndexByte(service, '/'); i > 0 {
		return service[:i]
	}
	return ""
}

// noNode says why nothing can be said of who calls the change's place, "" where something can.
func (s *scene) noNode(c *candidate) string {
	switch why := s.noPlace(c); {
	case why != "":
		return why
	case !s.world.known:
		return "unknown: who calls whom"
	case !s.world.nodes[c.place]:
		return "unknown: " + c.place + " is not in the topology"
	}
	return ""
}

// weighTopology counts hops along calls: a fault travels from the callee to its callers, and seldom the other way.
func weighTopology(s *scene, c *candidate) (float64, string) {
	if why := s.noNode(c); why != "" {
		return 0, why
	}
	down, from := s.nearest(s.world.down, c.place)
	switch up, to := s.nearest(s.world.up, c.place); {
	case down == 0:
		return 0, "" // that it alerts itself is said already
	case down > 0:
		return s.hop * math.Log(2/float64(2+down)), fmt.Sprintf("%s depends on %s, %s away", from, c.place, hops(down))
	case up > 0:
		return s.unreachable / 2, fmt.Sprintf("%s depends on %s, %s away: faults seldom travel that way", c.place, to, hops(up))
	}
	return s.unreachable, "nothing that alerts depends on " + c.place
}

func hops(n int) string {
	if n == 1 {
		return "1 hop"
	}
	return fmt.Sprintf("%d hops", n)
}

// nearest is the fewest hops between place and any alerting service, and that service; -1 when there is no way.
func (s *scene) nearest(hops map[string]map[string]int, place string) (n int, service string) {
	n = -1
	for _, a := range s.alertServices {
		if d, ok := hops[a][place]; ok && (n < 0 || d < n) {
			n, service = d, a
		}
	}
	return n, service
}

// weighCovers is the share of the alerts that a fault at the change's place would explain.
func weighCovers(s *scene, c *candidate) (float64, string) {
	if why := s.noNode(c); why != "" {
		return 0, why
	}
	covered, all := 0, 0
	for a, n := range s.alerting {
		all += n
		if _, ok := s.world.down[a][c.place]; ok {
			covered += n
		}
	}
	text := fmt.Sprintf("a fault in %s would explain %d of %d alerts", c.place, covered, all)
	return s.covers * (float64(covered)/float64(all) - 0.5), text
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
