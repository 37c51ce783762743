package rollback

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/rollback/store"
)

// Mechanism is how a unit goes back, as far as its Reverser knows: a proof counts only while it is the same.
type Mechanism = proof.Mechanism

// Proofs reads what runs have shown of units, the oldest first.
func (e *Engine) Proofs(ctx context.Context) ([]proof.Record, error) {
	rows, err := e.cfg.Store.Proofs(ctx)
	if err != nil {
		return nil, err
	}
	records := make([]proof.Record, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row.Doc, &records[i]); err != nil {
			return nil, fmt.Errorf("read the proof %s: %w", row.ID, err)
		}
	}
	return records, nil
}

// prove puts on the record what a run that is over has shown of each unit that it touched. The outcome was written just
// before, in the same transaction.
func (e *Engine) prove(tx *store.Tx, row store.Run, run Run) error {
	if run.Plan.Kind == kindForward || run.By.Drill != "" {
		return nil // nothing went back, or the drill says at its end what both halves showed
	}
	head, err := tx.Head()
	if err != nil {
		return err
	}
	run.State, run.Detail, run.EndedAt = RunState(row.State), row.Detail, row.EndedAt
	for i := range run.Plan.Units {
		u := &run.Plan.Units[i]
		steps := run.stepsOf(u.Unit.ID)
		if !tried(steps) {
			continue
		}
		r := e.recordOf(&run, u, steps)
		r.Evidence = proof.Evidence{Seq: head.Seq, Hash: head.Hash}
		doc, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("proof of %s: %w", u.Unit.ID, err)
		}
		entry := e.entry(ledger.KindProof, row.ID, run.Plan, run.By, fmt.Sprintf("%s: going back with %s from %s to %s: %s", row.ID, u.Unit.ID, name(u.From), name(u.To), r.Outcome))
		if err := tx.Prove(store.Proof{ID: r.ID, Run: row.ID, Unit: r.Unit, Doc: doc}, entry); err != nil {
			return err
		}
	}
	return nil
}

// stepsOf are the steps that switch a unit; those that only hold something back beside it are not.
func (r *Run) stepsOf(unit UnitID) []StepRun {
	var out []StepRun
	for _, s := range r.Steps {
		if s.Unit == unit && (s.From != s.To || s.Measure == "") {
			out = append(out, s)
		}
	}
	return out
}

// tried reports whether a unit was touched, or may have been, or whether it was tried and did not go.
func tried(steps []StepRun) bool {
	return slices.ContainsFunc(steps, func(s StepRun) bool {
		switch s.State {
		case StepApplied, StepUnknown, StepFailed:
			return true
		default:
			return s.State == StepIntent && s.Attempt > 0
		}
	})
}

func (e *Engine) recordOf(run *Run, u *UnitPlan, steps []StepRun) proof.Record {
	r := proof.Record{
		ID: run.ID + " " + string(u.Unit.ID), Run: run.ID, Kind: run.Plan.Kind, Unit: string(u.Unit.ID), Service: u.Unit.Service,
		Environment: u.Unit.Environment, Class: e.classOf(u.Unit.Environment), Slice: cmp.Or(run.Plan.Slice, e.sliceOf(u.Unit)), Mechanism: u.Mechanism,
		From: content(u.From), To: content(u.To), Distance: u.Distance, Change: u.ChangeClass, Together: run.Plan.beside(u.Unit.ID),
		Owners: sorted(u.Observed.Owners), Copies: u.Pace.Of, Outcome: shown(run), Detail: run.Detail, Surprises: surprises(run, steps),
		People: proof.People{Executor: run.By.By.ID, ExecutorKind: string(run.By.By.Kind)},
		Times: proof.Times{
			Decided: run.Plan.CreatedAt, Approved: run.StartedAt, FirstEffect: run.AppliedAt, Converged: run.ConvergedAt, Ended: run.EndedAt,
		},
	}
	if r.Outcome == proof.Pass {
		r.Times.Verified = run.EndedAt
	}
	for _, c := range run.Checks {
		before := ""
		if i := slices.IndexFunc(run.BeforeChecks, func(b Check) bool { return b.Name == c.Name }); i >= 0 {
			before = string(run.BeforeChecks[i].State)
		}
		r.Checks = append(r.Checks, proof.Check{Name: c.Name, Baseline: before, Observed: c.Observed, State: string(c.State), Inside: c.Inside})
	}
	for _, s := range run.Symptoms {
		r.Checks = append(r.Checks, proof.Check{Name: "alert " + s.Provider + "/" + s.ID, Observed: s.Detail, State: string(s.State)})
	}
	return r
}

// shown is what an ended run says of the way back. Whoever came between says nothing of it.
func shown(run *Run) proof.Outcome {
	switch run.State {
	case RunSucceeded:
		return proof.Pass
	case RunAlreadyGood, RunSuperseded:
		return proof.Aborted
	case RunUnverified:
		if slices.ContainsFunc(run.Checks, func(c Check) bool { return c.State == CheckFail }) {
			return proof.Fail
		}
		return proof.Unverified
	default:
		return proof.Fail
	}
}

// surprises are what went otherwise than the plan had told.
func surprises(run *Run, steps []StepRun) []string {
	var out []string
	for _, s := range steps {
		if s.Attempt > 1 {
			out = append(out, fmt.Sprintf("step %d was tried %d times", s.N, s.Attempt))
		}
		if s.State == StepFailed && s.Result != nil {
			out = append(out, providers.Clean(fmt.Sprintf("step %d failed: %s", s.N, s.Result.Detail)))
		}
	}
	if run.State == RunUnverified && !run.Plan.Unseen || run.State == RunNeedsHuman {
		out = append(out, run.Detail)
	}
	return out
}

// classOf is what kind of environment one is, by its tier. One without a name, and a tier that is not known here, prove no more than
// a plan, though the policy is strict with both.
func (e *Engine) classOf(environment string) proof.Class {
	if environment == "" {
		return ""
	}
	switch e.cfg.Tier(environment) {
	case policy.TierProd, "production":
		return proof.Prod
	case "prodlike":
		return proof.ProdLike
	case policy.TierStaging:
		return proof.Staging
	case policy.TierDev:
		return proof.Dev
	default:
		return ""
	}
}

func content(r Revision) proof.Content { return proof.Content{Digest: r.Digest, Label: r.Label} }

// beside are the other units of a plan.
func (p *Plan) beside(unit UnitID) []string {
	var out []string
	for _, u := range p.Units {
		if u.Unit.ID != unit {
			out = append(out, string(u.Unit.ID))
		}
	}
	return sorted(out)
}

// distance is how many revisions back the target lies in the unit's own history; 0 where that is not known. What a rollback left
// since, and nobody brought again, does not lie between.
func (u *UnitPlan) distance(records []proof.Record) int {
	if len(u.To.Without) > 0 {
		return 0
	}
	n := 0
	for _, r := range u.Observed.History {
		left := slices.ContainsFunc(records, func(p proof.Record) bool {
			return p.Unit == string(u.Unit.ID) && p.From.Digest == r.Digest && !p.Times.FirstEffect.IsZero() && r.Since.Before(p.Times.FirstEffect)
		})
		if r.Digest == u.To.Digest || !r.Staged && !left && r.Digest != u.From.Digest {
			n++
		}
		if r.Digest == u.To.Digest {
			return n
		}
	}
	return 0
}

// stand says of each unit of a plan what its way back counts for now.
func (e *Engine) stand(w *world, p *Plan) {
	records, probes := w.proofs, w.probes
	if p.Kind == kindForward {
		records, probes = nil, nil // what was shown of going back says nothing of going forward
	}
	now := e.cfg.Now().UTC()
	for i := range p.Units {
		u := &p.Units[i]
		u.Distance = u.distance(records)
		f := e.facts(p, u)
		f.Now = now
		if seen, ok := probes[u.Unit.ID]; ok {
			f.Probe = &seen
		}
		f.Probed = p.Kind != kindForward && e.seesFurther(u.Unit)
		s := proof.Judge(records, f, e.cfg.Proofs)
		u.Proof, u.Tested = &s, providers.Clean(s.Words(now))
	}
}

// facts is what a plan knows of a unit's way back.
func (e *Engine) facts(p *Plan, u *UnitPlan) proof.Facts {
	f := proof.Facts{
		Unit: string(u.Unit.ID), From: content(u.From), To: content(u.To), Distance: u.Distance, Change: u.ChangeClass, Mechanism: u.Mechanism,
		Copies: u.Pace.Of, Together: p.beside(u.Unit.ID), Owners: u.Observed.Owners, OwnersSeen: len(u.Unseen) == 0,
		Reversible: proof.Yes(), Coupling: proof.Yes(),
	}
	if e.cfg.Criticality != nil {
		f.Tier = e.cfg.Criticality(u.Unit)
	}
	if e.cfg.OwnersOf != nil {
		f.People = e.cfg.OwnersOf(u.Unit)
	}
	switch {
	case len(u.Missing) > 0:
		f.Runnable = proof.No(strings.Join(u.Missing, "; "))
	case u.To.Digest == "":
		f.Runnable.Text = "no known good revision to go back to"
	case len(u.Steps) == 0:
		f.Runnable.Text = "it serves the target already"
	default:
		f.Runnable = proof.Yes()
	}
	if u.Observed.Frozen != "" {
		f.Reversible = proof.No("it is frozen: " + u.Observed.Frozen)
	}
	for _, found := range u.Findings {
		switch found.Verdict {
		case Irreversible:
			f.Reversible = proof.No(found.Text)
		case Unknown, "":
			f.Coupling = proof.Answer{Text: found.Text}
		default:
		}
	}
	f.Began, f.Complete = began(u.Observed)
	return f
}

// began are the times at which contents of a unit began to serve, and since when all of them are known: until the first, from
// now on back, that does not say.
func began(o Observation) (times []time.Time, complete time.Time) {
	for _, r := range append([]Revision{o.Current}, o.History...) {
		switch {
		case r.Staged:
		case r.Since.IsZero():
			return times, complete
		default:
			times = append(times, r.Since)
			if complete.IsZero() || r.Since.Before(complete) {
				complete = r.Since
			}
		}
	}
	return times, complete
}

// MechanismOf names how a unit goes back. Version rises when what is done becomes something else; settings are all those that
// decide how it goes, and may be any JSON. What cannot be written down is a mechanism that is not known.
func MechanismOf(name, version string, settings any) Mechanism {
	raw, err := json.Marshal(settings)
	if err != nil {
		return Mechanism{}
	}
	canon, err := ledger.Canonical(raw)
	if err != nil {
		return Mechanism{}
	}
	return Mechanism{Name: name, Version: version, Strategy: "sha256:" + ledger.Hash(canon)}
}

// Unplanned is what a unit's way back counts for where no plan could be made, or none was: nothing is known of it now. Seen is what was
// seen of its plan last, nil nothing.
func (e *Engine) Unplanned(u Unit, records []proof.Record, seen *proof.Probe, why error) proof.Standing {
	f := proof.Facts{Unit: string(u.ID), Now: e.cfg.Now().UTC(), Probe: seen}
	if seen != nil {
		f.To = seen.To // nobody said another one
	}
	if e.cfg.Criticality != nil {
		f.Tier = e.cfg.Criticality(u)
	}
	if e.cfg.OwnersOf != nil {
		f.People = e.cfg.OwnersOf(u)
	}
	if why != nil {
		f.Runnable.Text = providers.Clean(why.Error())
	}
	return proof.Judge(records, f, e.cfg.Proofs)
}
