package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/tui"
)

// attachEvery is how often an attached command reads the journal.
const attachEvery = 200 * time.Millisecond

// How long an attached command waits for somebody to work on a run: a process that was just started needs a moment, one
// that worked on it and is gone does not come back.
const (
	startup  = 15 * time.Second
	orphaned = 2 * time.Second
)

func (a *app) runsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, follow, pause, resume or stop runs",
		Example: `  backout runs list
  backout runs attach RUN-0007
  backout runs pause RUN-0007    before its next step
  backout runs resume            every run that was interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), a.listRuns) },
	}
	one := func(use, short, more string, do func(context.Context, *opened, string) error) *cobra.Command {
		return &cobra.Command{
			Use: use + " RUN", Short: short, Args: exactArgs("RUN"), Example: "  backout runs " + use + " RUN-0007" + more,
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return do(ctx, s, args[0]) })
			},
		}
	}
	list := &cobra.Command{
		Use: "list", Short: "List the runs, newest first", Args: noArgs, Example: "  backout runs list --output jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), a.listRuns) },
	}
	var reason string
	abort := one("abort", "Ask a run to stop before its next intent; nothing is undone", ` --reason "wrong incident"`, func(ctx context.Context, s *opened, id string) error {
		if err := a.person(s.settings, "stop a run"); err != nil {
			return err
		}
		if err := s.Engine.Abort(ctx, id, a.principal(s.settings), reason); err != nil {
			return err
		}
		a.warn("%s stops before its next intent", id)
		return a.attach(ctx, s, id, orphaned)
	})
	abort.Flags().StringVar(&reason, "reason", "", "why; kept in the record")
	pause := one("pause", "Let a run wait before its next intent; it keeps its units until it is resumed or stopped", "", a.pause)
	cmd.AddCommand(list, pause,
		one("show", "Show one run with its steps and log", "", func(ctx context.Context, s *opened, id string) error {
			run, err := s.Engine.Run(ctx, id)
			if err != nil {
				return err
			}
			run, _ = s.explained(run)
			return a.printRun(run)
		}),
		one("attach", "Follow a run until it ends; closing this does not stop it", "", func(ctx context.Context, s *opened, id string) error {
			return a.attach(ctx, s, id, orphaned)
		}),
		a.resumeCmd(), abort)
	return cmd
}

func (a *app) resumeCmd() *cobra.Command {
	return &cobra.Command{
		Use: "resume [RUN]", Short: "Go on with interrupted or paused runs: observe, and finish or report truthfully", Args: atMostOne("RUN"),
		Example: "  backout runs resume\n  backout runs resume RUN-0007",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.resume(ctx, s, args) })
		},
	}
}

func (a *app) resume(ctx context.Context, s *opened, ids []string) error {
	if err := a.person(s.settings, "go on with a run"); err != nil {
		return err
	}
	if len(ids) == 0 {
		pending, err := s.Pending(ctx)
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			return a.noneInterrupted()
		}
		ids = pending
	}
	code := codeOK
	for _, id := range ids {
		one := a.resumeRun
		if isDrill(id) {
			one = a.goOnWithDrill
		}
		err := one(ctx, s, id)
		if err != nil && !isSilent(err) {
			return err
		}
		if err != nil {
			code = exitCode(ctx, err)
		}
	}
	return ended(code)
}

func (a *app) resumeRun(ctx context.Context, s *opened, id string) error {
	run, err := s.Engine.Run(ctx, id)
	if err != nil {
		return err
	}
	if run.PauseBy != "" && !run.State.Final() {
		if err := s.Engine.Pause(ctx, id, a.principal(s.settings), false); err != nil {
			return err
		}
	}
	if !run.State.Final() && !run.Alive {
		if err := s.StartRun(id); err != nil {
			return err
		}
	}
	return a.attach(ctx, s, id, startup)
}

func (a *app) noneInterrupted() error {
	if a.jsonOut() {
		return printList[rollback.Run](a, "backout.run/v1", nil, nil)
	}
	fmt.Fprintln(a.out, "no interrupted run")
	return nil
}

func (a *app) listRuns(ctx context.Context, s *opened) error {
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return err
	}
	return printList(a, "backout.run/v1", runs, func(out io.Writer, runs []rollback.Run) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "RUN\tSTARTED\tUNIT\tFROM -> TO\tSTATE\tBY")
		for i := range runs {
			r := &runs[i]
			state := string(r.State)
			var why []string
			if r.Paused {
				why = append(why, "paused by "+r.PauseBy)
			}
			if !r.State.Final() && !r.Alive {
				why = append(why, "interrupted")
			}
			if len(why) > 0 {
				state += " (" + strings.Join(why, ", ") + ": backout runs resume " + r.ID + ")"
			}
			for j := range r.Plan.Units {
				u := &r.Plan.Units[j]
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s -> %s\t%s\t%s\n", r.ID, r.StartedAt.UTC().Format(time.RFC3339), u.Unit.ID, label(u.From), label(u.To), state, r.By.By.ID)
			}
		}
		return tw.Flush()
	})
}

// attach follows a run in the journal until it is over, and ends with its exit code. The run does not depend on it. Where
// nobody works on the run for as long as patience says, it ends too: nothing more would come.
func (a *app) attach(ctx context.Context, s *opened, id string, patience time.Duration) error {
	tick := time.NewTicker(attachEvery)
	defer tick.Stop()
	shown, last := 0, ""
	worked := time.Now()
	for {
		run, err := s.Engine.Run(ctx, id)
		if err != nil {
			return err
		}
		for ; shown < len(run.Log) && !a.flags.quiet; shown++ {
			fmt.Fprintf(a.errOut, "%s  %s\n", run.Log[shown].At.UTC().Format("15:04:05"), run.Log[shown].Text)
		}
		if run.Detail != last && len(run.Log) == 0 {
			a.warn("%s: %s: %s", run.ID, run.State, run.Detail)
			last = run.Detail
		}
		if run.Alive {
			worked, patience = time.Now(), orphaned
		}
		run, why := s.explained(run)
		if run.State.Final() || why != "" || time.Since(worked) > patience {
			if err := a.printRun(run); err != nil {
				return err
			}
			return ended(run.State.ExitCode())
		}
		select {
		case <-ctx.Done():
			if run.Alive {
				a.warn("the run goes on: %s", a.commandLine(tui.CommandAttach, id))
			} else {
				a.warn("nobody works on it: %s", a.commandLine(tui.CommandResume, id))
			}
			return ended(codeInterrupted)
		case <-tick.C:
		}
	}
}

// printStarted tells of a run whose process was started and has not taken it up yet.
func (a *app) printStarted(r rollback.Run) error {
	if a.jsonOut() {
		return a.printRun(r)
	}
	_, err := fmt.Fprintf(a.out, "%s  %s: %s\nfollow it: %s\n", r.ID, r.State, r.Detail, a.commandLine(tui.CommandAttach, r.ID))
	return err
}

func (a *app) printRun(r rollback.Run) error {
	if a.jsonOut() {
		return a.printJSON("backout.run/v1", r)
	}
	fmt.Fprintf(a.out, "%s  %s: %s\n", r.ID, r.State, r.Detail)
	for _, s := range r.Steps {
		fmt.Fprintf(a.out, "  %-20s %s\n", s.State, s.Title)
	}
	for i := range r.Measures {
		m := &r.Measures[i]
		fmt.Fprintf(a.out, "  measure %s  %s: %s; to be lifted when %s, by %s\n", m.ID, measureState(m), m.What, m.Exit, expiry(m, a.now()))
	}
	a.printLooks(&r)
	if r.Paused {
		fmt.Fprintf(a.out, "%s paused it at %s: it begins no step. go on: %s\n", r.PauseBy, r.PausedAt.UTC().Format(time.RFC3339), a.commandLine(tui.CommandResume, r.ID))
	}
	if !r.State.Final() && !r.Alive {
		fmt.Fprintf(a.out, "nobody works on it: %s\n", a.commandLine(tui.CommandResume, r.ID))
	}
	for _, l := range r.Log {
		if session.AboutAnchor(l.Text) {
			fmt.Fprintf(a.out, "  %s\n", harmless(l.Text))
		}
	}
	return nil
}
