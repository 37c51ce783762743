package contract

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// left reports a property that does not go in this direction.
func (d *direction) left(p place) bool {
	if !d.api || !p.is() {
		return false
	}
	p, err := p.side.resolve(p)
	if err != nil {
		return false
	}
	if d.request {
		return isTrue(get(p.node, "readOnly"))
	}
	return isTrue(get(p.node, "writeOnly"))
}

// object are the rules on properties.
func (c *documents) object(w, r *flat, d *direction, where string) {
	if !w.may("object") || !r.may("object") {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.required)) {
		if w.required[name] && !d.left(w.props[name]) || d.left(r.props[name]) {
			continue
		}
		if d.request {
			c.breaking(where+"."+name, "had to be there, and may now be left out")
		} else {
			c.breaking(where+"."+name, "is counted on, and may be left out")
		}
	}
	restW, restR := w.words["additionalProperties"], r.words["additionalProperties"]
	for _, name := range union(w.props, r.props) {
		from, to := w.props[name], r.props[name]
		below := where + "." + name
		switch {
		case d.left(from) && d.left(to):
		case from.is() && to.is():
			c.within(from, to, d, below)
		case from.is():
			c.beyond(from, restR, d, below)
		default:
			c.unnamed(restW, to, d, below)
		}
	}
	c.others(restW, restR, d, where)
}

// unnamed is a property that the writer does not name.
func (c *documents) unnamed(rest, to place, d *direction, where string) {
	switch {
	case rest.is() && anything(rest):
		c.careful(where, "has a rule, and anything may stand there")
	case rest.is() && !closed(rest):
		c.within(rest, to, d, where)
	case !d.request:
		c.careful(where, "was not there: it is not given")
	}
}

func closed(p place) bool { return isFalse(p.node) }

// beyond is a property that the reader does not name.
func (c *documents) beyond(from, rest place, d *direction, where string) {
	switch {
	case closed(rest):
		c.breaking(where, "is not known, and what is not known is refused")
	case rest.is() && !anything(rest):
		c.within(from, rest, d, where)
	case d.request:
		c.careful(where, "was not there: it is not looked at")
	}
}

// others are the rules on properties without a name.
func (c *documents) others(from, to place, d *direction, where string) {
	switch {
	case !to.is() || anything(to) || closed(from):
	case !closed(to) && from.is() && !anything(from):
		c.within(from, to, d, where+".*")
	case closed(to) && d.request || from.is():
		c.breaking(where, "may have properties without a name in it, which are refused")
	default:
		c.careful(where, "may have properties without a name in it, which are not expected")
	}
}

// elements are the rules on arrays.
func (c *documents) elements(w, r *flat, d *direction, where string) {
	from, to := w.words["items"], r.words["items"]
	if !to.is() || !w.may("array") || !r.may("array") || anything(to) {
		return
	}
	tuple := func(p place) bool { return p.is() && p.node.Kind == yaml.SequenceNode }
	switch {
	case tuple(from) || tuple(to):
		if !from.is() || !c.sameWord("items", from, to) {
			c.unclear(where, "elements that differ by where they stand are not compared")
		}
	case !from.is():
		if w.typesOf() != nil {
			c.breaking(where, "may hold anything where only some is understood")
		}
	default:
		c.within(from, to, d, where+"[]")
	}
}

// anything reports a schema that allows whatever there is.
func anything(p place) bool {
	return isTrue(p.node) || p.is() && p.node.Kind == yaml.MappingNode && len(p.node.Content) == 0
}
