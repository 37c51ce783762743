package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/rollback/store"
)

// probeLimit is how long it may take to look whether one unit's plan is valid.
const probeLimit = time.Minute

// Look is one thing that was looked at to tell whether a plan is valid.
type Look = proof.Look

// Events that a way back is lost by, as a [Look] names them.
const (
	LostRight    = "I2"
	LostArtifact = "I4"
)

// Prober is the extra ability of a Reverser that can look further than Plan does at whether the way to a revision can be gone,
// because that takes longer than a plan may, say. ProbePlan changes nothing.
type Prober interface {
	ProbePlan(ctx context.Context, obs Observation, to Revision) ([]Look, error)
}

// There is a look that found what it looked for, NotThere one that found that it is not there, and NotSeen one that could not tell. Rule is
// the event that the way back would be lost by.
func There(rule, what string) Look { return Look{What: what, Rule: rule, Answer: proof.Yes()} }

// NotThere is the look that found something missing; see [There].
func NotThere(rule, what, why string) Look {
	return Look{What: what, Rule: rule, Answer: proof.No(why)}
}

// NotSeen is the look that could not tell; see [There].
func NotSeen(rule, what, why string) Look {
	return Look{What: what, Rule: rule, Answer: proof.Answer{Text: why}}
}

// LookedAt notes what a plan looked at to say that it can run. What was added to Missing since there were before of it is what was
// missing there.
func (p *Proposal) LookedAt(rule, what string, before int) {
	l := There(rule, what)
	if found := p.Missing[min(before, len(p.Missing)):]; len(found) > 0 {
		l = NotThere(rule, what, strings.Join(found, "; "))
	}
	p.Looked = append(p.Looked, l)
}

// looks are what a plan looked at, and what it found missing beside that.
func (p *Proposal) looks() []Look {
	out, said := slices.Clone(p.Looked), ""
	for _, l := range out {
		said += l.Text
	}
	for _, m := range p.Missing {
		if !strings.Contains(said, m) {
			out = append(out, NotThere("I2/I4", "what the plan needs", m))
		}
	}
	if len(out) == 0 && len(p.Steps) > 0 {
		out = append(out, There("", "the steps of the plan"))
	}
	return out
}

// ProbePlan looks now whether going back with the request's unit has a valid plan: what it goes to is there, the target would take it, and
// so are the rights, as far as its provider can tell. It changes nothing there, and keeps the answer for [Engine.Plan] and the like.
// The probe is given also where it could not be kept.
func (e *Engine) ProbePlan(ctx context.Context, req Request) (proof.Probe, error) {
	units, err := e.Units(ctx)
	i := slices.IndexFunc(units, func(u Unit) bool { return u.ID == req.Unit })
	if i < 0 {
		return proof.Probe{}, errors.Join(fmt.Errorf("unit %s: %w", req.Unit, ErrNotFound), err)
	}
	looking, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	p := e.seePlan(looking, req, units[i])
	if err := ctx.Err(); err != nil {
		return p, err // that nobody waited says nothing of the plan
	}
	return e.keepProbe(ctx, p)
}

func (e *Engine) seePlan(ctx context.Context, req Request, unit Unit) proof.Probe {
	u, err := e.lean(ctx, req, unit)
	sum := func(looks ...Look) proof.Probe {
		return cleanProbe(proof.ProbeOf(string(unit.ID), e.cfg.Now().UTC(), content(u.From), content(u.To), looks))
	}
	switch {
	case errors.Is(err, ErrNoTarget):
		return sum(NotThere(LostArtifact, "a revision to go back to", "none is there that is known to have served well"))
	case err != nil && providers.ClassOf(err) == providers.ClassAuth:
		return sum(NotThere(LostRight, "a credential that the target takes", err.Error()))
	case err != nil:
		return sum(NotSeen("", "the target", err.Error()))
	}
	looks := u.looks()
	if r, err := e.reverser(unit.ID); err == nil && len(u.Missing) == 0 {
		if further, ok := r.(Prober); ok {
			more, err := further.ProbePlan(ctx, u.Observed, u.To)
			if looks = append(looks, more...); err != nil {
				looks = append(looks, NotSeen("", "what is behind the plan", err.Error()))
			}
		}
	}
	return sum(looks...)
}

// lean is one unit's part of a plan. Only that unit is looked at, unless what it reads ties it to others, or something is missing that
// may go back with it.
func (e *Engine) lean(ctx context.Context, req Request, unit Unit) (UnitPlan, error) {
	req = Request{Unit: unit.ID, Context: req.Context, Edges: req.Edges, Services: req.Services, Unread: req.Unread, Advisories: req.Advisories}
	w, err := e.look(ctx, req, []UnitID{unit.ID}, []Unit{unit}, nil)
	if err != nil {
		return UnitPlan{Unit: unit}, err
	}
	from := w.obs[unit.ID].Current
	p, err := e.planIn(ctx, w, req, []UnitID{unit.ID}, nil)
	if err != nil || len(p.Units[0].Missing) > 0 || len(w.wanted) > 0 || len(w.order) > 0 {
		if p, err = e.Plan(ctx, req); err != nil {
			return UnitPlan{Unit: unit, From: from}, err
		}
	}
	i := slices.IndexFunc(p.Units, func(u UnitPlan) bool { return u.Unit.ID == unit.ID })
	if i < 0 {
		return UnitPlan{Unit: unit, From: from}, fmt.Errorf("the plan of %s is without it", unit.ID)
	}
	return p.Units[i], nil
}

func cleanProbe(p proof.Probe) proof.Probe {
	p.Text, p.Unseen = providers.Clean(p.Text), providers.Clean(p.Unseen)
	for i := range p.Looks {
		p.Looks[i].What, p.Looks[i].Text = providers.Clean(p.Looks[i].What), providers.Clean(p.Looks[i].Text)
	}
	return p
}

// keepProbe writes a probe down as it follows the one before.
func (e *Engine) keepProbe(ctx context.Context, p proof.Probe) (proof.Probe, error) {
	err := e.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.Probe(p.Unit)
		if err != nil {
			return err
		}
		var old proof.Probe
		if len(row.Doc) > 0 && json.Unmarshal(row.Doc, &old) == nil { // one that cannot be read says nothing
			p = p.After(old)
		}
		doc, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("write the probe of %s: %w", p.Unit, err)
		}
		return tx.SaveProbe(store.Probe{Unit: p.Unit, Tried: p.Tried, Doc: doc})
	})
	if err != nil {
		return p, fmt.Errorf("what was seen of %s is not kept: %w", p.Unit, err)
	}
	return p, nil
}

// Probes reads what was last seen of each unit's plan, by unit.
func (e *Engine) Probes(ctx context.Context) (map[UnitID]proof.Probe, error) {
	rows, err := e.cfg.Store.Probes(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[UnitID]proof.Probe, len(rows))
	for _, row := range rows {
		var p proof.Probe
		if err := json.Unmarshal(row.Doc, &p); err != nil {
			return nil, fmt.Errorf("read the probe of %s: %w", row.Unit, err)
		}
		out[UnitID(row.Unit)] = p
	}
	return out, nil
}

// seesFurther reports whether a unit is to be probed and a probe sees more of its plan than the plan itself.
func (e *Engine) seesFurther(u Unit) bool {
	if e.cfg.Probed == nil || !e.cfg.Probed(u) {
		return false
	}
	r, err := e.reverser(u.ID)
	if err != nil {
		return false
	}
	_, ok := r.(Prober)
	return ok
}
