package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

// dueUnit is a unit of which an automation may show anew that its way back works.
type dueUnit struct {
	Unit     rollback.UnitID `json:"unit"`
	Why      string          `json:"why"`
	Tier     int             `json:"tier"`
	LastAt   time.Time       `json:"last_at,omitzero"`
	Drill    string          `json:"drill,omitempty"`
	State    string          `json:"state,omitempty"` // how its drill ended; "refused", "skipped"
	Detail   string          `json:"detail,omitempty"`
	ExitCode int             `json:"exit_code"`

	entry *config.Scheduled // that allows it
}

// drillDue drills what is due, the most urgent first, one after the other, and stops at the first that fails. A drill that is
// refused is no failure: the next unit may be another matter.
func (a *app) drillDue(ctx context.Context, s *opened, f drillFlags) error {
	if len(s.settings.Drills.Scheduled) == 0 {
		return fmt.Errorf("%w: no unit may be drilled by itself: name them under drills.scheduled in backout.yaml", rollback.ErrRefused)
	}
	by, err := a.automation(s)
	if err != nil {
		return err
	}
	all, err := a.due(ctx, s)
	if err != nil {
		return err
	}
	code, done := codeOK, 0
	for i := range all {
		d := &all[i]
		if d.State != "" {
			continue
		}
		why, err := a.notNow(ctx, s, d)
		switch {
		case err != nil:
			return err
		case code != codeOK:
			why = "the one before it failed"
		case f.max > 0 && done >= f.max:
			why = "as many as --max allows were drilled"
		}
		if why != "" {
			d.State, d.Detail = "skipped", why
			continue
		}
		if f.dryRun {
			done++
			continue
		}
		if err := a.drillOne(ctx, s, f, by, d); err != nil {
			return err
		}
		if d.Drill != "" {
			done++
			code = d.ExitCode
		}
	}
	if err := printList(a, "backout.drill-due/v1", all, dueTable); err != nil {
		return err
	}
	return ended(code)
}

// automation is who drills by itself: never a person, whoever set it up, and never an AI agent.
func (a *app) automation(s *opened) (policy.Principal, error) {
	p := a.principal(s.settings)
	switch p.Kind {
	case policy.Automation:
		return p, nil
	case policy.Human:
		return policy.Principal{ID: p.ID, Kind: policy.Automation, OnBehalfOf: p.ID}, nil
	default:
		return p, fmt.Errorf("%w: an AI agent may plan but not drill: an automation or a person has to", rollback.ErrRefused)
	}
}

// due lists the units that an automation may drill and whose way back no proof counts for, the most urgent first: by how
// much depends on it, then what was never shown, then what was shown longest ago.
func (a *app) due(ctx context.Context, s *opened) ([]dueUnit, error) {
	units, listErr := s.Engine.Units(ctx)
	if listErr != nil {
		a.warn("not every unit could be listed: %v", listErr)
	}
	var all []dueUnit
	for _, u := range units {
		entry := scheduled(s.settings.Drills.Scheduled, u)
		if entry == nil {
			continue
		}
		if d, ok := a.isDue(ctx, s, u); ok {
			d.entry = entry
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(x, y dueUnit) int {
		return cmp.Or(cmp.Compare(x.Tier, y.Tier), x.LastAt.Compare(y.LastAt)) // what was never shown has the zero time
	})
	return all, nil
}

// scheduled is the first entry that allows a unit, nil none.
func scheduled(entries []config.Scheduled, u rollback.Unit) *config.Scheduled {
	for i := range entries {
		if entries[i].Matches(string(u.ID), u.Service, u.Environment) {
			return &entries[i]
		}
	}
	return nil
}

// notNow says why a unit that is due may not be drilled at this moment, "" it may. The drills before it in the same call count.
func (a *app) notNow(ctx context.Context, s *opened, d *dueUnit) (string, error) {
	drills, err := s.Engine.Drills(ctx)
	switch {
	case err != nil:
		return "", err
	case !d.entry.Open(a.now()):
		return "not within " + d.entry.Hours + " UTC", nil
	case d.entry.Max > 0 && lately(drills, d.entry, a.now()) >= d.entry.Max:
		return fmt.Sprintf("%d were drilled within 24 h", d.entry.Max), nil
	default:
		return "", nil
	}
}

// lately counts the drills of an entry's units within a day.
func lately(drills []rollback.Drill, entry *config.Scheduled, now time.Time) int {
	n := 0
	for i := range drills {
		u := drills[i].Unit
		if now.Sub(drills[i].StartedAt) < 24*time.Hour && entry.Matches(string(u.ID), u.Service, u.Environment) {
			n++
		}
	}
	return n
}

// isDue judges one unit. A way back that failed the last time is not tried again by itself: somebody has to look first.
func (a *app) isDue(ctx context.Context, s *opened, u rollback.Unit) (dueUnit, bool) {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	req := rollback.Request{Unit: u.ID}
	d := dueUnit{Unit: u.ID}
	err := s.Prepare(ctx, &req)
	var all []rollback.Standing
	if err == nil {
		all, err = s.Engine.StandingsOf(ctx, req, []rollback.UnitID{u.ID})
	}
	if err == nil && len(all) > 0 && all[0].NotPlanned != "" {
		err = errors.New(all[0].NotPlanned)
	}
	if err != nil {
		d.Tier, d.State, d.Detail, d.Why = 1, "skipped", harmless(err.Error()), "whether its way back works is not known"
		return d, true
	}
	if len(all) == 0 || all[0].To.Digest == "" || all[0].Proof == nil {
		return d, false // there is nothing to go back to
	}
	st := all[0].Proof
	d.Tier, d.Why = st.Tier, st.Why()
	switch {
	case st.Proof == nil:
		d.Why = "never executed"
	case st.Proof.Outcome == proof.Pass && len(st.Reasons) == 0:
		return d, false
	default:
		d.LastAt = st.Proof.At()
	}
	if slices.ContainsFunc(st.Reasons, func(r proof.Reason) bool { return r.Rule == "I7" }) {
		d.State, d.Detail = "skipped", "somebody has to look at it first: backout drill "+string(u.ID)
	}
	return d, true
}

// drillOne drills one unit that is due and waits for it. An error is one that keeps any other from being drilled too.
func (a *app) drillOne(ctx context.Context, s *opened, f drillFlags, by policy.Principal, d *dueUnit) error {
	f.reason = "due: " + d.Why
	plan, _, err := a.planDrill(ctx, s, string(d.Unit), f)
	var drill rollback.Drill
	if err == nil {
		// The configuration stands for the name that a person would type; what else a confirmation needs it does not stand for.
		drill, err = s.Engine.Drill(ctx, plan, rollback.Confirmation{PlanHash: plan.Hash, By: by, Typed: plan.Decision.Name, Reason: f.reason, Via: "schedule"})
	}
	if errors.Is(err, rollback.ErrReadOnly) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		d.State, d.Detail, d.ExitCode = "refused", harmless(err.Error()), exitCode(ctx, err)
		a.warn("%s: %v", d.Unit, err)
		return nil
	}
	d.Drill = drill.ID
	a.warn("%s: drilling %s (%s)", drill.ID, d.Unit, d.Why)
	if err := s.StartRun(drill.ID); err != nil {
		return err
	}
	if drill, err = a.waitDrill(ctx, s, drill.ID); err != nil {
		return err
	}
	d.State, d.Detail, d.ExitCode = string(drill.State), drill.Detail, drill.State.ExitCode()
	return nil
}

// waitDrill waits for the end of a drill, or until nobody works on it.
func (a *app) waitDrill(ctx context.Context, s *opened, id string) (rollback.Drill, error) {
	tick := time.NewTicker(attachEvery)
	defer tick.Stop()
	worked, patience := a.now(), startup
	for {
		d, err := s.Engine.DrillOf(ctx, id)
		if d.Alive {
			worked, patience = a.now(), orphaned
		}
		if err != nil || d.State.Final() || !d.Alive && (d.State == rollback.DrillLeft || a.now().Sub(worked) > patience) {
			return d, err
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-tick.C:
		}
	}
}

func dueTable(out io.Writer, all []dueUnit) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing is due")
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "UNIT\tTIER\tDUE BECAUSE\tDRILL\tSTATE")
	for i := range all {
		d := &all[i]
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\t%s\n", d.Unit, d.Tier, harmless(d.Why), cmp.Or(d.Drill, "-"), harmless(cmp.Or(d.State, "due")+suffix(d.Detail)))
	}
	return tw.Flush()
}

func suffix(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + detail
}
