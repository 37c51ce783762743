package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

// replayedRun is what a policy would have said of one run that was made.
type replayedRun struct {
	Run     string          `json:"run"`
	At      time.Time       `json:"at"`
	By      string          `json:"by"`
	Kind    string          `json:"kind"`
	Units   []string        `json:"units"`
	State   string          `json:"state"`
	Cure    bool            `json:"cure"`
	Outcome string          `json:"outcome"` // allow, needs, deny
	Rules   []policy.Ruling `json:"rules,omitempty"`
}

// replayed is what a policy would have said of a span of the record.
type replayed struct {
	Since     time.Time     `json:"since"`
	Runs      int           `json:"runs"`
	Refused   int           `json:"refused"`
	Cures     int           `json:"refused_cures"`
	Waiting   int           `json:"waiting"`
	WaitCures int           `json:"waiting_cures"`
	Would     []replayedRun `json:"would"` // those that it would not have let pass as they were
	Note      string        `json:"note"`
}

const replayNote = "decided by what each run's plan said then and who confirmed it; groups and roles are those of the policy now"

func (a *app) policyReplayCmd() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use: "replay [FILE]", Short: "Say what a policy would have refused of what was done", Args: atMostOne("FILE"),
		Long: `Decides each run of the record anew, by its plan as it stood then, the one who confirmed it and that moment, under the policy
that is named or in force. A run is a cure where it was verified and there were symptoms to cure.`,
		Example: "  backout policy replay stricter.yaml\n  backout policy replay --since 30d --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := a.policies(args)
			if err != nil {
				return err
			}
			from, err := parseTime(since, a.now())
			if err != nil {
				return usage("--since: %v", err)
			}
			st, err := a.load()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				st.Policy = config.Policy{} // the session needs none to read
			}
			s, err := a.openWith(cmd.Context(), st, 0)
			if err != nil {
				return err
			}
			defer func() { _ = s.close() }()
			return a.policyReplay(cmd.Context(), s.Session, set, from)
		},
	}
	cmd.Flags().StringVar(&since, "since", "90d", "start of the span: a time or how long ago")
	return cmd
}

func (a *app) policyReplay(ctx context.Context, s *session.Session, set *file.Set, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return err
	}
	out := replayed{Since: since.UTC(), Would: []replayedRun{}, Note: replayNote}
	for i := range runs {
		r := &runs[i]
		if r.StartedAt.Before(since) || r.By.Drill != "" && r.Plan.Kind == "forward" {
			continue
		}
		out.add(r, set.Answer(s.Engine.Situation(r.Plan, r.By.By, r.StartedAt)))
	}
	if a.jsonOut() {
		return a.printJSON("backout.policy-replay/v1", out)
	}
	fmt.Fprintf(a.out, "of %s since %s it would have refused %d, %s, and %d more would have waited for an approval, %s\n",
		many(out.Runs, "run"), out.Since.Format(time.RFC3339), out.Refused, cures(out.Cures), out.Waiting, cures(out.WaitCures))
	for _, r := range out.Would {
		fmt.Fprintf(a.out, "%s  %s  %s  %s by %s: %s, %s\n", r.Run, r.At.UTC().Format(time.RFC3339), r.Outcome, strings.Join(r.Units, " "), harmless(r.By), r.State, map[bool]string{true: "a cure", false: "no cure"}[r.Cure])
		a.printRulings(r.Rules)
	}
	return nil
}

// cures counts those that cured what they were made for.
func cures(n int) string {
	if n == 1 {
		return "1 of them a cure"
	}
	return fmt.Sprintf("%d of them cures", n)
}

func (p *replayed) add(r *rollback.Run, said policy.Answer) {
	p.Runs++
	one := replayedRun{
		Run: r.ID, At: r.StartedAt, By: r.By.By.ID, Kind: r.Plan.Kind, State: string(r.State), Rules: said.Rulings, Outcome: file.Outcome(said),
		Cure: r.State == rollback.RunSucceeded && len(r.Plan.Alerts) > 0 && r.Plan.Kind != "drill",
	}
	for i := range r.Plan.Units {
		one.Units = append(one.Units, string(r.Plan.Units[i].Unit.ID))
	}
	cure := map[bool]int{true: 1}[one.Cure]
	switch {
	case one.Outcome == "deny":
		p.Refused, p.Cures = p.Refused+1, p.Cures+cure
	case len(said.Needs) > 0:
		p.Waiting, p.WaitCures = p.Waiting+1, p.WaitCures+cure
	case said.Reason && r.By.Reason == "" && r.Plan.Reason == "":
		one.Outcome = "needs"
	default:
		return
	}
	p.Would = append(p.Would, one)
}
