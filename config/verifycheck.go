package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxSamples bounds what one look at an address asks.
const maxSamples = 20

// verify checks what the fields alone cannot say of an entry: what it is about, and that its checks can pass and can fail.
func (c *checker) verify(list *yaml.Node, key string) {
	if list.Kind != yaml.SequenceNode {
		return // told already
	}
	for i, entry := range list.Content {
		at := fmt.Sprintf("%s[%d]", key, i)
		has := func(names ...string) bool {
			for _, name := range names {
				if _, v := child(entry, name); v != nil {
					return true
				}
			}
			return false
		}
		switch {
		case entry.Kind != yaml.MappingNode:
		case !has("unit", "service", "environment", "name"):
			c.report(entry, at, "is about nothing: give unit, service or environment, or a name for annotations to ask for it by")
		case strange(entry): // told already; it may have been meant as one of those
		case !has("hold", "promql", "http", "command"):
			c.report(entry, at, "asks for nothing: give hold, promql, http or command")
		}
		c.positive(entry, at, "hold")
		c.checks(entry, at)
	}
}

// strange reports whether an entry has a key that is no setting.
func strange(entry *yaml.Node) bool {
	for i := 0; i+1 < len(entry.Content); i += 2 {
		if _, ok := find(verifyFields(), entry.Content[i].Value); !ok {
			return true
		}
	}
	return false
}

// checks looks at the checks of one entry.
func (c *checker) checks(entry *yaml.Node, at string) {
	for _, kind := range []struct {
		name string
		look func(n *yaml.Node, at string)
	}{{"promql", c.promql}, {"http", c.http}, {"command", c.command}} {
		_, list := child(entry, kind.name)
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		for i, n := range list.Content {
			if n.Kind == yaml.MappingNode {
				kind.look(n, fmt.Sprintf("%s[%d]", join(at, kind.name), i))
			}
		}
	}
}

func (c *checker) promql(n *yaml.Node, at string) {
	_, query := child(n, "query")
	_, high := child(n, "max")
	_, low := child(n, "min")
	switch {
	case query != nil && strings.TrimSpace(query.Value) == "":
		c.report(query, join(at, "query"), "is empty")
	case high == nil && low == nil:
		c.report(n, at, "can neither pass nor fail: give max or min")
	case high != nil && low != nil:
		most, err := strconv.ParseFloat(high.Value, 64)
		least, err2 := strconv.ParseFloat(low.Value, 64)
		if err == nil && err2 == nil && least > most {
			c.report(low, join(at, "min"), "is above max, so nothing can pass")
		}
	}
	c.positive(n, at, "every")
}

func (c *checker) http(n *yaml.Node, at string) {
	if _, v := child(n, "url"); v != nil {
		u, err := url.Parse(v.Value)
		switch {
		case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
			c.report(v, join(at, "url"), "is not an address: write https://HOST[:PORT]/PATH")
		case u.User != nil:
			c.report(v, join(at, "url"), "has credentials in it, which would be shown and recorded: leave them out")
		}
	}
	c.between(n, at, "status", 100, 599)
	c.between(n, at, "samples", 1, maxSamples)
	c.positive(n, at, "max_latency")
	c.positive(n, at, "timeout")
	c.positive(n, at, "every")
}

func (c *checker) command(n *yaml.Node, at string) {
	if _, v := child(n, "argv"); v != nil && v.Kind == yaml.SequenceNode && (len(v.Content) == 0 || v.Content[0].Value == "") {
		c.report(v, join(at, "argv"), "names no program")
	}
	if _, v := child(n, "env"); v != nil && v.Kind == yaml.SequenceNode {
		for i, name := range v.Content {
			if strings.ContainsAny(name.Value, "= ") {
				c.report(name, fmt.Sprintf("%s[%d]", join(at, "env"), i), "is the name of a variable, not its value")
			}
		}
	}
	c.positive(n, at, "timeout")
	c.positive(n, at, "every")
}

func (c *checker) between(n *yaml.Node, at, name string, low, high int) {
	_, v := child(n, name)
	if v == nil {
		return
	}
	if i, err := strconv.Atoi(v.Value); err == nil && (i < low || i > high) {
		c.report(v, join(at, name), "must be from %d to %d, not %d", low, high, i)
	}
}

func (c *checker) positive(n *yaml.Node, at, name string) {
	_, v := child(n, name)
	if v == nil {
		return
	}
	if d, err := time.ParseDuration(v.Value); err == nil && d <= 0 {
		c.report(v, join(at, name), "must be more than nothing")
	}
}

// verifyOf reads the section from the strongest layer that has it, and checks it against the rest of the configuration.
func (c *Config) verifyOf(layers []layer) error {
	for _, l := range layers {
		k, n := child(l.node, "verify")
		if n == nil {
			continue
		}
		if err := n.Decode(&c.Verify); err != nil {
			return &Error{Problems: []Problem{{File: l.file, Line: k.Line, Column: k.Column, Key: "verify", Message: err.Error()}}}
		}
		for i := range c.Verify {
			c.Verify[i].File, c.Verify[i].Dir = l.file, dirOf(l.file)
		}
		break
	}
	var problems []Problem
	names := map[string]int{}
	for i := range c.Verify {
		v := &c.Verify[i]
		at := fmt.Sprintf("verify[%d]", i)
		problem := func(n *yaml.Node, key, format string, args ...any) {
			problems = append(problems, Problem{File: v.File, Line: n.Line, Column: n.Column, Key: key, Message: fmt.Sprintf(format, args...)})
		}
		if k, n := child(v.node, "name"); n != nil {
			if line, twice := names[v.Name]; twice {
				problem(k, at+".name", "%q is taken by the entry in line %d", v.Name, line)
			}
			names[v.Name] = v.Line
		}
		c.spans(v, at, problem)
		for j, q := range v.PromQL {
			if why := c.prometheus(q.Provider); why != "" {
				problem(v.threshold(j), fmt.Sprintf("%s.promql[%d].provider", at, j), "%s", why)
			}
		}
	}
	if len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

// threshold is where the j-th threshold stands; the entry where YAML's own references hide it.
func (v *Verify) threshold(j int) *yaml.Node {
	if _, list := child(v.node, "promql"); list != nil && j < len(list.Content) {
		return list.Content[j]
	}
	return v.node
}

// spans refuses what could never be verified within the deadline.
func (c *Config) spans(v *Verify, at string, problem func(n *yaml.Node, key, format string, args ...any)) {
	hold, deadline := v.Hold, c.Rollback.Deadline
	if _, n := child(v.node, "hold"); n != nil && hold >= deadline {
		problem(n, at+".hold", "%s is not shorter than rollback.deadline (%s): no run would ever be verified", hold, deadline)
		return
	}
	if hold == 0 {
		hold = c.Rollback.Hold
	}
	for j, q := range v.PromQL {
		if q.Window > 0 && q.Window+hold >= deadline {
			problem(v.threshold(j), fmt.Sprintf("%s.promql[%d].window", at, j), "%s and the hold of %s do not fit into rollback.deadline (%s): no run would ever be verified", q.Window, hold, deadline)
		}
	}
}

// prometheus says why a provider cannot be asked PromQL, "" where it can.
func (c *Config) prometheus(name string) string {
	var there []string
	for i := range c.Providers {
		if c.Providers[i].Type == "prometheus" {
			there = append(there, c.Providers[i].Name)
		}
		if c.Providers[i].Name == name && c.Providers[i].Type != "prometheus" {
			return fmt.Sprintf("%q is of type %s, which cannot be asked PromQL", name, c.Providers[i].Type)
		}
	}
	switch {
	case len(there) == 0:
		return "there is no provider of type prometheus to ask: add one to the providers"
	case name == "" && len(there) > 1:
		return "say which provider to ask: there are " + strings.Join(there, ", ")
	case name != "" && !slices.Contains(there, name):
		return fmt.Sprintf("no provider %q of type prometheus%s; there are %s", name, suggest(name, there), strings.Join(there, ", "))
	}
	return ""
}

// Prometheus is the provider that a threshold is asked of, or an error that says why there is none.
func (c *Config) Prometheus(name string) (string, error) {
	if why := c.prometheus(name); why != "" {
		return "", fmt.Errorf("provider: %s", why)
	}
	if name != "" {
		return name, nil
	}
	for i := range c.Providers {
		if c.Providers[i].Type == "prometheus" {
			return c.Providers[i].Name, nil
		}
	}
	return "", nil
}
