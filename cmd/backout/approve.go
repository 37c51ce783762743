package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
)

// approveFlags are the flags of saying something of a plan that waits.
type approveFlags struct {
	key, reason string
	deny, print bool
}

func (a *app) approveCmd() *cobra.Command {
	var f approveFlags
	cmd := &cobra.Command{
		Use:   "approve PLAN|RUN",
		Short: "Approve, or refuse, a plan that waits: it is shown, you are asked, and your key signs",
		Long: `Approve a plan that waits in this store. Nothing is planned anew: the plan is shown as it waits, and whether its target is still
what it saw. At a terminal you are asked; then your SSH key (ledger.signing_key, or --key) signs, and the approval is recorded, once, for
this plan alone. With --print it is not recorded but printed as a line to be sent: 'backout approvals add' takes it. With --key somebody
else approves at your terminal: it counts as whose key ledger.allowed_signers says it is. Only people approve. What comes after the run has begun is recorded
as late, and never counts. Exit codes: 0 it is said; 5 refused; 6 the target is not any more what the plan saw.`,
		Example: `  backout approve 9c1e44d0aa31
  backout approve 9c1e44d0aa31 --print
  backout approve 9c1e44d0aa31 --deny --reason "r41 cannot read the new rows"
  backout approve 9c1e44d0aa31 --key /media/bob/id_ed25519.pub`,
		Args: exactArgs("PLAN|RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				decision := approval.Yes
				if f.deny {
					decision = approval.No
				}
				return a.speak(ctx, s, args[0], decision, f)
			})
		},
	}
	cmd.Flags().BoolVar(&f.deny, "deny", false, "refuse it instead")
	cmd.Flags().BoolVar(&f.print, "print", false, "print the signed line, and record nothing here")
	a.speakFlags(cmd, &f)
	return cmd
}

func (a *app) speakFlags(cmd *cobra.Command, f *approveFlags) {
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; signed with it, and kept in the record")
	cmd.Flags().StringVar(&f.key, "key", "", "the key that signs (default: ledger.signing_key): a private key without a passphrase, or the public half of one that the agent holds")
}

// speak shows a plan that waits, asks, signs, and records or prints what was said.
func (a *app) speak(ctx context.Context, s *opened, name, decision string, f approveFlags) error {
	if err := s.Engine.Writable(); err != nil && !f.print {
		return err
	}
	by := a.principal(s.settings)
	if by.Kind != policy.Human {
		return refusal("%s is no person (%s), and only people approve: run 'backout approve %s' in a terminal of your own", by.ID, by.Kind, name)
	}
	p, err := s.Engine.PendingPlan(ctx, name)
	if err != nil {
		return err
	}
	if p.State == "void" {
		return fmt.Errorf("%w: this plan does not wait any more", rollback.ErrPlanChanged)
	}
	if f.deny && strings.TrimSpace(f.reason) == "" {
		return usage("--deny needs --reason: whoever is on call has to know what speaks against it")
	}
	if a.flags.noInput || !isTerminal(a.in) {
		return usage("no terminal to ask at: a person has to look at the plan and say so ('backout approvals show %s' shows it)", short(p.Plan.Hash))
	}
	a.printPending(a.errOut, &p)
	if err := a.stillSeen(ctx, s, &p, decision); err != nil {
		return err
	}
	if err := a.askApproval(ctx, &p, decision); err != nil {
		return err
	}
	signed, err := s.Speak(ctx, &p, decision, f.key, by, f.reason)
	if err != nil {
		return err
	}
	if f.print {
		line, err := signed.Line()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, line)
		return err
	}
	return a.said(ctx, s, signed)
}

// stillSeen says whether the targets are still what the plan saw. A yes to another world would be void at once.
func (a *app) stillSeen(ctx context.Context, s *opened, p *rollback.Pending, decision string) error {
	if p.State != "waiting" || decision != approval.Yes {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	err := s.Engine.Seen(ctx, p.Plan)
	switch {
	case err == nil:
		fmt.Fprintln(a.errOut, "target: still as the plan saw it")
	case errors.Is(err, rollback.ErrPlanChanged):
		return fmt.Errorf("%w: an approval of this plan would count for nothing", err)
	default:
		fmt.Fprintf(a.errOut, "target: UNKNOWN whether it is still as the plan saw it: %s\n", harmless(err.Error()))
	}
	return nil
}

func (a *app) askApproval(ctx context.Context, p *rollback.Pending, decision string) error {
	if p.Run != "" {
		fmt.Fprintf(a.errOut, "LATE: %s has begun already. This will be recorded as late, and counts for nothing.\n", p.Run)
	}
	verb := map[string]string{approval.Yes: "APPROVE", approval.No: "REFUSE", approval.Revoke: "TAKE BACK what you said of"}[decision]
	fmt.Fprintf(a.errOut, "\n%s plan %s%s. Type y to sign: ", verb, short(p.Plan.Hash), in(&p.Plan))
	line, err := a.readLine(ctx)
	if err != nil || strings.TrimSpace(line) != "y" {
		return &coded{code: codeInterrupted, err: errors.New("not confirmed: nothing was signed")}
	}
	return nil
}

// said records what was signed, and says how the plan stands then.
func (a *app) said(ctx context.Context, s *opened, signed approval.Signed) error {
	p, err := s.Engine.Say(ctx, signed)
	if err != nil {
		return err
	}
	if a.jsonOut() {
		return a.printJSON("backout.approval/v1", pendingDoc(&p))
	}
	st := &signed.Statement
	word := map[string]string{approval.Yes: "approves", approval.No: "refuses", approval.Revoke: "took back what they said of"}[st.Decision]
	fmt.Fprintf(a.out, "%s %s plan %s\n", harmless(st.By.ID), word, short(st.Plan))
	a.printAnswers(a.out, &p)
	return nil
}
