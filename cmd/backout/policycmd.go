package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

func (a *app) policyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Check, test, explain and replay who may do what", Args: noArgs,
		Long: `The policy is one YAML file that 'policy.file' of the configuration names: rules, grants, freezes and friction over the ground
rules. It only ever takes away. These commands change nothing.`,
		Example: `  backout policy check policy.yaml
  backout policy test
  backout policy explain CHG-81f2ab --as ana
  backout policy replay stricter.yaml --since 90d`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Report every mistake with line and column, and what is temporary", Args: atMostOne("FILE"),
		Example: "  backout policy check\n  backout policy check policy.yaml --output json",
		RunE:    func(_ *cobra.Command, args []string) error { return a.policyCheck(args) },
	}
	test := &cobra.Command{
		Use: "test [FILE]", Short: "Decide the cases beside the policy, and name the rules that none of them touches", Args: atMostOne("FILE"),
		Long:    "Decides each of the policy's cases, and names the rules that none of them touches. Exit code 1: a case is decided otherwise than it says.",
		Example: "  backout policy test\n  backout policy test policy.yaml --output json",
		RunE:    func(_ *cobra.Command, args []string) error { return a.policyTest(args) },
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of a policy file", Args: noArgs, Example: "  backout policy schema > policy.schema.json",
		RunE: func(*cobra.Command, []string) error {
			enc := json.NewEncoder(a.out)
			enc.SetIndent("", "  ")
			return enc.Encode(file.Schema())
		},
	}
	cmd.AddCommand(check, test, a.policyExplainCmd(), a.policyReplayCmd(), schema)
	return cmd
}

// policies are the policy files in force, or with the file that is named in place of the team's.
func (a *app) policies(args []string) (*file.Set, error) {
	st, err := a.load()
	if err != nil {
		return nil, err
	}
	c := st.Policy
	if len(args) > 0 {
		c.File = args[0]
	}
	set, err := session.Policies(c)
	if err == nil && set == nil {
		err = usage("there is no policy: name its file, or set policy.file in backout.yaml")
	}
	return set, err
}

// policyFile is what check says of one file.
type policyFile struct {
	File      string          `json:"file"`
	Digest    string          `json:"digest"`
	Rules     int             `json:"rules"`
	Grants    int             `json:"grants"`
	Cases     int             `json:"cases"`
	Temporary []policyMeasure `json:"temporary"`
}

type policyMeasure struct {
	Name   string    `json:"name"`
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	Owner  string    `json:"owner"`
	Ends   time.Time `json:"ends,omitzero"`
	Until  string    `json:"until,omitempty"`
}

func (a *app) policyCheck(args []string) error {
	set, err := a.policies(args)
	var bad *config.Error
	if errors.As(err, &bad) && a.jsonOut() {
		if err := a.printJSON("backout.policy-check/v1", map[string]any{"valid": false, "problems": bad.Problems}); err != nil {
			return err
		}
		return ended(codeConfig)
	}
	if err != nil {
		return err
	}
	var files []policyFile
	for _, p := range set.Layers() {
		f := policyFile{File: p.Name, Digest: p.Digest, Rules: len(p.Rules), Grants: len(p.Grants), Cases: len(p.Cases), Temporary: []policyMeasure{}}
		for _, t := range p.Temporary() {
			f.Temporary = append(f.Temporary, policyMeasure{t.Name, t.Kind, t.Reason, t.Owner, t.Ends, t.Until})
		}
		files = append(files, f)
	}
	if a.jsonOut() {
		return a.printJSON("backout.policy-check/v1", map[string]any{"valid": true, "files": files})
	}
	for _, f := range files {
		fmt.Fprintf(a.out, "%s  %s\n  %s, %s, %s, %s\n", harmless(f.File), f.Digest, many(f.Rules, "rule"), many(f.Grants, "grant"), many(len(f.Temporary), "temporary measure"), many(f.Cases, "case"))
		for _, t := range f.Temporary {
			fmt.Fprintf(a.out, "  %s %s: %s (%s), %s\n", t.Kind, harmless(t.Name), harmless(t.Reason), harmless(t.Owner), a.endsWhen(t))
		}
	}
	return nil
}

// endsWhen says how long a temporary measure still stands.
func (a *app) endsWhen(t policyMeasure) string {
	var parts []string
	if left := t.Ends.Sub(a.now()); !t.Ends.IsZero() && left <= 0 {
		parts = append(parts, "over since "+t.Ends.Format(time.RFC3339)+": take it out of the file")
	} else if !t.Ends.IsZero() {
		parts = append(parts, fmt.Sprintf("until %s, %s left", t.Ends.Format(time.RFC3339), many(int(left/(24*time.Hour)), "day")))
	}
	if t.Until != "" {
		parts = append(parts, "until "+harmless(strings.Join(strings.Fields(t.Until), " ")))
	}
	return strings.Join(parts, " or ")
}

func (a *app) policyTest(args []string) error {
	set, err := a.policies(args)
	if err != nil {
		return err
	}
	results, untouched := set.Test()
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
	}
	if a.jsonOut() {
		err = a.printJSON("backout.policy-test/v1", map[string]any{"cases": results, "failed": failed, "untouched": append([]string{}, untouched...)})
	} else {
		a.printCases(results)
		fmt.Fprintf(a.out, "%s, %d failed\n", many(len(results), "case"), failed)
		for _, name := range untouched {
			fmt.Fprintf(a.out, "no case touches rule %s\n", harmless(name))
		}
	}
	if err == nil && failed > 0 {
		err = ended(codeError)
	}
	return err
}

func (a *app) printCases(results []file.Result) {
	for _, r := range results {
		word := "ok  "
		if !r.Passed {
			word = "FAIL"
		}
		fmt.Fprintf(a.out, "%s  %s: %s\n", word, harmless(r.Name), r.Got)
		if r.Passed {
			continue
		}
		fmt.Fprintf(a.out, "      line %d: %s\n", r.Line, harmless(r.Why))
		a.printRulings(r.Rulings)
	}
}

func (a *app) policyExplainCmd() *cobra.Command {
	var as, kind string
	var f planFlags
	cmd := &cobra.Command{
		Use: "explain CHANGE|UNIT", Short: "Say what the policy decides of a rollback, by which rules and which facts", Args: exactArgs("CHANGE|UNIT"),
		Long: "Makes the plan of a rollback and says what is decided of it, for you or for who is named: each rule that speaks, with the facts\nthat it reads and their values, and all facts with --output json. Exit code 0: whatever is decided.",
		Example: `  backout policy explain CHG-81f2ab
  backout policy explain releases:local/pricing --to r41 --as deploy-bot --kind automation`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"human", "automation", "agent"}, kind) {
				return usage("--kind is human, automation or agent, not %q", kind)
			}
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error {
				by := a.principal(s.settings)
				if as != "" {
					by = policy.Principal{ID: as, Kind: policy.PrincipalKind(kind)}
				}
				return a.policyExplain(ctx, s, args[0], f, by)
			})
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "who would act (default: you)")
	cmd.Flags().StringVar(&kind, "kind", "human", "what --as is: human, automation or agent")
	cmd.Flags().StringVar(&f.to, "to", "", "the revision to go back to")
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only these units of the change")
	return cmd
}

func (a *app) policyExplain(ctx context.Context, s *opened, name string, f planFlags, by policy.Principal) error {
	plan, err := a.plan(ctx, s, name, f)
	if err != nil {
		return err
	}
	d, err := s.Engine.Decide(ctx, plan, by)
	if err != nil {
		return err
	}
	at := s.Engine.Situation(plan, by, a.now())
	if a.jsonOut() {
		return a.printJSON("backout.policy-explain/v1", map[string]any{"plan_hash": plan.Hash, "principal": by, "outcome": outcomeOf(d), "decision": d, "facts": at.Facts()})
	}
	fmt.Fprintf(a.out, "%s (%s) runs plan %s: %s\n", harmless(by.ID), by.Kind, short(plan.Hash), outcomeOf(d))
	a.printRulings(d.Rules)
	if len(d.Rules) == 0 {
		fmt.Fprintln(a.out, "no rule of a policy file speaks; the ground rules hold")
	}
	for _, r := range d.Reasons {
		fmt.Fprintf(a.out, "  %s\n", harmless(r))
	}
	for _, n := range d.Needs {
		fmt.Fprintf(a.out, "needs approval: %s (rule %s)\n", harmless(approval.Asks(n)), harmless(n.Rule))
	}
	return nil
}

// outcomeOf is a decision in one word, as the cases of a policy say it.
func outcomeOf(d policy.Decision) string {
	switch {
	case !d.Allowed:
		return "deny"
	case len(d.Needs) > 0 || d.NeedsReason:
		return "needs"
	default:
		return "allow"
	}
}
