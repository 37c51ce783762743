package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// How the headless demo decides, as a careful person would: it waits until the answer stands still.
const (
	demoPoll     = 200 * time.Millisecond
	demoSettled  = 2 * time.Second
	demoDeadline = 90 * time.Second
)

// demoReport is what the headless demo prints for a scenario. Seconds count from the first alert's start.
type demoReport struct {
	Scenario     string   `json:"scenario"`
	Suspect      string   `json:"suspect"`
	SuspectTitle string   `json:"suspect_title,omitempty"`
	P            float64  `json:"p"`
	None         float64  `json:"none"`
	Tie          bool     `json:"tie"`
	Truth        string   `json:"truth"`
	Correct      bool     `json:"correct"`
	PlanHash     string   `json:"plan_hash,omitempty"`
	Units        []string `json:"units,omitempty"`
	Run          string   `json:"run,omitempty"`
	Outcome      string   `json:"outcome"`
	Detail       string   `json:"detail,omitempty"`
	ToSuspect    float64  `json:"seconds_to_suspect"`
	ToApplied    float64  `json:"seconds_to_applied,omitempty"`
	ToVerified   float64  `json:"seconds_to_verified,omitempty"`
	Cured        bool     `json:"cured"`
	Ledger       bool     `json:"ledger_verified"`
	OK           bool     `json:"ok"`
}

func (a *app) demoHeadless(ctx context.Context, f demoFlags) error {
	names := []string{f.scenario}
	if f.scenario == "all" {
		names = slices.DeleteFunc(scenarioNames(), demo.Needy)
	}
	failed := false
	for _, name := range names {
		one := f
		one.scenario = name
		report, err := a.demoOnce(ctx, one)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
		failed = failed || !report.OK
		if a.jsonOut() {
			if err := a.printJSON("backout.demo/v1", report); err != nil {
				return err
			}
			continue
		}
		a.printDemo(report)
	}
	if failed {
		return ended(codeError)
	}
	return nil
}

// demoOnce goes the whole way once. Only the report looks at the truth.
func (a *app) demoOnce(ctx context.Context, f demoFlags) (r demoReport, err error) {
	w, st, err := a.world(ctx, f)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	s, err := a.openWith(ctx, st, 0)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.Start(ctx)
	a.await(ctx, s)
	if err := breakNow(ctx, w, f); err != nil {
		return r, err
	}
	r.Scenario = f.scenario
	inc, ranking, err := a.settle(ctx, s)
	if err != nil {
		return r, err
	}
	r.ToSuspect = seconds(a.now(), inc)
	if err := a.demoAct(ctx, s, inc, ranking, &r); err != nil {
		return r, err
	}
	a.judge(ctx, s, w, &r)
	return r, nil
}

// breakNow breaks the shop; one in a cluster after a moment in which it is seen well, which is what makes it good to go back to.
func breakNow(ctx context.Context, w *demo.World, f demoFlags) error {
	if demo.Needy(f.scenario) {
		select {
		case <-time.After(breakAfter):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return w.Break(ctx)
}

// settle waits for an incident and for a ranking whose first place stands still.
func (a *app) settle(ctx context.Context, s *opened) (timeline.Incident, culprit.Ranking, error) {
	ctx, cancel := context.WithTimeout(ctx, demoDeadline)
	defer cancel()
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	first, alerts := "", 0
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return timeline.Incident{}, culprit.Ranking{}, fmt.Errorf("no incident that stands still: %w", ctx.Err())
		case <-tick.C:
		}
		inc, ok := s.Incident("")
		if !ok || !inc.ClosedAt.IsZero() {
			continue
		}
		r := s.Rank(inc, a.now().UTC())
		now := leader(r)
		if now != first || len(inc.Alerts) != alerts || since.IsZero() {
			first, alerts, since = now, len(inc.Alerts), a.now()
			continue
		}
		if a.now().Sub(since) >= demoSettled {
			return inc, r, nil
		}
	}
}

// leader is the change that comes first, "" for none of them.
func leader(r culprit.Ranking) string {
	if len(r.Ranking) == 0 || r.None >= r.Ranking[0].P {
		return ""
	}
	return r.Ranking[0].Change
}

// demoAct rolls the first suspect back, as an operator would; where none comes first it leaves everything alone.
func (a *app) demoAct(ctx context.Context, s *opened, inc timeline.Incident, ranking culprit.Ranking, r *demoReport) error {
	r.None, r.Tie = ranking.None, ranking.Tie
	if len(ranking.Ranking) > 0 {
		r.Suspect, r.P = ranking.Ranking[0].Change, ranking.Ranking[0].P
		if c, ok := s.Timeline.Snapshot().Change(r.Suspect); ok {
			r.SuspectTitle = whatOf(&c)
		}
	}
	if leader(ranking) == "" {
		r.Outcome = "nothing rolled back"
		return nil
	}
	plan, err := a.plan(ctx, s, r.Suspect, planFlags{reason: "headless demo"})
	if err != nil {
		return err
	}
	r.PlanHash = plan.Hash
	for i := range plan.Units {
		r.Units = append(r.Units, string(plan.Units[i].Unit.ID))
	}
	run, err := s.Engine.Confirm(ctx, plan, rollback.Confirmation{
		PlanHash: plan.Hash, By: a.principal(s.settings), Typed: plan.Decision.Name, Reason: "headless demo", Via: "command line",
	})
	if err != nil {
		return err
	}
	if err := s.StartRun(run.ID); err != nil {
		return err
	}
	run, err = a.waitRun(ctx, s, run.ID)
	if err != nil {
		return err
	}
	r.Run, r.Outcome, r.Detail = run.ID, string(run.State), run.Detail
	if !run.AppliedAt.IsZero() {
		r.ToApplied = seconds(run.AppliedAt, inc)
	}
	if run.State == rollback.RunSucceeded {
		r.ToVerified = seconds(run.EndedAt, inc)
	}
	return nil
}

func (a *app) waitRun(ctx context.Context, s *opened, id string) (rollback.Run, error) {
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	for {
		run, err := s.Engine.Run(ctx, id)
		if err != nil || run.State.Final() {
			return run, err
		}
		if _, why := s.explained(run); why != "" {
			return run, fmt.Errorf("the process of %s ended: %s", id, why)
		}
		select {
		case <-ctx.Done():
			return run, ctx.Err()
		case <-tick.C:
		}
	}
}

// judge compares with what really happened, which nothing before could see.
func (a *app) judge(ctx context.Context, s *opened, w *demo.World, r *demoReport) {
	truth := w.Truth()
	r.Truth = truth.Cause
	c, ok := s.Timeline.Snapshot().Change(r.Suspect)
	if truth.Commit == "" {
		r.Correct = r.None > r.P
	} else {
		r.Truth = truth.Title + ": " + truth.Cause
		r.Correct = ok && c.Commit == truth.Commit && r.P > r.None
	}
	r.Cured, _ = w.Cured(ctx)
	if report, err := s.DB.Verify(ctx); err == nil {
		r.Ledger = report.OK
	}
	if truth.Commit == "" {
		runs, err := s.Engine.Runs(ctx)
		r.OK = err == nil && len(runs) == 0 && r.Correct && r.Ledger
		return
	}
	r.OK = r.Correct && r.Cured && r.Ledger && r.Outcome == string(rollback.RunSucceeded)
}

func seconds(t time.Time, inc timeline.Incident) float64 {
	return float64(t.Sub(inc.OpenedAt).Milliseconds()) / 1000
}

func (a *app) printDemo(r demoReport) {
	fmt.Fprintf(a.out, "%s\n  suspect   %.2f  %s\n  none      %.2f\n  truth     %s (ranking right: %v)\n", r.Scenario, r.P, r.SuspectTitle, r.None, r.Truth, r.Correct)
	if r.Run != "" {
		fmt.Fprintf(a.out, "  plan      %s  %v\n  run       %s  %s: %s\n  seconds   suspect %.1f, applied %.1f, verified %.1f after the first alert\n",
			short(r.PlanHash), r.Units, r.Run, r.Outcome, r.Detail, r.ToSuspect, r.ToApplied, r.ToVerified)
	} else {
		fmt.Fprintf(a.out, "  outcome   %s after %.1f s\n", r.Outcome, r.ToSuspect)
	}
	fmt.Fprintf(a.out, "  cured     %v\n  ledger    verified: %v\n", r.Cured, r.Ledger)
}
