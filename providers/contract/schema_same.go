package contract

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// same reports whether two schemas say the same, with all that they refer to and without what only documents.
func (c *documents) same(a, b place) bool { return c.sameIn(a, b, map[[2]*yaml.Node]bool{}) }

func (c *documents) sameIn(a, b place, seen map[[2]*yaml.Node]bool) bool {
	if c.steps++; c.steps > mostSteps || a.is() != b.is() {
		return false
	}
	if !a.is() {
		return true
	}
	a, errA := a.side.resolve(a)
	b, errB := b.side.resolve(b)
	if errA != nil || errB != nil || a.node.Kind != b.node.Kind {
		return false
	}
	key := [2]*yaml.Node{a.node, b.node}
	if seen[key] {
		return true
	}
	seen[key] = true
	if a.node.Kind != yaml.MappingNode {
		return plain(a.node) == plain(b.node)
	}
	for _, k := range both(a.node, b.node) {
		switch k {
		case "$defs", "definitions", "$schema":
			continue
		}
		if !documenting(k) && !c.sameWordIn(k, a.at(k), b.at(k), seen) {
			return false
		}
	}
	return true
}

func (c *documents) sameWord(k string, a, b place) bool {
	return c.sameWordIn(k, a, b, map[[2]*yaml.Node]bool{})
}

func (c *documents) sameWordIn(k string, a, b place, seen map[[2]*yaml.Node]bool) bool {
	if !a.is() || !b.is() {
		return false
	}
	switch k {
	case "properties", "patternProperties", "dependentSchemas":
		for _, name := range both(a.node, b.node) {
			if !c.sameIn(a.at(name), b.at(name), seen) {
				return false
			}
		}
		return true
	case "items", "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties", "additionalItems",
		"unevaluatedProperties", "unevaluatedItems", "oneOf", "anyOf", "allOf", "prefixItems":
		if a.node.Kind != yaml.SequenceNode || b.node.Kind != yaml.SequenceNode {
			return c.sameIn(a, b, seen)
		}
		return slices.EqualFunc(a.node.Content, b.node.Content, func(x, y *yaml.Node) bool { return c.sameIn(a.here(x), b.here(y), seen) })
	case "discriminator":
		return c.alike(a, b, seen) && c.sameSchemas(a, b, seen)
	}
	return c.alike(a, b, seen)
}

// sameSchemas compares all that have a name: a discriminator may lead to each of them, also where nothing refers to it.
func (c *documents) sameSchemas(a, b place, seen map[[2]*yaml.Node]bool) bool {
	a, b = a.here(a.side.files[a.file]).at("components").at("schemas"), b.here(b.side.files[b.file]).at("components").at("schemas")
	key := [2]*yaml.Node{a.node, b.node}
	if seen[key] {
		return true
	}
	seen[key] = true
	for _, name := range both(a.node, b.node) {
		if !c.sameIn(a.at(name), b.at(name), seen) {
			return false
		}
	}
	return true
}

// alike compares what is no schema: everything counts, and references are followed wherever they stand.
func (c *documents) alike(a, b place, seen map[[2]*yaml.Node]bool) bool {
	if c.steps++; c.steps > mostSteps || a.is() != b.is() {
		return false
	}
	if !a.is() {
		return true
	}
	if get(a.node, "$ref") != nil || get(b.node, "$ref") != nil {
		to, errA := a.side.resolve(a)
		from, errB := b.side.resolve(b)
		if errA != nil || errB != nil {
			return false
		}
		a, b = to, from
	}
	key := [2]*yaml.Node{a.node, b.node}
	if seen[key] {
		return true
	}
	seen[key] = true
	if a.node.Kind != b.node.Kind {
		return false
	}
	switch a.node.Kind {
	case yaml.MappingNode:
		for _, k := range both(a.node, b.node) {
			if !c.alike(a.at(k), b.at(k), seen) {
				return false
			}
		}
		return true
	case yaml.SequenceNode:
		return slices.EqualFunc(a.node.Content, b.node.Content, func(x, y *yaml.Node) bool { return c.alike(a.here(x), b.here(y), seen) })
	default:
		return plain(a.node) == plain(b.node)
	}
}

// plain is a value as text that only an equal one has.
func plain(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	if n.Kind == yaml.ScalarNode {
		return n.ShortTag() + " " + n.Value
	}
	var parts []string
	if n.Kind == yaml.MappingNode {
		for _, k := range both(n, nil) {
			parts = append(parts, plainKey(k)+plain(get(n, k)))
		}
		return "{" + strings.Join(parts, "\x00") + "}"
	}
	for _, e := range n.Content {
		parts = append(parts, plain(e))
	}
	return "[" + strings.Join(parts, "\x00") + "]"
}

func plainKey(k string) string { return k + "\x01" }
