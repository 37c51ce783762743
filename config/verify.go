package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Verify is one entry of the section verify: what has to be well, and for how long, before a rollback of the units that it
// matches counts as verified. Unit, Service and Environment are patterns, in which * stands for any text and ? for any one
// character; those that are set all have to match. One that has none of them counts where an annotation names it.
type Verify struct {
	Name        string        `yaml:"name"`
	Unit        string        `yaml:"unit"`
	Service     string        `yaml:"service"`
	Environment string        `yaml:"environment"`
	Hold        time.Duration `yaml:"hold"`
	PromQL      []PromQL      `yaml:"promql"`
	HTTP        []HTTP        `yaml:"http"`
	Command     []Command     `yaml:"command"`

	File string `yaml:"-"`
	Line int    `yaml:"-"`
	Dir  string `yaml:"-"` // that relative paths are relative to
	node *yaml.Node
}

// PromQL is a threshold: every series of the query has to stay within Max and Min at every step of the window.
type PromQL struct {
	Name     string        `yaml:"name"`
	Provider string        `yaml:"provider"` // "" is the only one of type prometheus
	Query    string        `yaml:"query"`
	Max      *float64      `yaml:"max"`
	Min      *float64      `yaml:"min"`
	Window   time.Duration `yaml:"window"`
	Every    time.Duration `yaml:"every"`
}

// HTTP is an address that has to answer as expected, each of Samples times in a row.
type HTTP struct {
	Name       string        `yaml:"name"`
	URL        string        `yaml:"url"`
	Status     int           `yaml:"status"` // 0 is 200 to 399
	Contains   string        `yaml:"contains"`
	MaxLatency time.Duration `yaml:"max_latency"`
	Samples    int           `yaml:"samples"`
	Timeout    time.Duration `yaml:"timeout"`
	Every      time.Duration `yaml:"every"`
}

// Command is a program that ends with exit code 0 where the unit is well.
type Command struct {
	Name    string        `yaml:"name"`
	Argv    []string      `yaml:"argv"`
	Env     []string      `yaml:"env"` // names of variables that it is given
	Timeout time.Duration `yaml:"timeout"`
	Every   time.Duration `yaml:"every"`
}

// Matches reports whether the entry is about a unit.
func (v *Verify) Matches(unit, service, environment string) bool {
	if v.Unit == "" && v.Service == "" && v.Environment == "" {
		return false
	}
	return like(v.Unit, unit) && like(v.Service, service) && like(v.Environment, environment)
}

// like reports whether text is of a pattern; "" is any.
func like(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func verifyFields() []Field {
	return append([]Field{
		{Name: "name", Type: String, Help: "by which the annotation backout.dev/verify of an object may ask for it"},
		{Name: "unit", Type: String, Help: "the units that it is about: a unit's id, in which * is any text and ? any one character"},
		{Name: "service", Type: String, Help: "the services whose units it is about, likewise"},
		{Name: "environment", Type: String, Help: "the environments whose units it is about, likewise"},
		{Name: "hold", Type: Duration, Help: "how long all has to be well for these units (default: rollback.hold)"},
		{Name: "command", Type: Objects, Help: "programs that end with exit code 0 where the unit is well", Fields: []Field{
			{Name: "name", Type: String, Help: "name of the check"},
			{Name: "argv", Type: Strings, Required: true, Help: "the program and its arguments; no shell"},
			{Name: "env", Type: Strings, Help: "names of the environment variables that it is given, beside PATH and HOME"},
			{Name: "timeout", Type: Duration, Default: "30s", Help: "longest time for one run of it"},
			{Name: "every", Type: Duration, Default: "10s", Help: "how often it is run while a run is verified"},
		}},
	}, asked()...)
}

// asked are the checks that an annotation may ask for too. A command is not among them: who may annotate an object must not
// run programs on the machine of whoever takes it back.
func asked() []Field {
	return []Field{
		{Name: "promql", Type: Objects, Help: "thresholds, asked of a provider of type prometheus", Fields: []Field{
			{Name: "name", Type: String, Help: "name of the check"},
			{Name: "provider", Type: String, Help: "name of the provider; not needed where there is only one of type prometheus"},
			{Name: "query", Type: String, Required: true, Help: "PromQL; no series and no number are unknown, which never passes"},
			{Name: "max", Type: Float, Help: "largest good value"},
			{Name: "min", Type: Float, Help: "smallest good value"},
			{Name: "window", Type: Duration, Help: "how long back it has to hold all the time, at each look (default: only now)"},
			{Name: "every", Type: Duration, Default: "5s", Help: "how often it is asked while a run is verified"},
		}},
		{Name: "http", Type: Objects, Help: "addresses that have to answer", Fields: []Field{
			{Name: "name", Type: String, Help: "name of the check"},
			{Name: "url", Type: String, Required: true, Help: "asked with GET; redirects are an answer and are not followed"},
			{Name: "status", Type: Int, Help: "the status that is good (default: 200 to 399)"},
			{Name: "contains", Type: String, Help: "text that the first MiB of the answer must contain"},
			{Name: "max_latency", Type: Duration, Help: "a slower answer is a failure"},
			{Name: "samples", Type: Int, Default: 1, Help: "answers in a row that have to be good at each look; one that is not is asked for once more"},
			{Name: "timeout", Type: Duration, Default: "5s", Help: "longest time for one answer"},
			{Name: "every", Type: Duration, Default: "2s", Help: "how often it is asked while a run is verified"},
		}},
	}
}

// UnmarshalYAML keeps where the entry stands.
func (v *Verify) UnmarshalYAML(n *yaml.Node) error {
	type plain Verify
	if err := n.Decode((*plain)(v)); err != nil {
		return err
	}
	v.Line, v.node = n.Line, n
	return nil
}

// maxAsked is how many checks one annotation may ask for.
const maxAsked = 8

// Asked reads what an annotation asks for, by the same rules as a file: key is "promql", "http" or "hold". Its text is from
// outside.
func Asked(key, text string) (Verify, error) {
	var v Verify
	if key == "hold" {
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil || d <= 0 {
			return v, errors.New("must be a duration such as 2m")
		}
		v.Hold = d
		return v, nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return v, errors.New("is not one line of YAML or JSON")
	}
	list := doc.Content[0]
	if list.Kind != yaml.SequenceNode {
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{list}}
	}
	if len(list.Content) > maxAsked {
		return v, fmt.Errorf("asks for more than %d checks", maxAsked)
	}
	for i, item := range list.Content {
		if key == "http" && item.Kind == yaml.ScalarNode { // the address alone
			list.Content[i] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "url"}, item}}
		}
	}
	if aliased(list) {
		return v, errors.New("has an alias in it, which is not read here")
	}
	whole := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, list}}
	c := checker{}
	c.object(whole, "", asked())
	c.checks(whole, "")
	if len(c.problems) > 0 {
		return v, fmt.Errorf("%s: %s", c.problems[0].Key, c.problems[0].Message)
	}
	if err := whole.Decode(&v); err != nil {
		return v, fmt.Errorf("cannot be read: %w", err)
	}
	return v, nil
}

// aliased reports whether a node leads to an alias: those could make a short text endless.
func aliased(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		return true
	}
	for _, c := range n.Content {
		if aliased(c) {
			return true
		}
	}
	return false
}
