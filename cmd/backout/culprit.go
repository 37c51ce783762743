package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/timeline/export"
)

func (a *app) culpritCmd() *cobra.Command {
	var top int
	cmd := &cobra.Command{
		Use:   "culprit [INCIDENT]",
		Short: "Rank the changes by how likely each is to blame, with the evidence",
		Long: `Rank the changes by how likely each is to blame for an incident, with the evidence for and against. "none" is the
probability that no listed change is to blame; it and all others sum to 1. With --file it ranks each document of an
incident file, or the one that INCIDENT names, as of the document's own "at" or of --at.`,
		Example: `  backout culprit
  backout culprit INC-7f3a21 --output json
  backout culprit --file incident.json --output json`,
		Args: atMostOne("INCIDENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := a.flags.incident
			if len(args) > 0 {
				id = args[0]
			}
			if top < 0 {
				return usage("--top is how many suspects are shown, not %d", top)
			}
			if a.flags.file != "" {
				return a.rankFile(a.flags.file, id, top)
			}
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error { return a.rankIncident(ctx, s, id, top) })
		},
	}
	cmd.Flags().IntVar(&top, "top", 5, "how many suspects the text shows")
	return cmd
}

// rankFile ranks every document of a file, or the one that id names; each line of JSON is one document's ranking. --at
// looks at each from another moment than its own.
func (a *app) rankFile(path, id string, top int) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read incident file: %w", err)
	}
	defer f.Close()
	ranked := 0
	for doc, err := range incident.Read(f) {
		if err != nil {
			return fmt.Errorf("read incident file %s: %w", path, err)
		}
		if id != "" && doc.ID != id {
			continue
		}
		if at, _ := parseTime(a.flags.at, doc.At); !at.IsZero() {
			doc.At = at
		}
		if ranked++; ranked > 1 && !a.jsonOut() {
			fmt.Fprintln(a.out)
		}
		if err := a.rankDocument(&doc, top); err != nil {
			return err
		}
	}
	switch {
	case ranked == 0 && id != "":
		return fmt.Errorf("%s holds no incident %q", path, id)
	case ranked == 0:
		return fmt.Errorf("%s holds no incident: it is empty; 'backout export --format json' writes one", path)
	}
	return nil
}

func (a *app) rankDocument(doc *incident.Document, top int) error {
	in := export.Input(*doc)
	ranking := culprit.Rank(in)
	if a.jsonOut() {
		if err := culprit.Encode(a.out, ranking); err != nil {
			return fmt.Errorf("write ranking: %w", err)
		}
		return nil
	}
	a.printRanking(doc.Title, ranking, top, func(id string) string {
		for i := range in.Changes {
			if in.Changes[i].ID == id {
				return whatOf(&in.Changes[i])
			}
		}
		return ""
	})
	return nil
}

func (a *app) rankIncident(ctx context.Context, s *opened, id string, top int) error {
	inc, ok := s.Incident(id)
	if !ok {
		if id != "" {
			return s.NoIncident(id)
		}
		if a.jsonOut() {
			return a.printJSON("backout.culprit/v1", map[string]any{"incident": nil})
		}
		fmt.Fprintln(a.out, "no incident: no alert in the window")
		return nil
	}
	at := a.now().UTC()
	if t, _ := parseTime(a.flags.at, at); !t.IsZero() {
		at = t
	}
	if id != "" {
		s.Measure(ctx, id)
	}
	ranking := s.Rank(inc, at)
	if a.jsonOut() {
		return culprit.Encode(a.out, ranking)
	}
	snap := s.Timeline.Snapshot()
	a.printRanking(inc.Title, ranking, top, func(id string) string {
		c, ok := snap.Change(id)
		if !ok {
			return ""
		}
		return fmt.Sprintf("%s  %s  %s  ai: %s", timeline.Handle(&c), dash(c.Service), whatOf(&c), aiWord(&c))
	})
	return nil
}

func (a *app) printRanking(title string, r culprit.Ranking, top int, what func(id string) string) {
	fmt.Fprintf(a.out, "%s  %s  as of %s\n", r.ID, title, r.At.UTC().Format(time.RFC3339))
	fmt.Fprintf(a.out, "none of these  %.2f\n", r.None)
	if r.Tie {
		fmt.Fprintln(a.out, "TIE: the first suspects cannot be told apart")
	}
	for i, s := range r.Ranking {
		if i == top {
			fmt.Fprintf(a.out, "and %d more\n", len(r.Ranking)-top)
			break
		}
		fmt.Fprintf(a.out, "\n%d. %.2f  %s\n", i+1, s.P, what(s.Change))
		for _, e := range s.Evidence {
			weight := fmt.Sprintf("%+5.1f", e.Weight)
			if e.Unknown() {
				weight = "    ?" // no evidence is not evidence of nothing
			}
			fmt.Fprintf(a.out, "     %s  %s\n", weight, e.Text)
		}
	}
}

var errNoIncident = errors.New("no incident: no alert in the window")
