package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback/posture"
)

// judge works out the posture, in the background: units are planned for that.
func (s *auditScreen) judge() tea.Cmd {
	c := s.c
	if c.opts.Posture == nil || s.judging || s.posture != nil || s.postureErr != nil {
		return nil
	}
	s.judging = true
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(c.ctx, longTimeout)
		defer cancel()
		report, err := c.opts.Posture(ctx)
		return auditMsg{func() tea.Cmd {
			s.judging = false
			if s.postureErr = err; err == nil {
				s.posture = &report
			}
			return nil
		}}
	}
}

// prepared is the posture above the list, with the rule below it; as many lines while it is not known.
func (s *auditScreen) prepared(w int) []string {
	if s.c.opts.Posture == nil {
		return nil
	}
	n := 2
	if w >= wideWidth {
		n = 7
	}
	lines := make([]string, 0, n+1)
	switch {
	case s.postureErr != nil:
		lines = append(lines, " "+s.c.style.bad("the posture is not known: "+plain(s.postureErr.Error())))
	case s.posture == nil:
		lines = append(lines, " POSTURE is worked out ...")
	case w >= wideWidth:
		lines = append(lines, s.wide(s.posture)...)
	default:
		lines = append(lines, narrow(s.posture)...)
	}
	for len(lines) < n {
		lines = append(lines, "")
	}
	return append(lines, s.c.style.rule(w))
}

// wide is the posture in two columns: the window, and the last four weeks.
func (s *auditScreen) wide(r *posture.Report) []string {
	const left = 68
	var verified, longest strings.Builder
	for _, week := range r.Weeks {
		verified.WriteString(fit(fmt.Sprintf("%d/%d", week.Verified, week.Rollbacks), 9))
		long := "-"
		if week.Longest > 0 {
			long = roughly(week.Longest)
		}
		longest.WriteString(fit(long, 9))
	}
	row := func(name, value, weeks string) string {
		return " " + fit(fit(name, 24)+value, left) + weeks
	}
	st := s.c.style
	return []string{
		st.bold(row("POSTURE", "last "+ago(r.Until.Sub(r.Since).Round(time.Hour)), "THE LAST FOUR WEEKS")),
		row("reversible alone", ofAll(r.Reversible, r.Units, "unit")+unknowns(r.Unknown), ""),
		row("tested", ofAll(r.Tested, r.Units, "unit")+weighed(r), ""),
		row("rollbacks verified", fmt.Sprintf("%d of %d, at least %.0f%%", r.Success.Passed, r.Success.Of, r.Success.Low*100), verified.String()),
		row("from plan to verified", r.Took.String(), longest.String()),
		row("used untested", fmt.Sprintf("%d of %s", len(r.Untested), plural(r.Rollbacks, "rollback")), "proofs lost: "+lostBy(r)),
		row("AI found in", fmt.Sprintf("%s, %d went back%s", plural(r.Tagged.Changes, "change"), r.Tagged.RolledBack.Passed, lately(r)),
			fmt.Sprintf("none found in %s, %d went back%s", count(r.Untagged.Changes), r.Untagged.RolledBack.Passed, few(r))),
	}
}

func narrow(r *posture.Report) []string {
	return []string{
		fmt.Sprintf(" reversible %d/%d%s  tested %d/%d%s  untested used %d", r.Reversible, r.Units, unknowns(r.Unknown), r.Tested, r.Units, weighed(r), len(r.Untested)),
		fmt.Sprintf(" verified %d/%d  took %s  lost %s  AI %d/%d back, others %d/%d", r.Success.Passed, r.Success.Of, r.Took, lostBy(r),
			r.Tagged.RolledBack.Passed, r.Tagged.Changes, r.Untagged.RolledBack.Passed, r.Untagged.Changes),
	}
}

// lately says that changes were not read as far back as the window goes.
func lately(r *posture.Report) string {
	if !r.Read.After(r.Since.Add(time.Hour)) {
		return ""
	}
	return ", since " + r.Read.UTC().Format("01-02")
}

func ofAll(n, all int, what string) string { return fmt.Sprintf("%d of %s", n, plural(all, what)) }

func unknowns(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d unknown", n)
}

func weighed(r *posture.Report) string {
	if r.Coverage == nil {
		return ""
	}
	return fmt.Sprintf(", %.0f%% by weight", *r.Coverage*100)
}

func lostBy(r *posture.Report) string {
	if len(r.Lost) == 0 {
		return "none seen"
	}
	var parts []string
	for _, c := range r.Lost {
		parts = append(parts, fmt.Sprintf("%s %d", plain(c.Rule), c.N))
	}
	return strings.Join(parts, ", ")
}

// few says that the two shares cannot be compared.
func few(r *posture.Report) string {
	if min(r.Tagged.Changes, r.Untagged.Changes) >= 100 && min(r.Tagged.RolledBack.Passed, r.Untagged.RolledBack.Passed) >= 5 {
		return ""
	}
	return ", n is small"
}
