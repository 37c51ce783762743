package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

const proposalSchema = "backout.proposal/v1"

func (a *app) proposalsCmd() *cobra.Command {
	var all bool
	list := func(cmd *cobra.Command, _ []string) error {
		return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.listProposals(ctx, s, all) })
	}
	cmd := &cobra.Command{
		Use:   "proposals",
		Short: "List, show or reject what AI agents propose",
		Long: `What an AI agent wants to roll back waits here for a person. 'backout rollback --proposal ID', in a terminal, plans it anew, shows
that plan and asks; the record links the two. A proposal holds no unit and promises nothing.`,
		Example: `  backout proposals
  backout proposals show PROP-14
  backout rollback --proposal PROP-14
  backout proposals reject PROP-14 --reason "the flag did it"`,
		Args: noArgs, RunE: list,
	}
	listing := &cobra.Command{
		Use: "list", Short: "List the proposals that wait for a person", Args: noArgs, RunE: list,
		Example: "  backout proposals list\n  backout proposals list --all --output jsonl",
	}
	listing.Flags().BoolVar(&all, "all", false, "those that were taken up or rejected too")
	show := &cobra.Command{
		Use: "show PROPOSAL", Short: "Show one proposal: who wants what, why, and what became of it", Args: exactArgs("PROPOSAL"),
		Example: "  backout proposals show PROP-14",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				p, err := s.Engine.ProposalOf(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printProposal(&p)
			})
		},
	}
	var reason string
	reject := &cobra.Command{
		Use: "reject PROPOSAL", Short: "Reject a proposal, for a reason that is kept", Args: exactArgs("PROPOSAL"),
		Example: `  backout proposals reject PROP-14 --reason "the flag did it"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				if err := a.person(s.settings, "reject a proposal"); err != nil {
					return err
				}
				p, err := s.Engine.Reject(ctx, args[0], a.principal(s.settings), reason)
				if err != nil {
					return err
				}
				return a.printProposal(&p)
			})
		},
	}
	reject.Flags().StringVar(&reason, "reason", "", "why; kept in the record")
	cmd.AddCommand(listing, show, reject)
	return cmd
}

// person refuses an AI agent what only a person, or what they set up, may do, and says how it is done right.
func (a *app) person(s *settings, what string) error {
	if a.acting != nil {
		return nil
	}
	c, err := a.caller(s)
	if err != nil {
		return refusal("who acts cannot be told: %v", err)
	}
	if c.Principal.Kind != policy.Agent {
		return nil
	}
	return refusal("%s is an AI agent and may not %s: a person has to, in a terminal of their own (recognised by %s; 'backout whoami' has all of it)", c.Principal.ID, what, c.Why())
}

func (a *app) listProposals(ctx context.Context, s *opened, all bool) error {
	list, err := s.Engine.Proposals(ctx)
	if err != nil {
		return err
	}
	if !all {
		list = slices.DeleteFunc(list, func(p rollback.Ask) bool { return p.State != rollback.AskOpen })
	}
	return printList(a, proposalSchema, list, func(out io.Writer, list []rollback.Ask) error {
		if len(list) == 0 {
			_, err := fmt.Fprintln(out, "no proposal waits for a person")
			return err
		}
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "PROPOSAL\tMADE\tBY\tWHAT\tPLAN\tSTATE\tREASON")
		for i := range list {
			p := &list[i]
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.At.UTC().Format(time.RFC3339), harmless(p.By.ID+behalf(p.By)), harmless(proposed(p)), short(p.PlanHash), stateOf(p), harmless(p.Reason))
		}
		return tw.Flush()
	})
}

// proposed is what a proposal would take back to what.
func proposed(p *rollback.Ask) string {
	parts := make([]string, len(p.Units))
	for i, u := range p.Units {
		parts[i] = fmt.Sprintf("%s %s -> %s", u.Unit, orDigest(u.FromLabel, u.From), orDigest(u.ToLabel, u.To))
	}
	return strings.Join(parts, ", ")
}

func orDigest(label, digest string) string {
	if label != "" {
		return label
	}
	return short(strings.TrimPrefix(digest, "sha256:"))
}

func stateOf(p *rollback.Ask) string {
	switch p.State {
	case rollback.AskTaken:
		return "taken by " + harmless(p.ClosedBy) + ": " + p.Run
	case rollback.AskRejected:
		return "rejected by " + harmless(p.ClosedBy)
	default:
		return string(p.State)
	}
}

func (a *app) printProposal(p *rollback.Ask) error {
	if a.jsonOut() {
		return a.printJSON(proposalSchema, p)
	}
	tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\t%s\n", p.ID, stateOf(p))
	for _, line := range [][2]string{
		{"made", p.At.UTC().Format(time.RFC3339)},
		{"by", p.By.ID + ", " + kindWord(p.By.Kind) + behalf(p.By)},
		{"recognised by", p.Evidence},
		{"what", proposed(p)},
		{"plan", short(p.PlanHash)},
		{"reason", p.Reason},
		{"incident", p.Incident},
		{"rejected because", p.Why},
	} {
		if line[1] != "" {
			fmt.Fprintf(tw, "%s\t%s\n", line[0], harmless(line[1]))
		}
	}
	if p.State == rollback.AskOpen {
		fmt.Fprintf(tw, "take it up\t%s%s\n", "backout rollback --proposal "+p.ID, a.toldWhere(""))
		fmt.Fprintf(tw, "or\t%s%s\n", "backout proposals reject "+p.ID+" --reason WHY", a.toldWhere(""))
	}
	return tw.Flush()
}

// propose leaves what an AI agent wanted to run as a proposal, and says what a person has to do.
func (a *app) propose(ctx context.Context, s *opened, plan *rollback.Plan, name string, f rollbackFlags) error {
	if strings.TrimSpace(f.reason) == "" {
		return usage("say with --reason why: an AI agent may not confirm a plan, and a person who reads the proposal needs to know")
	}
	c, err := a.caller(s.settings)
	if err != nil {
		return err
	}
	p, err := s.Engine.Propose(ctx, *plan, rollback.Ask{By: c.Principal, Evidence: c.Why(), Name: name, To: f.to, Only: f.only, Reason: f.reason})
	if err != nil {
		return err
	}
	if err := a.printProposal(&p); err != nil {
		return err
	}
	return &coded{code: codeWaiting, err: fmt.Errorf("nothing was done: %s is an AI agent (%s), and what it wants waits as %s for a person: 'backout rollback --proposal %s%s' in a terminal of their own",
		c.Principal.ID, c.Why(), p.ID, p.ID, a.toldWhere(""))}
}

// takeUp gives what a proposal names, to be planned anew by a person at a terminal.
func (a *app) takeUp(ctx context.Context, s *opened, f *rollbackFlags) (name string, asked rollback.Ask, err error) {
	if err := a.person(s.settings, "take up a proposal"); err != nil {
		return "", asked, err
	}
	c, err := a.caller(s.settings)
	switch {
	case err != nil:
		return "", asked, err
	case c.Principal.Kind != policy.Human:
		return "", asked, refusal("%s is an automation: what an AI agent proposes waits for a person", c.Principal.ID)
	case c.Attended == caller.No:
		return "", asked, refusal("there is no terminal here: a person takes up a proposal in a terminal of their own")
	}
	if asked, err = s.Engine.ProposalOf(ctx, f.proposal); err != nil {
		return "", asked, err
	}
	if asked.State != rollback.AskOpen {
		return "", asked, refusal("%s is not open: it was %s", asked.ID, stateOf(&asked))
	}
	f.proposal, f.to, f.only = asked.ID, asked.To, asked.Only
	if f.reason == "" {
		f.reason = asked.Reason
	}
	return asked.Name, asked, nil
}

// warnProposed tells whoever takes a proposal up who made it, and where the plan is another one by now.
func (a *app) warnProposed(asked *rollback.Ask, plan *rollback.Plan) {
	if asked.ID == "" {
		return
	}
	a.warn("%s: %s proposed it (%s)", asked.ID, asked.By.ID+behalf(asked.By), asked.Reason)
	if asked.PlanHash != plan.Hash {
		a.warn("the plan is not the one that was proposed: it was %s and is %s now", short(asked.PlanHash), short(plan.Hash))
	}
}

// oneOf lets a rollback take either what to take back, or a proposal.
func oneOf(f *rollbackFlags) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case f.proposal == "":
			return exactArgs("CHANGE|UNIT")(cmd, args)
		case len(args) > 0 || f.to != "" || len(f.only) > 0:
			return usage("--proposal says what to take back: it goes without CHANGE|UNIT, --to and --only")
		}
		return nil
	}
}
