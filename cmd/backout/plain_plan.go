package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/tui"
)

// plainGrace is how soon after a question no person has typed the answer: what comes sooner was typed or pasted before the
// question was there, and may not confirm anything.
const plainGrace = 300 * time.Millisecond

// plan reads out a plan, without the diff unless it is asked for, and asks whether to run it.
func (p *plain) plan(ctx context.Context, name string) error {
	plan, err := p.app.plan(ctx, p.s, name, planFlags{})
	if err != nil {
		return err
	}
	p.tell(plan, name)
	if !plan.Decision.Allowed {
		return nil
	}
	reason := ""
	if plan.Decision.NeedsReason {
		reason, err = p.ask(ctx, "Something about this plan is unknown. Why is it right all the same? It is kept in the record. Enter: go back. > ")
		if err != nil || reason == "" {
			return p.nothing(err)
		}
	}
	typed, err := p.typed(ctx, &plan)
	if err != nil || typed == "" {
		return p.nothing(err)
	}
	for _, name := range plan.Decision.Destroys {
		answer, err := p.typedText(ctx, &plan, fmt.Sprintf("It destroys %s. Enter: go back. Type %q to let it go: ", name, name), name)
		if err != nil || answer == "" {
			return p.nothing(err)
		}
	}
	run, err := p.s.Engine.Confirm(ctx, plan, rollback.Confirmation{
		PlanHash: plan.Hash, By: p.principal(p.s.settings), Typed: typed, Destroys: plan.Decision.Destroys, Reason: reason, Via: "console",
	})
	if err != nil {
		return err
	}
	if err := p.s.StartRun(run.ID); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s runs. It goes on if this ends; control and c leaves it\n", run.ID)
	err = p.attach(ctx, p.s, run.ID, startup)
	if ctx.Err() == nil {
		p.incident()
	}
	return err
}

// tell reads a plan out, without its diff.
func (p *plain) tell(plan rollback.Plan, name string) {
	fmt.Fprintf(p.out, "plan %s, %s, %s\n", short(plan.Hash), plan.Verdict, many(len(plan.Units), "unit"))
	for i := range plan.Units {
		u := plan.Units[i]
		u.Diff = ""
		p.printUnitPlan(i+1, &u)
	}
	for _, w := range plan.Warnings {
		if slices.ContainsFunc(plan.Units, func(u rollback.UnitPlan) bool { return slices.Contains(u.Warnings, w) }) {
			continue // read out with its unit
		}
		fmt.Fprintf(p.out, "warning: %s\n", harmless(w))
	}
	fmt.Fprintf(p.out, "verified by: %s\n", lookedAt(&plan))
	p.printRulings(plan.Decision.Rules)
	if !plan.Decision.Allowed {
		fmt.Fprintf(p.out, "not allowed: %s\n", harmless(strings.Join(plan.Decision.Reasons, "; ")))
		return
	}
	for _, n := range plan.Decision.Needs {
		fmt.Fprintf(p.out, "needs approval: %s (rule %s)\n", harmless(approval.Asks(n)), harmless(n.Rule))
	}
	fmt.Fprintf(p.out, "the same as a command: %s%s\n", p.commandLine(tui.CommandRollback, name, short(plan.Hash)), destroyFlags(&plan))
}

// nothing says that a question was left without a yes.
func (p *plain) nothing(err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	fmt.Fprintln(p.out, "nothing was done")
	return nil
}

// typed asks until the answer is what the policy wants, or nothing.
func (p *plain) typed(ctx context.Context, plan *rollback.Plan) (string, error) {
	want := "y"
	if plan.Decision.Confirm == policy.ConfirmName {
		want = providers.Clean(plan.Decision.Name)
	}
	verb := "ROLL BACK"
	if plan.Kind == "forward" {
		verb = "BRING FORWARD"
	}
	return p.typedText(ctx, plan, fmt.Sprintf("%s IN %s. d: the diff. Enter: go back. Type %q to run: ", verb, p.where(), want), want)
}

// typedText asks until the answer is what is wanted, or nothing.
func (p *plain) typedText(ctx context.Context, plan *rollback.Plan, question, want string) (string, error) {
	for {
		asked := time.Now()
		line, err := p.ask(ctx, question)
		switch {
		case err != nil:
			return "", err
		case time.Since(asked) < plainGrace:
			fmt.Fprintln(p.out, "dropped: that was there before the question was")
		case line == want, line == "":
			return line, nil
		case line == "d":
			p.diff(plan)
		default:
			fmt.Fprintf(p.out, "%q is not %q: nothing was done\n", harmless(line), want)
		}
	}
}

// where is the environment as the question names it.
func (p *plain) where() string {
	if word := strings.ToUpper(providers.Clean(tierWord(p.s.settings))); word != "PROD" {
		return word
	}
	return "PRODUCTION"
}

func (p *plain) diff(plan *rollback.Plan) {
	for i := range plan.Units {
		u := &plan.Units[i]
		text := strings.TrimRight(u.Diff, "\n")
		if text == "" {
			text = "the provider shows no diff"
		}
		fmt.Fprintf(p.out, "diff of %s, %s -> %s\n%s\n", u.Unit.ID, label(u.From), label(u.To), text)
	}
}

// stop asks a run to stop, after a question of its own.
func (p *plain) stop(ctx context.Context, id string) error {
	run, err := p.s.Engine.Run(ctx, id)
	if err != nil {
		return err
	}
	if run.State.Final() {
		return fmt.Errorf("%s is over: %s", run.ID, run.State)
	}
	line, err := p.ask(ctx, "It stops before its next step. What it has done stays done. Type y to stop "+run.ID+": ")
	if err != nil || line != "y" {
		return p.nothing(err)
	}
	if err := p.s.Engine.Abort(ctx, run.ID, p.principal(p.s.settings), "asked for in the console"); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s stops before its next step\n", run.ID)
	return nil
}
