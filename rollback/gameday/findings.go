package gameday

import (
	"fmt"
	"strings"
	"time"
)

// Finding is something that the game day showed, derived from a fact of the record.
type Finding struct {
	Kind string `json:"kind"`
	Text string `json:"text"` // one sentence
}

// Kinds of findings.
const (
	FindNotCured    = "not cured"
	FindUnseen      = "fault not seen"
	FindNoPage      = "nobody paged"
	FindIntruder    = "did not stay out"
	FindUntested    = "untested rollback"
	FindSlow        = "slow"
	FindSuspect     = "wrong suspect"
	FindMeasures    = "measures left"
	FindFault       = "fault left"
	FindStranger    = "not on call"
	FindInterrupted = "conductor interrupted"
	FindUnverified  = "not verified"
	FindVain        = "cured nothing"
)

// Findings derives what was found. It holds nothing against a person: it says what the record says.
func Findings(g *Game, runs []RunFact, segments []Segment) []Finding {
	var out []Finding
	add := func(kind, format string, args ...any) { out = append(out, Finding{kind, fmt.Sprintf(format, args...)}) }
	out = append(out, aboutTheEnd(g)...)
	out = append(out, aboutPeople(g, runs)...)
	out = append(out, aboutRuns(g, runs)...)
	out = append(out, aboutTheRanking(g)...)
	for _, s := range segments {
		if s.Late {
			add(FindSlow, "From %s took %s; the objective is %s.", s.Name, Short(s.Took), Short(s.Objective))
		}
	}
	for _, n := range g.Standing() {
		add(FindFault, "Step %d of the fault (%s) may still stand: backout gameday resume %s.", n, g.Steps[n-1].Unit, g.ID)
	}
	if g.Resumes > 0 {
		add(FindInterrupted, "The conductor was interrupted %s: times that only it could see may be late.", times(g.Resumes))
	}
	return out
}

// aboutTheEnd is that it was not cured, and what of the fault nobody could see.
func aboutTheEnd(g *Game) []Finding {
	var out []Finding
	add := func(kind, format string, args ...any) { out = append(out, Finding{kind, fmt.Sprintf(format, args...)}) }
	switch g.Outcome {
	case OutcomeStopped:
		add(FindNotCured, "The people did not cure it: %s, and the conductor undid the fault.", g.StopWhy)
	case OutcomeCalled:
		add(FindNotCured, "It was called off before it was cured: %s.", g.StopWhy)
	case OutcomeFailed:
		add(FindNotCured, "The fault could not be made: %s.", g.Detail)
	case OutcomeCured, "":
	}
	made := !g.InjectedAt().IsZero() && g.Outcome != OutcomeFailed
	if made && g.BrokenAt.IsZero() {
		add(FindUnseen, "The steady state held all the time although the fault was made: the checks do not see it, or it does no harm.")
	}
	if made && g.PageAt.IsZero() {
		add(FindNoPage, "No alert came: whoever is on call would not have known.")
	}
	return out
}

// aboutTheRanking is that another suspect was first than the one to blame, when somebody acted.
func aboutTheRanking(g *Game) []Finding {
	s := g.Suspect
	if s == nil || g.Scenario.Expect.Suspect == "" || s.Right {
		return nil
	}
	first := "none of the changes"
	if s.Change != "" && s.P >= s.None {
		first = fmt.Sprintf("%q (%.0f %%)", s.Title, 100*s.P)
	}
	expected := "the fault"
	for i := range g.Steps {
		if t := &g.Steps[i]; !t.Bystander {
			expected = "what was broken, " + t.Unit
			break
		}
	}
	if g.Scenario.Expect.Suspect == SuspectNone {
		expected = "no change at all"
	}
	return []Finding{{FindSuspect, fmt.Sprintf("Ranked first was %s, and to blame was %s.", first, expected)}}
}

// aboutPeople is who acted and should not have, and who acted beside those on call.
func aboutPeople(g *Game, runs []RunFact) []Finding {
	var out []Finding
	told := map[string]bool{}
	for _, r := range runs {
		switch {
		case g.StaysOut(r.By):
			out = append(out, Finding{FindIntruder, fmt.Sprintf("%s, who was to stay out, confirmed %s: what only they can do is not shown to work without them.", r.By, r.ID)})
		case !Matches(g.Scenario.OnCall, r.By) && !told[r.By]:
			told[r.By] = true
			out = append(out, Finding{FindStranger, fmt.Sprintf("%s, who was not on call, confirmed %s.", r.By, r.ID)})
		}
	}
	for _, l := range g.Looks {
		if g.StaysOut(l.By) && !told[l.By] {
			told[l.By] = true
			out = append(out, Finding{FindIntruder, fmt.Sprintf("The console of %s, who was to stay out, showed the incident.", l.By)})
		}
	}
	return out
}

// aboutRuns is what the runs were, and what they left.
func aboutRuns(g *Game, runs []RunFact) []Finding {
	var out []Finding
	for _, r := range runs {
		if len(r.Untested) > 0 && !r.EffectAt.IsZero() {
			out = append(out, Finding{FindUntested, fmt.Sprintf("%s used a way back that was not tested: %s.", r.ID, strings.Join(r.Untested, ", "))})
		}
		if len(r.Left) > 0 {
			out = append(out, Finding{FindMeasures, fmt.Sprintf("%s left temporary measures that stand: %s.", r.ID, strings.Join(r.Left, ", "))})
		}
	}
	curing := Curing(g, runs)
	for i := range runs {
		if r := &runs[i]; !r.EffectAt.IsZero() && r != curing && (g.CuredAt.IsZero() || r.EffectAt.Before(g.CuredAt)) {
			out = append(out, Finding{FindVain, fmt.Sprintf("%s had its effect on %s, and nothing was cured by it alone.", r.ID, strings.Join(r.Units, ", "))})
		}
	}
	if r := curing; r != nil && r.VerifiedAt.IsZero() && !g.CuredAt.IsZero() {
		out = append(out, Finding{FindUnverified, fmt.Sprintf("%s had its effect and ended as %q: the cure was seen by the conductor, and not by the run itself.", r.ID, r.State)})
	}
	return out
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Short is a duration as a person says it: to the second, and below ten of them to a tenth.
func Short(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		text := strings.Replace(d.Round(time.Second).String(), "m0s", "m", 1)
		return strings.Replace(text, "h0m", "h", 1)
	}
}

// NextDate is when the next one is due: by the scenario's rule, on its day of the week or the first one after it; where it has
// none, not on a Saturday or Sunday.
func NextDate(n Next, ended time.Time, found bool) time.Time {
	days := n.Days
	if found && n.DaysFindings > 0 {
		days = n.DaysFindings
	}
	y, m, d := ended.UTC().Date()
	at := time.Date(y, m, d+days, 0, 0, 0, 0, time.UTC)
	want := weekday(n.Weekday)
	for range 7 {
		if want >= 0 && at.Weekday() == want || want < 0 && at.Weekday() != time.Saturday && at.Weekday() != time.Sunday {
			break
		}
		at = at.AddDate(0, 0, 1)
	}
	return at
}
