package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// checker walks a file's own nodes, because only they still know case, line and column.
type checker struct {
	file      string
	providers []ProviderSchema
	problems  []Problem
}

func (c *checker) report(n *yaml.Node, key, format string, args ...any) {
	c.problems = append(c.problems, Problem{File: c.file, Line: n.Line, Column: n.Column, Key: key, Message: fmt.Sprintf(format, args...)})
}

// pairs yields the keys and values of a mapping and reports keys that stand twice.
func (c *checker) pairs(n *yaml.Node, key string, yield func(k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		c.report(n, key, "must be a mapping of names to values, is %s", kindName(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if line, ok := seen[k.Value]; ok {
			c.report(k, join(key, k.Value), "stands twice, first in line %d", line)
			continue
		}
		seen[k.Value] = k.Line
		yield(k, n.Content[i+1])
	}
}

func (c *checker) root(n *yaml.Node, inContext bool, prefix string) {
	known := append(names(Fields()), "providers")
	if !inContext {
		known = append(known, "contexts")
	}
	c.pairs(n, prefix, func(k, v *yaml.Node) {
		key := join(prefix, k.Value)
		switch {
		case k.Value == "providers":
			c.pairs(v, key, func(name, settings *yaml.Node) { c.provider(name, settings, join(key, name.Value)) })
		case k.Value == "contexts" && !inContext:
			c.pairs(v, key, func(name, section *yaml.Node) { c.root(section, true, join(key, name.Value)) })
		default:
			c.field(k, v, key, Fields(), known)
		}
		switch k.Value {
		case "verify":
			c.verify(v, key)
		case "approvals":
			c.approvals(v, key)
		case "drills":
			c.drills(v, key)
		case "ledger":
			c.ledger(v, key)
		case "store":
			c.store(v, key)
		case "policy":
			c.policy(v, key)
		}
	})
}

func (c *checker) provider(name, settings *yaml.Node, key string) {
	typ := name.Value
	if settings.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(settings.Content); i += 2 {
			if settings.Content[i].Value == "type" {
				typ = settings.Content[i+1].Value
			}
		}
	}
	var types []string
	for _, p := range c.providers {
		types = append(types, p.Type)
		if p.Type == typ {
			c.object(settings, key, append([]Field{{Name: "type", Type: String}, {Name: "enabled", Type: Bool}}, p.Fields...))
			return
		}
	}
	c.report(name, key, "no provider of type %q%s; there are %s", typ, suggest(typ, types), strings.Join(types, ", "))
}

func (c *checker) object(n *yaml.Node, key string, fields []Field) {
	seen, meant := map[string]bool{}, map[string]bool{} // a key that is only misspelt is not missing as well
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	}
	c.pairs(n, key, func(k, v *yaml.Node) {
		seen[k.Value] = true
		if _, known := find(fields, k.Value); !known {
			meant[nearest(k.Value, names(fields))] = true
		}
		c.field(k, v, join(key, k.Value), fields, names(fields))
	})
	for _, f := range fields {
		if f.Required && !seen[f.Name] && !meant[f.Name] && n.Kind == yaml.MappingNode {
			c.report(n, join(key, f.Name), "is missing")
		}
	}
}

func (c *checker) field(k, v *yaml.Node, key string, fields []Field, known []string) {
	for _, f := range fields {
		if f.Name == k.Value {
			c.value(v, key, f)
			return
		}
	}
	hint := suggest(k.Value, known)
	if hint == "" {
		hint = ": there are " + strings.Join(known, ", ")
	}
	c.report(k, key, "is not a setting%s", hint)
}

func (c *checker) value(v *yaml.Node, key string, f Field) {
	if v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	switch f.Type {
	case Object:
		c.object(v, key, f.Fields)
	case Objects:
		c.sequence(v, key, func(item *yaml.Node, at string) { c.object(item, at, f.Fields) })
	case Strings:
		c.sequence(v, key, func(item *yaml.Node, at string) { c.scalar(item, at, Field{Type: String}) })
	case Map:
		c.pairs(v, key, func(name, item *yaml.Node) {
			if item.Kind == yaml.MappingNode {
				c.secret(item, join(key, name.Value))
				return
			}
			c.scalar(item, join(key, name.Value), Field{Type: String})
		})
	case Lists:
		c.pairs(v, key, func(name, item *yaml.Node) { c.value(item, join(key, name.Value), Field{Type: Strings}) })
	case Secret:
		c.secret(v, key)
	default:
		c.scalar(v, key, f)
	}
}

func (c *checker) sequence(v *yaml.Node, key string, each func(*yaml.Node, string)) {
	if v.Kind != yaml.SequenceNode {
		c.report(v, key, "must be a list, is %s", kindName(v))
		return
	}
	for i, item := range v.Content {
		each(item, fmt.Sprintf("%s[%d]", key, i))
	}
}

func (c *checker) secret(v *yaml.Node, key string) {
	if v.Kind != yaml.MappingNode || len(v.Content) != 2 || !slices.Contains([]string{"env", "file", "command"}, v.Content[0].Value) {
		c.report(v, key, "is a secret: write {env: NAME}, {file: PATH} or {command: [PROGRAM, ARG]}, not the secret itself")
	}
}

func (c *checker) scalar(v *yaml.Node, key string, f Field) {
	if v.Kind != yaml.ScalarNode {
		c.report(v, key, "must be one value, is %s", kindName(v))
		return
	}
	if message := wrongScalar(v, f); message != "" {
		c.report(v, key, "%s, not %q", message, v.Value)
	}
}

func wrongScalar(v *yaml.Node, f Field) string {
	switch f.Type {
	case Bool:
		if v.Tag != "!!bool" {
			return "must be true or false"
		}
	case Int:
		if v.Tag != "!!int" {
			return "must be a whole number"
		}
	case Float:
		if v.Tag != "!!int" && v.Tag != "!!float" {
			return "must be a number"
		}
	case Duration:
		if d, err := time.ParseDuration(v.Value); err != nil || d < 0 {
			return "must be a duration such as 30s or 10m"
		}
	default:
		if len(f.Enum) > 0 && !slices.Contains(f.Enum, v.Value) {
			return "must be one of " + strings.Trim(strings.Join(f.Enum, ", "), ", ")
		}
	}
	return ""
}

func suggest(written string, known []string) string {
	if near := nearest(written, known); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ""
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("%q", n.Value)
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
