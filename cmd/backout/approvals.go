package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
)

// maxPasted is how much of standard input is read for an approval.
const maxPasted = 64 << 10

func (a *app) approvalsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "approvals", Short: "Plans that wait for approval, and what was said of them",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var all bool
	list := &cobra.Command{
		Use: "list", Short: "The plans that wait for approval",
		Example: "  backout approvals list\n  backout approvals list --all --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.listPending(ctx, s, all) })
		},
	}
	list.Flags().BoolVar(&all, "all", false, "also those that ran or became void")
	show := &cobra.Command{
		Use: "show PLAN|RUN", Short: "A plan that waits or waited, and what was said of it",
		Example: "  backout approvals show 9c1e44d0aa31\n  backout approvals show RUN-0007",
		Args:    exactArgs("PLAN|RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				p, err := s.Engine.PendingPlan(ctx, args[0])
				if err != nil {
					return err
				}
				if a.jsonOut() {
					return a.printJSON("backout.approval/v1", pendingDoc(&p))
				}
				a.printPending(a.out, &p)
				return nil
			})
		},
	}
	cmd.AddCommand(list, show, a.addApprovalCmd(), a.revokeCmd())
	return cmd
}

func (a *app) addApprovalCmd() *cobra.Command {
	return &cobra.Command{
		Use: "add [LINE]", Short: "Record a signed line that somebody sent; without LINE it is read from standard input",
		Long: `Record what somebody signed with 'backout approve PLAN --print'. White space, quotation marks and what a chat puts around the line do no
harm; the rest has to be as it was signed. It counts once, for one plan, if the key is one of who says it.`,
		Example: "  backout approvals add backout-approval-1.eyJ...end\n  pbpaste | backout approvals add",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes one LINE, in quotes where it has spaces", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text := strings.Join(args, "")
			if len(args) == 0 {
				read, err := io.ReadAll(io.LimitReader(a.in, maxPasted+1))
				if err != nil {
					return fmt.Errorf("read the line: %w", err)
				}
				text = string(read)
			}
			signed, err := approval.Read(text)
			if err != nil {
				return usage("%v", err)
			}
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.said(ctx, s, signed) })
		},
	}
}

func (a *app) revokeCmd() *cobra.Command {
	var f approveFlags
	cmd := &cobra.Command{
		Use: "revoke PLAN", Short: "Take back what you said of a plan that waits, until it is used",
		Example: "  backout approvals revoke 9c1e44d0aa31 --reason \"looked at the wrong service\"",
		Args:    exactArgs("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				return a.speak(ctx, s, args[0], approval.Revoke, f)
			})
		},
	}
	a.speakFlags(cmd, &f)
	return cmd
}

// pendingView is a plan that waits, for a program: its units in short, and the plan as it was shown.
type pendingView struct {
	*rollback.Pending
	Hash string `json:"hash"`
	Met  bool   `json:"met"`
}

func pendingDoc(p *rollback.Pending) pendingView {
	return pendingView{Pending: p, Hash: p.Plan.Hash, Met: p.Met()}
}

func (a *app) listPending(ctx context.Context, s *opened, all bool) error {
	found, err := s.Engine.Pendings(ctx, all)
	if err != nil {
		return err
	}
	items := []pendingView{}
	for i := range found {
		items = append(items, pendingDoc(&found[i]))
	}
	return printList(a, "backout.approvals/v1", items, func(out io.Writer, items []pendingView) error {
		for i := range items {
			p := items[i].Pending
			fmt.Fprintf(out, "%s  %s  asked %s by %s  %s\n", short(p.Plan.Hash), standing(p), p.AskedAt.UTC().Format("2006-01-02T15:04:05Z"), harmless(p.By.ID), harmless(units(&p.Plan)))
			a.printAnswers(out, p)
		}
		if len(items) == 0 {
			fmt.Fprintln(out, "no plan waits for approval")
		}
		return nil
	})
}

// standing is how a plan stands, in a word.
func standing(p *rollback.Pending) string {
	switch {
	case p.State != "waiting":
		return strings.TrimSpace(p.State + " " + p.Run)
	case p.Met():
		return "approved"
	default:
		return "waiting"
	}
}

// units are the units of a plan and where they go.
func units(p *rollback.Plan) string {
	var out []string
	for i := range p.Units {
		u := &p.Units[i]
		out = append(out, fmt.Sprintf("%s %s -> %s", u.Unit.ID, label(u.From), label(u.To)))
	}
	return strings.Join(out, ", ")
}

// printPending shows the plan as it waits, without planning anything.
func (a *app) printPending(w io.Writer, p *rollback.Pending) {
	out := a.out
	a.out = &sink{Writer: w}
	defer func() { a.out = out }()
	fmt.Fprintf(w, "PLAN %s  %s  %s\n", short(p.Plan.Hash), p.Plan.Verdict, standing(p))
	fmt.Fprintf(w, "asked by %s (%s), %s, in %s\n", harmless(p.By.ID), p.By.Kind, p.AskedAt.UTC().Format(time.RFC3339), harmless(place(&p.Plan)))
	if p.Plan.Reason != "" {
		fmt.Fprintf(w, "reason: %s\n", harmless(p.Plan.Reason))
	}
	for i := range p.Plan.Units {
		a.printUnitPlan(i+1, &p.Plan.Units[i])
	}
	for _, warning := range p.Plan.Warnings {
		fmt.Fprintf(w, "WARN  %s\n", harmless(warning))
	}
	a.printAnswers(w, p)
	for _, s := range p.Said {
		if s.Decision == approval.Ask {
			continue
		}
		fmt.Fprintf(w, "  %s  %s: %s (%s)%s\n", s.At.UTC().Format(time.RFC3339), harmless(s.By), s.Decision, saidState(&s), because(s.Reason))
	}
}

func place(p *rollback.Plan) string {
	for i := range p.Units {
		if e := p.Units[i].Unit.Environment; e != "" {
			return e
		}
	}
	return "an unnamed environment"
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + harmless(reason)
}

func saidState(s *rollback.Said) string {
	switch {
	case s.Invalid != "":
		return "does not count: " + harmless(s.Invalid)
	case s.State == "late":
		return "LATE: after the run had begun, counts for nothing"
	case s.State == "given":
		return "until " + s.Expires.UTC().Format(time.RFC3339)
	default:
		return s.State
	}
}

// printAnswers says of each need whether it is met, by whom, or what is missing.
func (a *app) printAnswers(w io.Writer, p *rollback.Pending) {
	if p.State != "waiting" {
		return
	}
	for i, answer := range p.Answers {
		if answer.Met {
			fmt.Fprintf(w, "  approved by %s (rule %s)\n", harmless(strings.Join(answer.By, ", ")), harmless(answer.Rule))
			continue
		}
		fmt.Fprintf(w, "  missing: %s (rule %s: %s)\n", harmless(answer.Missing), harmless(answer.Rule), harmless(approval.Asks(p.Needs[i])))
	}
}
