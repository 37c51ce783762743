package file

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

// Condition is when a rule holds: each of the tests, and the expression. The zero value always holds.
type Condition struct {
	tests []test
	expr  *expression
}

// test is one key of the short form: the fact is one of the patterns.
type test struct {
	path string
	any  []string
	not  bool
}

type expression struct {
	text  string
	run   cel.Program
	reads []string
}

// mostLoops and mostText bound what one expression can cost before it is ever evaluated. Counting the cost while it is
// evaluated would make every decision twice as slow.
const (
	mostLoops = 2
	mostText  = 1024
)

// conditions makes expressions. The environment of CEL costs milliseconds, so it is made when the first one is read.
type conditions struct {
	make  func() (*cel.Env, error)
	facts map[string]policy.Fact
}

func newConditions() *conditions {
	c := &conditions{facts: map[string]policy.Fact{}}
	opts := []cel.EnvOption{cel.ParserExpressionSizeLimit(mostText), cel.ParserRecursionLimit(64)}
	types := map[policy.FactType]*cel.Type{
		policy.FactString: cel.StringType, policy.FactList: cel.ListType(cel.StringType), policy.FactInt: cel.IntType,
		policy.FactBool: cel.BoolType, policy.FactTime: cel.TimestampType,
	}
	for _, f := range policy.KnownFacts() {
		c.facts[f.Path] = f
		opts = append(opts, cel.Variable(f.Path, types[f.Type]))
	}
	c.make = sync.OnceValues(func() (*cel.Env, error) { return cel.NewEnv(opts...) })
	return c
}

// when reads the short form.
func (r *reader) when(n *yaml.Node, key string) []test {
	if n == nil {
		return nil
	}
	var out []test
	s := r.section(n, key)
	for _, path := range sortedKeys(s.of) {
		name, not := strings.CutPrefix(path, "not ")
		f, ok := r.env.facts[name]
		if !ok {
			var known []string
			for p := range r.env.facts {
				known = append(known, p)
			}
			r.report(s.of[path], at(key, path), "is no fact: %s", instead(name, known))
			continue
		}
		if f.Type == policy.FactTime {
			r.report(s.of[path], at(key, path), "is compared in 'if', such as if: now.getHours('Europe/Berlin') >= 18")
			continue
		}
		t := test{path: name, not: not}
		for _, v := range s.words(path) {
			if why := fits(f, v); why != "" {
				r.report(s.of[path], at(key, path), "%s", why)
				continue
			}
			t.any = append(t.any, v)
		}
		out = append(out, t)
	}
	return out
}

// fits says what is wrong with a value for a fact, "" nothing.
func fits(f policy.Fact, v string) string {
	switch f.Type {
	case policy.FactInt:
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return fmt.Sprintf("is a number, not %q; ranges are compared in 'if'", v)
		}
	case policy.FactBool:
		if v != "true" && v != "false" {
			return fmt.Sprintf("is true or false, not %q", v)
		}
	case policy.FactString, policy.FactList, policy.FactTime:
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, v) {
		return fmt.Sprintf("is never %q: %s", v, instead(v, f.Enum))
	}
	return ""
}

// compile reads an expression; what is wrong with it is reported where it stands in the file.
func (r *reader) compile(n *yaml.Node, key string) *expression {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		r.report(n, key, "is an expression in CEL, such as size(units) > 1")
		return nil
	}
	env, err := r.env.make()
	if err != nil {
		r.report(n, key, "cannot be read: %v", err)
		return nil
	}
	ast, issues := env.Compile(n.Value)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			r.report(place(n, e.Location.Line(), e.Location.Column()), key, "%s", strings.ReplaceAll(e.Message, "\n", " "))
		}
		return nil
	}
	if ast.OutputType() != cel.BoolType {
		r.report(n, key, "is %s, and has to be true or false: compare it with something", ast.OutputType())
		return nil
	}
	if loops(ast.NativeRep().Expr()) > mostLoops {
		r.report(n, key, "has more than %d loops (all, exists, map, filter) in each other: write it flat", mostLoops)
		return nil
	}
	run, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		r.report(n, key, "cannot be evaluated: %v", err)
		return nil
	}
	out := &expression{text: n.Value, run: run}
	for _, ref := range ast.NativeRep().ReferenceMap() {
		if _, ok := r.env.facts[ref.Name]; ok && !slices.Contains(out.reads, ref.Name) {
			out.reads = append(out.reads, ref.Name)
		}
	}
	slices.Sort(out.reads)
	return out
}

// loops is how many loops lie in each other.
func loops(e celast.Expr) int {
	deepest := 0
	for _, c := range celast.NavigateAST(celast.NewAST(e, nil)).Children() {
		deepest = max(deepest, loops(c))
	}
	if e.Kind() == celast.ComprehensionKind {
		deepest++
	}
	return deepest
}

// place is where in the file a place of an expression is.
func place(n *yaml.Node, line, column int) *yaml.Node {
	if line < 1 || column < 0 {
		return n // the parser does not say where
	}
	p := &yaml.Node{Line: n.Line + line - 1, Column: n.Column + column}
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		p.Line, p.Column = n.Line+line, column+1
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		p.Column++
	}
	return p
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
