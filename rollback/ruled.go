package rollback

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
)

// Rules are those of a policy file. An answer only ever takes away from what the ground rules allow.
type Rules interface {
	Answer(at policy.Situation) policy.Answer
}

// Decide says what is decided of a plan if this principal ran it now: by the ground rules and by those of the policy file. It
// changes nothing, and [Engine.Confirm] asks again.
func (e *Engine) Decide(ctx context.Context, p Plan, by policy.Principal) (policy.Decision, error) {
	known, err := e.Units(ctx)
	if err != nil {
		return policy.Decision{}, err
	}
	return e.ruled(p, e.decide(p, by, known), by), nil
}

// ruled adds what the rules of the policy file say to the decision of the ground rules.
func (e *Engine) ruled(p Plan, d policy.Decision, by policy.Principal) policy.Decision {
	if e.cfg.Rules == nil {
		return d
	}
	return d.With(e.cfg.Rules.Answer(e.Situation(p, by, e.cfg.Now())))
}

// Situation is what the rules of a policy file may know of somebody who runs a plan at a moment. A zero principal is any person.
func (e *Engine) Situation(p Plan, by policy.Principal, now time.Time) policy.Situation {
	if by == (policy.Principal{}) {
		by = policy.Principal{Kind: policy.Human}
	}
	s := policy.Situation{
		Action: policy.ActionRollback, Direction: policy.Back, Actor: by, Tier: policy.TierDev,
		Change: policy.ChangeFacts{ID: p.Change, AI: cmp.Or(string(p.Assistance), "unknown")},
		Plan: policy.PlanFacts{
			Verdict: string(p.Verdict), Level: 4, Guarded: len(p.Units) > 0, Seen: !p.Unseen, Destroys: p.Destroyed(),
		},
		Incident: p.Incident, Alerts: len(p.Alerts), Now: now,
	}
	if e.cfg.Belongs != nil {
		s.Groups, s.Roles = e.cfg.Belongs(by.ID)
	}
	switch p.Kind {
	case kindForward:
		s.Action, s.Direction = policy.ActionForward, policy.Forward
	case kindDrill:
		s.Action = policy.ActionDrill
	}
	for i := range p.Units {
		u := &p.Units[i]
		s.Units = append(s.Units, policy.UnitFacts{ID: string(u.Unit.ID), Service: u.Unit.Service, Environment: u.Unit.Environment})
		s.Tier = strictest(s.Tier, e.cfg.Tier(u.Unit.Environment))
		s.Plan.Level = min(s.Plan.Level, u.level())
		s.Plan.Guarded = s.Plan.Guarded && u.Unit.CAS == CASAtomic
		s.Plan.Measures += len(u.Measures)
		if n := e.criticality(u.Unit); i == 0 || n == 1 || s.Plan.Criticality != 1 && n < s.Plan.Criticality {
			s.Plan.Criticality = n // one that is not known may be the most critical, unless one is known to be
		}
	}
	if len(p.Units) == 0 {
		s.Tier, s.Plan.Level = policy.TierProd, 0
	}
	return s
}

// ruledLift refuses a lift that the rules of the policy file refuse. What they want of approvals and drills is about plans.
func (e *Engine) ruledLift(m MeasureRun, req LiftRequest) error {
	if e.cfg.Rules == nil {
		return nil
	}
	at := policy.Situation{
		Action: policy.ActionLift, Direction: policy.Forward, Actor: req.By, Tier: e.cfg.Tier(m.Environment), Now: e.cfg.Now(),
		Units: []policy.UnitFacts{{ID: string(m.Unit), Service: m.Service, Environment: m.Environment}},
	}
	if e.cfg.Belongs != nil {
		at.Groups, at.Roles = e.cfg.Belongs(req.By.ID)
	}
	a := e.cfg.Rules.Answer(at)
	d := policy.Decision{Allowed: true}.With(a)
	switch {
	case !d.Allowed:
		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(d.Reasons, "; "))
	case d.NeedsReason && req.Reason == "":
		return fmt.Errorf("%w: %s", ErrRefused, wantsReason(d))
	}
	return nil
}

// level is what the unit's way back counts for, 0 where nobody compared it with anything.
func (u *UnitPlan) level() int {
	if u.Proof == nil {
		return 0
	}
	return int(u.Proof.Level)
}

func (e *Engine) criticality(u Unit) int {
	if e.cfg.Criticality == nil {
		return 0
	}
	return e.cfg.Criticality(u)
}

// wantsReason says why a reason has to be given.
func wantsReason(d policy.Decision) string {
	var rules []string
	for _, r := range d.Rules {
		if r.Effect == policy.EffectReason && r.Mode == policy.ModeDeny {
			rules = append(rules, r.Rule)
		}
	}
	if len(rules) > 0 {
		return fmt.Sprintf("rule %s asks for a reason: --reason", strings.Join(slices.Compact(rules), ", "))
	}
	return "something about this plan is unknown, give a reason"
}
