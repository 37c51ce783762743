package rollback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Verifier knows the checks that people declared for units, and makes them. It is the engine's way to what it does not know
// itself: configuration, sources of series, addresses, programs.
type Verifier interface {
	// Declared gives what was declared for a unit. Asks is what the unit's own object asks for ([Observation.Asks]). It does
	// no I/O and is the same for the same configuration and asks.
	Declared(u Unit, asks map[string]string) Declaration
	// Look makes one check now, within ctx. What could not be looked at is unknown. It says State, Observed, Value and Limit.
	Look(ctx context.Context, u Unit, c DeclaredCheck) Check
}

// Declaration is what was declared for one unit. No Hold takes the engine's.
type Declaration struct {
	Checks []DeclaredCheck
	Hold   time.Duration
	Notes  []string // what whoever confirms the plan should know of it
}

// DeclaredCheck is one check of how a unit serves, as data: a plan carries it, its hash covers it, and whoever executes the
// plan makes this one, whatever the configuration says by then. One of PromQL, HTTP and Command is set, unless it is Bad.
type DeclaredCheck struct {
	Name    string        `json:"name"`
	Goal    string        `json:"goal,omitempty"` // what passes, in words
	Source  string        `json:"source"`         // where it was declared: "backout.yaml:12", an annotation
	Guest   bool          `json:"guest,omitempty"`
	Bad     string        `json:"bad,omitempty"` // why it can never be looked at; it is unknown then
	Every   time.Duration `json:"every_ns,omitempty"`
	Timeout time.Duration `json:"timeout_ns,omitempty"` // of one look

	PromQL  *PromQLCheck  `json:"promql,omitempty"`
	HTTP    *HTTPCheck    `json:"http,omitempty"`
	Command *CommandCheck `json:"command,omitempty"`
}

// PromQLCheck is a threshold: each series of the query within the limits, at each moment of the window.
type PromQLCheck struct {
	Provider string        `json:"provider"`
	Query    string        `json:"query"`
	Max      *float64      `json:"max,omitempty"`
	Min      *float64      `json:"min,omitempty"`
	Window   time.Duration `json:"window_ns,omitempty"`
}

// HTTPCheck is an address that has to answer, each of Samples times.
type HTTPCheck struct {
	URL        string        `json:"url"`
	Status     int           `json:"status,omitempty"`
	Contains   string        `json:"contains,omitempty"`
	MaxLatency time.Duration `json:"max_latency_ns,omitempty"`
	Samples    int           `json:"samples,omitempty"`
	Timeout    time.Duration `json:"timeout_ns,omitempty"` // of one answer
}

// CommandCheck is a program that ends with 0 where the unit is well. Env are names.
type CommandCheck struct {
	Argv []string `json:"argv"`
	Dir  string   `json:"dir,omitempty"`
	Env  []string `json:"env,omitempty"`
}

// What says in one line what the check looks at.
func (c *DeclaredCheck) What() string {
	switch {
	case c.Bad != "":
		return "cannot be looked at: " + c.Bad
	case c.PromQL != nil:
		text := fmt.Sprintf("PromQL at %s: %s", c.PromQL.Provider, c.PromQL.Query)
		if c.PromQL.Window > 0 {
			text += ", over " + providers.Span(c.PromQL.Window)
		}
		return text
	case c.HTTP != nil:
		return "GET " + c.HTTP.URL
	case c.Command != nil:
		return "run " + strings.Join(c.Command.Argv, " ")
	default:
		return "nothing"
	}
}

// declare fills in what was declared for the units that a plan acts on, and how long all has to be well: the longest of what
// they ask for.
func (e *Engine) declare(p *Plan) {
	var hold time.Duration
	for i := range p.Units {
		u := &p.Units[i]
		if len(u.Steps) == 0 {
			continue
		}
		d := e.declaration(u.Unit, u.Observed)
		u.Declared = d.Checks
		hold = max(hold, d.Hold)
		for _, note := range d.Notes {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %s", u.Unit.ID, note))
		}
		for _, c := range d.Checks {
			if c.Bad != "" {
				p.Warnings = append(p.Warnings, fmt.Sprintf("%s: check %s cannot be looked at, so it will end as applied, unverified: %s (%s)", u.Unit.ID, c.Name, c.Bad, c.Source))
			}
		}
	}
	if hold > 0 {
		p.Hold = hold
	}
}

// declaration is what was declared for a unit, made whole: cleaned, with names that tell the checks apart, and with a hold.
func (e *Engine) declaration(u Unit, obs Observation) Declaration {
	d := Declaration{}
	if e.cfg.Verifier != nil {
		d = e.cfg.Verifier.Declared(u, obs.Asks)
	}
	if d.Hold <= 0 {
		d.Hold = e.cfg.Hold
	}
	d.Checks = slices.Clone(d.Checks)
	seen := map[string]int{}
	for i := range d.Checks {
		c := &d.Checks[i]
		c.Name, c.Goal, c.Source, c.Bad = providers.Clean(c.Name), providers.Clean(c.Goal), providers.Clean(c.Source), providers.Clean(c.Bad)
		if seen[c.Name]++; seen[c.Name] > 1 {
			c.Name = fmt.Sprintf("%s (%d)", c.Name, seen[c.Name])
		}
	}
	for i, note := range d.Notes {
		d.Notes[i] = providers.Clean(note)
	}
	return d
}

// placeless is the checks without where they were declared: a line that moved in a file alters nothing.
func placeless(checks []DeclaredCheck) []DeclaredCheck {
	out := slices.Clone(checks)
	for i := range out {
		out[i].Source = ""
	}
	return out
}
