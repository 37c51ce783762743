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

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

func (a *app) proofsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "proofs [UNIT]",
		Short: "List which ways back were ever executed, and whether that still counts",
		Long: `Every rollback that touched its target is a proof, passed or failed, and never changes. Whether it counts is judged anew each
time, against a plan that is made now: it has to be recent, and nothing may have changed since that it rested on. L1: the
plan is valid now. L2: executed somewhere like production. L3: in production, on a part. L4: in production, on the whole
unit. From L3 on a way back is called tested. Without UNIT: the units that were ever taken back. Nothing is altered.`,
		Example: "  backout proofs\n  backout proofs releases:local/pricing\n  backout proofs --output json",
		Args:    atMostOne("UNIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error { return a.listProofs(ctx, s, args) })
		},
	}
}

// unitProofs is one unit with what its way back counts for now and all that was recorded of it.
type unitProofs struct {
	Unit     string         `json:"unit"`
	To       string         `json:"to,omitempty"` // where it would go back to now
	Tested   string         `json:"tested"`
	Standing proof.Standing `json:"standing"`
	Success  proof.Rate     `json:"success"`
	Took     proof.Lengths  `json:"took"`
	Records  []proof.Record `json:"records"`
}

func (a *app) listProofs(ctx context.Context, s *opened, args []string) error {
	units, listErr := s.Engine.Units(ctx)
	if listErr != nil {
		a.warn("not every unit could be listed: %v", listErr)
	}
	records, err := s.Engine.Proofs(ctx)
	if err != nil {
		return err
	}
	all, err := a.asked(ctx, s, units, records, args)
	if err != nil {
		return err
	}
	if err := printList(a, "backout.proof/v1", all, func(out io.Writer, all []unitProofs) error { return a.proofsText(out, all, len(args) > 0) }); err != nil {
		return err
	}
	if len(args) > 0 || a.jsonOut() {
		return nil
	}
	_, err = fmt.Fprintln(a.out, covered(s.Engine, units, all))
	return err
}

// asked are the units to list: the one that was named, else those that were ever taken back, each judged against a plan. They are
// looked at together, some at once.
func (a *app) asked(ctx context.Context, s *opened, units []rollback.Unit, records []proof.Record, args []string) ([]unitProofs, error) {
	of := map[string][]proof.Record{}
	var ids []string
	for i := range records {
		if of[records[i].Unit] == nil {
			ids = append(ids, records[i].Unit)
		}
		of[records[i].Unit] = append(of[records[i].Unit], records[i])
	}
	if len(args) > 0 {
		ids = args
	}
	for _, id := range ids {
		if of[id] == nil && !slices.ContainsFunc(units, func(u rollback.Unit) bool { return string(u.ID) == id }) {
			return nil, fmt.Errorf("unit %s: %w", id, rollback.ErrNotFound)
		}
	}
	now, err := a.standingNow(ctx, s, ids)
	if err != nil {
		return nil, err
	}
	probes, err := s.Engine.Probes(ctx)
	if err != nil {
		return nil, err
	}
	var all []unitProofs
	for _, id := range ids {
		out := unitProofs{Unit: id, Success: proof.SuccessRate(of[id]), Took: proof.Took(of[id]), Records: of[id]}
		if is, ok := now[id]; ok {
			out.Standing, out.To = *is.Proof, toward(is)
		} else { // it is no unit any more
			var seen *proof.Probe
			if p, ok := probes[rollback.UnitID(id)]; ok {
				seen = &p
			}
			out.Standing = s.Engine.Unplanned(rollback.Unit{ID: rollback.UnitID(id)}, of[id], seen, fmt.Errorf("unit %s: %w", id, rollback.ErrNotFound))
		}
		out.Tested = providers.Clean(out.Standing.Words(a.now()))
		all = append(all, out)
	}
	return all, nil
}

// standingNow is how the units stand, by their ids. What cannot be planned now counts for nothing, and says why.
func (a *app) standingNow(ctx context.Context, s *opened, ids []string) (map[string]*rollback.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	var req rollback.Request
	if err := s.Prepare(ctx, &req); err != nil {
		return nil, err
	}
	named := make([]rollback.UnitID, len(ids))
	for i, id := range ids {
		named[i] = rollback.UnitID(id)
	}
	standings, _ := s.Engine.StandingsOf(ctx, req, named) // what could not be listed was told
	out := map[string]*rollback.Standing{}
	for i := range standings {
		is := &standings[i]
		out[string(is.Unit.ID)] = is
		if is.NotPlanned != "" {
			a.warn("%s: %s", is.Unit.ID, is.NotPlanned)
		}
	}
	return out, ctx.Err()
}

func toward(s *rollback.Standing) string {
	if s.To.Digest == "" {
		return ""
	}
	return label(s.To)
}

func (a *app) proofsText(out io.Writer, all []unitProofs, one bool) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing was ever taken back here")
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "UNIT\tLEVEL\tPASSED\tTOOK\tNOW")
	for i := range all {
		u := &all[i]
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", u.Unit, u.Standing.Level, passed(u.Success), u.Took, u.Tested)
	}
	if err := tw.Flush(); err != nil || !one {
		return err
	}
	for i := range all {
		for _, why := range proof.List(all[i].Standing.Reasons) {
			fmt.Fprintf(out, "  not more because: %s\n", providers.Clean(why))
		}
		if crew := all[i].Standing.Crew; crew.Enough {
			fmt.Fprintf(out, "  done by: %s within 180 days\n", providers.Clean(strings.Join(crew.People, ", ")))
		} else {
			fmt.Fprintf(out, "  done by: %s\n", providers.Clean(crew.Why))
		}
		a.proofRecords(out, all[i].Records)
	}
	return nil
}

// proofRecords lists executions, the newest first.
func (a *app) proofRecords(out io.Writer, records []proof.Record) {
	for i := len(records) - 1; i >= 0; i-- {
		r := &records[i]
		took := ""
		if d := r.Times.Took(); d > 0 {
			took = ", " + d.Round(time.Second).String()
		}
		fmt.Fprintf(out, "\n%s  %s  %s -> %s  %s (%s) by %s%s\n", r.Run, r.At().UTC().Format(time.RFC3339), providers.Clean(r.From.Label), providers.Clean(r.To.Label), r.Outcome, r.Earned(), providers.Clean(r.People.Executor), took)
		fmt.Fprintf(out, "  %s: %s\n", wordOr(r.Kind, "rollback"), segments(r.Times.Decided, r.Times.Approved, r.Times.FirstEffect, r.Times.Converged, r.Times.Ended, r.Outcome == proof.Pass))
		fmt.Fprintf(out, "  in %s (%s), %s; ledger entry %d\n", wordOr(r.Environment, "an environment without a name"), wordOr(string(r.Class), "unknown"), wordOr(r.Mechanism.Name, "how is not known"), r.Evidence.Seq)
		if f := r.Forward; f != nil {
			fmt.Fprintf(out, "  forward again by %s, verified: %v; %s\n", providers.Clean(f.Run), f.Verified, segments(f.Times.Decided, f.Times.Approved, f.Times.FirstEffect, f.Times.Converged, f.Times.Ended, f.Verified))
		}
		for _, s := range r.Surprises {
			fmt.Fprintf(out, "  surprise: %s\n", providers.Clean(s))
		}
	}
}

func wordOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return providers.Clean(s)
}

// passed is how many of how many passed, and what that says at least.
func passed(r proof.Rate) string {
	if r.Of == 0 {
		return "0 of 0"
	}
	return fmt.Sprintf("%d of %d (at least %.0f%%)", r.Passed, r.Of, r.Low*100)
}

// covered is the share of all units whose way back is tested; one that was never executed is not.
func covered(e *rollback.Engine, units []rollback.Unit, all []unitProofs) string {
	judged := map[string]proof.Standing{}
	for i := range all {
		judged[all[i].Unit] = all[i].Standing
	}
	standings := make([]proof.Standing, len(units))
	tested := 0
	for i, u := range units {
		s, ok := judged[string(u.ID)]
		if !ok {
			s = e.Unplanned(u, nil, nil, nil)
		}
		if standings[i] = s; s.Tested() {
			tested++
		}
	}
	return fmt.Sprintf("tested: %d of %s, %.0f%% weighed by tier", tested, many(len(units), "unit"), proof.Coverage(standings)*100)
}
