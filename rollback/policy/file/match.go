package file

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/backout-dev/backout/rollback/policy"
)

// view is a situation that was read once for all rules of a policy: as it is, and as CEL wants it.
type view struct {
	facts map[string]any
	cel   map[string]ref.Val
}

func newView(facts map[string]any) *view {
	v := &view{facts: facts, cel: make(map[string]ref.Val, len(facts))}
	for name, f := range facts {
		v.cel[name] = types.DefaultTypeAdapter.NativeToValue(f)
	}
	return v
}

// ResolveName gives CEL a fact.
func (v *view) ResolveName(name string) (any, bool) {
	f, ok := v.cel[name]
	return f, ok
}

// Parent says that there is nothing behind the facts.
func (v *view) Parent() cel.Activation { return nil }

// holds reports whether the condition is true of what is seen. One that cannot be evaluated counts as true, because a rule
// only ever takes away.
func (c *Condition) holds(v *view) bool {
	for i := range c.tests {
		if c.tests[i].holds(v) == c.tests[i].not {
			return false
		}
	}
	return c.expr == nil || c.expr.holds(v, true)
}

func (x *expression) holds(v *view, unknown bool) bool {
	out, _, err := x.run.Eval(v)
	if err != nil {
		return unknown
	}
	b, ok := out.Value().(bool)
	if !ok {
		return unknown
	}
	return b
}

func (t *test) holds(v *view) bool {
	switch f := v.facts[t.path].(type) {
	case string:
		return t.fits(f)
	case []string:
		return slices.ContainsFunc(f, t.fits)
	default:
		return t.fits(fmt.Sprint(f))
	}
}

func (t *test) fits(text string) bool {
	for _, p := range t.any {
		if like(p, text) {
			return true
		}
	}
	return false
}

// reads are the facts that the condition rests on, with their values.
func (c *Condition) reads(v *view) []policy.Read {
	var paths []string
	for i := range c.tests {
		paths = append(paths, c.tests[i].path)
	}
	if c.expr != nil {
		paths = append(paths, c.expr.reads...)
	}
	slices.Sort(paths)
	var out []policy.Read
	for _, p := range slices.Compact(paths) {
		out = append(out, policy.Read{Path: p, Value: show(v.facts[p])})
	}
	return out
}

func show(value any) string {
	switch f := value.(type) {
	case string:
		if f == "" {
			return "none"
		}
		return f
	case []string:
		if len(f) == 0 {
			return "none"
		}
		return strings.Join(f, " ")
	case time.Time:
		return f.Format(time.RFC3339)
	default:
		return fmt.Sprint(f)
	}
}

// like matches a pattern in which * stands for any text and ? for any one character.
func like(pattern, text string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == text
	}
	p, s, star, mark := 0, 0, -1, 0
	for s < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, s
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[s]):
			p, s = p+1, s+1
		case star >= 0:
			mark++
			p, s = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
