package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// drillFlags are the flags of a drill, beside those that it shares with a rollback.
type drillFlags struct {
	rollbackFlags
	slice        string
	backFor      time.Duration
	forward, due bool
	max          int
}

func (a *app) drillCmd() *cobra.Command {
	var f drillFlags
	cmd := &cobra.Command{
		Use:   "drill UNIT",
		Short: "Try a way back on purpose: back, verified, forward again, verified",
		Long: `Take a unit back on purpose, look whether it serves well there, bring it forward to exactly what was live, and look again. What it
shows is a proof. It is planned, confirmed and applied like a rollback, on the same conditions. An alert of the unit or of what depends
on it, a check that goes on failing, and the end of its time (drills.max) end the way back; then it goes forward at once.

It always ends forward. --forward alone does only that half: it stops the way back of the unit's drill, or goes on with one that was
interrupted. --due drills what has no valid proof, as far as drills.scheduled allows: it never asks, and is made for cron.

Exit codes: 0 passed; 3 never went back, or could not go forward; 4 forward again, but not verified or stopped; 6 the plan changed; 8
unknown; 9 superseded by somebody else's change. Refused: 5 by policy; 11 something else is under way; 20 alerts are firing; 21 a freeze; 22
an error budget; 23 the plan is not valid; 24 an irreversible step; 25 nothing to go back to; 26 not alone; 27 no such slice.`,
		Example: `  backout drill releases:local/pricing --dry-run
  backout drill releases:local/pricing --plan-hash 9c1e44d0aa31
  backout drill releases:local/pricing --forward
  backout drill --due --max 3
  backout drill list`,
		Args: atMostOne("UNIT"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.drillUnit(cmd.Context(), args, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "the revision to go back to (default: the newest known good)")
	fl.StringVar(&f.hash, "plan-hash", "", "the plan's hash as it was shown, or its first 6 digits or more")
	fl.StringVar(&f.slice, "slice", "", "full, cell, canary or shadow: refused where the unit is not that (default: what it is)")
	fl.DurationVar(&f.backFor, "back-for", 0, "how long it may be back (default: drills.max)")
	fl.BoolVar(&f.forward, "forward", false, "only bring it forward: end the drill of this unit that is under way or was interrupted")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan and what speaks against it, and stop")
	fl.BoolVar(&f.yes, "yes", false, "do not ask; in production only together with --plan-hash")
	fl.StringVar(&f.reason, "reason", "", "why; kept in the record")
	fl.StringVar(&f.confirm, "confirm", "", "the unit's name, instead of typing it when asked")
	fl.BoolVar(&f.detach, "detach", false, "start the drill and do not wait for it")
	fl.BoolVar(&f.due, "due", false, "drill the units without a valid proof, one after the other, as drills.scheduled allows")
	fl.IntVar(&f.max, "max", 0, "with --due: at most so many (default: no limit)")
	_ = cmd.RegisterFlagCompletionFunc("slice", cobra.FixedCompletions([]string{"full", "cell", "canary", "shadow"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.AddCommand(a.drillListCmd(), a.drillShowCmd(), a.drillResumeCmd())
	return cmd
}

func (a *app) drillUnit(ctx context.Context, args []string, f drillFlags) error {
	switch {
	case f.due && (len(args) > 0 || f.forward || f.hash != "" || f.to != ""):
		return usage("--due finds the units itself: it goes with --max and --dry-run")
	case !f.due && f.max != 0:
		return usage("--max goes with --due")
	case f.due: // who that is, it says itself
		return a.with(ctx, 0, func(ctx context.Context, s *opened) error { return a.drillDue(ctx, s, f) })
	case len(args) == 0:
		return usage("which unit? 'backout units' lists them; 'backout drill list' lists the drills")
	case f.slice != "" && !slices.Contains([]proof.Slice{proof.Full, proof.Cell, proof.Canary, proof.Shadow}, proof.Slice(f.slice)):
		return usage("--slice is full, cell, canary or shadow, not %q", f.slice)
	case f.forward:
		return a.record(ctx, func(ctx context.Context, s *opened) error { return a.bringForward(ctx, s, args[0], f) })
	default:
		return a.with(ctx, 0, func(ctx context.Context, s *opened) error { return a.drill(ctx, s, args[0], f) })
	}
}

func (a *app) drill(ctx context.Context, s *opened, name string, f drillFlags) error {
	if !f.dryRun {
		if err := a.person(s.settings, "drill"); err != nil {
			return err
		}
	}
	plan, before, err := a.planDrill(ctx, s, name, f)
	if err != nil {
		return err
	}
	if f.hash != "" && (len(f.hash) < 6 || !strings.HasPrefix(plan.Hash, strings.ToLower(f.hash))) {
		return fmt.Errorf("it is %s now, not %s: look again with 'backout drill %s --dry-run': %w", short(plan.Hash), short(f.hash), name, rollback.ErrPlanChanged)
	}
	shown := func() error { return a.printDrillPlan(plan, before, name, f) }
	if f.dryRun {
		if err := shown(); err != nil {
			return err
		}
		return speaksAgainst(before)
	}
	typed := ""
	if speaksAgainst(before) == nil { // else the engine refuses it, and the record keeps that
		q := question{verb: "DRILL", look: "backout drill " + name + " --dry-run", show: shown}
		if typed, err = a.confirmBy(ctx, &plan, f.rollbackFlags, q); err != nil {
			return err
		}
	}
	d, err := s.Engine.Drill(ctx, plan, rollback.Confirmation{PlanHash: plan.Hash, By: a.principal(s.settings), Typed: typed, Reason: f.reason, Via: a.via(s.settings)})
	if err != nil {
		return err
	}
	if err := s.StartRun(d.ID); err != nil {
		return err
	}
	if f.detach {
		return a.printDrill(d)
	}
	return a.followDrill(ctx, s, d.ID, startup)
}

// speaksAgainst is the refusal that the engine would give, for a drill that is only looked at.
func speaksAgainst(before []rollback.Precondition) error {
	for _, p := range before {
		if p.Refuse {
			return &rollback.DrillRefusal{Why: p.Name, Text: p.Text}
		}
	}
	return nil
}

func (a *app) planDrill(ctx context.Context, s *opened, name string, f drillFlags) (rollback.Plan, []rollback.Precondition, error) {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	req := rollback.Request{Unit: rollback.UnitID(name), To: f.to, Reason: f.reason, Drill: &rollback.DrillAsk{Slice: proof.Slice(f.slice), Max: f.backFor}}
	if err := s.Prepare(ctx, &req); err != nil {
		return rollback.Plan{}, nil, err
	}
	plan, before, err := s.Engine.PlanDrill(ctx, req)
	var refused *rollback.DrillRefusal
	if err != nil && !errors.As(err, &refused) {
		err = fmt.Errorf("plan a drill of %s: %w", name, err)
	}
	return plan, before, err
}

// bringForward ends the drill of a unit that is under way: its way back is stopped where it goes on, and it goes forward.
func (a *app) bringForward(ctx context.Context, s *opened, name string, f drillFlags) error {
	if err := a.person(s.settings, "end a drill"); err != nil {
		return err
	}
	drills, err := s.Engine.Drills(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(drills, func(d rollback.Drill) bool {
		return (string(d.Unit.ID) == name || d.ID == name) && !d.State.Final()
	})
	if at < 0 {
		return fmt.Errorf("no drill of %s is under way or was interrupted: 'backout drill list': %w", name, rollback.ErrNotFound)
	}
	d := drills[at]
	back, err := s.Engine.Run(ctx, d.Back)
	if err != nil {
		return err
	}
	if !back.State.Final() {
		if err := s.Engine.Abort(ctx, d.Back, a.principal(s.settings), f.reason); err != nil {
			return err
		}
	}
	return a.goOnWithDrill(ctx, s, d.ID)
}

func (a *app) goOnWithDrill(ctx context.Context, s *opened, id string) error {
	if err := a.person(s.settings, "go on with a drill"); err != nil {
		return err
	}
	d, err := s.Engine.DrillOf(ctx, id)
	if err != nil {
		return err
	}
	if !d.State.Final() && !d.Alive {
		if err := s.StartRun(id); err != nil {
			return err
		}
	}
	return a.followDrill(ctx, s, id, startup)
}

func (a *app) drillListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the drills, newest first", Args: noArgs, Example: "  backout drill list --output jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				drills, err := s.Engine.Drills(ctx)
				if err != nil {
					return err
				}
				return printList(a, "backout.drill/v1", drills, a.drillTable)
			})
		},
	}
}

func (a *app) drillTable(out io.Writer, drills []rollback.Drill) error {
	if len(drills) == 0 {
		_, err := fmt.Fprintln(out, "nothing was ever drilled here")
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "DRILL\tSTARTED\tUNIT\tFROM -> TO\tSTATE\tRUNS\tBY")
	for i := range drills {
		d := &drills[i]
		state := string(d.State)
		if !d.State.Final() && !d.Alive {
			state += " (interrupted: backout drill resume " + d.ID + ")"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s -> %s\t%s\t%s\t%s\n", d.ID, d.StartedAt.UTC().Format(time.RFC3339), d.Unit.ID, label(d.From), label(d.To), state,
			strings.TrimSuffix(d.Back+" "+d.Forward, " "), d.By.ID)
	}
	return tw.Flush()
}

func (a *app) drillShowCmd() *cobra.Command {
	return &cobra.Command{
		Use: "show DRILL", Short: "Show one drill with both halves", Args: exactArgs("DRILL"), Example: "  backout drill show DRILL-0007",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				d, err := s.Engine.DrillOf(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printDrillOf(ctx, s, d)
			})
		},
	}
}

func (a *app) drillResumeCmd() *cobra.Command {
	return &cobra.Command{
		Use: "resume DRILL", Short: "Go on with a drill that was interrupted, or that left its unit back", Args: exactArgs("DRILL"), Example: "  backout drill resume DRILL-0007",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.goOnWithDrill(ctx, s, args[0]) })
		},
	}
}

// isDrill reports whether an id is that of a drill.
func isDrill(id string) bool { return strings.HasPrefix(id, "DRILL-") }
