package rollback

import (
	"context"
	"fmt"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// ruleConfig is rule C: what a revision reads that is not versioned with it.
const ruleConfig = "C config"

// Tie is what a provider knows of a unit's way back to one revision and something beside it that is no part of that revision,
// such as the configuration that it reads.
type Tie struct {
	// Verdict is Coupled where Unit has to go to the revision To too; else what speaks for or against the way back alone.
	Verdict Verdict
	// Unit is what has to go with it, "" where no unit stands for it. To is the digest that it has to go to, "" where any
	// known good one does.
	Unit UnitID
	To   string
	// First is the one of the two that has to be at its target before the other is touched, in whatever direction they go; ""
	// where it does not matter.
	First    UnitID
	Text     string // plain words; what a person can do where nothing here can
	Evidence string
}

// Binder is the extra ability of a Reverser that knows such ties. Ties changes nothing. It is asked when a plan is made, and
// once more when it is confirmed; an error makes the verdict unknown.
type Binder interface {
	Ties(ctx context.Context, obs Observation, to Revision) ([]Tie, error)
}

// Companion is a unit that goes back in the same plan.
type Companion struct {
	Unit UnitID
	To   Revision
}

// Accompanied is the extra ability of a Reverser whose way back depends on what else goes back in the same plan. PlanWith is
// then asked in place of Plan, with the same promises.
type Accompanied interface {
	PlanWith(ctx context.Context, obs Observation, to Revision, with []Companion) (Proposal, error)
}

// ties asks a unit's provider what the way to a revision is tied to.
func (e *Engine) ties(ctx context.Context, obs Observation, to Revision) ([]Tie, error) {
	r, err := e.reverser(obs.Unit.ID)
	if err != nil {
		return nil, err
	}
	b, ok := r.(Binder)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout(r))
	defer cancel()
	return b.Ties(ctx, obs, to)
}

// config is rule C.
func (w *world) config(id UnitID, ch choice) []Finding {
	if w.tied == nil || ch.target < 0 {
		return nil
	}
	o := w.obs[id]
	ties, err := w.tied(o, ch.revs[ch.target])
	if err != nil {
		return []Finding{{
			Rule: ruleConfig, Verdict: Unknown, Source: providerOf(id), SeenAt: o.At,
			Text: providers.Clean(fmt.Sprintf("what %s reads beside its own content cannot be told: %v", id, err)),
		}}
	}
	var out []Finding
	for _, t := range ties {
		f := Finding{
			Rule: ruleConfig, Verdict: t.Verdict, Source: providerOf(id), SeenAt: o.At,
			Text: providers.Clean(t.Text), Evidence: providers.Clean(t.Evidence),
		}
		if len(ch.taken()) == 1 { // else nothing here tells which of them it began with
			f = w.broken(f, id, oldest(ch))
		}
		if t.Unit != "" && t.Unit != id {
			f = w.tie(id, t, f)
		}
		out = append(out, f)
	}
	return out
}

// tie notes where the other unit has to go, and in which order.
func (w *world) tie(id UnitID, t Tie, f Finding) Finding {
	if t.First == t.Unit {
		w.order = append(w.order, [2]UnitID{t.Unit, id})
	} else if t.First != "" {
		w.order = append(w.order, [2]UnitID{id, t.Unit})
	}
	if t.Verdict != Coupled {
		return f
	}
	if _, there := w.obs[t.Unit]; !there {
		f.Verdict = Unknown
		f.Text += fmt.Sprintf("; %s cannot be seen, so whether it can go back too is not known", t.Unit)
		return f
	}
	f.Units = []UnitID{t.Unit}
	if t.To == "" {
		return f
	}
	if w.wanted == nil {
		w.wanted = map[UnitID]string{}
	}
	if other := w.wanted[t.Unit]; other != "" && other != t.To {
		f.Verdict = Blocked
		f.Text += fmt.Sprintf("; but something else of this plan needs %s at %s", t.Unit, brief(other))
		return f
	}
	w.wanted[t.Unit] = t.To
	return f
}

// disagree finds units whose target in the set is not the one that another unit of the set needs.
func (w *world) disagree(s *set) {
	for i := range s.parts {
		p := &s.parts[i]
		to := w.wanted[p.id]
		if to == "" || p.choice.target < 0 || p.choice.revs[p.choice.target].Digest == to {
			continue
		}
		p.findings = append(p.findings, Finding{
			Rule: ruleConfig, Verdict: Blocked, Source: providerOf(p.id), SeenAt: w.obs[p.id].At,
			Text: fmt.Sprintf("it would go to %s, and what goes back with it needs %s: choose targets that served together", name(p.choice.revs[p.choice.target]), brief(to)),
		})
	}
}

// firstFirst moves what has to be at its target first before what waits for it, and leaves the order as it is otherwise.
func (w *world) firstFirst(order []UnitID) []UnitID {
	order = slices.Clone(order)
	for range order { // each pass puts at least one right; a circle stays as it is
		for _, o := range w.order {
			first, then := slices.Index(order, o[0]), slices.Index(order, o[1])
			if first > then && then >= 0 {
				order = slices.Delete(order, first, first+1)
				order = slices.Insert(order, then, o[0])
			}
		}
	}
	return order
}

// companions are the other units of a plan, with where they go.
func companions(id UnitID, all []Companion) []Companion {
	return slices.DeleteFunc(slices.Clone(all), func(c Companion) bool { return c.Unit == id })
}

func (s *set) companions() []Companion {
	var out []Companion
	for _, p := range s.parts {
		if p.choice.target > 0 && p.choice.revs[p.choice.target].Digest != p.choice.revs[0].Digest {
			out = append(out, Companion{Unit: p.id, To: p.choice.revs[p.choice.target]})
		}
	}
	return out
}

func (p *Plan) companions() []Companion {
	var out []Companion
	for _, u := range p.Units {
		if u.To.Digest != "" && u.To.Digest != u.From.Digest {
			out = append(out, Companion{Unit: u.Unit.ID, To: u.To})
		}
	}
	return out
}

// planned asks a Reverser for its way back.
func planned(ctx context.Context, r Reverser, obs Observation, to Revision, with []Companion) (Proposal, error) {
	if a, ok := r.(Accompanied); ok && len(with) > 0 {
		return a.PlanWith(ctx, obs, to, with)
	}
	return r.Plan(ctx, obs, to)
}
