package main

import (
	"context"
	"fmt"
	"io"
	"slices"
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
	var f verifyFlags
	verify := &cobra.Command{
		Use: "verify", Short: "Find any altered, dropped or reordered entry, and say what only an outside checkpoint could find", Args: noArgs,
		Long: `Find any altered, dropped or reordered entry. With a checkpoint that was kept elsewhere, find also what was cut off the end
and what was rewritten since. Signatures
of entries are checked, and with a file of allowed signers it is said whose they are. Exit codes: 0 the record holds; 1 it does not, is not
the one of the checkpoint, lacks a signature that ledger.require asks for, or could not be compared with an anchor.`,
		Example: "  backout ledger verify\n  backout ledger verify --checkpoint friday.txt\n  backout ledger verify --checkpoint 41:9c1e44d0...",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.export != "" {
				return a.verifyExport(f)
			}
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.verifyLedger(ctx, s, f) })
		},
	}
	verify.Flags().StringArrayVar(&f.held, "checkpoint", nil, "a checkpoint that was kept elsewhere: a file, or SEQ:HASH (repeatable)")
	verify.Flags().StringVar(&f.allowed, "allowed-signers", "", "the file of OpenSSH that says whose keys may sign (default: ledger.allowed_signers): every checkpoint given here has to be signed by one of them")
	verify.Flags().BoolVar(&f.anchors, "anchors", false, "compare with what every anchor of the configuration (ledger.anchors) keeps")
	verify.Flags().StringVar(&f.export, "export", "", "verify a file that 'backout ledger export' wrote, instead of the record")
	verify.MarkFlagsMutuallyExclusive("export", "anchors")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the entries, oldest first", Args: noArgs, Example: "  backout ledger list --since 4h --output jsonl",
			RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), a.listLedger) },
		},
		a.searchCmd(), verify, a.checkpointCmd(), a.proveCmd(), a.checkProofCmd(), a.redactCmd(), a.signCmd(), a.showCmd(), a.ledgerExportCmd())
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
	return printList(a, "backout.ledger/v1", items, entryLines)
}

func entryLines(out io.Writer, items []ledger.Entry) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SEQ\tTIME\tWHO\tKIND\tRUN\tTEXT")
	for _, e := range items {
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At.UTC().Format(time.RFC3339), e.Actor, e.Kind, dash(e.Run), e.Text)
	}
	return tw.Flush()
}

// besideRecord are the problems that say nothing against the record itself.
var besideRecord = []ledger.Damage{ledger.Nameless, ledger.Unsigned, ledger.Unheld}

// reportText says in plain words what a verification found, and what it could not.
func reportText(r ledger.Report) string {
	var b strings.Builder
	beside := !slices.ContainsFunc(r.Problems, func(p ledger.Problem) bool { return !slices.Contains(besideRecord, p.Damage) })
	switch {
	case r.OK:
		fmt.Fprintf(&b, "%d entries, the chain holds", r.Entries)
	case beside:
		fmt.Fprintf(&b, "%d entries, the chain holds, and what has to be there beside it is not (%d):", r.Entries, len(r.Problems))
	default:
		fmt.Fprintf(&b, "the record is damaged. %d entries; what is wrong (%d):", r.Entries, len(r.Problems))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "\n  entry %d: %s: %s", p.Seq, p.Damage, p.Text)
	}
	if n := len(r.Redacted); n > 0 {
		fmt.Fprintf(&b, "\n  redacted, so not whole: %s; what was taken out of them nobody can check any more", counted(r.Redacted))
	}
	for _, l := range r.Limits {
		fmt.Fprintf(&b, "\n  not shown by the record itself: %s", l)
	}
	switch {
	case !r.OK && !beside:
		b.WriteString("\n  keep the checkpoints that you made earlier: what this record says of itself is none")
	case r.Entries > 0:
		fmt.Fprintf(&b, "\n  its head now is %d:%s; to keep more than that elsewhere: backout ledger checkpoint", r.Head.Seq, r.Head.Hash)
	}
	return b.String()
}

// counted says which entries, as many as one line has room for.
func counted(seqs []int64) string {
	const shown = 12
	names := make([]string, 0, shown)
	for _, seq := range seqs[:min(len(seqs), shown)] {
		names = append(names, strconv.FormatInt(seq, 10))
	}
	text := fmt.Sprintf("%d of the entries (%s", len(seqs), strings.Join(names, ", "))
	if len(seqs) > shown {
		text += ", ..."
	}
	return text + ")"
}
