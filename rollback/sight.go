package rollback

import "strings"

// sight is what a look at a unit means for one step.
type sight int

const (
	sightReady       sight = iota // still the content that the plan goes from
	sightOurs                     // at the step's goal, stamped by this run
	sightForeign                  // at the goal, switched by somebody else
	sightUndecidable              // at the goal, and nobody can tell by whom
	sightSuperseded               // some third content
	sightBusy                     // somebody else has something under way
)

// see classifies an observation. Attempted says that this run tried the step, on the condition of s.Token, and does not
// know what came of it.
func see(o Observation, s Step, op string, attempted bool) sight {
	ours := o.Stamp != "" && strings.HasPrefix(o.Stamp, op)
	switch {
	case s.From == s.To:
		// Content cannot tell whether such a step was done; the target's own idempotency has to.
		if o.Current.Digest != s.From {
			return sightSuperseded
		}
		return sightReady
	case o.Current.Digest == s.To && ours:
		return sightOurs
	case o.Current.Digest == s.To && o.Stamp == "" && attempted:
		return sightUndecidable
	case o.Current.Digest == s.To:
		return sightForeign
	case o.Current.Digest != s.From:
		return sightSuperseded
	case attempted && o.Token != s.Token:
		// It was switched after this run sent something to it, and the old content is back: perhaps this run's effect was
		// there and somebody took it away again. That is their newer change.
		return sightSuperseded
	case o.InFlight != "" && !strings.Contains(o.InFlight, op):
		return sightBusy
	default:
		return sightReady
	}
}
