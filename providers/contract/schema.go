package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// direction is who writes and who reads. Request: the older version reads what the newer one's description allows. Else those who
// count on the newer one read what the older one gives.
type direction struct {
	request bool
	api     bool // what is only read or only written counts
	seen    map[[2]*yaml.Node]bool
}

func sending(api bool) *direction   { return &direction{true, api, map[[2]*yaml.Node]bool{}} }
func answering(api bool) *direction { return &direction{false, api, map[[2]*yaml.Node]bool{}} }

// narrower is a rule of the reader that what is written need not keep.
func (c *documents) narrower(d *direction, where, what string) {
	if d.request {
		c.breaking(where, "%s: it was refused before", what)
	} else {
		c.careful(where, "%s: who counts on it may get something else", what)
	}
}

// flat is a schema with all that it has by allOf in one place.
type flat struct {
	place
	words    map[string]place
	props    map[string]place
	required map[string]bool
}

func (f *flat) word(key string) *yaml.Node { return f.words[key].node }

var errTogether = errors.New("what allOf puts together cannot be told apart")

func (c *documents) flatten(p place, depth int) (*flat, error) {
	p, err := p.side.resolve(p)
	if err != nil {
		return nil, err
	}
	out := &flat{p, map[string]place{}, map[string]place{}, map[string]bool{}}
	if c.steps++; c.steps > mostSteps || depth > deepest {
		return out, errTogether
	}
	if p.node.Kind != yaml.MappingNode {
		return out, fmt.Errorf("line %d: this is no schema", p.node.Line)
	}
	for _, k := range keys(p.node) {
		switch k {
		case "properties":
			for _, name := range keys(get(p.node, k)) {
				out.props[name] = p.at(k).at(name)
			}
		case "required":
			for _, n := range p.list(k) {
				out.required[n.Value] = true
			}
		case "allOf":
		case "$id", "$schema", "$defs", "definitions":
			if k == "$id" && p.node != p.side.files[p.file] {
				return out, fmt.Errorf("line %d: a schema has an $id of its own", p.node.Line)
			}
		default:
			if !documenting(k) {
				out.words[k] = p.at(k)
			}
		}
	}
	return out, c.gather(out, depth)
}

// gather adds what a schema has by allOf. What two parts say differently is an error, and so is a part that wants nothing beside it.
func (c *documents) gather(out *flat, depth int) error {
	parts := out.list("allOf")
	for _, n := range parts {
		part, err := c.flatten(out.here(n), depth+1)
		if err != nil {
			return err
		}
		for k, v := range part.words {
			if had, ok := out.words[k]; ok && !c.alike(had, v, map[[2]*yaml.Node]bool{}) {
				return errTogether
			}
			out.words[k] = v
		}
		for k, v := range part.props {
			if had, ok := out.props[k]; ok && !c.same(had, v) {
				return errTogether
			}
			out.props[k] = v
		}
		maps.Copy(out.required, part.required)
	}
	if len(parts) > 0 && (out.words["additionalProperties"].is() || out.words["patternProperties"].is()) {
		return errTogether
	}
	return nil
}

// within tells whatever w allows and r does not.
func (c *documents) within(w, r place, d *direction, where string) {
	if c.steps++; c.steps > mostSteps {
		c.unclear("", "it is too large to compare")
		return
	}
	for _, p := range []*place{&w, &r} {
		to, err := p.side.resolve(*p)
		if err != nil {
			c.unclear(where, "%v", err)
			return
		}
		*p = to
	}
	key := [2]*yaml.Node{w.node, r.node}
	if d.seen[key] {
		return
	}
	d.seen[key] = true
	switch {
	case isTrue(r.node) || isFalse(w.node):
		return
	case isFalse(r.node):
		c.narrower(d, where, "nothing is allowed there")
		return
	case isTrue(w.node):
		w.node = &yaml.Node{Kind: yaml.MappingNode}
	}
	fw, errW := c.flatten(w, 0)
	fr, errR := c.flatten(r, 0)
	if err := errors.Join(errW, errR); err != nil {
		if !c.same(w, r) {
			c.unclear(where, "%s", strings.ReplaceAll(err.Error(), "\n", ", "))
		}
		return
	}
	if c.strange(fw, fr, where) {
		return
	}
	c.values(fw, fr, d, where)
	c.limits(fw, fr, d, where)
	c.object(fw, fr, d, where)
	c.elements(fw, fr, d, where)
}

// strange tells of keywords that are not understood where the two have them not alike. Stop: nothing beside them can be compared.
func (c *documents) strange(w, r *flat, where string) (stop bool) {
	for _, k := range union(w.words, r.words) {
		a, b := w.words[k], r.words[k]
		switch {
		case understood(k), k == "nullable" && w.side.dialect == "3.0" && r.side.dialect == "3.0":
			continue
		case a.is() && b.is() && c.sameWord(k, a, b):
		default:
			c.unclear(where, "%s differs, which is not compared", k)
		}
		stop = stop || strings.HasPrefix(k, "unevaluated") || k == "patternProperties"
	}
	if stop && !c.same(w.place, r.place) {
		c.unclear(where, "it differs beside a rule for everything else, which is not compared")
		return true
	}
	return stop
}

func union[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for _, m := range []map[string]V{a, b} {
		for k := range m {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func understood(k string) bool {
	switch k {
	case "type", "enum", "const", "format", "pattern", "default", "readOnly", "writeOnly", "items", "additionalProperties",
		"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
		"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties":
		return true
	}
	return false
}
