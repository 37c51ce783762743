package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/posture"
	"github.com/backout-dev/backout/rollback/proof"
)

const postureSpan = 30 * 24 * time.Hour

func (a *app) postureCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "posture",
		Short: "How well prepared going back is: what is tested, what was used untested, what no longer counts, how it went",
		Long: `Say in a few numbers how well prepared going back is, over the last 30 days or the window of --since. They come from the units as they
are now, the proofs, the runs and the timeline; what is not known is said. No target is altered. A proof that is first seen not to
count any more is put on the record, once for each cause: run it daily, and the record says when it was seen.`,
		Example: "  backout posture\n  backout posture --since 90d --output json | jq .untested_used",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.with(cmd.Context(), postureSpan, a.posture) },
	}
}

func (a *app) posture(ctx context.Context, s *opened) error {
	if err := s.Readable(); err != nil {
		return err
	}
	f, standings, err := a.postureFacts(ctx, s)
	if err != nil {
		return err
	}
	f.Losses, err = s.Engine.NoteLosses(ctx, a.principal(s.settings), standings)
	if errors.Is(err, rollback.ErrReadOnly) {
		a.warn("proofs are seen not to count any more, and that is not put on the record: read-only")
	} else if err != nil {
		return err
	}
	if a.window(postureSpan).Until.IsZero() {
		f.Now = a.now().UTC() // what was noted just now is of this span
	}
	r := posture.Of(&f)
	if a.jsonOut() {
		return a.printJSON("backout.posture/v1", r)
	}
	return postureText(a.out, &r)
}

// postureFacts gathers what the numbers come from, and what the units count for whose way back was ever executed.
func (a *app) postureFacts(ctx context.Context, s *opened) (posture.Facts, []proof.Standing, error) {
	f := posture.Facts{Now: a.now().UTC(), Since: a.window(postureSpan).Since}
	if until := a.window(postureSpan).Until; !until.IsZero() {
		f.Now = until
	}
	records, err := s.Engine.Proofs(ctx)
	if err != nil {
		return f, nil, err
	}
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return f, nil, err
	}
	changes := s.Timeline.Snapshot().Changes(providers.Window{Since: f.Since, Until: f.Now})
	f.Records, f.Runs = records, incidentRuns(runs, changes)
	deployed := map[string]int{}
	for i := range changes {
		c := &changes[i]
		if c.Kind != providers.KindRollback && c.Kind != providers.KindDrill && c.Status != providers.StatusNote {
			f.Changes = append(f.Changes, posture.Change{ID: c.ID, Assistance: string(c.Assistance.State)})
		}
		if c.Kind == providers.KindDeploy {
			deployed[c.Unit]++
		}
	}
	for _, h := range s.Health() {
		if h.State != providers.HealthOK && h.State != providers.HealthSlow {
			f.Silent = append(f.Silent, h.Provider)
		}
	}
	if f.Losses, err = s.Engine.Losses(ctx); err != nil {
		return f, nil, err
	}
	standings, err := a.postureUnits(ctx, s, records, deployed, &f)
	return f, standings, err
}

// postureUnits judges every unit, and returns what those count for of which a plan could be made.
func (a *app) postureUnits(ctx context.Context, s *opened, records []proof.Record, deployed map[string]int, f *posture.Facts) ([]proof.Standing, error) {
	var req rollback.Request
	if err := s.Prepare(ctx, &req); err != nil {
		return nil, err
	}
	look, cancel := context.WithTimeout(ctx, a.flags.timeout)
	alone, listErr := s.Engine.Standings(look, req, "")
	cancel()
	if listErr != nil {
		a.warn("not every unit could be listed: %v", listErr)
	}
	units := make([]rollback.Unit, len(alone))
	for i := range alone {
		units[i] = alone[i].Unit
	}
	judged, err := a.asked(ctx, s, units, records, nil)
	if err != nil {
		return nil, err
	}
	standing := map[string]proof.Standing{}
	var out []proof.Standing
	for i := range judged {
		standing[judged[i].Unit] = judged[i].Standing
		out = append(out, judged[i].Standing)
	}
	for i := range alone {
		id := string(alone[i].Unit.ID)
		now, ok := standing[id]
		if !ok {
			now = s.Engine.Unplanned(alone[i].Unit, nil, nil, nil)
		}
		f.Units = append(f.Units, posture.Unit{ID: id, Alone: string(alone[i].Alone), Deployments: deployed[id], Standing: now})
	}
	return out, nil
}

// incidentRuns are the rollbacks of incidents that touched their targets.
func incidentRuns(runs []rollback.Run, changes []providers.Change) []posture.Run {
	var out []posture.Run
	for i := range runs {
		r := &runs[i]
		if r.Plan.Kind != "incident" || r.AppliedAt.IsZero() {
			continue
		}
		p := posture.Run{ID: r.ID, At: r.AppliedAt, Tested: true, Over: r.State.Final(), Verified: r.State == rollback.RunSucceeded, Changes: tookBack(r, changes)}
		for k := range r.Plan.Units {
			if s := r.Plan.Units[k].Proof; s == nil || !s.Tested() {
				p.Tested = false
			}
		}
		out = append(out, p)
	}
	return out
}

func postureText(out io.Writer, r *posture.Report) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", name, harmless(fmt.Sprintf(format, args...)))
	}
	row("window", "%s to %s", r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339))
	row("reversible alone", "%d of %s%s", r.Reversible, many(r.Units, "unit"), further(r.Unknown, ", of %d it is not known"))
	covered := "unknown: there is no unit"
	if r.Coverage != nil {
		covered = fmt.Sprintf("%d of %s, %.0f%% by tier and deployments", r.Tested, many(r.Units, "unit"), *r.Coverage*100)
	}
	row("tested", "%s", covered)
	row("rollbacks in incidents", "%d, %d of them untested%s", r.Rollbacks, len(r.Untested), named(r.Untested))
	row("verified", "%s", passed(r.Success))
	row("from plan to verified", "%s%s", r.Took, enough(r.Took.N))
	row("proofs lost", "%s", lost(r))
	row("AI found in", "%s; rolled back %s", many(r.Tagged.Changes, "change"), rolled(r.Tagged))
	row("looked for, none found", "%s; rolled back %s", many(r.Untagged.Changes, "change"), rolled(r.Untagged))
	row("AI not known", "%s", many(r.NotLooked, "change"))
	row("sources without an answer", "%d%s", len(r.Silent), named(r.Silent))
	for _, w := range r.Weeks {
		row("week of "+w.From.Format(time.DateOnly), "%s, %d verified, longest %s", many(w.Rollbacks, "rollback"), w.Verified, longest(w.Longest))
	}
	return tw.Flush()
}

func further(n int, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

func named(names []string) string {
	const shown = 5
	switch {
	case len(names) == 0:
		return ""
	case len(names) > shown:
		return " (" + strings.Join(names[:shown], ", ") + ", ...)"
	default:
		return " (" + strings.Join(names, ", ") + ")"
	}
}

// enough says how little a few passes show: with n of them the longest bounds the 95th percentile with confidence 1-0.95^n.
func enough(n int) string {
	const all = 59
	if n == 0 || n >= all {
		return ""
	}
	return fmt.Sprintf(" (it takes %d to say with 95%% confidence what 95%% stay below)", all)
}

func lost(r *posture.Report) string {
	if len(r.Lost) == 0 {
		return "none was seen"
	}
	var parts []string
	for _, c := range r.Lost {
		parts = append(parts, fmt.Sprintf("%s %d", c.Rule, c.N))
	}
	return fmt.Sprintf("%s; %d by what happened, %d by age", strings.Join(parts, ", "), r.ByEvent, r.ByAge)
}

// rolled is a share with how little it says where it is of few.
func rolled(s posture.Share) string {
	if s.Changes == 0 {
		return "0 of 0"
	}
	text := fmt.Sprintf("%d (%.0f%% to %.0f%% with 95%% confidence)", s.RolledBack.Passed, s.RolledBack.Low*100, s.RolledBack.High*100)
	if s.Changes < 100 || s.RolledBack.Passed < 5 {
		text += ", n is small"
	}
	return text
}

func longest(d time.Duration) string {
	if d == 0 {
		return "unknown"
	}
	return d.Round(time.Second).String()
}
