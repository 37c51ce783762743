package proof

import (
	"slices"
	"time"
)

// Answer is what is known of one thing. The zero value is that nobody knows, which counts as the worst answer.
type Answer struct {
	State string `json:"state,omitempty"` // yes, no; "" unknown
	Text  string `json:"text,omitempty"`  // why, in plain words
}

// Yes is the good answer.
func Yes() Answer { return Answer{State: "yes"} }

// No is the bad answer, with why.
func No(why string) Answer { return Answer{State: "no", Text: why} }

func (a Answer) yes() bool { return a.State == "yes" }

// Facts is what is known now of one unit's way back to one target.
type Facts struct {
	Now  time.Time
	Unit string
	Tier int // how much depends on it, 1 the most; anything else than 1 to 3 counts as 1

	From, To  Content
	Distance  int
	Change    string
	Mechanism Mechanism
	Copies    int
	Together  []string

	Runnable   Answer // the rights are there, and so is what it goes to
	Reversible Answer // nothing has passed a point of no return since
	Coupling   Answer // it is known what has to go back together, and that is Together
	OwnersSeen bool
	Owners     []string
	People     []string // who owns the unit, by name; nil: nobody said

	// Probe is what looking whether the plan is valid said last, nil where nobody ever looked. Probed: it is to be looked at all the
	// time, and that sees more than a plan that is made now.
	Probe  *Probe
	Probed bool

	// Began are the times at which contents of the unit began to serve, as far as is known; Complete is since when all of them are
	// known, zero where nobody can tell.
	Began    []time.Time
	Complete time.Time
}

// deployed counts the deployments since a time; ok reports whether all of them are known.
func (f *Facts) deployed(since time.Time) (n int, ok bool) {
	for _, t := range f.Began {
		if t.After(since) {
			n++
		}
	}
	return n, !f.Complete.IsZero() && !f.Complete.After(since)
}

// Rules are how long a proof counts. The zero value of a field takes the default that is named there.
type Rules struct {
	Fresh       [3]time.Duration // for units of tier 1, 2 and 3: 30, 90 and 180 days
	Deployments int              // how many deployments of the unit may lie between; 25
	TwoPeople   bool             // two people, one of whom does not own the unit, have to have done it
	Rotation    []string         // who is on call; empty: nobody said, so nobody has left it
}

// fresh is how long a proof counts for a unit of a tier; the shortest of all where the tier is not known.
func (r Rules) fresh(tier int) time.Duration {
	all := [3]time.Duration{30 * day, 90 * day, 180 * day}
	for i, d := range r.Fresh {
		if d > 0 {
			all[i] = d
		}
	}
	if tier < 1 || tier > 3 {
		return slices.Min(all[:])
	}
	return all[tier-1]
}

// Until is when an execution stops counting by its age, for a unit of a tier; zero where it is not known when it was.
func (r Rules) Until(p *Record, tier int) time.Time {
	if p.At().IsZero() {
		return time.Time{}
	}
	return p.At().Add(r.fresh(tier))
}

func (r Rules) deployments() int {
	if r.Deployments > 0 {
		return r.Deployments
	}
	return 25
}

const day = 24 * time.Hour

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
