package gameday

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// stamp is a time of day in UTC, to the second.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("15:04:05")
}

// Headline is how the game day went, in one sentence.
func (r *Report) Headline() string {
	g := &r.Game
	switch {
	case !r.Over && g.CuredAt.IsZero():
		return "Under way."
	case !r.Over:
		return "Cured, and not over yet."
	case g.Outcome == OutcomeCured && r.Held:
		return "Cured by the people; the hypothesis held."
	case g.Outcome == OutcomeCured:
		return fmt.Sprintf("Cured by the people; %s found.", count(len(r.Findings), "thing was", "things were"))
	case g.Outcome == OutcomeFailed:
		return "The fault could not be made: " + g.Detail
	case g.Outcome == OutcomeCalled:
		return "Called off: " + g.StopWhy
	default:
		return "Not cured by the people: " + g.StopWhy + "; the fault was undone."
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Moment is one line of what happened.
type Moment struct {
	At   time.Time
	What string
}

// Moments are what happened, in order.
func (r *Report) Moments() []Moment {
	g := &r.Game
	var out []Moment
	add := func(at time.Time, format string, args ...any) {
		if !at.IsZero() {
			out = append(out, Moment{at, fmt.Sprintf(format, args...)})
		}
	}
	add(g.AnnouncedAt, "announced by %s", g.Conductor)
	for i := range g.Steps {
		s := &g.Steps[i]
		add(s.Injected, "fault, step %d: %s", i+1, r.fault(i))
		add(s.Undone, "fault, step %d is gone: %s", i+1, cmp.Or(s.Detail, s.Unit))
	}
	add(g.BrokenAt, "the steady state does not hold any more")
	add(g.PageAt, "page: %s", g.Page)
	for _, l := range g.Looks {
		add(l.At, "the console of %s shows the incident", l.By)
	}
	for _, run := range r.Runs {
		add(run.PlannedAt, "%s planned: %s", run.ID, strings.Join(run.Units, ", "))
		add(run.ApprovedAt, "%s confirmed by %s", run.ID, run.By)
		add(run.EffectAt, "%s has its first effect", run.ID)
		add(run.ConvergedAt, "%s: its units serve their targets", run.ID)
		add(run.EndedAt, "%s ended: %s", run.ID, run.State)
	}
	add(g.CuredAt, "cured: the steady state holds again")
	add(g.StoppedAt, "stopped: %s", g.StopWhy)
	add(g.EndedAt, "over: %s", g.Outcome)
	sortMoments(out)
	return out
}

func sortMoments(all []Moment) {
	for i := 1; i < len(all); i++ { // few, and mostly in order; what is at one time keeps its order
		for j := i; j > 0 && all[j].At.Before(all[j-1].At); j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
}

// fault says what a step of the fault did.
func (r *Report) fault(i int) string {
	t := &r.Game.Steps[i]
	if i < len(r.Game.Scenario.Fault) && r.Game.Scenario.Fault[i].Release != nil {
		return fmt.Sprintf("%s serves %s instead of %s", t.Unit, r.Game.Scenario.Fault[i].Release.Revision, cmp.Or(t.BeforeLabel, "what it served"))
	}
	if i < len(r.Game.Scenario.Fault) && r.Game.Scenario.Fault[i].Exec != nil {
		e := r.Game.Scenario.Fault[i].Exec
		return strings.TrimSpace(fmt.Sprintf("%s: %s %s", t.Unit, e.Program, strings.Join(e.Args, " ")))
	}
	return t.Unit
}

// Length is what a segment took, or why that is not known.
func (s *Segment) Length() string {
	if !s.Known {
		return "not known: " + s.Why
	}
	return Short(s.Took)
}

// Goal is the objective of a segment, with a word where it was missed.
func (s *Segment) Goal() string {
	switch {
	case s.Objective == 0:
		return "none set"
	case s.Late:
		return Short(s.Objective) + ", missed"
	case s.Known:
		return Short(s.Objective) + ", met"
	default:
		return Short(s.Objective)
	}
}

// people names principals; "*" is everybody.
func people(list []string) string {
	if len(list) == 1 && list[0] == "*" {
		return "everybody"
	}
	return strings.Join(list, ", ")
}

// Due is the date of the next one, in words.
func (r *Report) Due() string {
	if r.Next.IsZero() {
		return "once this one is over"
	}
	return r.Next.Format("Monday, 2 January 2006")
}

// md takes out of a text what Markdown or HTML would act on.
func md(s string) string {
	var b strings.Builder
	for _, c := range s {
		if strings.ContainsRune("\\`*_[]<>#|&!~$", c) {
			b.WriteByte('\\')
		}
		if c == '\n' || c == '\r' {
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Markdown writes the report as Markdown; text from outside is escaped.
func (r *Report) Markdown(w io.Writer) error {
	g := &r.Game
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# %s: %s\n\n**%s**\n\n", md(g.ID), md(g.Scenario.Title), md(r.Headline()))
	p("- Hypothesis: %s\n", md(g.Scenario.Hypothesis))
	if g.Scenario.After != "" {
		p("- Facts: %s\n", md(g.Scenario.After))
	}
	p("- Conducted by %s on %s (UTC)\n", md(g.Conductor), g.AnnouncedAt.UTC().Format("2006-01-02"))
	p("- On call: %s\n", md(people(g.Scenario.OnCall)))
	if len(g.Scenario.StayOut) > 0 {
		p("- To stay out: %s\n", md(people(g.Scenario.StayOut)))
	}
	p("- Next one: **%s**\n\n## Findings\n\n", md(r.Due()))
	if len(r.Findings) == 0 {
		p("None.\n")
	}
	for _, f := range r.Findings {
		p("- **%s**: %s\n", md(f.Kind), md(f.Text))
	}
	p("\n## How long it took\n\n| segment | took | objective |\n| --- | --- | --- |\n")
	for i := range r.Segments {
		s := &r.Segments[i]
		p("| %s | %s | %s |\n", md(s.Name), md(s.Length()), md(s.Goal()))
	}
	p("\n%s\n\n## What happened\n\n", md(r.Before.Words()))
	for _, m := range r.Moments() {
		p("- `%s` %s\n", stamp(m.At), md(m.What))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
