package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
)

// redactFlags are the flags of redacting.
type redactFlags struct {
	fields []string
	reason string
	yes    bool
}

func (a *app) redactCmd() *cobra.Command {
	var f redactFlags
	cmd := &cobra.Command{
		Use: "redact ENTRY", Short: "Take a secret that slipped in out of the record, for good; the chain holds, and it shows as redacted",
		Long: `Take a text out of an entry for good. The digest of what was written stays, so that the chain and every checkpoint hold; the
entry shows as redacted, and a new entry says who did it, when and why. What is found of it elsewhere in the database is
told: redact that too. Change the secret as well: it was read by whoever read the record, and a short one can be guessed from the
digest. Exit codes: 0 it is taken out; 1 it is not, or still lies somewhere else; 5 refused.`,
		Example: `  backout ledger redact 14 --field text --reason "a password was pasted into a note"
  backout ledger redact 15 --field body.reason --field payload --reason "the same, in the plan"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes the number of one ENTRY", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := entryNumber(args[0])
			if err != nil {
				return err
			}
			if len(f.fields) == 0 || strings.TrimSpace(f.reason) == "" {
				return usage("%s needs --field and --reason", cmd.CommandPath())
			}
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.redact(ctx, s, seq, f) })
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.fields, "field", nil, "what to take out: text, payload, or a text of the body as body.reason (repeatable)")
	fl.StringVar(&f.reason, "reason", "", "why; kept in the record")
	fl.BoolVar(&f.yes, "yes", false, "do not ask")
	return cmd
}

// redaction is what became of it, for a program.
type redaction struct {
	Entry  int64    `json:"entry"`
	Fields []string `json:"fields"`
	By     int64    `json:"by"`             // the entry that says so
	Runs   []string `json:"runs,omitempty"` // whose journal held it too, and does not any more
	Still  []string `json:"still,omitempty"`
}

func (a *app) redact(ctx context.Context, s *opened, seq int64, f redactFlags) error {
	if err := s.Engine.Writable(); err != nil {
		return err
	}
	if err := a.person(s.settings, "take anything out of the record"); err != nil {
		return err
	}
	if err := a.confirmRedact(ctx, s, seq, f); err != nil {
		return err
	}
	done, err := s.Engine.Redact(ctx, rollback.RedactRequest{Entry: seq, Fields: f.fields, Reason: f.reason, By: a.principal(s.settings)})
	if err != nil {
		return err
	}
	if a.jsonOut() {
		if err := a.printJSON("backout.ledger-redaction/v1", redaction{seq, f.fields, done.Entry.Seq, done.Runs, done.Still}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "entry %d is redacted (%s); entry %d says so\n", seq, strings.Join(f.fields, ", "), done.Entry.Seq)
		if len(done.Runs) > 0 {
			fmt.Fprintf(a.out, "  and the journal of %s\n", strings.Join(done.Runs, ", "))
		}
		for _, where := range done.Still {
			fmt.Fprintf(a.out, "  it still lies, or may lie, in: %s\n", harmless(where))
		}
	}
	if len(done.Still) > 0 {
		return ended(codeError)
	}
	return nil
}

// confirmRedact shows the entry and asks, where a person sits at the terminal and did not say yes already.
func (a *app) confirmRedact(ctx context.Context, s *opened, seq int64, f redactFlags) error {
	if f.yes {
		return nil
	}
	if !a.interactive() {
		return usage("no terminal to ask at: add --yes; what is taken out is gone")
	}
	entries, err := s.DB.Entries(ctx, seq-1, 1)
	if err != nil {
		return err
	}
	if len(entries) == 0 || entries[0].Seq != seq {
		return fmt.Errorf("the record has no entry %d", seq)
	}
	fmt.Fprintf(a.errOut, "entry %d  %s  %s  %s: %s\nWhat is taken out is gone. Type y to take out %s: ", seq, entries[0].At.UTC().Format("2006-01-02T15:04:05Z"),
		harmless(entries[0].Actor), entries[0].Kind, harmless(entries[0].Text), strings.Join(f.fields, ", "))
	line, err := a.readLine(ctx)
	if err != nil || strings.TrimSpace(line) != "y" {
		return &coded{code: codeInterrupted, err: errors.New("not confirmed: nothing was done")}
	}
	return nil
}
