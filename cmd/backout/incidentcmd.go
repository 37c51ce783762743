package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/timeline"
)

func (a *app) incidentCmd() *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error {
		return a.with(cmd.Context(), 24*time.Hour, a.listIncidents)
	}
	cmd := &cobra.Command{
		Use: "incident", Short: "List incidents; open, split, merge and close them by hand", Args: noArgs, RunE: list,
		Example: `  backout incident list
  backout incident open "customers report wrong prices"
  backout incident split INC-7f3a21 login
  backout incident merge INC-7f3a21 INC-02bc44
  backout incident close INC-7f3a21 "pricing r41 serves again"`,
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List incidents, newest first", Args: noArgs, RunE: list, Example: "  backout incident list --since 12h --output jsonl"},
		a.incidentVerb("open TITLE", "Open an incident that no alert opened", `open "customers report wrong prices"`, 1, func(args []string) (string, []string) { return "", args }),
		a.incidentVerb("split INCIDENT SERVICE...", "Move the alerts of some services to an incident of their own", "split INC-7f3a21 login", 2, headAndRest),
		a.incidentVerb("merge INCIDENT OTHER", "Move the alerts of another incident into this one", "merge INC-7f3a21 INC-02bc44", 2, headAndRest),
		a.incidentVerb("close INCIDENT REASON", "Close an incident", `close INC-7f3a21 "pricing r41 serves again"`, 2, headAndRest),
	)
	return cmd
}

func headAndRest(args []string) (string, []string) { return args[0], args[1:] }

func (a *app) incidentVerb(use, short, example string, least int, split func([]string) (string, []string)) *cobra.Command {
	verb, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use: use, Short: short, Example: "  backout incident " + example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < least {
				return usage("write it as: backout incident %s", use)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), 24*time.Hour, func(ctx context.Context, s *opened) error {
				id, words := split(args)
				next, err := s.Edit(ctx, verb, id, words)
				if err != nil {
					return err
				}
				if next == "" {
					next = id
				}
				if a.jsonOut() {
					return a.printJSON("backout.incident-edit/v1", map[string]any{"verb": verb, "incident": next})
				}
				fmt.Fprintf(a.out, "%s: %s recorded\n", next, verb)
				return nil
			})
		},
	}
}

func (a *app) listIncidents(_ context.Context, s *opened) error {
	return printList(a, "backout.incident-summary/v1", s.Incidents(), func(out io.Writer, items []timeline.Incident) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "INCIDENT\tOPENED\tSTATE\tALERTS\tSERVICES\tTITLE")
		for _, i := range items {
			state := "open"
			if !i.ClosedAt.IsZero() {
				state = "closed " + i.ClosedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.OpenedAt.UTC().Format(time.RFC3339), state, len(i.Alerts), dash(strings.Join(i.Services, ",")), i.Title)
		}
		return tw.Flush()
	})
}
