package exec

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// killed is how long it may take to end a program and its children.
const killed = 5 * time.Second

// reverser is the ability of a provider with a command for apply.
type reverser struct{ c *core }

// Units implements rollback.Reverser: one line for each unit.
func (r reverser) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		err := r.c.stream(ctx, request{Method: "units"}, func(stdout io.Reader) error {
			return lines(stdout, func(n int, line []byte) error {
				var u rollback.Unit
				err := json.Unmarshal(line, &u)
				if err == nil {
					err = r.c.checkUnit(&u)
				}
				if err != nil {
					return providers.Permanent(fmt.Errorf("line %d of its answer: %w", n, err))
				}
				if !yield(u, nil) {
					return errEnough
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(rollback.Unit{}, err)
		}
	}
}

// Observe implements rollback.Reverser.
func (r reverser) Observe(ctx context.Context, unit rollback.UnitID) (rollback.Observation, error) {
	var obs rollback.Observation
	if err := r.c.ask(ctx, request{Method: "observe", Unit: unit}, &obs, "current", "token"); err != nil {
		return rollback.Observation{}, fmt.Errorf("%s: %w", unit, err)
	}
	if err := r.c.checkObservation(&obs, unit); err != nil {
		return rollback.Observation{}, providers.Permanent(fmt.Errorf("%s: %w", unit, r.c.failing("observe", err)))
	}
	return obs, nil
}

// Plan implements rollback.Reverser. Without a command for it, the plan is one step without a diff.
func (r reverser) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	if r.c.commands.Plan == nil {
		return rollback.Proposal{
			Steps: []rollback.Step{{
				N: 1, Unit: obs.Unit.ID, Action: "apply", Title: "run " + providers.Clean(r.c.commands.Apply[0]) + " to go back to " + cmp.Or(to.Label, to.Digest),
				From: obs.Current.Digest, To: to.Digest, Token: obs.Token, Args: map[string]string{"label": to.Label},
			}},
			Looked:   []rollback.Look{rollback.NotSeen(rollback.LostRight, "what may be done", "no plan command is configured that could say it")},
			Warnings: withoutCAS(obs, []string{"what will change is not shown: no plan command is configured"}), Checks: r.checks(),
		}, nil
	}
	var p rollback.Proposal
	if err := r.c.ask(ctx, request{Method: "plan", Unit: obs.Unit.ID, Observation: &obs, To: &to}, &p, "steps"); err != nil {
		return rollback.Proposal{}, fmt.Errorf("%s: %w", obs.Unit.ID, err)
	}
	if err := checkProposal(&p, obs, to); err != nil {
		return rollback.Proposal{}, providers.Permanent(fmt.Errorf("%s: %w", obs.Unit.ID, r.c.failing("plan", err)))
	}
	p.Looked = nil
	p.LookedAt("", "what the plan command says that is missing", 0)
	p.Warnings, p.Checks = withoutCAS(obs, p.Warnings), r.checks()
	return p, nil
}

// checks is what looks from outside: the command for it, whatever it will answer with.
func (r reverser) checks() []string {
	if r.c.commands.Verify == nil {
		return nil
	}
	return []string{"verify command"}
}

func withoutCAS(obs rollback.Observation, warnings []string) []string {
	if obs.Unit.CAS != rollback.CASAtomic {
		warnings = append(warnings, "no compare-and-set: the program does not guard against somebody else's change between the last look and its own")
	}
	return warnings
}

// ApplyTimeout implements rollback.Patient: the setting apply_timeout, and the moment in which a program that ran into it is
// killed and answered for.
func (r reverser) ApplyTimeout() time.Duration { return r.c.applyLimit + killed }

// LookTimeout implements rollback.Watchful: the setting timeout, likewise.
func (r reverser) LookTimeout() time.Duration { return r.c.timeout + killed }

// Apply implements rollback.Reverser. Only an answer that says what happened is taken for it: a deadline, an exit code, or
// nonsense leave open what the program did before.
func (r reverser) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	var res rollback.Result
	err := r.c.ask(ctx, request{Method: "apply", Unit: step.Unit, Operation: &op, Step: &step}, &res, "outcome")
	var start *process.StartError
	switch {
	case errors.As(err, &start):
		return rollback.Result{Outcome: rollback.Failed, Detail: "nothing was done, the program did not start: " + providers.Clean(err.Error())}, nil
	case err != nil:
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: providers.Clean(err.Error())}, nil
	}
	res.Detail = providers.Clean(res.Detail)
	if err := plainText("token", res.Token); err != nil {
		res.Token = ""
	}
	switch res.Outcome {
	case rollback.Applied, rollback.AlreadyApplied, rollback.PreconditionFailed, rollback.OutcomeUnknown, rollback.Failed:
		return res, nil
	default:
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: fmt.Sprintf("the program's outcome is %q, which is none", providers.Clean(string(res.Outcome)))}, nil
	}
}

// Status implements rollback.Reverser. Without a command for it, the unit is done when it has the content.
func (r reverser) Status(ctx context.Context, unit rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	if r.c.commands.Status == nil {
		obs, err := r.Observe(ctx, unit)
		if err != nil {
			return rollback.Convergence{}, err
		}
		return rollback.Convergence{Done: obs.Current.Digest == to.Digest, Detail: "at " + cmp.Or(obs.Current.Label, obs.Current.Digest)}, nil
	}
	var c rollback.Convergence
	if err := r.c.ask(ctx, request{Method: "status", Unit: unit, To: &to}, &c, "done"); err != nil {
		return rollback.Convergence{}, fmt.Errorf("%s: %w", unit, err)
	}
	c.Detail = providers.Clean(c.Detail)
	if c.Done && c.Failed {
		return rollback.Convergence{}, providers.Permanent(fmt.Errorf("%s: %w", unit, r.c.failing("status", errors.New("it is done and failed at once"))))
	}
	return c, nil
}

// Verify implements rollback.Reverser. Without a command for it, the only check is the content.
func (r reverser) Verify(ctx context.Context, unit rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	if r.c.commands.Verify == nil {
		obs, err := r.Observe(ctx, unit)
		if err != nil {
			return nil, err
		}
		c := rollback.Check{Name: "revision", Inside: true, State: rollback.CheckFail, Observed: cmp.Or(obs.Current.Label, obs.Current.Digest), Goal: cmp.Or(to.Label, to.Digest)}
		if obs.Current.Digest == to.Digest {
			c.State = rollback.CheckPass
		}
		return []rollback.Check{c}, nil
	}
	var answer struct {
		Checks []rollback.Check `json:"checks"`
	}
	if err := r.c.ask(ctx, request{Method: "verify", Unit: unit, To: &to}, &answer, "checks"); err != nil {
		return nil, fmt.Errorf("%s: %w", unit, err)
	}
	for i := range answer.Checks {
		c := &answer.Checks[i]
		c.Name, c.Observed, c.Goal = providers.Clean(c.Name), providers.Clean(c.Observed), providers.Clean(c.Goal)
		switch c.State {
		case rollback.CheckPass, rollback.CheckFail, rollback.CheckUnknown:
		default:
			return nil, providers.Permanent(fmt.Errorf("%s: %w", unit, r.c.failing("verify", fmt.Errorf("check %q has the state %q", c.Name, providers.Clean(string(c.State))))))
		}
	}
	return answer.Checks, nil
}
