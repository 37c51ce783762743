package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/rollback/policy"
)

// whoami is who acts here, and what that rests on.
type whoami struct {
	caller.Caller
	May        string            `json:"may"`
	Member     caller.Membership `json:"member"`
	Key        *session.KeyFacts `json:"key,omitempty"`
	Protection []finding         `json:"protection"`
}

func (a *app) whoamiCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Say who acts here, how that was told, and what protects that",
		Long: `Say who acts here: a human, an automation or an AI agent, with what was seen and what could not be looked at; the key that
signs; and which protection is in force. An AI agent that is recognised stays one: no flag, variable or setting makes it its human.
Recognition is a hint and not authentication (docs/principals.md).`,
		Example: "  backout whoami\n  backout whoami --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.load()
			if err != nil {
				return err
			}
			return a.sayWho(cmd.Context(), s)
		},
	}
}

func (a *app) sayWho(ctx context.Context, s *settings) error {
	c, err := a.caller(s)
	if err != nil {
		return err
	}
	w := whoami{Caller: c, May: may(c.Principal.Kind), Member: a.member(s, c.Principal.ID)}
	w.Protection, w.Key = a.protection(ctx, s, c.Principal)
	if a.jsonOut() {
		return a.printJSON("backout.whoami/v1", w)
	}
	fmt.Fprintf(a.out, "%s, %s%s\n%s\n\n", harmless(c.Principal.ID), kindWord(c.Principal.Kind), behalf(c.Principal), w.May)
	tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, e := range c.Evidence {
		from := ""
		if e.Agent != "" {
			from = fmt.Sprintf("  [%s] %s", e.Agent, strings.Join(e.Sources, " "))
		}
		fmt.Fprintf(tw, "seen\t%s\t%s%s\n", e.From, harmless(e.What), harmless(from))
	}
	for _, line := range memberLines(&w.Member) {
		fmt.Fprintf(tw, "%s\t\t%s\n", line[0], harmless(line[1]))
	}
	for _, u := range c.Unseen {
		fmt.Fprintf(tw, "not seen\t\t%s\n", harmless(u))
	}
	for _, f := range w.Protection {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", f.State, f.What, harmless(f.Text))
	}
	return tw.Flush()
}

// memberLines tell what a principal belongs to, as far as anything is configured.
func memberLines(m *caller.Membership) [][2]string {
	var out [][2]string
	if len(m.Groups) > 0 {
		out = append(out, [2]string{"groups", strings.Join(m.Groups, ", ")})
	}
	if len(m.Roles) > 0 {
		out = append(out, [2]string{"roles", strings.Join(m.Roles, ", ")})
	}
	on := string(m.OnCall)
	if m.Why != "" {
		on += ": " + m.Why
	}
	return append(out, [2]string{"on call", on})
}

func kindWord(k policy.PrincipalKind) string {
	switch k {
	case policy.Agent:
		return "an AI agent"
	case policy.Automation:
		return "an automation"
	case policy.Human:
		return "a human"
	default:
		return "nobody knows what"
	}
}

func behalf(p policy.Principal) string {
	if p.OnBehalfOf == "" {
		return ""
	}
	return " on behalf of " + harmless(p.OnBehalfOf)
}

// may says in a line what a kind of principal may do here.
func may(k policy.PrincipalKind) string {
	if k == policy.Agent {
		return "may look, plan and propose; what it proposes waits for a person ('backout proposals')"
	}
	return "may act, as far as policy and targets allow"
}
