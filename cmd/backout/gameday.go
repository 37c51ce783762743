package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
)

// gamedayFlags are the flags of conducting a game day.
type gamedayFlags struct {
	report    string
	yes, tied bool
}

func (a *app) gamedayCmd() *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), a.listGames) }
	cmd := &cobra.Command{
		Use:   "gameday",
		Short: "Break something on purpose, time the people who cure it, report what was found",
		Long: `A game day follows a scenario file: what has to hold before and afterwards, what is broken, who is on call, who has to stay
out, when it is stopped. The conductor makes the fault on units whose configuration allows it (gamedays), waits for the page,
times the people from there to the cure, undoes what they left of the fault, and writes a report. docs/gamedays.md has the
file's keys, and four scenarios after documented outages that the demo can play.`,
		Example: `  backout gameday check scenario.yaml
  backout gameday run scenario.yaml --report reports
  backout gameday report GAME-0001
  backout demo --gameday checkout-outage`,
		Args: noArgs, RunE: list,
	}
	check := &cobra.Command{
		Use: "check FILE", Short: "Read a scenario file, and look whether it could be run now; nothing is altered",
		Long: `Read a scenario file strictly and tell everything that is wrong with it, with its lines. What it needs of the configuration
and of the units is looked at too, and whether everything is well enough to begin. Exit codes: 0 it could be run now; 2 the
file is wrong; 5 it would be refused.`,
		Example: "  backout gameday check scenario.yaml", Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.checkGame(cmd.Context(), args[0]) },
	}
	cmd.AddCommand(check, a.gamedayRunCmd(), a.gamedayResumeCmd(), a.gamedayReportCmd(), &cobra.Command{
		Use: "list", Short: "List the game days of the record", Args: noArgs, RunE: list, Example: "  backout gameday list --output json",
	})
	return cmd
}

func (a *app) gamedayRunCmd() *cobra.Command {
	var f gamedayFlags
	run := &cobra.Command{
		Use: "run FILE", Short: "Conduct a game day: make the fault, time the people, undo it, report",
		Long: `Conduct a game day. Refused where the configuration does not allow the fault's units, where an alert fires already, where
the steady state does not hold, and while a run or another game day is under way. The fault is undone at the deadline, when a
stop condition does not hold, and on Ctrl-C; a conductor that was killed leaves it as a temporary measure, and 'gameday
resume' goes on. Exit codes: 0 cured by the people; 3 not cured by them, the fault was undone; 5 refused; 8 part of the
fault may stand; 11 another game day is under way.`,
		Example: "  backout gameday run scenario.yaml\n  backout gameday run scenario.yaml --yes --report reports --output json", Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			if f.tied {
				go func() {
					_, _ = io.Copy(io.Discard, a.in)
					stop()
				}()
			}
			return a.runGame(ctx, args[0], f)
		},
	}
	run.Flags().StringVar(&f.report, "report", "", "directory for the report as Markdown, JSON and HTML")
	run.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	run.Flags().BoolVar(&f.tied, tiedFlag, false, "call it off when standard input ends")
	_ = run.Flags().MarkHidden(tiedFlag)
	return run
}

func (a *app) gamedayResumeCmd() *cobra.Command {
	var f gamedayFlags
	var undo bool
	resume := &cobra.Command{
		Use: "resume GAME", Short: "Go on with a game day whose conductor was interrupted",
		Long: `Go on with a game day whose conductor was interrupted: from the record, without the scenario file. With --undo it is called
off, and what stands of the fault is undone. Exit codes are those of 'gameday run'.`,
		Example: "  backout gameday resume GAME-0001\n  backout gameday resume GAME-0001 --undo", Args: exactArgs("GAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error { return a.resumeGame(ctx, s, args[0], undo, f) })
		},
	}
	resume.Flags().StringVar(&f.report, "report", "", "directory for the report as Markdown, JSON and HTML")
	resume.Flags().BoolVar(&undo, "undo", false, "call it off and undo the fault")
	return resume
}

func (a *app) gamedayReportCmd() *cobra.Command {
	var dir string
	report := &cobra.Command{
		Use: "report GAME", Short: "Make the report of a game day again, from the record",
		Example: "  backout gameday report GAME-0001 > report.md\n  backout gameday report GAME-0001 --report reports\n  backout gameday report GAME-0001 --output json",
		Args:    exactArgs("GAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.reportGame(ctx, s, args[0], dir) })
		},
	}
	report.Flags().StringVar(&dir, "report", "", "directory for the report as Markdown, JSON and HTML, instead of Markdown on standard output")
	return report
}

// scenario reads a scenario file.
func (a *app) scenario(path string) (gameday.Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return gameday.Scenario{}, usage("read the scenario: %v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, gameday.MaxScenario+1))
	if err != nil {
		return gameday.Scenario{}, usage("read the scenario: %v", err)
	}
	s, err := gameday.Parse(path, data)
	var bad *gameday.Problems
	if errors.As(err, &bad) {
		return s, &coded{code: codeUsage, err: err}
	}
	return s, err
}

func (a *app) checkGame(ctx context.Context, path string) error {
	scenario, err := a.scenario(path)
	if err != nil {
		return err
	}
	return a.with(ctx, 0, func(ctx context.Context, s *opened) error {
		c, err := a.prepareGame(ctx, s, &scenario, filepath.Dir(path))
		if err != nil {
			return err
		}
		if a.jsonOut() {
			return a.printJSON("backout.gameday-check/v1", map[string]any{"scenario": scenario, "targets": c.targets})
		}
		fmt.Fprintf(a.out, "%s: could be run now\n", harmless(scenario.Title))
		for i, t := range c.targets {
			fmt.Fprintf(a.out, "  step %d  %s\n          undone by %s\n", i+1, harmless(strings.Join(t.Do, " ")), harmless(strings.Join(t.Undo, " ")))
		}
		fmt.Fprintf(a.out, "  undone at the latest after %s\n", scenario.Stop.Deadline)
		return nil
	})
}

func (a *app) listGames(ctx context.Context, s *opened) error {
	book, err := s.Games(ctx)
	if err != nil {
		return err
	}
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return err
	}
	reports := make([]gameday.Report, 0, len(book.Games))
	for _, g := range book.Games {
		r := gameday.MakeReport(&book, g, gameRuns(g, runs), a.now())
		reports = append(reports, r)
	}
	return printList(a, gameday.ReportSchema, reports, func(out io.Writer, reports []gameday.Report) error {
		if len(reports) == 0 {
			_, err := fmt.Fprintln(out, "no game day was ever held")
			return err
		}
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "GAME\tWHEN\tOUTCOME\tFINDINGS\tNEXT\tTITLE")
		for i := range reports {
			r := &reports[i]
			outcome, next := string(r.Game.Outcome), "-"
			if !r.Over {
				outcome = "under way"
			}
			if !r.Next.IsZero() {
				next = r.Next.Format(time.DateOnly)
				if r.Next.Before(a.now()) {
					next += " (DUE)"
				}
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", r.Game.ID, r.Game.AnnouncedAt.Format(time.RFC3339), outcome, len(r.Findings), next, providers.Clean(r.Game.Scenario.Title))
		}
		return tw.Flush()
	})
}

// game finds a game day of the record.
func (a *app) game(ctx context.Context, s *opened, id string) (gameday.Book, *gameday.Game, error) {
	book, err := s.Games(ctx)
	if err != nil {
		return book, nil, err
	}
	if g := book.Game(id); g != nil {
		return book, g, nil
	}
	return book, nil, fmt.Errorf("no game day %s, see 'backout gameday list': %w", id, rollback.ErrNotFound)
}

// gameMeasures are the faults of game days that stand, as temporary measures: whoever lists what has to be lifted sees them too.
func (s *opened) gameMeasures(ctx context.Context) ([]rollback.MeasureRun, error) {
	book, err := s.Games(ctx)
	if err != nil {
		return nil, err
	}
	var out []rollback.MeasureRun
	for _, g := range book.Games {
		if g.InjectedAt().IsZero() {
			continue
		}
		m := rollback.MeasureRun{Run: g.ID, State: rollback.MeasureInForce, SetAt: g.InjectedAt(), EndedAt: g.EndedAt}
		m.ID, m.Unit, m.Owner, m.Expires = g.Measure(), rollback.UnitID("gameday:"+g.ID), g.Conductor, g.Until
		m.What, m.Exit, m.Undo, m.Reason = "the fault of "+g.ID+" stands", g.ID+" is over", "backout gameday resume "+g.ID+" --undo", g.Scenario.Title
		if !g.Open() {
			m.State = rollback.MeasureLifted
		}
		out = append(out, m)
	}
	return out, nil
}

// warnStayOut tells somebody who acts that they are to stay out of the game day that is under way.
func (a *app) warnStayOut(ctx context.Context, s *opened) {
	book, err := s.Games(ctx)
	if err != nil {
		return // acting says itself that the record cannot be read
	}
	if g := book.Current(); g != nil && g.StaysOut(a.principal(s.settings).ID) {
		a.warn("%s", s.GameNotice())
	}
}
