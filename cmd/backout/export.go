package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/timeline/export"
)

// exportFormats are the values of --format.
var exportFormats = []string{"md", "markdown", "csv", "json"}

func (a *app) exportCmd() *cobra.Command {
	var format, redact string
	cmd := &cobra.Command{
		Use:   "export [INCIDENT]",
		Short: "Write the post-incident timeline: Markdown, CSV, or an incident file",
		Long: `Write the post-incident timeline of an incident, or of a window. Facts stand apart from an empty narrative, the ranking is
an appendix marked as a hypothesis, and secrets and addresses are redacted. The JSON form is an incident file: it opens
again with --file and ranks to the same bytes.`,
		Example: `  backout export --format md > timeline.md
  backout export INC-7f3a21 --format json > INC-7f3a21.json
  backout export --since 4h --until 1h --format csv`,
		Args: atMostOne("INCIDENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(exportFormats, format) {
				return usage("--format is md, csv or json, not %q", format)
			}
			if _, err := export.ParseOptions(redact); err != nil {
				return usage("--redact: %v", err)
			}
			id := a.flags.incident
			if len(args) > 0 {
				id = args[0]
			}
			return a.with(cmd.Context(), 24*time.Hour, func(ctx context.Context, s *opened) error { return a.export(ctx, s, id, format, redact) })
		},
	}
	cmd.Flags().StringVar(&format, "format", "md", "md, csv or json")
	cmd.Flags().StringVar(&redact, "redact", "strict", "strict, names (people become engineer-1, ...) or off")
	_ = cmd.RegisterFlagCompletionFunc("redact", cobra.FixedCompletions([]string{"strict", "names", "off"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"md", "csv", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) export(ctx context.Context, s *opened, id, format, redact string) error {
	data, err := a.exportData(ctx, s, id)
	if err != nil {
		return err
	}
	opts, err := export.ParseOptions(redact)
	if err != nil {
		return usage("%v", err)
	}
	switch format {
	case "md", "markdown":
		err = export.Markdown(a.out, data, opts)
	case "csv":
		err = export.CSV(a.out, data, opts)
	default:
		err = export.JSON(a.out, data, opts)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// exportData gathers an incident, or where a window was asked for, everything in it.
func (a *app) exportData(ctx context.Context, s *opened, id string) (export.Data, error) {
	now := a.now().UTC()
	byWindow := a.flags.since != "" || a.flags.until != ""
	inc, ok := s.Incident(id)
	switch {
	case id != "" && !ok:
		return export.Data{}, s.NoIncident(id)
	case !ok && !byWindow:
		return export.Data{}, fmt.Errorf("%w: name a window with --since and --until", errNoIncident)
	}
	w := a.window(24 * time.Hour)
	if w.Until.IsZero() {
		w.Until = now
	}
	snap := s.Timeline.Snapshot()
	if id == "" && byWindow {
		inc = timeline.Incident{ID: "window", Title: "everything in the window", OpenedAt: w.Since, Alerts: snap.Alerts(w)}
	} else {
		w = providers.Window{Since: inc.OpenedAt.Add(-24 * time.Hour), Until: now}
	}
	record, err := s.Entries(ctx, inc.ID, w)
	if err != nil {
		return export.Data{}, err
	}
	if !s.settings.replay && inc.ID != "window" {
		s.Measure(ctx, inc.ID)
	}
	in := s.Input(inc, now)
	if inc.ID == "window" {
		in.Changes = snap.Changes(w)
	} else {
		in.At = decided(record, now)
	}
	if !s.settings.replay {
		in.Changes = slices.DeleteFunc(slices.Clone(in.Changes), func(c providers.Change) bool {
			return c.Status == providers.StatusNote && !slices.ContainsFunc(record, func(e ledger.Entry) bool { return e.At.Equal(c.At()) })
		})
	}
	record = shownOf(record, in.Changes)
	beside, err := s.Beside(ctx, record)
	return export.Data{
		Incident: inc, At: in.At, Services: in.Services, Edges: in.Edges, Alerts: in.Alerts, Changes: in.Changes, Signals: in.Signals,
		Ranking: culprit.Rank(in), Record: record, Beside: beside, GeneratedAt: now, Link: s.Link,
	}, err
}

// shownOf leaves out what was recorded of AI in other changes than those that are shown.
func shownOf(record []ledger.Entry, changes []providers.Change) []ledger.Entry {
	return slices.DeleteFunc(record, func(e ledger.Entry) bool {
		return e.Kind == ledger.KindAttribution && !slices.ContainsFunc(changes, func(c providers.Change) bool { return c.ID == e.Change })
	})
}

// decided is when somebody first acted on the ranking: what came of that says more than any ranking, and what the way back
// itself stirred up would speak against the one that was right. Where nobody did it is now.
func decided(record []ledger.Entry, now time.Time) time.Time {
	for i := range record {
		if e := &record[i]; e.Kind == ledger.KindPlan && e.At.Before(now) {
			now = e.At.UTC()
		}
	}
	return now
}
