package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Drills is the section drills: what limits drills, and which are made by themselves.
type Drills struct {
	Max, Grace time.Duration
	Freeze     []Freeze
	Budget     []Budget
	Slices     []Slice
	Scheduled  []Scheduled
}

// Freeze is a window in which nobody drills. From and Until are times in RFC 3339; one that is not set has no limit there.
type Freeze struct {
	Environment string `yaml:"environment"` // a pattern, as those of verify; "" is any
	From        string `yaml:"from"`
	Until       string `yaml:"until"`
	Reason      string `yaml:"reason"`
}

// Holds reports whether the window is open for an environment at a time.
func (f *Freeze) Holds(environment string, at time.Time) bool {
	from, _ := time.Parse(time.RFC3339, f.From)
	until, err := time.Parse(time.RFC3339, f.Until)
	return like(f.Environment, environment) && !at.Before(from) && (err != nil || at.Before(until))
}

// Budget is an error budget of which enough has to be left before a drill.
type Budget struct {
	Name        string   `yaml:"name"`
	Unit        string   `yaml:"unit"`
	Service     string   `yaml:"service"`
	Environment string   `yaml:"environment"`
	Provider    string   `yaml:"provider"`
	Query       string   `yaml:"query"`
	Min         *float64 `yaml:"min"`
}

// Matches reports whether a unit uses the budget up; one without a pattern is everybody's.
func (b *Budget) Matches(unit, service, environment string) bool {
	return like(b.Unit, unit) && like(b.Service, service) && like(b.Environment, environment)
}

// Slice declares that units are each a part of a whole: a cell or a canary of production.
type Slice struct {
	Unit  string `yaml:"unit"`
	Slice string `yaml:"slice"`
}

// Matches reports whether the declaration is about a unit.
func (s *Slice) Matches(unit string) bool { return like(s.Unit, unit) }

// Scheduled allows an automation to drill units that are due. Hours are those of the day, in UTC, in which one may begin.
type Scheduled struct {
	Unit        string `yaml:"unit"`
	Service     string `yaml:"service"`
	Environment string `yaml:"environment"`
	Hours       string `yaml:"hours"` // "01:00-05:00"; "" is any
	Max         int    `yaml:"max"`   // in 24 h; 0 is no limit
}

// Matches reports whether the entry allows a unit. One without any pattern allows none.
func (s *Scheduled) Matches(unit, service, environment string) bool {
	if s.Unit == "" && s.Service == "" && s.Environment == "" {
		return false
	}
	return like(s.Unit, unit) && like(s.Service, service) && like(s.Environment, environment)
}

// Open reports whether a drill may begin at a time of the day.
func (s *Scheduled) Open(at time.Time) bool {
	from, until, err := hours(s.Hours)
	if err != nil || s.Hours == "" {
		return err == nil
	}
	now := time.Duration(at.UTC().Hour())*time.Hour + time.Duration(at.UTC().Minute())*time.Minute
	if from <= until {
		return from <= now && now < until
	}
	return now >= from || now < until // over midnight
}

// hours reads "01:00-05:00".
func hours(text string) (from, until time.Duration, err error) {
	if text == "" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(text, "-")
	first, err1 := time.Parse("15:04", strings.TrimSpace(a))
	last, err2 := time.Parse("15:04", strings.TrimSpace(b))
	if !ok || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("must be hours in UTC such as 01:00-05:00, not %q", text)
	}
	since := func(t time.Time) time.Duration {
		return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	return since(first), since(last), nil
}

func drillFields() []Field {
	patterns := []Field{
		{Name: "unit", Type: String, Help: "the units that it is about: a unit's id, in which * is any text and ? any one character"},
		{Name: "service", Type: String, Help: "the services whose units it is about, likewise"},
		{Name: "environment", Type: String, Help: "the environments whose units it is about, likewise"},
	}
	return []Field{
		{Name: "max", Type: Duration, Default: "10m", Help: "how long a unit may be back before it goes forward, whatever was seen"},
		{Name: "grace", Type: Duration, Default: "20s", Help: "how long a check may fail without a break before that ends the drill"},
		{Name: "freeze", Type: Objects, Help: "windows in which nobody drills", Fields: []Field{
			{Name: "environment", Type: String, Help: "in which environments, as a pattern (default: any)"},
			{Name: "from", Type: String, Help: "when it begins, in RFC 3339 and quotes (default: it has begun)"},
			{Name: "until", Type: String, Help: "when it ends, likewise (default: it does not)"},
			{Name: "reason", Type: String, Required: true, Help: "what whoever wants to drill is told"},
		}},
		{Name: "budget", Type: Objects, Help: "error budgets of which enough has to be left", Fields: append([]Field{
			{Name: "name", Type: String, Help: "what it is called"},
			{Name: "provider", Type: String, Help: "name of the provider; not needed where there is only one of type prometheus"},
			{Name: "query", Type: String, Required: true, Help: "PromQL for what is left; no series and no number are unknown, which refuses"},
			{Name: "min", Type: Float, Required: true, Help: "how much has to be left"},
		}, patterns...)},
		{Name: "slices", Type: Objects, Help: "units that are each a part of a whole", Fields: []Field{
			{Name: "unit", Type: String, Required: true, Help: "the units, as a pattern"},
			{Name: "slice", Type: String, Required: true, Enum: []string{"cell", "canary", "shadow"}, Help: "what part: a proof of it counts for L3 in production, of a shadow for L2"},
		}},
		{Name: "scheduled", Type: Objects, Help: "which units 'backout drill --due' may drill by itself; default: none", Fields: append([]Field{
			{Name: "hours", Type: String, Help: "hours of the day, in UTC, in which a drill may begin: 01:00-05:00 (default: any)"},
			{Name: "max", Type: Int, Help: "how many of these units within 24 h (default: no limit)"},
		}, patterns...)},
	}
}

// drills checks what a type does not say.
func (c *checker) drills(n *yaml.Node, key string) {
	var d struct {
		Freeze    []Freeze
		Scheduled []Scheduled
	}
	if n.Decode(&d) != nil {
		return // told of where its types are checked
	}
	for i, f := range d.Freeze {
		for name, text := range map[string]string{"from": f.From, "until": f.Until} {
			if _, err := time.Parse(time.RFC3339, text); text != "" && err != nil {
				c.report(n, join(key, fmt.Sprintf("freeze[%d].%s", i, name)), "must be a time such as 2026-12-20T00:00:00Z, not %q", text)
			}
		}
	}
	for i, s := range d.Scheduled {
		if _, _, err := hours(s.Hours); err != nil {
			c.report(n, join(key, fmt.Sprintf("scheduled[%d].hours", i)), "%s", err.Error())
		}
		if cmp.Or(s.Unit, s.Service, s.Environment) == "" {
			c.report(n, join(key, fmt.Sprintf("scheduled[%d]", i)), "names no units: unit, service or environment is missing")
		}
	}
}

// drillsOf takes each list of the section from the strongest layer that has it.
func (c *Config) drillsOf(layers []layer) error {
	for name, into := range map[string]any{"freeze": &c.Drills.Freeze, "budget": &c.Drills.Budget, "slices": &c.Drills.Slices, "scheduled": &c.Drills.Scheduled} {
		if err := nested(layers, "drills", name, into); err != nil {
			return err
		}
	}
	return nil
}
