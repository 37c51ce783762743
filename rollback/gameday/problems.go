package gameday

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The bounds of a scenario.
const (
	maxSteps    = 12
	leastStop   = 5 * time.Second
	longestStop = 12 * time.Hour
)

// lines finds where something stands in the file.
type lines struct{ root *yaml.Node }

// of is the line of what a path of keys and indices leads to, else of the last of it that is there.
func (l lines) of(path ...any) int {
	n := l.root
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := max(n.Line, 1)
	for _, p := range path {
		var next *yaml.Node
		switch p := p.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == p {
					line, next = n.Content[i].Line, n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && p < len(n.Content) {
				next = n.Content[p]
				line = next.Line
			}
		}
		if next == nil {
			return line
		}
		n = next
	}
	return line
}

// finder collects problems.
type finder struct {
	lines
	list []Problem
}

func (f *finder) add(line int, format string, args ...any) {
	f.list = append(f.list, Problem{Line: line, Message: fmt.Sprintf(format, args...)})
}

// problems is what the types alone cannot say.
func (s *Scenario) problems(at lines) []Problem {
	f := &finder{lines: at}
	for _, must := range []struct{ key, text string }{{"title", s.Title}, {"hypothesis", s.Hypothesis}} {
		if strings.TrimSpace(must.text) == "" {
			f.add(f.of(must.key), "%s is missing", must.key)
		}
	}
	if s.Steady.None() {
		f.add(f.of("steady"), "steady asks for nothing: without a check that holds before and afterwards nobody can tell that the fault was cured")
	}
	f.positive("steady", "hold", s.Steady.Hold)
	f.checks("steady", &s.Steady.Checks)
	f.checks("stop", &s.Stop.Checks)
	f.steps(s.Fault)
	f.people(s)
	switch d := s.Stop.Deadline; {
	case d == 0:
		f.add(f.of("stop"), "stop.deadline is missing: a fault that is undone by nobody is not made")
	case d < leastStop || d > longestStop:
		f.add(f.of("stop", "deadline"), "stop.deadline has to be from %s to %s, not %s", leastStop, longestStop, d)
	case s.Steady.Hold >= d:
		f.add(f.of("steady", "hold"), "steady.hold (%s) is not shorter than stop.deadline (%s): nothing would ever count as cured", s.Steady.Hold, d)
	}
	f.expect(s)
	if s.Next.Days < 1 || s.Next.Days > 3650 {
		f.add(f.of("next", "days"), "next.days has to be from 1 to 3650: a game day that is not repeated proves nothing for long")
	}
	if s.Next.DaysFindings < 0 {
		f.add(f.of("next", "days_after_findings"), "next.days_after_findings must not be negative")
	}
	if s.Next.Weekday != "" && weekday(s.Next.Weekday) < 0 {
		f.add(f.of("next", "weekday"), "next.weekday is no day of the week: %q", s.Next.Weekday)
	}
	return f.list
}

func (f *finder) steps(steps []Step) {
	if len(steps) == 0 || len(steps) > maxSteps {
		f.add(f.of("fault"), "fault needs from 1 to %d steps, has %d", maxSteps, len(steps))
	}
	seen := map[string]bool{}
	for i := range steps {
		line := f.of("fault", i)
		s := &steps[i]
		if (s.Release == nil) == (s.Exec == nil) {
			f.add(line, "a step of the fault is either release or exec")
			continue
		}
		if !strings.Contains(s.Unit(), ":") {
			f.add(line, "unit has to be a unit's id such as releases:shop/pricing, see 'backout providers list'; it is %q", s.Unit())
		}
		if r := s.Release; r != nil {
			if r.Revision == "" {
				f.add(line, "release needs the revision that the unit is to serve")
			}
			if seen[r.Unit] {
				f.add(line, "%s is released twice: what it served before would be lost", r.Unit)
			}
			seen[r.Unit] = true
			continue
		}
		if s.Exec.Program == "" {
			f.add(line, "exec needs a program, by the name that the configuration gives it")
		}
		if len(s.Exec.Undo) == 0 {
			f.add(line, "exec needs undo: the arguments with which the same program takes it back")
		}
	}
}

func (f *finder) people(s *Scenario) {
	if len(s.OnCall) == 0 {
		f.add(f.of("on_call"), "on_call is missing: who is to find and cure it; \"*\" is everybody")
	}
	for i, who := range s.StayOut {
		switch {
		case who == "" || strings.Trim(who, "*") == "":
			f.add(f.of("stay_out", i), "stay_out would keep everybody out")
		case slices.Contains(s.OnCall, who):
			f.add(f.of("stay_out", i), "%s cannot be on call and stay out", who)
		}
	}
}

func (f *finder) expect(s *Scenario) {
	for _, o := range s.Expect.objectives() {
		if o.limit < 0 {
			f.add(f.of("expect", o.key), "expect.%s must be more than nothing", o.key)
		}
	}
	switch s.Expect.Suspect {
	case "", SuspectFault, SuspectNone:
	default:
		f.add(f.of("expect", "suspect"), "expect.suspect is fault or none, not %q", s.Expect.Suspect)
	}
}

func (f *finder) positive(section, key string, d time.Duration) {
	if d < 0 {
		f.add(f.of(section, key), "%s.%s must be more than nothing", section, key)
	}
}

// checks looks at the checks of a section.
func (f *finder) checks(section string, c *Checks) {
	for i := range c.HTTP {
		f.address(f.of(section, "http", i), &c.HTTP[i])
	}
	for i, q := range c.PromQL {
		if strings.TrimSpace(q.Query) == "" || q.Max == nil && q.Min == nil {
			f.add(f.of(section, "promql", i), "a threshold needs a query, and max or min")
		}
	}
	for i, p := range c.Command {
		if len(p.Argv) == 0 || p.Argv[0] == "" {
			f.add(f.of(section, "command", i), "argv names no program")
		}
	}
	for i, name := range c.Use {
		if strings.TrimSpace(name) == "" {
			f.add(f.of(section, "use", i), "use names an entry of the configuration's verify")
		}
	}
}

func (f *finder) address(line int, h *HTTP) {
	u, err := url.Parse(h.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		f.add(line, "url is not an address: write https://HOST[:PORT]/PATH")
	case u.User != nil:
		f.add(line, "url has credentials in it, which would be recorded: leave them out")
	case h.Status != 0 && (h.Status < 100 || h.Status > 599):
		f.add(line, "status has to be from 100 to 599")
	}
}

func weekday(name string) time.Weekday {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), name) {
			return d
		}
	}
	return -1
}
