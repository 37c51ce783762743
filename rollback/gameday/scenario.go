package gameday

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Schema is the JSON Schema's name of a scenario file.
const Schema = "backout.gameday-scenario/v1"

// MaxScenario is how long a scenario file may be.
const MaxScenario = 256 << 10

// Scenario is one game day as it was written down beforehand.
type Scenario struct {
	Title      string   `yaml:"title" json:"title"`
	After      string   `yaml:"after" json:"after,omitempty"` // what it is modelled on
	Hypothesis string   `yaml:"hypothesis" json:"hypothesis"`
	Steady     Steady   `yaml:"steady" json:"steady"`
	Fault      []Step   `yaml:"fault" json:"fault"`
	OnCall     []string `yaml:"on_call" json:"on_call"`
	StayOut    []string `yaml:"stay_out" json:"stay_out,omitempty"`
	Stop       Stop     `yaml:"stop" json:"stop"`
	Expect     Expect   `yaml:"expect" json:"expect,omitzero"`
	Next       Next     `yaml:"next" json:"next"`
}

// Steady is what has to hold before, and again afterwards: without a break for Hold.
type Steady struct {
	Hold   time.Duration `yaml:"hold" json:"hold_ns"`
	Checks `yaml:",inline"`
}

// Checks are checks of the kinds that a configuration declares under verify. Use names such entries.
type Checks struct {
	Use     []string  `yaml:"use" json:"use,omitempty"`
	PromQL  []PromQL  `yaml:"promql" json:"promql,omitempty"`
	HTTP    []HTTP    `yaml:"http" json:"http,omitempty"`
	Command []Command `yaml:"command" json:"command,omitempty"`
}

// None reports whether there is nothing to look at.
func (c *Checks) None() bool { return len(c.Use)+len(c.PromQL)+len(c.HTTP)+len(c.Command) == 0 }

// PromQL is a threshold that every series of the answer has to keep.
type PromQL struct {
	Name     string        `yaml:"name" json:"name,omitempty"`
	Provider string        `yaml:"provider" json:"provider,omitempty"`
	Query    string        `yaml:"query" json:"query"`
	Max      *float64      `yaml:"max" json:"max,omitempty"`
	Min      *float64      `yaml:"min" json:"min,omitempty"`
	Window   time.Duration `yaml:"window" json:"window_ns,omitempty"`
}

// HTTP is an address that has to answer.
type HTTP struct {
	Name       string        `yaml:"name" json:"name,omitempty"`
	URL        string        `yaml:"url" json:"url"`
	Status     int           `yaml:"status" json:"status,omitempty"`
	Contains   string        `yaml:"contains" json:"contains,omitempty"`
	MaxLatency time.Duration `yaml:"max_latency" json:"max_latency_ns,omitempty"`
	Timeout    time.Duration `yaml:"timeout" json:"timeout_ns,omitempty"`
}

// Command is a program that has to end with 0; no shell.
type Command struct {
	Name    string        `yaml:"name" json:"name,omitempty"`
	Argv    []string      `yaml:"argv" json:"argv"`
	Timeout time.Duration `yaml:"timeout" json:"timeout_ns,omitempty"`
}

// Step is one part of the fault: one of the two.
type Step struct {
	Release *Release `yaml:"release" json:"release,omitempty"`
	Exec    *Exec    `yaml:"exec" json:"exec,omitempty"`
}

// Release has a unit serve a revision, by a program that the configuration names; "" is the one called release. It is undone
// by releasing what the unit served before, and only while it serves that revision.
type Release struct {
	Unit     string `yaml:"unit" json:"unit"`
	Revision string `yaml:"revision" json:"revision"`
	Program  string `yaml:"program" json:"program,omitempty"`
	// Bystander: it comes with the fault and does no harm, so that whoever suspects it is wrong.
	Bystander bool `yaml:"bystander" json:"bystander,omitempty"`
}

// Exec runs a program that the configuration names, with these arguments after its own, and with Undo to take it back. Undo
// has to do no harm where there is nothing left to take back.
type Exec struct {
	Unit    string   `yaml:"unit" json:"unit"`
	Program string   `yaml:"program" json:"program"`
	Args    []string `yaml:"args" json:"args"`
	Undo    []string `yaml:"undo" json:"undo"`
}

// Unit is the unit that the step is about.
func (s *Step) Unit() string {
	if s.Release != nil {
		return s.Release.Unit
	}
	return s.Exec.Unit
}

// DefaultProgram is the program of a release that names none.
const DefaultProgram = "release"

// Program is the configured program that the step needs.
func (s *Step) Program() string {
	switch {
	case s.Release == nil:
		return s.Exec.Program
	case s.Release.Program == "":
		return DefaultProgram
	default:
		return s.Release.Program
	}
}

// Stop is when the fault is undone whatever the people are at: after the deadline, or once a check does not hold.
type Stop struct {
	Deadline time.Duration `yaml:"deadline" json:"deadline_ns"`
	Checks   `yaml:",inline"`
}

// Expect are the objectives: of each segment, zero for none, and what should be ranked first: "fault" or "none".
type Expect struct {
	Page      time.Duration `yaml:"page" json:"page_ns,omitempty"`
	Look      time.Duration `yaml:"look" json:"look_ns,omitempty"`
	Plan      time.Duration `yaml:"plan" json:"plan_ns,omitempty"`
	Approve   time.Duration `yaml:"approve" json:"approve_ns,omitempty"`
	Effect    time.Duration `yaml:"effect" json:"effect_ns,omitempty"`
	Converged time.Duration `yaml:"converged" json:"converged_ns,omitempty"`
	Verified  time.Duration `yaml:"verified" json:"verified_ns,omitempty"`
	Cured     time.Duration `yaml:"cured" json:"cured_ns,omitempty"`
	Suspect   string        `yaml:"suspect" json:"suspect,omitempty"`
}

// What Expect.Suspect may say.
const (
	SuspectFault = "fault"
	SuspectNone  = "none"
)

// Next says when the next one is due: so many days later, sooner where something was found, on a day of the week.
type Next struct {
	Days         int    `yaml:"days" json:"days"`
	DaysFindings int    `yaml:"days_after_findings" json:"days_after_findings,omitempty"`
	Weekday      string `yaml:"weekday" json:"weekday,omitempty"`
}

// Problem is one thing that is wrong with a scenario file.
type Problem struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Problems is the error of a scenario file: everything that is wrong with it.
type Problems struct {
	File string
	List []Problem
}

// Error implements error: one line for each problem.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = fmt.Sprintf("%s:%d: %s", p.File, one.Line, one.Message)
	}
	return strings.Join(lines, "\n")
}

var (
	yamlLine  = regexp.MustCompile(`^line (\d+): (.*)$`)
	yamlField = regexp.MustCompile(`^field (\S+) (not found|already set) in type \S+$`)
)

// Parse reads a scenario strictly: a key that is none, a value of another type, and what could never work are errors, each
// with its line, in a [*Problems].
func Parse(file string, data []byte) (Scenario, error) {
	bad := &Problems{File: file}
	if len(data) > MaxScenario {
		bad.List = []Problem{{1, fmt.Sprintf("is longer than %d bytes", MaxScenario)}}
		return Scenario{}, bad
	}
	var root yaml.Node
	var s Scenario
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(&s)
	if err == nil || errors.Is(err, io.EOF) {
		if errors.Is(err, io.EOF) {
			bad.List = []Problem{{1, "is empty"}}
			return s, bad
		}
		var more yaml.Node
		if dec.Decode(&more) == nil {
			bad.List = []Problem{{max(more.Line, 1), "holds a second document: one file is one scenario"}}
			return s, bad
		}
		_ = yaml.Unmarshal(data, &root) // it was read once already
		if bad.List = s.problems(lines{&root}); len(bad.List) > 0 {
			return s, bad
		}
		s.fill()
		return s, nil
	}
	bad.List = told(err)
	return s, bad
}

// told takes YAML's own errors apart and says them in words of a scenario file.
func told(err error) []Problem {
	var wrong *yaml.TypeError
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if errors.As(err, &wrong) {
		texts = wrong.Errors
	}
	var out []Problem
	for _, text := range texts {
		p := Problem{Line: 1, Message: text}
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			_, _ = fmt.Sscan(m[1], &p.Line)
			p.Message = m[2]
		}
		if m := yamlField.FindStringSubmatch(p.Message); m != nil {
			p.Message = m[1] + " is no key here"
			if m[2] == "already set" {
				p.Message = m[1] + " stands twice"
			}
		}
		out = append(out, p)
	}
	return out
}

// fill sets the defaults.
func (s *Scenario) fill() {
	if s.Steady.Hold == 0 {
		s.Steady.Hold = 30 * time.Second
	}
	if s.Next.DaysFindings == 0 || s.Next.DaysFindings > s.Next.Days {
		s.Next.DaysFindings = s.Next.Days
	}
}

// Matches reports whether a principal is meant by one of the patterns, in which * is any text.
func Matches(patterns []string, principal string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return like(p, principal) })
}

func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
