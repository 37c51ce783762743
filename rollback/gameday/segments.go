package gameday

import (
	"slices"
	"time"
)

// RunFact is what the record and the journal tell of one run that was confirmed during a game day. Zero times: not reached.
type RunFact struct {
	ID          string    `json:"id"`
	By          string    `json:"by"`
	State       string    `json:"state"`
	PlannedAt   time.Time `json:"planned_at,omitzero"`
	ApprovedAt  time.Time `json:"approved_at"`
	EffectAt    time.Time `json:"effect_at,omitzero"` // of its first step
	ConvergedAt time.Time `json:"converged_at,omitzero"`
	VerifiedAt  time.Time `json:"verified_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	Units       []string  `json:"units"`
	Untested    []string  `json:"untested,omitempty"` // units whose way back was not tested when it was planned
	Left        []string  `json:"left,omitempty"`     // measures that it left and that stand
}

// Segment is one stretch of the way from the fault to the cure. It is known only where both ends are.
type Segment struct {
	Key       string        `json:"key"`
	Name      string        `json:"name"`
	From      time.Time     `json:"from,omitzero"`
	To        time.Time     `json:"to,omitzero"`
	Known     bool          `json:"known"`
	Took      time.Duration `json:"took_ns,omitempty"`
	Objective time.Duration `json:"objective_ns,omitempty"`
	Late      bool          `json:"late,omitempty"`
	Why       string        `json:"why,omitempty"` // why it is not known
}

// objective is what a scenario asks of a segment.
type objective struct {
	key, name string
	limit     time.Duration
}

func (e *Expect) objectives() []objective {
	return []objective{
		{"page", "fault to page", e.Page},
		{"look", "page to first look", e.Look},
		{"plan", "look to plan", e.Plan},
		{"approve", "plan to approval", e.Approve},
		{"effect", "approval to first effect", e.Effect},
		{"converged", "first effect to converged", e.Converged},
		{"verified", "converged to verified", e.Verified},
		{"cured", "page to cured", e.Cured},
	}
}

// Curing is the run that the cure is put down to: of those with an effect before it, the last. Nil where there is none.
func Curing(g *Game, runs []RunFact) *RunFact {
	var found *RunFact
	for i := range runs {
		r := &runs[i]
		if r.EffectAt.IsZero() || !g.CuredAt.IsZero() && r.EffectAt.After(g.CuredAt) {
			continue
		}
		if found == nil || r.EffectAt.After(found.EffectAt) {
			found = r
		}
	}
	return found
}

// firstLook is the first person on call who is known to have looked: whose console showed the incident, or who planned.
func firstLook(g *Game) time.Time {
	var at time.Time
	for _, l := range g.Looks {
		if !g.StaysOut(l.By) && !l.At.Before(g.PageAt) && (at.IsZero() || l.At.Before(at)) {
			at = l.At
		}
	}
	return at
}

// Segments times the way from the fault to the cure. What is not known says why; a plan that was made before the first look
// that is known begins at the page.
func Segments(g *Game, runs []RunFact) []Segment {
	look := firstLook(g)
	run := Curing(g, runs)
	if run == nil {
		run = &RunFact{}
	}
	fromLook := look
	if look.IsZero() || run.PlannedAt.Before(look) {
		fromLook = g.PageAt
	}
	ends := [][2]time.Time{
		{g.InjectedAt(), g.PageAt},
		{g.PageAt, look},
		{fromLook, run.PlannedAt},
		{run.PlannedAt, run.ApprovedAt},
		{run.ApprovedAt, run.EffectAt},
		{run.EffectAt, run.ConvergedAt},
		{run.ConvergedAt, run.VerifiedAt},
		{g.PageAt, g.CuredAt},
	}
	var out []Segment
	for i, o := range g.Scenario.Expect.objectives() {
		if o.key == "plan" && !run.PlannedAt.IsZero() && !fromLook.Equal(look) {
			o.name = "page to plan" // no look is known that came before it
		}
		s := Segment{Key: o.key, Name: o.name, From: ends[i][0], To: ends[i][1], Objective: o.limit}
		if !s.From.IsZero() && !s.To.IsZero() && !s.To.Before(s.From) {
			s.Known, s.Took = true, s.To.Sub(s.From)
			s.Late = o.limit > 0 && s.Took > o.limit
		} else {
			s.Why = unknownWhy(o.key, g, run)
		}
		out = append(out, s)
	}
	return out
}

// unknownWhy says why a segment cannot be timed.
func unknownWhy(key string, g *Game, run *RunFact) string {
	switch {
	case g.PageAt.IsZero() && slices.Contains([]string{"page", "look", "plan", "cured"}, key):
		return "nobody was paged"
	case key == "look":
		return "nobody's console is known to have shown it"
	case key == "cured":
		return "not cured by anybody"
	case run.ID == "":
		return "no run of backout had an effect"
	default:
		return "the run did not get there"
	}
}
