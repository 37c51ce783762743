package contract

import (
	"math/big"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// typesOf are the types that a schema allows, nil any.
func (f *flat) typesOf() []string {
	var out []string
	switch t := f.word("type"); {
	case t == nil:
		return nil
	case t.Kind == yaml.SequenceNode:
		for _, n := range t.Content {
			out = append(out, n.Value)
		}
	default:
		out = append(out, t.Value)
	}
	if f.side.dialect == "3.0" && isTrue(f.word("nullable")) {
		out = append(out, "null")
	}
	return out
}

func (f *flat) may(kind string) bool {
	t := f.typesOf()
	return t == nil || slices.Contains(t, kind)
}

// enumOf are the values that a schema allows, nil any.
func (f *flat) enumOf() []*yaml.Node {
	if n := f.word("const"); n != nil {
		return []*yaml.Node{n}
	}
	return items(f.word("enum"))
}

func plains(list []*yaml.Node) map[string]bool {
	out := map[string]bool{}
	for _, n := range list {
		out[plain(n)] = true
	}
	return out
}

// values are the rules on types and on single values.
func (c *documents) values(w, r *flat, d *direction, where string) {
	c.kinds(w.typesOf(), r.typesOf(), where)
	c.enums(w.enumOf(), r.enumOf(), d, where)
	if p := r.word("pattern"); p != nil && plain(p) != plain(w.word("pattern")) {
		c.unclear(where, "the pattern differs, which is not compared")
	}
	if d.request && plain(w.word("default")) != plain(r.word("default")) {
		c.careful(where, "what is left out means something else: the default differs")
	}
	for _, k := range []string{"readOnly", "writeOnly"} {
		if d.api && isTrue(w.word(k)) != isTrue(r.word(k)) {
			c.unclear(where, "%s differs, which is not compared", k)
		}
	}
	c.format(w, r, where)
}

func (c *documents) kinds(writes, reads []string, where string) {
	if reads == nil {
		return
	}
	if writes == nil {
		c.breaking(where, "may be of any type where only %s is understood", strings.Join(reads, ", "))
	}
	for _, t := range writes {
		if !slices.Contains(reads, t) && (t != "integer" || !slices.Contains(reads, "number")) {
			c.breaking(where, "may be of type %s where only %s is understood", t, strings.Join(reads, ", "))
		}
	}
}

func (c *documents) enums(writes, allowed []*yaml.Node, d *direction, where string) {
	if allowed == nil {
		return
	}
	if writes == nil {
		c.breaking(where, "may be any value where only some are understood")
		return
	}
	set := plains(allowed)
	for _, n := range writes {
		if !set[plain(n)] {
			c.breaking(where, "may be %s, which is not understood", short(n))
		}
	}
	set = plains(writes)
	for _, n := range allowed {
		if !d.request && !set[plain(n)] {
			c.careful(where, "%s was not there: what was kept with that value may not be given back", short(n))
		}
	}
}

func short(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return "what line " + big.NewInt(int64(n.Line)).String() + " says"
}

// format compares names of formats. Only numbers are known to hold one another.
func (c *documents) format(w, r *flat, where string) {
	from, to := value(w.word("format")), value(r.word("format"))
	switch {
	case to == "" || from == to, from == "int32" && to == "int64", from == "float" && to == "double":
	case from == "int64" && to == "int32", from == "double" && to == "float":
		c.breaking(where, "may be of the format %s where only %s is understood", from, to)
	default:
		c.unclear(where, "the format differs (%s), which is not compared", to)
	}
}

// bound is a limit; out: the limit itself is beyond it.
type bound struct {
	at  *big.Float
	out bool
}

// boundOf is the limit of a schema, nil none. Which of two is nearer, cmp says. Unread: it is no number.
func (f *flat) boundOf(key, exclusive string, sign int) (b *bound, unread bool) {
	number := func(n *yaml.Node, out bool) {
		if n == nil {
			return
		}
		v, _, err := big.ParseFloat(n.Value, 10, 256, big.ToNearestEven)
		if err != nil || len(n.Value) > 100 {
			unread = true
			return
		}
		if b == nil || v.Cmp(b.at)*sign < 0 || v.Cmp(b.at) == 0 && out {
			b = &bound{v, out}
		}
	}
	x := f.word(exclusive)
	number(f.word(key), f.side.dialect == "3.0" && isTrue(x))
	if f.side.dialect != "3.0" {
		number(x, true)
	}
	return b, unread
}

// limits are the rules on how large and how many.
func (c *documents) limits(w, r *flat, d *direction, where string) {
	for _, l := range []struct {
		key, exclusive string
		sign           int
	}{
		{"maximum", "exclusiveMaximum", 1},
		{"minimum", "exclusiveMinimum", -1},
		{"maxLength", "", 1},
		{"minLength", "", -1},
		{"maxItems", "", 1},
		{"minItems", "", -1},
		{"maxProperties", "", 1},
		{"minProperties", "", -1},
	} {
		from, cannot := w.boundOf(l.key, l.exclusive, l.sign)
		to, neither := r.boundOf(l.key, l.exclusive, l.sign)
		switch {
		case cannot || neither:
			c.unclear(where, "%s is no number", l.key)
		case to == nil || l.sign < 0 && l.exclusive == "" && to.at.Sign() <= 0:
		case from == nil:
			c.narrower(d, where, l.key+" is "+to.at.Text('g', 20)+" and there is none")
		case from.beyond(to, l.sign):
			c.narrower(d, where, l.key+" is "+to.at.Text('g', 20)+" and may be "+from.at.Text('g', 20))
		}
	}
	c.grain(w, r, d, where)
}

// beyond reports whether what keeps b need not keep the other.
func (b *bound) beyond(other *bound, sign int) bool {
	by := b.at.Cmp(other.at) * sign
	return by > 0 || by == 0 && other.out && !b.out
}

// grain are the rules on what numbers are multiples of, and on elements that differ.
func (c *documents) grain(w, r *flat, d *direction, where string) {
	if isTrue(r.word("uniqueItems")) && !isTrue(w.word("uniqueItems")) {
		c.narrower(d, where, "its elements have to differ and need not")
	}
	from, to := w.word("multipleOf"), r.word("multipleOf")
	switch {
	case to == nil || plain(from) == plain(to):
	case from == nil:
		c.narrower(d, where, "it has to be a multiple of "+to.Value)
	default:
		c.unclear(where, "multipleOf differs, which is not compared")
	}
}
