package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/tui"
)

// pause lets a run wait, and says how it goes on: nothing else would.
func (a *app) pause(ctx context.Context, s *opened, id string) error {
	if err := a.person(s.settings, "pause a run"); err != nil {
		return err
	}
	if err := s.Engine.Pause(ctx, id, a.principal(s.settings), true); err != nil {
		return err
	}
	run, err := s.Engine.Run(ctx, id)
	if err != nil {
		return err
	}
	a.warn("%s waits before its next step, for %s at the longest. go on: %s   stop: %s",
		id, run.Plan.Deadline, a.commandLine(tui.CommandResume, id), a.commandLine(tui.CommandAbort, id))
	return a.printRun(run)
}

// printLooks tells of the checks and alerts of a run: how they are, how they were before anything was touched, and how they
// looked lately.
func (a *app) printLooks(r *rollback.Run) {
	checks, symptoms := r.Checks, r.Symptoms
	if len(checks)+len(symptoms) == 0 && len(r.BeforeChecks)+len(r.Before) > 0 {
		fmt.Fprintln(a.out, "before anything was touched:")
		checks, symptoms = r.BeforeChecks, r.Before
	}
	trails := false
	row := func(state, what, was, cells string) {
		line := fmt.Sprintf("  %-20s %s", state, strings.TrimRight(what, " "))
		if was != "" && len(r.Checks)+len(r.Symptoms) > 0 {
			line += "   before: " + was
		}
		if cells != "" {
			line, trails = line+"   ["+cells+"]", true
		}
		fmt.Fprintln(a.out, harmless(line))
	}
	for i := range checks {
		c := &checks[i]
		was := ""
		if j := slices.IndexFunc(r.BeforeChecks, func(b rollback.Check) bool { return b.Name == c.Name }); j >= 0 {
			was = strings.TrimSpace(string(r.BeforeChecks[j].State) + " " + r.BeforeChecks[j].Observed)
		}
		row(string(c.State), c.Name+" "+c.Observed, was, r.Trail.Check(c.Name))
	}
	for i := range symptoms {
		s := &symptoms[i]
		was := ""
		if j := slices.IndexFunc(r.Before, func(b rollback.Symptom) bool { return b.Provider == s.Provider && b.ID == s.ID }); j >= 0 {
			was = string(r.Before[j].State)
		}
		row(string(s.State), "alert "+s.Name+" "+s.Detail, was, r.Trail.Alert(s.AlertRef))
	}
	if trails {
		fmt.Fprintf(a.out, "  []: %d s each, the newest last. %s\n", r.Trail.Seconds, rollback.TrailLegend)
	}
}
