package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// entry is one line of the timeline as commands print it.
type entry struct {
	At     time.Time         `json:"at"`
	Type   string            `json:"type"`
	Handle string            `json:"handle,omitempty"`
	Change *providers.Change `json:"change,omitempty"`
	Alert  *providers.Alert  `json:"alert,omitempty"`
}

func (a *app) timelineCmd() *cobra.Command {
	var filter string
	cmd := &cobra.Command{
		Use:   "timeline",
		Short: "List changes and alerts, newest first",
		Example: `  backout timeline --since 2h
  backout timeline --since 2026-01-31T13:00:00Z --until 2026-01-31T15:00:00Z --output jsonl
  backout timeline --file incident.json --filter pricing`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), 0, func(_ context.Context, s *opened) error {
				return a.printTimeline(s, filter)
			})
		},
	}
	cmd.Flags().StringVar(&filter, "filter", "", "only what holds this text (service, unit, title, author)")
	return cmd
}

func (a *app) printTimeline(s *opened, filter string) error {
	w := a.window(s.settings.Since)
	if a.flags.file != "" && a.flags.since == "" {
		w.Since = time.Time{}
	}
	view := s.Timeline.Snapshot().Query(timeline.Query{Window: w, Text: filter})
	items := make([]entry, 0, view.Len())
	for i := range view.Len() {
		ev, err := view.Event(i)
		if err != nil {
			a.warn("an event cannot be read: %v", err)
			continue
		}
		items = append(items, asEntry(ev))
	}
	return printList(a, "backout.timeline/v1", items, func(out io.Writer, items []entry) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "TIME\tCHANGE\tKIND\tSERVICE\tWHAT\tAI\tBY")
		for _, e := range items {
			fmt.Fprintln(tw, e.row())
		}
		return tw.Flush()
	})
}

func asEntry(ev providers.Event) entry {
	if ev.Alert != nil {
		return entry{At: ev.Alert.StartsAt, Type: "alert", Alert: ev.Alert}
	}
	return entry{At: ev.Change.At(), Type: "change", Handle: timeline.Handle(ev.Change), Change: ev.Change}
}

func (e entry) row() string {
	at := "unknown"
	if !e.At.IsZero() {
		at = e.At.UTC().Format(time.RFC3339)
	}
	if e.Alert != nil {
		state := e.Alert.StateAt(time.Now())
		return fmt.Sprintf("%s\t-\tALERT %s\t%s\t%s\t-\t%s", at, state, dash(e.Alert.Service), providers.Clean(e.Alert.Name+" "+e.Alert.Summary), dash(e.Alert.Provider))
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", at, e.Handle, dash(string(e.Change.Kind)), dash(e.Change.Service), whatOf(e.Change), aiWord(e.Change), dash(e.Change.Author.Name))
}

// maxTitle is how many cells of a title a line shows; JSON has all of it.
const maxTitle = 90

// whatOf says what a change was: its title, with the revisions where they are known and it does not name them itself.
func whatOf(c *providers.Change) string {
	named := strings.Contains(c.Title, c.To) && strings.Contains(c.Title, c.From)
	if c.To != "" && c.From != "" && !named {
		return ansi.Truncate(providers.Clean(c.Title), maxTitle, "~") + fmt.Sprintf(" (%s <- %s)", c.To, c.From)
	}
	return ansi.Truncate(providers.Clean(c.Title), maxTitle, "~")
}

// aiWord is the assistance in a word; nothing found is "none found", never a claim about people.
func aiWord(c *providers.Change) string {
	switch c.Assistance.State {
	case "":
		return "not looked"
	case providers.AssistanceNone:
		return "none found"
	default:
		return string(c.Assistance.State)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
