package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
)

// Kind is what a document describes, "" for a file that is none.
type Kind string

// The kinds. An OpenAPI document says what is served, a JSON Schema what is kept or sent.
const (
	OpenAPI    Kind = "OpenAPI"
	JSONSchema Kind = "JSON Schema"
)

// Files reads what one version has at a path of the repository; ok false where it has nothing there.
type Files func(path string) (text string, ok bool, err error)

// MayDescribe reports whether a file of that name can be a document.
func MayDescribe(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(name)))
}

// Recognise tells a document by its keys and never by its name, also one that cannot be read to its end.
func Recognise(text string) Kind {
	if !strings.Contains(text, "openapi") && !strings.Contains(text, "swagger") && !strings.Contains(text, "json-schema.org") {
		return "" // most files need no parser
	}
	root, err := parseTree(text)
	api, schema := value(get(root, "openapi"))+value(get(root, "swagger")) != "", strings.Contains(value(get(root, "$schema")), "json-schema.org/")
	if err != nil && !errors.Is(err, errSeveral) { // what is wrong with it is told where it is compared
		api, schema = apiKey.MatchString(text), schemaKey.MatchString(text)
	}
	switch {
	case api:
		return OpenAPI
	case schema:
		return JSONSchema
	}
	return ""
}

var (
	apiKey    = regexp.MustCompile(`(?m)^[\s{]*"?(openapi|swagger)"?\s*:\s*["']?[0-9]`)
	schemaKey = regexp.MustCompile(`(?m)^[\s{]*"?\$schema"?\s*:\s*["']?https?://json-schema\.org/`)
)

// Document compares one document of two versions, by its path in each, "" where a version has none. It looks backwards: what may be
// in use with the newer one that the older one lacks or refuses, and what the older one does not give that is counted on. What it
// does not understand and is not alike on both sides, with all that it refers to, is Unclear and says where.
func Document(older, newer Files, was, is string) []Difference {
	c := &documents{sides: [2]*side{{read: older, files: map[string]*yaml.Node{}}, {read: newer, files: map[string]*yaml.Node{}}}}
	c.path = is
	if is == "" {
		c.path = was
	}
	if was == "" || is == "" {
		says := "there was no description before: whether what goes back has what it describes is not known"
		if is == "" {
			says = "there is no description any more: whether what goes back does as this one is counted on is not known"
		}
		c.unclear("", "%s", says)
		return c.found
	}
	var roots [2]place
	for i, name := range []string{was, is} {
		p, err := c.sides[i].root(name)
		if err != nil {
			c.unclear("", "%v", err)
			return c.found
		}
		roots[i] = p
	}
	kinds := [2]Kind{}
	for i, p := range roots {
		kinds[i], c.sides[i].dialect = dialect(p.node)
	}
	switch {
	case kinds[0] != kinds[1] || c.sides[0].dialect == "" || c.sides[1].dialect == "":
		c.unclear("", "it is of a version that is not compared")
	case kinds[0] == OpenAPI:
		c.api(roots[0], roots[1])
	default:
		c.stored(roots[0], roots[1])
	}
	return c.found
}

// stored compares a schema of what is kept: what was written since has to be read, and what is written again too.
func (c *documents) stored(was, is place) {
	c.within(is, was, sending(false), "")
	c.within(was, is, answering(false), "")
}

// dialect is what a document is written in, "" where that is not compared.
func dialect(root *yaml.Node) (Kind, string) {
	if v := value(get(root, "openapi")); v != "" {
		for _, known := range []string{"3.0", "3.1"} {
			if v == known || strings.HasPrefix(v, known+".") {
				return OpenAPI, known
			}
		}
		return OpenAPI, ""
	}
	switch strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(value(get(root, "$schema")), "https://"), "http://"), "#") {
	case "json-schema.org/draft-07/schema":
		return JSONSchema, "07"
	case "json-schema.org/draft/2019-09/schema":
		return JSONSchema, "2019-09"
	case "json-schema.org/draft/2020-12/schema":
		return JSONSchema, "2020-12"
	}
	return JSONSchema, ""
}

// documents compares; sides are the older and the newer version.
type documents struct {
	sides [2]*side
	path  string
	found []Difference
	steps int
}

// What one comparison may take: a document of a megabyte is no reason to let a plan wait.
const (
	mostSteps = 100_000
	mostKeys  = 5_000 // of one mapping
	mostFound = 500   // of one comparison, beside the first of each level
	mostCost  = 50_000_000
	deepest   = 200
)

func (c *documents) add(d Difference) {
	d.Path, d.Text = c.path, providers.Clean(d.Text)
	known := func(e Difference) bool {
		return e == d || len(c.found) >= mostFound && e.Breaking == d.Breaking && e.Unclear == d.Unclear
	}
	if !slices.ContainsFunc(c.found, known) {
		c.found = append(c.found, d)
	}
}

func at(where, text string) string { return strings.TrimSpace(strings.TrimSpace(where) + " " + text) }

func (c *documents) breaking(where, format string, args ...any) {
	c.add(Difference{Breaking: true, Text: at(where, fmt.Sprintf(format, args...))})
}

func (c *documents) careful(where, format string, args ...any) {
	c.add(Difference{Text: at(where, fmt.Sprintf(format, args...))})
}

func (c *documents) unclear(where, format string, args ...any) {
	c.add(Difference{Unclear: true, Text: at(where, fmt.Sprintf(format, args...))})
}

var errSeveral = errors.New("there are several documents in one file")

// parseTree reads the first document of a file. One whose keys are there twice, or that merges others by reference, is no document
// that everybody reads alike.
func parseTree(text string) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser's own failure on odd text
			root, err = nil, fmt.Errorf("it cannot be read: %v", p)
		}
	}()
	var doc, more yaml.Node
	from := yaml.NewDecoder(strings.NewReader(text))
	if err := from.Decode(&doc); err != nil {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil || doc.Encode(v) != nil { // a tab, say, where YAML wants none
			return nil, fmt.Errorf("it cannot be read: %s", providers.Clean(err.Error()))
		}
		return &doc, sound(&doc, 0)
	}
	if len(doc.Content) == 0 {
		return nil, errors.New("there is nothing in it")
	}
	root = doc.Content[0]
	if err := sound(root, 0); err != nil {
		return nil, err
	}
	if !errors.Is(from.Decode(&more), io.EOF) {
		return root, errSeveral
	}
	return root, nil
}

func sound(n *yaml.Node, depth int) error {
	if depth > deepest {
		return errors.New("it is nested too deeply")
	}
	if n.Kind == yaml.AliasNode {
		return fmt.Errorf("line %d: an alias is not followed", n.Line)
	}
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*mostKeys {
		return fmt.Errorf("line %d: there are more than %d keys", n.Line, mostKeys)
	}
	seen := map[string]bool{}
	for i, e := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[e.Value] || e.Kind != yaml.ScalarNode || e.Tag == "!!merge" {
				return fmt.Errorf("line %d: the key %q is there twice, or no plain one", e.Line, e.Value)
			}
			seen[e.Value] = true
		}
		if err := sound(e, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// get is what a mapping has under a key, nil nothing.
func get(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func keys(n *yaml.Node) []string {
	var out []string
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, n.Content[i].Value)
		}
	}
	return out
}

// both are the keys of either, sorted.
func both(a, b *yaml.Node) []string {
	set := map[string]bool{}
	for _, k := range slices.Concat(keys(a), keys(b)) {
		set[k] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func value(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

func isTrue(n *yaml.Node) bool  { return n != nil && n.ShortTag() == "!!bool" && n.Value == "true" }
func isFalse(n *yaml.Node) bool { return n != nil && n.ShortTag() == "!!bool" && n.Value == "false" }
