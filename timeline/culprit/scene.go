package culprit

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// scene is everything that the terms may look at: the clamped input, and what is counted once for all candidates.
type scene struct {
	numbers
	in            Input
	onset         onset
	candidates    []candidate
	world         world
	alerting      map[string]int  // alerts by service
	placed        bool            // alerts and changes name services
	services      map[string]bool // every service that anything names
	alertServices []string        // the keys of alerting, sorted
	words         vocabulary
	scopes        scopes
	calls         callIndex
	families      []pathFamily
	symptom       symptom
}

// candidate is one change with what the terms share about it.
type candidate struct {
	*providers.Change
	clock     time.Time     // when it took effect, else when it landed; zero when neither is known
	effective bool          // clock is when it took effect
	age       time.Duration // from clock to the first symptom; negative after it
	place     string        // the service (or node of the topology) that it touches; "" unknown
	rank      int           // 1 for the latest on its target before the first symptom, 0 when not ranked
	newer     *candidate    // a newer change to the same thing before the first symptom
	drill     bool
	tokens    []string // the words that it shares with the alerts
	length    int      // how many distinct words it has
}

// newScene prepares everything that is counted once. in must be clamped.
func newScene(in Input) *scene {
	s := &scene{numbers: numbersOf(), in: in, alerting: map[string]int{}, families: pathFamilies()}
	for i := range in.Alerts {
		if v := in.Alerts[i].Service; v != "" {
			s.alerting[v]++
		}
	}
	s.alertServices = sortedKeys(s.alerting)
	s.onset = onsetOf(in)
	s.world = newWorld(in.Services, in.Edges, s.alerting, s.maxHops)
	s.candidates = make([]candidate, len(in.Changes))
	for i := range in.Changes {
		s.candidates[i] = s.candidate(&in.Changes[i])
	}
	s.services = s.knownServices()
	s.rankTargets()
	s.findSuperseded()
	s.words = newVocabulary(in.Alerts, s.candidates, s.services)
	s.scopes = newScopes(in)
	s.calls = newCallIndex(in.Signals)
	s.symptom = s.findSymptom()
	return s
}

func (s *scene) candidate(c *providers.Change) candidate {
	k := candidate{Change: c, clock: c.At(), effective: !c.EffectiveFrom.IsZero(), drill: c.Kind == providers.KindDrill}
	if !k.clock.IsZero() && s.onset.known {
		k.age = s.onset.at.Sub(k.clock)
		switch {
		case k.clock.After(s.onset.latest):
			k.age = s.onset.latest.Sub(k.clock)
		case k.age < 0: // inside the interval: it may have been there from the start
			k.age = 0
		}
	}
	k.place = c.Service
	if k.place == "" {
		if name := unitName(c.Unit); s.world.nodes[name] {
			k.place = name
		} else if s.world.nodes[c.Unit] {
			k.place = c.Unit
		}
	}
	return k
}

// knownServices collects every service that the topology, an alert or a change names.
func (s *scene) knownServices() map[string]bool {
	known := maps.Clone(s.world.nodes)
	for _, a := range s.alertServices {
		known[a] = true
	}
	for i := range s.candidates {
		if p := s.candidates[i].place; p != "" {
			known[p], s.placed = true, len(s.alerting) > 0
		}
	}
	return known
}

// counted reports whether the change was there before the first symptom and counts against older ones. A drill puts back
// what it changed, so it replaces nothing.
func (s *scene) counted(c *candidate) bool {
	return !c.clock.IsZero() && !c.drill && (!s.onset.known || c.age >= 0)
}

// newestFirst lists the candidates that count, newest first, then by id: the order in which targets and files are walked.
func (s *scene) newestFirst() []*candidate {
	var l []*candidate
	for i := range s.candidates {
		if s.counted(&s.candidates[i]) {
			l = append(l, &s.candidates[i])
		}
	}
	slices.SortStableFunc(l, func(a, b *candidate) int { return b.clock.Compare(a.clock) })
	return l
}

// unitName is the last segment of a unit's id, provider:scope/name.
func unitName(unit string) string {
	if i := strings.LastIndexByte(unit, '/'); i >= 0 {
		return unit[i+1:]
	}
	if i := strings.LastIndexByte(unit, ':'); i >= 0 {
		return unit[i+1:]
	}
	return unit
}
