package rollback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

// DrillReason is why there is no drill.
type DrillReason string

// Reasons. Each has an exit code of its own; see docs/drills.md.
const (
	DrillNoTarget     DrillReason = "target"
	DrillNotAlone     DrillReason = "alone"
	DrillIrreversible DrillReason = "irreversible"
	DrillUnplanned    DrillReason = "L1"
	DrillBusy         DrillReason = "busy"
	DrillClosed       DrillReason = "freeze"
	DrillAlerts       DrillReason = "alerts"
	DrillBudget       DrillReason = "budget"
	DrillSlice        DrillReason = "slice"
)

// drillCodes are the exit codes of the refusals.
var drillCodes = map[DrillReason]int{
	DrillBusy: exitLocked, DrillAlerts: 20, DrillClosed: 21, DrillBudget: 22, DrillUnplanned: 23, DrillIrreversible: 24, DrillNoTarget: 25, DrillNotAlone: 26, DrillSlice: 27,
}

// DrillRefusal is a drill that was refused. It matches [ErrRefused], and [ErrLocked] where something else is under way.
type DrillRefusal struct {
	Why  DrillReason
	Text string
}

func (r *DrillRefusal) Error() string { return "no drill: " + r.Text }

// Is makes it match what the engine refuses with.
func (r *DrillRefusal) Is(target error) bool {
	return target == ErrRefused || target == ErrLocked && r.Why == DrillBusy
}

// ExitCode is the exit code of a command that ends with it.
func (r *DrillRefusal) ExitCode() int { return cmp.Or(drillCodes[r.Why], exitRefused) }

// Precondition is one thing that is looked at before a drill. Fail refuses it. Unknown does where the answer could speak
// against it; where nobody is there to ask, it only says so.
type Precondition struct {
	Name   DrillReason `json:"name"`
	State  CheckState  `json:"state"`
	Text   string      `json:"text"`
	Refuse bool        `json:"refuse,omitempty"`
}

// refusal is the first thing that speaks against a drill, nil nothing does.
func refusal(all []Precondition) error {
	for _, p := range all {
		if p.Refuse {
			return &DrillRefusal{Why: p.Name, Text: p.Text}
		}
	}
	return nil
}

// PlanDrill plans the way back of a drill and looks at everything that speaks against one. It changes nothing. A drill that
// would be refused is returned with the preconditions that say so; where not even a plan can be made, the error is a
// [DrillRefusal] if it is for want of somewhere to go.
func (e *Engine) PlanDrill(ctx context.Context, req Request) (Plan, []Precondition, error) {
	if req.Drill == nil {
		req.Drill = &DrillAsk{}
	}
	req.Alerts, req.Incident, req.Change = nil, "", nil
	p, err := e.Plan(ctx, req)
	if errors.Is(err, ErrNoTarget) {
		return p, nil, &DrillRefusal{DrillNoTarget, fmt.Sprintf("nothing to go back to: %v", err)}
	}
	if err != nil {
		return p, nil, err
	}
	return p, e.preconditions(ctx, &p), nil
}

// preconditions looks at everything that speaks against a drill, in the order in which a refusal names them.
func (e *Engine) preconditions(ctx context.Context, p *Plan) []Precondition {
	out := []Precondition{p.drillTarget(), p.drillAlone(), e.drillSlice(p), p.drillReversible(), e.drillBusy(ctx, p), e.drillClosed(p), p.drillValid()}
	return append(out, e.drillAlerts(ctx, p), e.drillBudget(ctx, p))
}

func holds(name DrillReason, format string, args ...any) Precondition {
	return Precondition{Name: name, State: CheckPass, Text: providers.Clean(fmt.Sprintf(format, args...))}
}

func against(name DrillReason, format string, args ...any) Precondition {
	return Precondition{Name: name, State: CheckFail, Refuse: true, Text: providers.Clean(fmt.Sprintf(format, args...))}
}

// subject is the unit that a drill was asked of. Where it goes back only together with others, those may stand before it.
func (p *Plan) subject() *UnitPlan {
	if p.basis != nil && len(p.basis.primary) > 0 {
		for i := range p.Units {
			if p.Units[i].Unit.ID == p.basis.primary[0] {
				return &p.Units[i]
			}
		}
	}
	return &p.Units[0]
}

func (p *Plan) drillTarget() Precondition {
	u := p.subject()
	switch {
	case p.Kind != kindDrill:
		return against(DrillNoTarget, "%s would be brought forward by this, and a drill goes back: name a revision from before what is live with --to", u.Unit.ID)
	case u.To.Digest == "":
		return against(DrillNoTarget, "nothing to go back to: no revision of %s is known good", u.Unit.ID)
	case u.To.Digest == u.From.Digest:
		return against(DrillNoTarget, "%s serves %s already: switching to the same content would show rights and plumbing only, which L1 says without a switch", u.Unit.ID, name(u.To))
	default:
		return holds(DrillNoTarget, "%s to %s", name(u.From), name(u.To))
	}
}

func (p *Plan) drillAlone() Precondition {
	if len(p.Units) > 1 {
		u := p.subject().Unit.ID
		return against(DrillNotAlone, "%s goes back only together with %s, and a drill takes one unit", u, strings.Join(p.beside(u), ", "))
	}
	return holds(DrillNotAlone, "one unit")
}

func (e *Engine) drillSlice(p *Plan) Precondition {
	u := p.subject().Unit
	if is := e.sliceOf(u); p.Slice != is {
		return against(DrillSlice, "%s is switched as a whole, which is %q: its provider cannot switch a part of it; declare a unit that is itself a %s under drills.slices", u.ID, is, p.Slice)
	}
	return holds(DrillSlice, "%s", p.Slice)
}

func (p *Plan) drillReversible() Precondition {
	for i := range p.Units {
		u := &p.Units[i]
		for _, f := range u.Findings {
			if f.Verdict == Irreversible {
				return against(DrillIrreversible, "an irreversible step: %s", f.Text)
			}
		}
		if len(u.Destroys) > 0 {
			return against(DrillIrreversible, "an irreversible step: it destroys %s", strings.Join(u.Destroys, "; "))
		}
		if len(u.Measures) > 0 {
			return against(DrillIrreversible, "it leaves something behind that going forward does not lift: %s", u.Measures[0].What)
		}
	}
	return holds(DrillIrreversible, "nothing is destroyed or left behind")
}

func (e *Engine) drillBusy(ctx context.Context, p *Plan) Precondition {
	for i := range p.Units {
		for _, f := range p.Units[i].Findings {
			if f.Rule == ruleInFlight && f.Verdict == Blocked {
				return against(DrillBusy, "%s", f.Text)
			}
		}
	}
	drills, err := e.Drills(ctx)
	if err != nil {
		return against(DrillBusy, "whether another drill goes on is not known: %v", err)
	}
	for i := range drills {
		if d := &drills[i]; !d.State.Final() && d.Unit.Environment == p.subject().Unit.Environment {
			return against(DrillBusy, "%s of %s is not over (%s), and one at a time is drilled in an environment: backout drill show %s", d.ID, d.Unit.ID, d.State, d.ID)
		}
	}
	return holds(DrillBusy, "nothing else is under way")
}

func (e *Engine) drillClosed(p *Plan) Precondition {
	for i := range p.Units {
		if why := p.Units[i].Observed.Frozen; why != "" {
			return against(DrillClosed, "%s is frozen: %s", p.Units[i].Unit.ID, why)
		}
	}
	if e.cfg.DrillGuard != nil {
		if why := e.cfg.DrillGuard.Closed(p.subject().Unit, e.cfg.Now()); why != "" {
			return against(DrillClosed, "%s", why)
		}
	}
	return holds(DrillClosed, "no freeze")
}

// drillValid is L1: whatever speaks against going back at all speaks against a drill, but that the last one failed.
func (p *Plan) drillValid() Precondition {
	for i := range p.Units {
		u := &p.Units[i]
		if len(u.Missing) > 0 {
			return against(DrillUnplanned, "the plan is not valid (no L1): missing %s", strings.Join(u.Missing, ", "))
		}
		if u.Proof == nil {
			continue
		}
		at := slices.IndexFunc(u.Proof.Reasons, func(r proof.Reason) bool { return r.Cap == proof.L0 && r.Rule != "I7" })
		if at >= 0 {
			return against(DrillUnplanned, "the plan is not valid (no L1): %s", u.Proof.Reasons[at].Text)
		}
	}
	if p.Deadline <= p.Hold {
		return against(DrillUnplanned, "the plan is not valid (no L1): it may be back for %s (--back-for, drills.max), and is verified only once it served well for %s (rollback.hold)", p.Deadline, p.Hold)
	}
	if p.Verdict == Blocked {
		return against(DrillUnplanned, "the plan is blocked: %s", strings.Join(p.Decision.Reasons, "; "))
	}
	return holds(DrillUnplanned, "the plan is valid")
}

func (e *Engine) drillAlerts(ctx context.Context, p *Plan) Precondition {
	if e.cfg.DrillGuard == nil {
		return against(DrillAlerts, "whether alerts are firing is not known: nobody here can be asked")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	open, asked, err := e.cfg.DrillGuard.Firing(ctx, p.services())
	switch {
	case len(open) > 0:
		return against(DrillAlerts, "%s", firing(open))
	case err != nil:
		return against(DrillAlerts, "whether alerts are firing is not known: %v", err)
	case asked == 0:
		return Precondition{Name: DrillAlerts, State: CheckUnknown, Text: "no source of alerts is configured: nothing but its checks and its deadline would stop it"}
	default:
		return holds(DrillAlerts, "no alert is firing on %s", strings.Join(p.services(), ", "))
	}
}

func firing(open []AlertRef) string {
	var names []string
	for _, a := range open {
		names = append(names, strings.TrimSuffix(cmp.Or(a.Name, a.ID)+" on "+a.Service, " on "))
	}
	return fmt.Sprintf("%d %s firing: %s", len(open), plural(len(open), "alert is", "alerts are"), providers.Clean(strings.Join(names, ", ")))
}

func (e *Engine) drillBudget(ctx context.Context, p *Plan) Precondition {
	if e.cfg.DrillGuard == nil {
		return holds(DrillBudget, "no error budget is configured for it")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all := e.cfg.DrillGuard.Budgets(ctx, p.subject().Unit)
	for _, c := range all {
		if c.State != CheckPass {
			return against(DrillBudget, "error budget %s: %s (%s, goal: %s)", c.Name, c.State, c.Observed, c.Goal)
		}
	}
	if len(all) == 0 {
		return holds(DrillBudget, "no error budget is configured for it")
	}
	return holds(DrillBudget, "%d of %d error budgets have enough left", len(all), len(all))
}

// services are those whose alerts count: the units' own, and those that depend on them.
func (p *Plan) services() []string {
	var own []string
	for i := range p.Units {
		own = append(own, p.Units[i].Unit.Service)
	}
	all := compact(own)
	if p.basis == nil {
		return all
	}
	for n := 0; n < len(all); n++ {
		for _, s := range p.basis.req.Services {
			if slices.Contains(s.DependsOn, all[n]) && !slices.Contains(all, s.Name) {
				all = append(all, s.Name)
			}
		}
		for _, e := range p.basis.req.Edges {
			if e.To == all[n] && !slices.Contains(all, e.From) && !strings.Contains(e.From, ":") {
				all = append(all, e.From)
			}
		}
	}
	return all
}

// sliceOf is what part of a whole a unit is.
func (e *Engine) sliceOf(u Unit) proof.Slice {
	if e.cfg.SliceOf != nil {
		if s := e.cfg.SliceOf(u); s != "" {
			return s
		}
	}
	return proof.Full
}

// unasked refuses what a drill that nobody is asked about must not do: an automation decides nothing that is unknown.
func (p *Plan) unasked(c Confirmation) error {
	if c.By.Kind != policy.Human && p.Verdict == Unknown {
		return &DrillRefusal{DrillUnplanned, "whether it can go back alone is unknown, and an automation does not decide that: " + strings.Join(p.Decision.Reasons, "; ")}
	}
	return nil
}
