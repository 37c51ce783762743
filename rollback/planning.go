package rollback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// Plan works out how to take a change or a unit back. It changes nothing. The plan's Decision is the policy's answer to
// any person; who really confirms is judged by [Engine.Confirm]. A plan that may not run is returned without an error
// (its Verdict and Decision say why); errors match [ErrNotFound], [ErrNoTarget] and [ErrNotAlone].
func (e *Engine) Plan(ctx context.Context, req Request) (Plan, error) {
	change := req.Change // undoing a run looks at that run's own in its place
	undo, err := e.undone(ctx, &req)
	if err != nil {
		return Plan{}, err
	}
	units, listErr := e.Units(ctx)
	primary, err := e.primary(ctx, req, undo, units)
	if err != nil {
		return Plan{}, errors.Join(err, listErr)
	}
	w, err := e.look(ctx, req, primary, units, listErr)
	if err != nil {
		return Plan{}, err
	}
	if w.undo = undo; undo != nil {
		w.leave(undo)
	}
	return e.planIn(ctx, w, req, primary, change)
}

// planIn makes a plan in a world that was looked at.
func (e *Engine) planIn(ctx context.Context, w *world, req Request, primary []UnitID, change *providers.Change) (Plan, error) {
	s, err := w.gather(req, primary, e.cfg.Cap)
	if err != nil {
		return Plan{}, err
	}
	if err := s.allowed(req.Only); err != nil {
		return Plan{}, err
	}
	p := Plan{
		Kind: "incident", Incident: req.Incident, Alerts: req.Alerts, Hold: e.cfg.Hold, Deadline: e.cfg.Deadline,
		Reason: ledger.Scrub(providers.Clean(req.Reason)), CreatedAt: e.cfg.Now().UTC(), Verdict: Independent,
	}
	if change != nil {
		p.Change, p.Assistance = change.ID, change.Assistance.State
	}
	if d := req.Drill; d != nil {
		p.Kind, p.Slice = kindDrill, cmp.Or(d.Slice, e.sliceOf(w.unit(primary[0])))
		p.Deadline = min(p.Deadline, cmp.Or(d.Max, e.cfg.DrillMax))
	}
	if err := e.fill(ctx, w, s, change, &p); err != nil {
		return Plan{}, err
	}
	p.basis = &basis{req: req, primary: primary, undo: w.undo, obs: w.obs, errs: w.errs}
	if p.Hash, err = HashPlan(p); err != nil {
		return p, err
	}
	anybody := policy.Principal{ID: "anybody", Kind: policy.Human}
	p.Decision = e.ruled(p, e.decide(p, anybody, w.units), req.For)
	return p, nil
}

// unserved is a change of which nothing can be switched back. It matches [ErrNotFound].
type unserved struct{}

func (unserved) Error() string {
	return "no unit here serves this change, so nothing of it can be switched back"
}

func (unserved) Is(target error) bool { return target == ErrNotFound }

// primary finds the units that were asked for.
func (e *Engine) primary(ctx context.Context, req Request, undo *Run, units []Unit) ([]UnitID, error) {
	var ids []UnitID
	switch {
	case undo != nil:
		ids = undo.switched()
	case req.Unit != "":
		if !slices.ContainsFunc(units, func(u Unit) bool { return u.ID == req.Unit }) {
			return nil, fmt.Errorf("unit %s: %w", req.Unit, ErrNotFound)
		}
		ids = []UnitID{req.Unit}
	case req.Change != nil:
		for _, u := range e.unitsOf(ctx, units, req.Change) {
			ids = append(ids, u.ID)
		}
		if len(ids) == 0 {
			return nil, unserved{}
		}
	default:
		return nil, fmt.Errorf("a plan needs a change or a unit: %w", ErrNotFound)
	}
	if len(req.Only) > 0 {
		picked := slices.DeleteFunc(slices.Clone(ids), func(id UnitID) bool { return !slices.Contains(req.Only, id) })
		if len(picked) > 0 {
			ids = picked
		}
	}
	return ids, nil
}

// fill orders the set and asks each unit's Reverser for its way back.
func (e *Engine) fill(ctx context.Context, w *world, s *set, change *providers.Change, p *Plan) error {
	order, atomic := w.arrange(s.ids())
	with := s.companions()
	p.Atomic = atomic
	if s.forward() && !w.backAgain() {
		p.Kind = kindForward
		slices.Reverse(order) // what others need goes forward first
	}
	order = w.firstFirst(order)
	n := 0
	for _, id := range order {
		i := slices.IndexFunc(s.parts, func(q part) bool { return q.id == id })
		up, err := e.unitPlan(ctx, w, s.parts[i], companions(id, with))
		if err != nil {
			return err
		}
		for j := range up.Steps {
			n++
			up.Steps[j].N = n
		}
		if len(s.over) > 0 && len(p.Units) == 0 {
			up.Findings = append(up.Findings, s.overflow(e.cfg.Cap))
			up.Verdict = worst(up.Findings)
		}
		p.Units = append(p.Units, up)
		p.Verdict = worseOf(p.Verdict, up.Verdict)
	}
	e.stand(w, p)
	for _, up := range p.Units {
		p.Warnings = append(append(p.Warnings, warnings(up)...), up.extremes(p.Deadline)...)
	}
	if atomic {
		p.Warnings = append(p.Warnings, "the units need each other in a circle: they go back as one set, and none is well until all are back")
	}
	p.symptomsOf(s, change)
	e.declare(p)
	if p.Unseen = e.unseen(p); p.Unseen {
		p.Warnings = append(p.Warnings, unseenWarning)
	}
	sort.Strings(p.Warnings)
	p.Warnings = slices.Compact(p.Warnings)
	return nil
}

func (e *Engine) unitPlan(ctx context.Context, w *world, q part, with []Companion) (UnitPlan, error) {
	u := w.unit(q.id)
	obs := w.obs[q.id]
	up := UnitPlan{
		Unit: u, From: obs.Current, Observed: obs, Findings: q.findings, Choices: q.choice.others(),
	}
	if q.choice.target < 0 {
		up.Verdict = worst(up.Findings)
		return up, nil
	}
	up.To = q.choice.revs[q.choice.target]
	if up.To.Digest != up.From.Digest {
		var err error
		if up.Proposal, err = e.propose(ctx, obs, up.To, with); err != nil {
			return UnitPlan{}, err
		}
		for _, text := range up.Unseen {
			up.Findings = append(up.Findings, Finding{Rule: ruleReconciler, Verdict: Unknown, SeenAt: obs.At, Text: text})
		}
		up.Findings = append(append(up.Findings, capacity(&up.Proposal, obs)...), w.security(&up)...)
		if len(up.Missing) > 0 {
			up.Findings = append(up.Findings, Finding{
				Rule: ruleArtifact, Verdict: Blocked, SeenAt: obs.At, Evidence: strings.Join(up.Missing, ", "),
				Text: "it cannot run without what is missing: " + strings.Join(up.Missing, ", "),
			})
		}
	}
	up.Verdict = worst(up.Findings)
	up.Findings = sourced(up.Findings, obs)
	var err error
	up.Observed, err = scrubbed(obs)
	return up, err
}

// sourced names the source and the age of findings that rest on the unit's own observation.
func sourced(findings []Finding, o Observation) []Finding {
	out := slices.Clone(findings)
	for i := range out {
		f := &out[i]
		if f.Source == "" {
			f.Source = providerOf(o.Unit.ID)
		}
		if f.SeenAt.IsZero() && (f.Source == providerOf(o.Unit.ID) || f.Source == fromHistory) {
			f.SeenAt = o.At // a declaration that does not say when it was made has no age
		}
	}
	return out
}

// propose asks the Reverser for the steps, and makes them whole: every step names its unit and the contents it goes
// between, and what it shows holds no secret.
func (e *Engine) propose(ctx context.Context, obs Observation, to Revision, with []Companion) (Proposal, error) {
	id := obs.Unit.ID
	r, err := e.reverser(id)
	if err != nil {
		return Proposal{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout(r))
	defer cancel()
	p, err := planned(ctx, r, obs, to, with)
	if err != nil {
		return Proposal{}, fmt.Errorf("plan %s back to %s: %w", id, name(to), err)
	}
	p.Diff, p.Blast = ledger.Scrub(p.Diff), ledger.Scrub(providers.Clean(p.Blast))
	p.Steps, p.Measures = slices.Clone(p.Steps), slices.Clone(p.Measures)
	if err := e.suspend(ctx, obs, to, &p); err != nil {
		return Proposal{}, err
	}
	from := obs.Current.Digest
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Unit = id
		if s.From == "" {
			s.From = from
		}
		if s.To == "" {
			s.To = to.Digest
		}
		if s.Token == "" {
			s.Token = obs.Token
		}
		from = s.To
	}
	if len(p.Steps) == 0 && len(p.Missing) == 0 || len(p.Steps) > 0 && from != to.Digest {
		return Proposal{}, fmt.Errorf("plan %s back to %s: its provider gave steps that do not lead there", id, name(to))
	}
	if err := e.wholeMeasures(&p); err != nil {
		return Proposal{}, fmt.Errorf("plan %s back to %s: %w", id, name(to), err)
	}
	return p, nil
}

// tested reports whether a proof of the unit's way back counts.
func (u *UnitPlan) tested() bool { return u.Proof != nil && u.Proof.Tested() }

func scrubbed(o Observation) (Observation, error) {
	if len(o.Raw) == 0 {
		return o, nil
	}
	raw, err := ledger.ScrubJSON(o.Raw)
	if err != nil {
		return o, fmt.Errorf("observation of %s: %w", o.Unit.ID, err)
	}
	o.Raw = raw
	return o, nil
}

func warnings(u UnitPlan) []string {
	out := slices.Clone(u.Warnings)
	for _, m := range u.Measures {
		out = append(out, fmt.Sprintf("%s from then on, until somebody lifts it (backout measures): when %s, and within %s", m.What, m.Exit, m.TTL))
	}
	if !u.tested() {
		out = append(out, fmt.Sprintf("%s is untested: no proof that going back works counts now", u.Unit.ID))
	}
	if u.Unit.CAS != CASAtomic {
		out = append(out, fmt.Sprintf("%s is not protected against concurrent change: nothing will be retried", u.Unit.ID))
	}
	return out
}

// decide asks the policy about a plan and a principal.
func (e *Engine) decide(p Plan, by policy.Principal, known []Unit) policy.Decision {
	f := policy.Facts{Principal: by, Verdict: string(p.Verdict), Tier: policy.TierDev, Destroys: p.Destroyed()}
	for _, u := range p.Units {
		f.Units = append(f.Units, string(u.Unit.ID))
		f.Tier = strictest(f.Tier, e.cfg.Tier(u.Unit.Environment))
		for _, m := range u.Missing {
			f.Missing = append(f.Missing, fmt.Sprintf("%s (%s)", m, u.Unit.ID))
		}
		if !u.tested() {
			f.Untested = append(f.Untested, string(u.Unit.ID))
		}
	}
	for _, u := range known {
		f.Known = append(f.Known, string(u.ID))
	}
	d := policy.Decide(f)
	if d.Allowed && e.cfg.Needs != nil && p.Kind != kindDrill {
		d.Needs = append(d.Needs, e.cfg.Needs(f)...)
	}
	return d
}

// strictest of two tiers; what is neither staging nor dev counts as prod.
func strictest(a, b string) string {
	rank := func(t string) int { return slices.Index([]string{policy.TierDev, policy.TierStaging}, t) }
	switch {
	case rank(a) < 0 || rank(b) < 0:
		return policy.TierProd
	case rank(a) > rank(b):
		return a
	default:
		return b
	}
}
