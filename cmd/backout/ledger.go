package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/ledger"
)

func (a *app) ledgerCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Read and verify the record",
		Example: `  backout ledger list --output jsonl
  backout ledger verify`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), a.listLedger) },
	}
	var checkpoint string
	verify := &cobra.Command{
		Use: "verify", Short: "Find any altered, dropped or reordered entry, and say what only an outside checkpoint could find", Args: noArgs,
		Example: "  backout ledger verify\n  backout ledger verify --checkpoint 41:9c1e44d0...",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.verifyLedger(ctx, s, checkpoint) })
		},
	}
	verify.Flags().StringVar(&checkpoint, "checkpoint", "", "a head that was kept elsewhere, as SEQ:HASH: the record must still hold it")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the entries, oldest first", Args: noArgs, Example: "  backout ledger list --since 4h --output jsonl",
			RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), a.listLedger) },
		},
		verify)
	return cmd
}

func (a *app) listLedger(ctx context.Context, s *opened) error {
	w := a.window(0)
	all := a.flags.since == "" && a.flags.until == ""
	var items []ledger.Entry
	for e, err := range s.DB.All(ctx) {
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if all || w.Contains(e.At) {
			items = append(items, e)
		}
	}
	return printList(a, "backout.ledger/v1", items, func(out io.Writer, items []ledger.Entry) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "SEQ\tTIME\tWHO\tKIND\tRUN\tTEXT")
		for _, e := range items {
			fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At.UTC().Format(time.RFC3339), e.Actor, e.Kind, dash(e.Run), e.Text)
		}
		return tw.Flush()
	})
}

func (a *app) verifyLedger(ctx context.Context, s *opened, checkpoint string) error {
	var heads []ledger.Head
	if checkpoint != "" {
		h, err := parseHead(checkpoint)
		if err != nil {
			return err
		}
		heads = append(heads, h)
	}
	report, err := s.DB.Verify(ctx, heads...)
	if err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	if a.jsonOut() {
		if err := a.printJSON("backout.ledger-report/v1", report); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.out, reportText(report))
	}
	if !report.OK {
		return ended(codeError)
	}
	return nil
}

// reportText says in plain words what a verification found, and what it could not.
func reportText(r ledger.Report) string {
	var b strings.Builder
	if r.OK {
		fmt.Fprintf(&b, "%d entries, the chain holds", r.Entries)
	} else {
		fmt.Fprintf(&b, "the record is damaged. %d entries; what is wrong (%d):", r.Entries, len(r.Problems))
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "\n  entry %d: %s: %s", p.Seq, p.Damage, p.Text)
		}
	}
	for _, l := range r.Limits {
		fmt.Fprintf(&b, "\n  not shown by the record itself: %s", l)
	}
	switch {
	case !r.OK:
		b.WriteString("\n  keep the head that you noted earlier: the one of this record is no checkpoint")
	case r.Entries > 0:
		fmt.Fprintf(&b, "\n  keep the head elsewhere, and later: backout ledger verify --checkpoint %d:%s", r.Head.Seq, r.Head.Hash)
	}
	return b.String()
}

func parseHead(s string) (ledger.Head, error) {
	seq, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	if !ok || err != nil || len(hash) != 64 {
		return ledger.Head{}, usage("--checkpoint is SEQ:HASH, as 'backout ledger verify' prints it")
	}
	return ledger.Head{Seq: n, Hash: strings.ToLower(hash)}, nil
}
