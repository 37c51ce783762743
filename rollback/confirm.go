package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// Confirm takes a person's yes to a plan. It has no effect on any target: it checks read-only mode, that the plan is the
// one whose hash was confirmed, the policy, the typed name, that everything the plan destroys was named, that the targets are still what the plan saw and are judged as well
// as then (so it takes only a plan that [Engine.Plan] made in this process), and that no
// other run holds them; then plan and confirmation are journaled and the run waits for [Engine.Execute].
//
// A refusal is an error that matches [ErrReadOnly], [ErrPlanChanged], [ErrRefused], [ErrNotAlone] or [ErrLocked]; it is
// put on the record, and the run that comes with it is in state [RunRefused] and has no id. One that matches [ErrWaiting] is none: the plan
// waits for approvals, and the same confirmation is taken once they are there.
func (e *Engine) Confirm(ctx context.Context, p Plan, c Confirmation) (Run, error) {
	if p.Kind == kindDrill || p.basis != nil && p.basis.req.Drill != nil {
		return Run{}, fmt.Errorf("%w: this plan is a drill's: it also goes forward again", ErrRefused)
	}
	c.Drill = ""
	return e.confirm(ctx, p, c, nil)
}

// beside is what is written in the transaction of a confirmation, before the run and after it.
type beside struct {
	first func(tx *store.Tx, c *Confirmation) error
	then  func(tx *store.Tx, runID string) error
}

func (e *Engine) confirm(ctx context.Context, p Plan, c Confirmation, more *beside) (Run, error) {
	c.Reason = ledger.Scrub(providers.Clean(c.Reason))
	perm, err := e.permit(ctx, p, c)
	if err == nil {
		var run Run
		if run, err = e.confirmed(ctx, p, c, perm, more); err == nil {
			return run, nil
		}
		if !errors.Is(err, ErrLocked) {
			return Run{}, err
		}
	}
	if code := ExitCode(err); code == exitError || code == exitWaiting {
		return Run{}, err // could not be judged, or waits: neither taken nor refused
	}
	if errors.Is(err, ErrPlanChanged) {
		n, voidErr := e.void(ctx, p, c)
		if n > 0 {
			err = fmt.Errorf("%w; the approvals that it had count no more: ask again with the plan as it is now", err)
		}
		err = errors.Join(err, voidErr)
	}
	now := e.cfg.Now().UTC()
	run := Run{Plan: p, By: c, State: RunRefused, Detail: "refused: " + err.Error(), StartedAt: now, EndedAt: now}
	return run, errors.Join(err, e.recordRefusal(ctx, p, c, err))
}

func (e *Engine) permit(ctx context.Context, p Plan, c Confirmation) (*permission, error) {
	if e.cfg.ReadOnly {
		return nil, ErrReadOnly
	}
	hash, err := HashPlan(p)
	if err != nil {
		return nil, err
	}
	if hash != p.Hash || c.PlanHash != p.Hash {
		return nil, fmt.Errorf("%w: the confirmation is for %.8s, this plan is %.8s", ErrPlanChanged, c.PlanHash, hash)
	}
	// Before the policy: "another run holds it" says more than that the plan is blocked.
	if err := e.free(ctx, p); err != nil {
		return nil, err
	}
	if err := e.taken(ctx, c.Proposal, c.By); err != nil {
		return nil, err
	}
	known, listErr := e.Units(ctx)
	d := e.decide(p, c.By, known)
	if c.Drill == "" || p.Kind != kindForward { // the way forward of a drill was agreed to with the drill: nothing may leave a unit behind
		d = e.ruled(p, d, c.By)
	}
	if err := p.confirmedAs(d, c); err != nil {
		return nil, errors.Join(err, listErr)
	}
	if err := errors.Join(agreed(d.Destroys, c.Destroys), p.round(c.By), p.whole()); err != nil {
		return nil, err
	}
	if err := e.still(ctx, p, known, listErr); err != nil {
		return nil, err
	}
	return e.approved(ctx, p, c, d.Needs)
}

// confirmedAs refuses a confirmation that is not the one which was decided to be needed.
func (p Plan) confirmedAs(d policy.Decision, c Confirmation) error {
	switch {
	case !d.Allowed:
		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(d.Reasons, "; "))
	case d.Confirm == policy.ConfirmName && c.Typed != d.Name && c.Typed != string(p.Units[0].Unit.ID): // the whole id always does
		return fmt.Errorf("%w: type %q to confirm", ErrRefused, d.Name)
	case d.NeedsReason && strings.TrimSpace(c.Reason) == "" && strings.TrimSpace(p.Reason) == "":
		return fmt.Errorf("%w: %s", ErrRefused, wantsReason(d))
	}
	return nil
}

// whole refuses a plan that leaves out what its own findings say has to come along.
func (p Plan) whole() error {
	for _, u := range p.Units {
		if len(u.Steps) == 0 {
			return fmt.Errorf("%w: %s has no step", ErrRefused, u.Unit.ID)
		}
		for _, f := range u.Findings {
			for _, v := range f.Units {
				if f.Verdict == Coupled && !slices.ContainsFunc(p.Units, func(o UnitPlan) bool { return o.Unit.ID == v }) {
					return fmt.Errorf("%s: %s: %w", u.Unit.ID, f.Text, ErrNotAlone)
				}
			}
		}
	}
	return nil
}

// free refuses a plan whose units another run holds.
func (e *Engine) free(ctx context.Context, p Plan) error {
	leases, err := e.cfg.Store.Leases(ctx)
	if err != nil {
		return fmt.Errorf("read what other runs hold: %w", err)
	}
	for _, u := range p.Units {
		for _, l := range leases {
			if l.Unit == string(u.Unit.ID) {
				return lockedBy(l.Unit, l.Run)
			}
		}
	}
	return nil
}

// quicker says whose run came between the look at what others hold and the claim.
func (e *Engine) quicker(ctx context.Context, p Plan, claim error) error {
	if held := e.free(ctx, p); errors.Is(held, ErrLocked) {
		return held
	}
	return fmt.Errorf("%w: %w", ErrLocked, claim) // it is over already
}

// fresh looks again at the plan's units, keeps what it sees in seen, and compares all that decides what is done to them.
func (e *Engine) fresh(ctx context.Context, p Plan, seen map[UnitID]Observation) error {
	for _, u := range p.Units {
		obs, err := e.observe(ctx, u.Unit.ID)
		if err != nil {
			return fmt.Errorf("look again before acting: %w", err)
		}
		seen[u.Unit.ID] = obs
		if what := difference(u.Observed, obs); what != "" {
			return fmt.Errorf("%w: %s %s", ErrPlanChanged, u.Unit.ID, what)
		}
		again := u
		again.Observed, again.From = obs, obs.Current
		if again.Proposal, err = e.propose(ctx, obs, u.To, companions(u.Unit.ID, p.companions())); passing(err) {
			return fmt.Errorf("look again before acting: %w", err)
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrPlanChanged, err)
		}
		for i := range again.Steps {
			again.Steps[i].N = u.Steps[0].N + i
		}
		again.Declared = e.declaration(u.Unit, obs).Checks
		if !reflect.DeepEqual(material(u), material(again)) {
			return fmt.Errorf("%w: %s: what would be done is not what was shown", ErrPlanChanged, u.Unit.ID)
		}
	}
	return nil
}

// passing reports that a target could not be asked, which says nothing of whether it has changed.
func passing(err error) bool {
	var why *providers.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &why) && why.Class != providers.ClassPermanent
}

func difference(then, now Observation) string {
	switch {
	case then.Current.Digest != now.Current.Digest:
		return fmt.Sprintf("served %s and now serves %s", name(then.Current), name(now.Current))
	case then.Token != now.Token:
		return "was switched by somebody else in between, to the same content"
	case then.Frozen != now.Frozen:
		if now.Frozen == "" {
			return "is not frozen any more"
		}
		return "is frozen now: " + now.Frozen
	case then.InFlight != now.InFlight:
		return "has something under way now: " + now.InFlight
	default:
		return ""
	}
}

// confirmed journals plan and confirmation and claims the units, all in one transaction.
func (e *Engine) confirmed(ctx context.Context, p Plan, c Confirmation, perm *permission, more *beside) (Run, error) {
	doc, err := json.Marshal(p)
	if err != nil {
		return Run{}, fmt.Errorf("journal the plan: %w", err)
	}
	payload, err := ledger.ScrubJSON(doc)
	if err != nil {
		return Run{}, err
	}
	now := e.cfg.Now().UTC()
	row := store.Run{
		Op: e.cfg.NewID(), PlanHash: p.Hash, Plan: doc, State: string(RunConfirmed),
		Detail: "confirmed, nothing done yet", StartedAt: now,
	}
	if row.Steps, err = stepRows(p); err != nil {
		return Run{}, err
	}
	err = e.journal(ctx, "confirm", func(tx *store.Tx) error {
		if more != nil {
			if err := more.first(tx, &c); err != nil {
				return err
			}
		}
		if row.Confirmation, err = json.Marshal(c); err != nil {
			return fmt.Errorf("journal the confirmation: %w", err)
		}
		if err := tx.CreateRun(&row); err != nil {
			return err
		}
		if err := tx.Claim(row.ID, unitIDs(p)); err != nil {
			return err
		}
		if err := e.recordYes(tx, row.ID, p, c, payload, now); err != nil {
			return err
		}
		if err := e.use(tx, perm, row.ID, p, c); err != nil {
			return err
		}
		if err := tx.Log(row.ID, "confirmed by "+c.By.ID); err != nil || more == nil {
			return err
		}
		return more.then(tx, row.ID)
	})
	if errors.Is(err, store.ErrHeld) {
		return Run{}, e.quicker(ctx, p, err)
	}
	if err != nil {
		return Run{}, err
	}
	return e.Run(ctx, row.ID)
}

// stepRows are the steps of a plan as the journal has them before anything was done.
func stepRows(p Plan) ([]store.Step, error) {
	var rows []store.Step
	for _, u := range p.Units {
		for _, s := range u.Steps {
			step, err := json.Marshal(s)
			if err != nil {
				return nil, fmt.Errorf("journal step %d: %w", s.N, err)
			}
			rows = append(rows, store.Step{N: s.N, Unit: string(s.Unit), State: string(StepPending), Doc: step})
		}
	}
	return rows, nil
}

// recordYes puts the plan and the yes to it on the record.
func (e *Engine) recordYes(tx *store.Tx, runID string, p Plan, c Confirmation, payload []byte, now time.Time) error {
	entry := e.entry(ledger.KindPlan, runID, p, c, planText(p))
	var err error
	if entry.Body, err = json.Marshal(ledger.RunBody{PlanHash: p.Hash, Kind: p.Kind, Reason: p.Reason, Units: runUnits(p), Assistance: string(p.Assistance)}); err != nil {
		return err
	}
	if _, err := tx.Append(entry, payload); err != nil {
		return err
	}
	entry = e.entry(ledger.KindConfirmation, runID, p, c, fmt.Sprintf("%s confirmed plan %.8s (%s)", c.By.ID, p.Hash, c.Via))
	if entry.Body, err = json.Marshal(confirmationBody(p, c, now)); err != nil {
		return err
	}
	if _, err = tx.Append(entry, nil); err != nil {
		return err
	}
	return attribute(tx, e.entry(ledger.KindAttribution, runID, p, c, ""), p.change())
}

func (e *Engine) recordRefusal(ctx context.Context, p Plan, c Confirmation, why error) error {
	err := e.journal(ctx, "refusal", func(tx *store.Tx) error {
		body, err := json.Marshal(ledger.RunBody{PlanHash: p.Hash, Kind: p.Kind, State: string(RunRefused), Detail: why.Error(), Units: runUnits(p), Assistance: string(p.Assistance)})
		if err != nil {
			return err
		}
		entry := e.entry(ledger.KindRefusal, "", p, c, fmt.Sprintf("refused %s: %s", c.By.ID, why))
		entry.Body = body
		if _, err = tx.Append(entry, nil); err != nil {
			return err
		}
		return attribute(tx, entry, p.change())
	})
	if errors.Is(err, store.ErrReadOnly) {
		return nil // a record that cannot be written cannot hold the refusal either
	}
	return err
}

// entry is a ledger entry about a plan, by the one who confirms it.
func (e *Engine) entry(kind ledger.Kind, run string, p Plan, c Confirmation, text string) ledger.Entry {
	entry := ledger.Entry{
		At: e.cfg.Now().UTC(), Kind: kind, Actor: c.By.ID, ActorKind: string(c.By.Kind), Run: run,
		Change: p.Change, Incident: p.Incident, Text: providers.Clean(text),
	}
	if len(p.Units) == 1 {
		entry.Unit = string(p.Units[0].Unit.ID)
	}
	return entry
}

func planText(p Plan) string {
	var parts []string
	for _, u := range p.Units {
		parts = append(parts, fmt.Sprintf("%s from %s to %s", u.Unit.ID, name(u.From), name(u.To)))
	}
	return fmt.Sprintf("plan %.8s: %s", p.Hash, strings.Join(parts, ", then "))
}

func runUnits(p Plan) []ledger.RunUnit {
	out := []ledger.RunUnit{}
	for _, u := range p.Units {
		out = append(out, ledger.RunUnit{
			Unit: string(u.Unit.ID), Service: u.Unit.Service, Environment: u.Unit.Environment,
			From: u.From.Digest, FromLabel: u.From.Label, To: u.To.Digest, ToLabel: u.To.Label,
		})
	}
	return out
}

func confirmationBody(p Plan, c Confirmation, at time.Time) ledger.RunBody {
	b := ledger.RunBody{
		PlanHash: p.Hash, Kind: p.Kind, Reason: c.Reason, Via: c.Via, OnBehalfOf: c.By.OnBehalfOf, Units: runUnits(p), ConfirmedAt: at,
		Destroys: c.Destroys, Drill: c.Drill, Proposal: c.Proposal, Assistance: string(p.Assistance),
	}
	for _, a := range p.Alerts {
		b.Alerts = append(b.Alerts, a.ID)
	}
	return b
}

func unitIDs(p Plan) []string {
	out := make([]string, len(p.Units))
	for i, u := range p.Units {
		out[i] = string(u.Unit.ID)
	}
	return out
}

func lockedBy(unit, run string) error {
	return fmt.Errorf("%w: %s holds %s: follow it (runs attach %s), or stop it (runs abort %s)", ErrLocked, run, unit, run, run)
}
