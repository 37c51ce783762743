package rollback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/proof"
)

const (
	ruleTarget = "target"
	ruleLook   = "look"

	// standingLimit is how long one unit's way back may take to work out, after all were looked at.
	standingLimit = 10 * time.Second
)

// Alone is the answer to: can this unit go back without any other now?
type Alone string

// The answers. A condition is something that a person has to accept or to do; what is unknown is not a yes.
const (
	AloneYes        Alone = "yes"
	AloneConditions Alone = "with conditions"
	AloneNo         Alone = "no"
	AloneUnknown    Alone = "unknown"
)

// Standing is how one unit stands now: what would be planned for it, and what decides whether it can go back alone.
type Standing struct {
	Unit    Unit    `json:"unit"`
	Alone   Alone   `json:"alone"`
	Verdict Verdict `json:"verdict"`
	// From is what is served and To where it would go back to; zero where the unit cannot be seen or there is nowhere to go.
	From Revision `json:"from,omitzero"`
	To   Revision `json:"to,omitzero"`
	// Because are the findings that give the verdict, Findings all of them. With goes back in the same plan, in order.
	Because  []Finding `json:"because,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	With     []UnitID  `json:"with,omitempty"`
	Together Verdict   `json:"together,omitempty"` // of all With
	// Since is the earliest that one of Because began; zero where it is not known of all of them.
	Since  time.Time `json:"since,omitzero"`
	SeenAt time.Time `json:"seen_at,omitzero"`
	// Proof is what the way back counts for by what was ever executed of it; nil where no plan could be made.
	Proof *proof.Standing `json:"proof,omitempty"`
}

// Standings works out for every unit of an environment, "" all of them, whether it can go back alone now, as [Engine.Plan] would.
// It changes nothing. Of the request, what is known of the world counts (Context, Edges, Services, Unread). A unit that cannot be judged, or not in time, is
// unknown; an error says that not all units could be listed, beside those that could.
func (e *Engine) Standings(ctx context.Context, req Request, environment string) ([]Standing, error) {
	units, listErr := e.Units(ctx)
	var ids []UnitID
	for _, u := range units {
		if environment == "" || u.Environment == environment {
			ids = append(ids, u.ID)
		}
	}
	w := newWorld(req, units, listErr)
	if err := e.remember(ctx, w); err != nil { // first: the looks may use up the caller's time
		return nil, errors.Join(err, listErr)
	}
	w.obs, w.errs = e.observeAll(ctx, w.near(ids))
	out := make([]Standing, len(ids))
	var g errgroup.Group
	g.SetLimit(lookers)
	for i, id := range ids {
		g.Go(func() error {
			out[i] = e.standing(ctx, w, req, id)
			return nil
		})
	}
	_ = g.Wait() // nothing gives an error: each is in its standing
	return out, listErr
}

// standing plans for one unit in a world that all share; what a plan notes in its world is the plan's own.
func (e *Engine) standing(ctx context.Context, shared *world, req Request, id UnitID) Standing {
	w := *shared
	w.wanted, w.order = nil, nil
	s := Standing{Unit: w.unit(id), SeenAt: w.obs[id].At, From: w.obs[id].Current}
	ctx, cancel := context.WithTimeout(ctx, standingLimit)
	defer cancel()
	w.tied = func(o Observation, to Revision) ([]Tie, error) { return e.ties(ctx, o, to) }
	req.Unit = id
	p, err := e.planIn(ctx, &w, req, []UnitID{id}, nil)
	switch {
	case errors.Is(err, ErrNoTarget):
		s.Findings = []Finding{{
			Rule: ruleTarget, Verdict: Blocked, Source: providerOf(id), SeenAt: s.SeenAt,
			Text: "there is no earlier revision that is known to have served well: name one with --to", Evidence: err.Error(),
		}}
	case err != nil:
		s.Findings = []Finding{{
			Rule: ruleLook, Verdict: Unknown, Source: providerOf(id), SeenAt: e.cfg.Now().UTC(),
			Text: providers.Clean(fmt.Sprintf("it cannot be judged: %v", err)),
		}}
	}
	for i := range p.Units {
		u := &p.Units[i]
		if u.Unit.ID == id {
			s.To, s.Findings, s.Proof = u.To, u.Findings, u.Proof
		} else {
			s.With = append(s.With, u.Unit.ID)
		}
	}
	if len(s.With) > 0 {
		s.With, s.Together = nil, p.Verdict
		for i := range p.Units {
			s.With = append(s.With, p.Units[i].Unit.ID)
		}
	}
	s.decide()
	return s
}

// decide draws the answer from the findings.
func (s *Standing) decide() {
	s.Verdict = worst(s.Findings)
	switch s.Verdict {
	case Independent:
		s.Alone = AloneYes
	case Conditional:
		s.Alone = AloneConditions
	case Unknown:
		s.Alone = AloneUnknown
	default: // what serves the target's content already has nothing to go back to either
		s.Alone = AloneNo
	}
	s.Because, s.Since = nil, time.Time{}
	if s.Verdict == Independent {
		return
	}
	known := true
	for _, f := range s.Findings {
		if f.Verdict != s.Verdict {
			continue
		}
		s.Because = append(s.Because, f)
		known = known && !f.Since.IsZero()
		if s.Since.IsZero() || f.Since.Before(s.Since) {
			s.Since = f.Since
		}
	}
	if !known {
		s.Since = time.Time{}
	}
}

// broken notes on a finding which revision of a unit made it so, and which change brought that.
func (w *world) broken(f Finding, id UnitID, r Revision) Finding {
	f.Broke, f.Since = name(r)+" of "+string(id), r.Since
	if by := w.bringer(id, r); by != nil {
		f.Broke, f.Change = f.Broke+w.credit(id, r), by.ID
	}
	return f
}

// oldest is the first of the revisions that would be taken back; the zero value where there is none.
func oldest(ch choice) Revision {
	taken := ch.taken()
	if len(taken) == 0 {
		return Revision{}
	}
	return taken[len(taken)-1]
}

// bothSince is since when two things hold; zero where one is not known.
func bothSince(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	return slices.MaxFunc([]time.Time{a, b}, time.Time.Compare)
}
