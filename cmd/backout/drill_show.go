package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// drillPlan is the plan of a drill with what speaks for and against it.
type drillPlan struct {
	Plan   rollback.Plan           `json:"plan"`
	Before []rollback.Precondition `json:"before"`
}

func (a *app) printDrillPlan(p rollback.Plan, before []rollback.Precondition, name string, f drillFlags) error {
	if a.jsonOut() {
		return a.printJSON("backout.drill-plan/v1", drillPlan{p, before})
	}
	fmt.Fprintf(a.out, "DRILL PLAN %s  %s  %s  back for %s at most, then forward again\n", short(p.Hash), p.Verdict, p.Slice, p.Deadline)
	for i := range p.Units {
		a.printUnitPlan(i+1, &p.Units[i])
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(a.out, "WARN  %s\n", w)
	}
	fmt.Fprintf(a.out, "verify: %s\n\nbefore it:\n", lookedAt(&p))
	against := false
	for _, c := range before {
		against = against || c.Refuse
		fmt.Fprintf(a.out, "  %-8s %-12s %s\n", mark(c), c.Name, harmless(c.Text))
	}
	if !against && p.Decision.Allowed {
		line := []string{"backout drill", name}
		if f.to != "" {
			line = append(line, "--to "+f.to)
		}
		line = append(line, "--plan-hash "+short(p.Hash))
		if p.Decision.NeedsReason {
			line = append(line, "--reason WHY")
		}
		fmt.Fprintf(a.out, "\ndrill it:  %s\n", strings.Join(line, " ")+a.toldWhere(""))
	}
	return nil
}

func mark(c rollback.Precondition) string {
	switch {
	case c.Refuse:
		return "REFUSED"
	case c.State == rollback.CheckPass:
		return "ok"
	default:
		return string(c.State)
	}
}

// followDrill follows a drill in the journal until it is over, and ends with its exit code, as [app.attach] does with a run.
func (a *app) followDrill(ctx context.Context, s *opened, id string, patience time.Duration) error {
	tick := time.NewTicker(attachEvery)
	defer tick.Stop()
	shown := map[string]int{}
	worked := time.Now()
	for {
		d, err := s.Engine.DrillOf(ctx, id)
		if err != nil {
			return err
		}
		if err := a.tellLogs(ctx, s, &d, shown); err != nil {
			return err
		}
		if d.Alive {
			worked, patience = time.Now(), orphaned
		}
		if a.nothingMore(s, &d) || time.Since(worked) > patience {
			if err := a.printDrillOf(ctx, s, d); err != nil {
				return err
			}
			return ended(d.State.ExitCode())
		}
		select {
		case <-ctx.Done():
			a.warn("the drill goes on: backout drill show %s", id)
			return ended(codeInterrupted)
		case <-tick.C:
		}
	}
}

// nothingMore reports that a drill is over, or that its process has ended and why is told.
func (a *app) nothingMore(s *opened, d *rollback.Drill) bool {
	if d.State.Final() || d.Alive {
		return d.State.Final()
	}
	why := complaint(s.settings.stateDir, d.ID)
	if why != "" {
		a.warn("its process ended: %s", why)
	}
	return why != "" || d.State == rollback.DrillLeft
}

// tellLogs prints what is new in the logs of both halves.
func (a *app) tellLogs(ctx context.Context, s *opened, d *rollback.Drill, shown map[string]int) error {
	for _, id := range []string{d.Back, d.Forward} {
		if id == "" || a.flags.quiet {
			continue
		}
		run, err := s.Engine.Run(ctx, id)
		if err != nil {
			return err
		}
		for ; shown[id] < len(run.Log); shown[id]++ {
			l := run.Log[shown[id]]
			fmt.Fprintf(a.errOut, "%s  %s  %s\n", l.At.UTC().Format("15:04:05"), id, l.Text)
		}
	}
	return nil
}

func (a *app) printDrill(d rollback.Drill) error {
	if a.jsonOut() {
		return a.printJSON("backout.drill/v1", d)
	}
	fmt.Fprintf(a.out, "%s  %s: %s\n", d.ID, d.State, harmless(d.Detail))
	switch {
	case d.State.Final():
	case d.Alive || d.State == rollback.DrillBack && d.Executor == "" && a.now().Sub(d.StartedAt) < startup:
		fmt.Fprintf(a.out, "it goes forward by %s\n", d.Until.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintf(a.out, "nobody works on it, and %s may be back on %s (until %s was said): backout drill resume %s\n", d.Unit.ID, label(d.To), d.Until.UTC().Format(time.RFC3339), d.ID)
	}
	return nil
}

// printDrillOf prints a drill with its halves and what it proved.
func (a *app) printDrillOf(ctx context.Context, s *opened, d rollback.Drill) error {
	if err := a.printDrill(d); err != nil || a.jsonOut() {
		return err
	}
	for _, half := range []struct{ word, run string }{{"back", d.Back}, {"forward", d.Forward}} {
		if half.run == "" {
			continue
		}
		run, err := s.Engine.Run(ctx, half.run)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "  %-8s %s  %s: %s\n", half.word, run.ID, run.State, harmless(run.Detail))
		for _, st := range run.Steps {
			fmt.Fprintf(a.out, "    %-20s %s\n", st.State, st.Title)
		}
		fmt.Fprintf(a.out, "    %s\n", segments(run.Plan.CreatedAt, run.StartedAt, run.AppliedAt, run.ConvergedAt, run.EndedAt, run.State == rollback.RunSucceeded))
	}
	if d.Proof == "" {
		return nil
	}
	all, err := s.Engine.Proofs(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if r := &all[i]; r.ID == d.Proof {
			fmt.Fprintf(a.out, "  proof    %s, %s, %s in %s; ledger entry %d\n", r.Outcome, r.Earned(), r.Slice, wordOr(r.Environment, "an environment without a name"), r.Evidence.Seq)
			for _, surprise := range r.Surprises {
				fmt.Fprintf(a.out, "    surprise: %s\n", harmless(surprise))
			}
		}
	}
	return nil
}

// segments are how long each part of a half took.
func segments(decided, approved, effect, converged, ended time.Time, verified bool) string {
	last := "ended"
	if verified {
		last = "verified"
	}
	return strings.Join(proof.Segments([]string{"decided", "approved", "first effect", "converged", last}, []time.Time{decided, approved, effect, converged, ended}), ", ")
}
