package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// rollbackFlags are the flags of one rollback.
type rollbackFlags struct {
	to, hash, reason, confirm string
	proposal                  string
	only, destroy             []string
	dryRun, yes, detach       bool
}

func (a *app) rollbackCmd() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback CHANGE|UNIT | --proposal ID",
		Short: "Take a change back: planned, confirmed, applied only if nothing moved, verified",
		Long: `Take a change back. The plan is made again and must have the hash that was seen; in production that hash is required
and a person types the unit's name, or --yes stands for it together with the hash. What the plan destroys has to be named
thing by thing (--destroy), which --yes never stands for. The run is a process of its own:
this command shows it, and may be closed. From an AI agent nothing runs: it leaves a proposal, which a person takes up with
--proposal. Exit codes: 0 verified; 3 failed; 4 applied but unverified; 5 refused; 6 the plan changed since it was shown; 8
outcome unknown; 9 superseded by somebody else's change; 11 another run holds the unit; 13 it waits: for a person, or for
approval (backout approve), and the same command runs it once that is there.`,
		Example: `  backout rollback CHG-81f2ab --dry-run
  backout rollback CHG-81f2ab --plan-hash 9c1e44d0aa31
  backout rollback releases:local/pricing --to r41 --plan-hash 9c1e44d0aa31 --yes --reason "INC-7: 5xx"
  backout rollback --proposal PROP-14
  backout rollback kubernetes:shop/statefulset.db --plan-hash 9c1e44d0aa31 --destroy pod/db-2`,
		Args: oneOf(&f),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error { return a.rollBack(ctx, s, strings.Join(args, ""), f) })
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "the revision to go back to (default: the newest known good)")
	fl.StringVar(&f.hash, "plan-hash", "", "the plan's hash as it was shown, or its first 6 digits or more")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan, and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask; in production only together with --plan-hash")
	fl.StringVar(&f.reason, "reason", "", "why; kept in the record")
	fl.StringVar(&f.proposal, "proposal", "", "take up what an AI agent proposed: planned anew, shown, and confirmed by a person at a terminal")
	fl.StringVar(&f.confirm, "confirm", "", "the unit's name, instead of typing it when asked")
	fl.StringSliceVar(&f.only, "only", nil, "only these units of the change; refused where they cannot go alone")
	fl.StringArrayVar(&f.destroy, "destroy", nil, "a thing that the plan destroys and that may go, by the name that the plan gives it; once for each")
	fl.BoolVar(&f.detach, "detach", false, "start the run and do not wait for it")
	return cmd
}

func (a *app) rollBack(ctx context.Context, s *opened, name string, f rollbackFlags) error {
	a.warnStayOut(ctx, s)
	var asked rollback.Ask
	if f.proposal != "" {
		var err error
		if name, asked, err = a.takeUp(ctx, s, &f); err != nil {
			return err
		}
	}
	plan, err := a.plan(ctx, s, name, planFlags{to: f.to, only: f.only, reason: f.reason})
	if gone := errors.Is(err, rollback.ErrNotFound) || errors.Is(err, rollback.ErrNoTarget); gone && f.hash != "" {
		return fmt.Errorf("%w: it cannot be made any more: %w", rollback.ErrPlanChanged, err)
	}
	if err != nil {
		return err
	}
	switch {
	case f.hash != "" && (len(f.hash) < 6 || !strings.HasPrefix(plan.Hash, strings.ToLower(f.hash))):
		return a.stale(ctx, s, &plan, name, f)
	case f.dryRun:
		return a.printPlan(plan, name, planFlags{to: f.to, only: f.only})
	case a.principal(s.settings).Kind == policy.Agent:
		return a.propose(ctx, s, &plan, name, f)
	}
	a.warnProposed(&asked, &plan)
	return a.runPlan(ctx, s, &plan, name, f)
}

// runPlan has a plan confirmed and run.
func (a *app) runPlan(ctx context.Context, s *opened, plan *rollback.Plan, name string, f rollbackFlags) error {
	typed, err := a.confirmBy(ctx, plan, f, question{
		verb: "ROLL BACK", look: "backout plan " + name, show: func() error { return a.printPlan(*plan, name, planFlags{to: f.to, only: f.only}) },
	})
	if err != nil {
		return err
	}
	destroys, err := a.destroys(ctx, plan, f)
	if err != nil {
		return err
	}
	run, err := s.Engine.Confirm(ctx, *plan, rollback.Confirmation{
		PlanHash: plan.Hash, By: a.principal(s.settings), Typed: typed, Destroys: destroys, Reason: f.reason, Via: a.via(s.settings), Proposal: f.proposal,
	})
	if err != nil {
		return err
	}
	if err := s.StartRun(run.ID); err != nil {
		return err
	}
	if f.detach {
		return a.printStarted(run)
	}
	return a.attach(ctx, s, run.ID, startup)
}

// stale refuses a plan that is not the one whose hash was given. The engine does it, so that the record keeps who wanted it.
func (a *app) stale(ctx context.Context, s *opened, plan *rollback.Plan, name string, f rollbackFlags) error {
	err := rollback.ErrPlanChanged
	if !f.dryRun {
		_, err = s.Engine.Confirm(ctx, *plan, rollback.Confirmation{PlanHash: f.hash, By: a.principal(s.settings), Reason: f.reason, Via: a.via(s.settings)})
	}
	if !errors.Is(err, rollback.ErrPlanChanged) {
		return err
	}
	return fmt.Errorf("it is %s now, not %s: look again with 'backout plan %s': %w", short(plan.Hash), short(f.hash), name, err)
}

// question is what a person is asked: what it would do, how to look at it beforehand, and the plan itself.
type question struct {
	verb, look string
	show       func() error
}

// confirmBy gives the text that the policy asks for: typed at the terminal, or stood for by flags. The engine decides.
func (a *app) confirmBy(ctx context.Context, plan *rollback.Plan, f rollbackFlags, q question) (string, error) {
	if !plan.Decision.Allowed {
		return "", nil // the engine refuses it, and the record keeps that
	}
	if plan.Decision.NeedsReason && f.reason == "" {
		return "", usage("something about this plan is unknown, or a rule wants a reason: say with --reason why it is right all the same (see '%s')", q.look)
	}
	byName := plan.Decision.Confirm == policy.ConfirmName
	switch {
	case f.confirm != "":
		a.warnPlan(plan)
		return f.confirm, nil
	case f.yes && byName && f.hash == "":
		return "", usage("--yes needs --plan-hash %s here: the hash says which plan you saw", short(plan.Hash))
	case f.yes && byName:
		a.warnPlan(plan)
		return plan.Decision.Name, nil
	case f.yes:
		a.warnPlan(plan)
		return "y", nil
	case !a.interactive():
		return "", usage("no terminal to ask at: add --yes --plan-hash %s, after a look at '%s'", short(plan.Hash), q.look)
	}
	if err := q.show(); err != nil {
		return "", err
	}
	ask := "Type y to run: "
	if byName {
		ask = fmt.Sprintf("%s%s. Type %q to run: ", q.verb, in(plan), plan.Decision.Name)
	}
	fmt.Fprint(a.errOut, "\n"+ask)
	line, err := a.readLine(ctx)
	if err != nil {
		return "", &coded{code: codeInterrupted, err: fmt.Errorf("not confirmed: nothing was done")}
	}
	return strings.TrimSpace(line), nil
}

// destroys is what may be destroyed: as the flags name it, and where a person was asked for the name, as they type it.
func (a *app) destroys(ctx context.Context, plan *rollback.Plan, f rollbackFlags) ([]string, error) {
	asked := !f.yes && f.confirm == "" && a.interactive() && plan.Decision.Allowed
	named := slices.Clone(f.destroy)
	for _, name := range plan.Decision.Destroys {
		given := slices.ContainsFunc(named, func(n string) bool { return rollback.DestroyedName(n) == rollback.DestroyedName(name) })
		if given || !asked {
			continue
		}
		fmt.Fprintf(a.errOut, "It destroys %s. Type %q to let it go: ", name, name)
		line, err := a.readLine(ctx)
		if err != nil {
			return nil, &coded{code: codeInterrupted, err: fmt.Errorf("not confirmed: nothing was done")}
		}
		if text := strings.TrimSpace(line); text != "" {
			named = append(named, text)
		}
	}
	return named, nil
}

// warnPlan says what a person who is asked would have read with the plan.
func (a *app) warnPlan(plan *rollback.Plan) {
	for _, w := range plan.Warnings {
		a.warn("%s", w)
	}
}

// in says where a plan acts, as far as its units say.
func in(plan *rollback.Plan) string {
	for i := range plan.Units {
		switch e := plan.Units[i].Unit.Environment; e {
		case "":
		case policy.TierProd:
			return " IN PRODUCTION"
		default:
			return " IN " + strings.ToUpper(e)
		}
	}
	return ""
}
