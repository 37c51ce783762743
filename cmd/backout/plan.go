package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
)

func (a *app) planCmd() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan CHANGE|UNIT",
		Short: "Show what taking a change back would do; changes nothing",
		Example: `  backout plan CHG-81f2ab
  backout plan releases:local/pricing --to r41 --output json`,
		Args: exactArgs("CHANGE|UNIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error {
				plan, err := a.plan(ctx, s, args[0], f)
				if err != nil {
					return err
				}
				return a.printPlan(plan, args[0], f)
			})
		},
	}
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only these units of the change")
	cmd.Flags().StringVar(&f.to, "to", "", "the revision to go back to: a label or a digest (default: the newest known good)")
	return cmd
}

// planFlags narrow a plan.
type planFlags struct {
	to, reason string
	only       []string
}

// plan makes the plan for what was named.
func (a *app) plan(ctx context.Context, s *opened, name string, f planFlags) (rollback.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	req, err := s.Resolve(ctx, name)
	if err != nil {
		return rollback.Plan{}, err
	}
	req.To, req.Reason, req.Incident = f.to, f.reason, a.flags.incident
	for _, u := range f.only {
		req.Only = append(req.Only, rollback.UnitID(u))
	}
	if err := s.Prepare(ctx, &req); err != nil {
		return rollback.Plan{}, err
	}
	plan, err := s.Engine.Plan(ctx, req)
	if err != nil {
		return rollback.Plan{}, fmt.Errorf("plan %s: %w", name, err)
	}
	return plan, nil
}

func (a *app) printPlan(p rollback.Plan, name string, f planFlags) error {
	if a.jsonOut() {
		return a.printJSON("backout.plan/v1", p)
	}
	fmt.Fprintf(a.out, "PLAN %s  %s\n", short(p.Hash), p.Verdict)
	for i := range p.Units {
		a.printUnitPlan(i+1, &p.Units[i])
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(a.out, "WARN  %s\n", w)
	}
	fmt.Fprintf(a.out, "verify: %s\n", lookedAt(&p))
	a.printRulings(p.Decision.Rules)
	if !p.Decision.Allowed {
		fmt.Fprintf(a.out, "NOT ALLOWED: %s\n", strings.Join(p.Decision.Reasons, "; "))
		return nil
	}
	for _, n := range p.Decision.Needs {
		fmt.Fprintf(a.out, "NEEDS APPROVAL: %s (rule %s)\n", harmless(approval.Asks(n)), harmless(n.Rule))
	}
	fmt.Fprintf(a.out, "\nrun it:  %s\n", a.runIt(&p, name, f))
	return nil
}

// printRulings says what the rules of the policy file said, and what they read to say so.
func (a *app) printRulings(rulings []policy.Ruling) {
	for _, r := range rulings {
		fmt.Fprintf(a.out, "policy: %s\n", harmless(rulingLine(r)))
		if why := r.Because(); why != "" {
			fmt.Fprintf(a.out, "        because %s\n", harmless(why))
		}
	}
}

// rulingLine is a ruling with how much it counts and whose it is.
func rulingLine(r policy.Ruling) string {
	line := r.String()
	if r.Layer != "" {
		line = r.Layer + " " + line
	}
	if r.Mode != policy.ModeDeny && r.Effect != policy.EffectNote {
		line += fmt.Sprintf(" (%s only)", r.Mode)
	}
	return line
}

// lookedAt is what a verification of the plan rests on.
func lookedAt(p *rollback.Plan) string {
	if p.Unseen {
		return "only what the target says of itself, so it will end as applied, unverified"
	}
	declared := 0
	for i := range p.Units {
		declared += len(p.Units[i].Declared)
	}
	if declared > 0 {
		return fmt.Sprintf("%s, %s and what the units say of themselves, all well for %s", many(len(p.Alerts), "alert"), many(declared, "declared check"), p.Hold)
	}
	return fmt.Sprintf("%s and the units' checks, well for %s", many(len(p.Alerts), "alert"), p.Hold)
}

// runIt is the command line that makes this plan again and runs it.
func (a *app) runIt(p *rollback.Plan, name string, f planFlags) string {
	line := []string{"backout rollback", name}
	if f.to != "" {
		line = append(line, "--to "+f.to)
	}
	for _, u := range f.only {
		line = append(line, "--only "+u)
	}
	line = append(line, "--plan-hash "+short(p.Hash))
	if p.Decision.NeedsReason {
		line = append(line, "--reason WHY")
	}
	return strings.Join(line, " ") + destroyFlags(p) + a.toldWhere("")
}

// destroyFlags name what a plan destroys, as a confirmation of it has to.
func destroyFlags(p *rollback.Plan) string {
	flags := ""
	for _, name := range p.Decision.Destroys {
		flags += " --destroy " + name
	}
	return flags
}

func (a *app) printUnitPlan(n int, u *rollback.UnitPlan) {
	fmt.Fprintf(a.out, "\n%d. %s (%s)  %s -> %s  %s, %s\n", n, u.Unit.ID, u.Unit.Kind, label(u.From), label(u.To), u.Verdict, u.Tested)
	for _, g := range u.To.Good {
		fmt.Fprintf(a.out, "   known good: %s\n", g)
	}
	for _, f := range u.Findings {
		fmt.Fprintf(a.out, "   %-12s %s: %s\n", f.Verdict, f.Rule, f.Text)
	}
	for _, s := range u.Steps {
		fmt.Fprintf(a.out, "   step %d  %s\n", s.N, s.Title)
	}
	for i := range u.Measures {
		m := &u.Measures[i]
		fmt.Fprintf(a.out, "   measure: %s; to be lifted when %s, within %s: %s\n", m.What, m.Exit, m.TTL, m.Undo)
	}
	if u.LastingFix != "" {
		fmt.Fprintf(a.out, "   lasting fix: %s\n", u.LastingFix)
	}
	for i := range u.Declared {
		c := &u.Declared[i]
		goal := ""
		if c.Goal != "" {
			goal = "; goal: " + harmless(c.Goal)
		}
		fmt.Fprintf(a.out, "   check %s: %s%s (%s)\n", harmless(c.Name), harmless(c.What()), goal, harmless(c.Source))
	}
	for _, list := range []struct {
		word  string
		items []string
	}{{"destroys", u.Destroys}, {"not restored", u.NotRestored}, {"missing", u.Missing}, {"warning", u.Warnings}} {
		for _, item := range list.items {
			fmt.Fprintf(a.out, "   %s: %s\n", list.word, item)
		}
	}
	estimate := "unknown"
	if u.Estimate > 0 {
		estimate = roughly(u.Estimate)
	}
	touches := "unknown"
	if u.Blast != "" {
		touches = harmless(u.Blast)
	}
	if u.Pace.Of > 0 {
		touches += fmt.Sprintf(", at worst %d of %d away at a time", u.Pace.Away, u.Pace.Of)
	}
	fmt.Fprintf(a.out, "   touches: %s   estimate: %s\n", touches, estimate)
	if u.Diff != "" {
		fmt.Fprintf(a.out, "\n%s\n", strings.TrimRight(u.Diff, "\n"))
	}
}

// roughly is an estimated span: none is nothing.
func roughly(d time.Duration) string {
	if d < time.Second {
		return "under 1s"
	}
	return d.Round(time.Second).String()
}

func label(r rollback.Revision) string {
	if r.Label != "" {
		return r.Label
	}
	return short(strings.TrimPrefix(r.Digest, "sha256:"))
}

// short is enough of a hash to tell plans apart, and to type.
func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}
