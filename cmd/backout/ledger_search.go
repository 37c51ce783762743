package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// maxFound bounds one answer; the next one goes on with --before.
const maxFound = 10_000

func (a *app) searchCmd() *cobra.Command {
	var s ledger.Query
	var kind string
	cmd := &cobra.Command{
		Use: "search [TEXT]", Short: "Find entries by their words, who, what, when and how it ended, the newest first",
		Long: `Find entries of the record, the newest first. All words of TEXT have to be in an entry, in any case and order: in its sentence, in
what it names, or in the texts of its body. "Several words in quotes" have to stand in this order, and word* is a beginning. No other
character means anything. The flags compare whole values. What is found is read from the record itself; an index says where to look.
Entries of a record from before there was an index are put into it by the first search.`,
		Example: `  backout ledger search timeout
  backout ledger search '"connection pool" 9c1e*' --since 720h
  backout ledger search --actor ana --unit releases:shop/pricing --outcome succeeded
  backout ledger search --assistance agent --output jsonl`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.Limit < 1 || s.Limit > maxFound {
				return usage("--limit is 1 to %d, not %d", maxFound, s.Limit)
			}
			s.Text, s.Kind = strings.Join(args, " "), ledger.Kind(kind)
			if err := s.Check(); err != nil {
				return usage("%v", err)
			}
			return a.record(cmd.Context(), func(ctx context.Context, o *opened) error { return a.search(ctx, o, s) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.Actor, "actor", "", "who: the whole name")
	f.StringVar(&s.Unit, "unit", "", "the id of a unit that it is about, alone or among others")
	f.StringVar(&kind, "kind", "", ledger.KindList())
	f.StringVar(&s.Outcome, "outcome", "", "how it ended, as the entry says it: succeeded, failed, refused, pass, ...")
	f.StringVar(&s.Assistance, "assistance", "", "what was known of AI in the change that went back: "+strings.Join(ledger.Assistances(), ", "))
	f.IntVar(&s.Limit, "limit", 50, "how many at most")
	f.Int64Var(&s.Before, "before", 0, "only entries before this number, to go on where the last answer ended")
	_ = cmd.RegisterFlagCompletionFunc("assistance", cobra.FixedCompletions(ledger.Assistances(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(strings.Split(ledger.KindList(), ", "), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) search(ctx context.Context, o *opened, s ledger.Query) error {
	w := a.window(0)
	if a.flags.since != "" {
		s.Since = w.Since
	}
	s.Until = w.Until
	if err := a.indexed(ctx, o); err != nil {
		return err
	}
	found, err := o.DB.Search(ctx, s)
	if errors.Is(err, store.ErrQuery) {
		return usage("%v", err)
	}
	if err != nil {
		return err
	}
	if found.Unindexed > 0 {
		a.warn("the oldest %d entries were not searched: the index cannot be written here", found.Unindexed)
	}
	if err := printList(a, "backout.ledger/v1", found.Entries, func(out io.Writer, items []ledger.Entry) error {
		if len(items) == 0 {
			_, err := fmt.Fprintln(out, "no entry found")
			return err
		}
		return entryLines(out, items)
	}); err != nil {
		return err
	}
	if found.More {
		a.warn("there are older ones: --before %d goes on", found.Entries[len(found.Entries)-1].Seq)
	}
	return nil
}

// indexed puts what is missing into the index, where it can be written, and says that it takes a while.
func (a *app) indexed(ctx context.Context, o *opened) error {
	left, err := o.DB.Unindexed(ctx)
	if err != nil || left == 0 || o.NoRecord != nil {
		return err
	}
	const often = 50_000
	next := left
	return o.DB.Index(ctx, func(left int64) {
		if left > 0 && left <= next {
			a.warn("the index is made, once: %d entries left", left)
			next = left - often
		}
	})
}
