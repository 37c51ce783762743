package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
)

func (a *app) unitsCmd() *cobra.Command {
	var environment string
	cmd := &cobra.Command{
		Use:   "units",
		Short: "List the units and whether each can go back alone now; changes nothing",
		Long: `List every unit: can it go back alone now, since when not, and which change broke that? Each answer is what a plan of that
unit would say now, with the rule, its evidence, its source and its age. What cannot be judged is unknown, never a yes. Run it when
something is merged or at night, and what hangs together is known before somebody has to take it back.

Exit codes: 0 every unit is listed, whatever the answers; 8 some units could not be listed.`,
		Example: `  backout units
  backout units --environment prod --output json
  backout units --output jsonl | jq -r 'select(.alone != "yes") | .unit.id'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error { return a.units(ctx, s, environment) })
		},
	}
	cmd.Flags().StringVar(&environment, "environment", "", "only the units of this environment")
	return cmd
}

func (a *app) units(ctx context.Context, s *opened, environment string) error {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	var req rollback.Request
	if err := s.Prepare(ctx, &req); err != nil {
		return err
	}
	standings, listErr := s.Engine.Standings(ctx, req, environment)
	err := printList(a, "backout.unit/v1", standings, func(out io.Writer, standings []rollback.Standing) error {
		if len(standings) == 0 && listErr == nil {
			fmt.Fprintln(out, "no unit"+inside(environment))
		}
		for i := range standings {
			a.printStanding(out, &standings[i])
		}
		return nil
	})
	if err != nil || listErr == nil {
		return err
	}
	a.warn("not all units are listed: %v", listErr)
	return ended(codeUnknown)
}

func inside(environment string) string {
	if environment == "" {
		return " is configured: backout doctor says what is missing"
	}
	return " in environment " + environment
}

func (a *app) printStanding(out io.Writer, s *rollback.Standing) {
	way := ""
	switch {
	case s.To.Digest != "":
		way = "  " + label(s.From) + " -> " + label(s.To)
	case s.From.Digest != "":
		way = "  serves " + label(s.From)
	}
	fmt.Fprintf(out, "%s  alone: %s (%s)%s\n", s.Unit.ID, strings.ToUpper(string(s.Alone)), s.Verdict, harmless(way))
	fmt.Fprintf(out, "   way back: %s\n", harmless(s.Tested))
	if s.Alone != rollback.AloneYes {
		fmt.Fprintf(out, "   since: %s\n", a.sinceWhen(s.Since))
	}
	for i := range s.Because {
		f := &s.Because[i]
		fmt.Fprintf(out, "   %s: %s\n", f.Rule, harmless(f.Text))
		fmt.Fprintf(out, "      broken by: %s\n", brokenBy(f))
		if f.Evidence != "" {
			fmt.Fprintf(out, "      evidence: %s\n", harmless(f.Evidence))
		}
		fmt.Fprintf(out, "      source: %s, seen %s\n", harmless(f.Source), a.sinceWhen(f.SeenAt))
	}
	if len(s.With) > 0 {
		names := make([]string, len(s.With))
		for i, id := range s.With {
			names[i] = string(id)
		}
		fmt.Fprintf(out, "   goes back as: %s (%s)\n", strings.Join(names, ", then "), s.Together)
	}
}

// brokenBy is the change or revision that a finding lays it to.
func brokenBy(f *rollback.Finding) string {
	if f.Broke == "" {
		return "unknown"
	}
	if f.Change == "" {
		return harmless(f.Broke)
	}
	return harmless(f.Broke + ", " + f.Change)
}

// sinceWhen is a time with how long ago that is.
func (a *app) sinceWhen(at time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return fmt.Sprintf("%s (%s ago)", at.UTC().Format(time.RFC3339), roughly(max(0, a.now().Sub(at))))
}
