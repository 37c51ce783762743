package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
)

// liftFlags are the flags of lifting.
type liftFlags struct {
	reason     string
	force, yes bool
}

func (a *app) measuresCmd() *cobra.Command {
	var all bool
	list := func(cmd *cobra.Command, _ []string) error {
		return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.listMeasures(ctx, s, all) })
	}
	cmd := &cobra.Command{
		Use:   "measures",
		Short: "List, look at or lift what a rollback left behind for a while",
		Long: `A rollback may have to hold something back first: a reconciler that would undo it, say. That stays so until somebody
lifts it: nothing is lifted by itself. Each such measure has an owner, a reason, an exit condition and an expiry. One that
somebody else lifted, that cannot be seen, that outlived its exit condition or that expired is an alert on the timeline.`,
		Example: `  backout measures list
  backout measures probe               is each in force, and may it be lifted?
  backout measures lift RUN-0007.1`,
		Args: noArgs, RunE: list,
	}
	listing := &cobra.Command{
		Use: "list", Short: "List the measures that stand, or may stand, as the record has them", Args: noArgs, RunE: list,
		Example: "  backout measures list\n  backout measures list --all --output jsonl",
	}
	listing.Flags().BoolVar(&all, "all", false, "those that were lifted too")
	var f liftFlags
	lift := &cobra.Command{
		Use: "lift MEASURE...", Short: "Lift measures, the last one set first; refused while their exit condition does not hold",
		Long: `Lift measures. Each is an operation of its own, with its intent and its result on the record; it is conditional on the
measure being as it was set, and done only if the measure is seen to be gone afterwards. Exit codes: 0 lifted; 3 not
lifted; 5 refused; 8 whether it was lifted is not known: lift it again; 9 somebody else altered it; 11 a run is at it.`,
		Example: `  backout measures lift RUN-0007.1
  backout measures lift RUN-0007.1 --yes
  backout measures lift RUN-0007.1 --force --reason "the source moved to another repository"`,
		Args: someArgs("MEASURE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.liftMeasures(ctx, s, args, f) })
		},
	}
	fl := lift.Flags()
	fl.StringVar(&f.reason, "reason", "", "why; kept in the record")
	fl.BoolVar(&f.force, "force", false, "although the exit condition does not hold, or cannot be seen; needs --reason")
	fl.BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.AddCommand(listing, &cobra.Command{
		Use: "probe [MEASURE...]", Short: "Look now whether measures are in force and may be lifted; nothing is altered",
		Long: `Look now whether measures are in force and whether their exit condition holds. What became different goes on the
record. Exit codes: 0 each is in force; 8 one cannot be seen; 9 somebody else lifted one.`,
		Example: "  backout measures probe\n  backout measures probe RUN-0007.1",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.probeMeasures(ctx, s, args) })
		},
	}, lift)
	return cmd
}

// someArgs lets a command take one argument or more.
func someArgs(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s takes at least one %s, and none was given", cmd.CommandPath(), name)
		}
		return nil
	}
}

func (a *app) listMeasures(ctx context.Context, s *opened, all bool) error {
	measures, err := s.Engine.Measures(ctx)
	if err != nil {
		return err
	}
	faults, err := s.gameMeasures(ctx)
	if err != nil {
		return err
	}
	measures = append(measures, faults...)
	if !all {
		measures = slices.DeleteFunc(measures, func(m rollback.MeasureRun) bool { return m.State.Closed() })
	}
	return a.printMeasures(measures)
}

func (a *app) printMeasures(measures []rollback.MeasureRun) error {
	now := a.now()
	return printList(a, "backout.measure/v1", measures, func(out io.Writer, measures []rollback.MeasureRun) error {
		if len(measures) == 0 {
			_, err := fmt.Fprintln(out, "no measure stands")
			return err
		}
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "MEASURE\tSTATE\tUNIT\tOWNER\tEXPIRES\tWHAT\tLIFT WHEN")
		for i := range measures {
			m := &measures[i]
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, measureState(m), m.Unit, m.Owner, expiry(m, now), m.What, m.Exit)
		}
		return tw.Flush()
	})
}

// measureState is where a measure stands, with what a look said where that is not the same.
func measureState(m *rollback.MeasureRun) string {
	state := string(m.State)
	if m.State == rollback.MeasureSetting {
		state = "may be in force"
	}
	if m.State.Closed() {
		return state
	}
	switch {
	case m.InForce == rollback.TellUnknown:
		state += ", unknown now"
	case m.State == rollback.MeasureInForce && m.ExitHolds == rollback.TellYes:
		state += ", lift it"
	}
	return state
}

func expiry(m *rollback.MeasureRun, now time.Time) string {
	text := m.Expires.UTC().Format(time.RFC3339)
	if m.Overdue(now) {
		text += " (EXPIRED)"
	}
	return text
}

func (a *app) probeMeasures(ctx context.Context, s *opened, ids []string) error {
	measures, err := s.Engine.Probe(ctx, a.principal(s.settings), ids...)
	if err != nil {
		return err
	}
	if err := a.printMeasures(measures); err != nil {
		return err
	}
	code := codeOK
	for i := range measures {
		m := &measures[i]
		if !a.jsonOut() {
			fmt.Fprintf(a.out, "%s: in force: %s; exit condition holds: %s%s\n", m.ID, answer(m.InForce), answer(m.ExitHolds), behind(m.Detail))
		}
		switch {
		case m.InForce == rollback.TellUnknown:
			code = codeUnknown
		case m.State == rollback.MeasureElsewhere && code == codeOK:
			code = codeSuperseded
		}
	}
	return ended(code)
}

func answer(t rollback.Tell) string {
	if t == "" {
		return string(rollback.TellUnknown)
	}
	return string(t)
}

func behind(detail string) string {
	if detail == "" {
		return ""
	}
	return " (" + harmless(detail) + ")"
}

// lifted is what became of one lift.
type lifted struct {
	Measure rollback.MeasureRun `json:"measure"`
	Result  rollback.Result     `json:"result"`
}

func (a *app) liftMeasures(ctx context.Context, s *opened, ids []string, f liftFlags) error {
	if err := a.person(s.settings, "lift a measure"); err != nil {
		return err
	}
	if err := s.Engine.Writable(); err != nil {
		return err
	}
	measures := make([]rollback.MeasureRun, len(ids))
	for i, id := range ids {
		if game, _, ok := strings.Cut(id, "."); ok && strings.HasPrefix(game, "GAME-") {
			return refusal("%s is the fault of a game day: 'backout gameday resume %s --undo' takes it back where its conductor is gone", id, game)
		}
		m, err := s.Engine.Measure(ctx, id)
		if err != nil {
			return err
		}
		measures[i] = m
	}
	slices.SortStableFunc(measures, func(x, y rollback.MeasureRun) int { // what was set last goes first
		return cmp.Or(y.SetAt.Compare(x.SetAt), cmp.Compare(y.Step, x.Step))
	})
	if err := a.confirmLift(ctx, measures, f); err != nil {
		return err
	}
	var done []lifted
	for _, m := range measures {
		now, res, err := s.Engine.Lift(ctx, m.ID, rollback.LiftRequest{By: a.principal(s.settings), Reason: f.reason, Force: f.force})
		if err != nil {
			for _, d := range done {
				a.warn("%s: %s", d.Measure.ID, d.Measure.State)
			}
			return err
		}
		done = append(done, lifted{now, res})
		if liftCode(done[len(done)-1]) != codeOK {
			break // those below it were to be lifted after it
		}
	}
	err := printList(a, "backout.measure-lift/v1", done, func(out io.Writer, done []lifted) error {
		for _, d := range done {
			fmt.Fprintf(out, "%s  %s: %s%s\n", d.Measure.ID, liftWord(d), d.Measure.Undo, behind(strings.Trim(d.Result.Detail+"; "+d.Measure.Detail, "; ")))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ended(liftCode(done[len(done)-1]))
}

func liftWord(d lifted) string {
	switch liftCode(d) {
	case codeOK:
		return string(d.Measure.State)
	case codeUnknown:
		return "not known to be lifted: lift it again"
	default:
		return "not lifted (" + string(d.Result.Outcome) + ")"
	}
}

func liftCode(d lifted) int {
	switch {
	case d.Measure.State.Closed():
		return codeOK
	case d.Result.Outcome == rollback.PreconditionFailed:
		return codeSuperseded
	case d.Result.Outcome == rollback.Failed:
		return codeFailed
	default:
		return codeUnknown
	}
}

// confirmLift asks, where a person sits at the terminal and did not say yes already.
func (a *app) confirmLift(ctx context.Context, measures []rollback.MeasureRun, f liftFlags) error {
	if f.yes {
		return nil
	}
	if !a.interactive() {
		return usage("no terminal to ask at: add --yes, after a look at 'backout measures probe %s'", measures[0].ID)
	}
	for i := range measures {
		fmt.Fprintf(a.errOut, "%s  %s: %s (may be lifted when %s)\n", measures[i].ID, harmless(string(measures[i].Unit)), harmless(measures[i].Undo), harmless(measures[i].Exit))
	}
	fmt.Fprint(a.errOut, "Type y to lift: ")
	line, err := a.readLine(ctx)
	if err != nil || strings.TrimSpace(line) != "y" {
		return &coded{code: codeInterrupted, err: fmt.Errorf("not confirmed: nothing was done")}
	}
	return nil
}
