package file_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy/file"
)

// plainly is a YAML document as JSON has it: moments are texts there.
func plainly(t *testing.T, text string) any {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	var untime func(*yaml.Node)
	untime = func(n *yaml.Node) {
		if n.Tag == "!!timestamp" {
			n.Tag = "!!str"
		}
		for _, c := range n.Content {
			untime(c)
		}
	}
	untime(&n)
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(quoted(v)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheSchemaTakesWhatTheLoaderTakes(t *testing.T) {
	data, err := json.Marshal(file.Schema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "## The file\n\n```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	for name, text := range map[string]string{"the tests' own": shop, "the page's": example} {
		set := file.NewSet(nil, parse(t, text))
		if err := schema.Validate(plainly(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		results, _ := set.Test()
		for _, r := range results {
			if !r.Passed {
				t.Errorf("%s: case %s: %s", name, r.Name, r.Why)
			}
		}
	}
	for _, text := range []string{
		"rules: []\n", "version: 2\n", "version: 1\nrulez: []\n", "version: 1\nrules: [{refuse: x}]\n", "version: 1\nrules: [{name: a, when: {envv: x}}]\n",
		"version: 1\nfriction: [{name: a, refuse: x}]\n", "version: 1\ncases: [{name: a, given: {}, expect: maybe}]\n",
	} {
		if schema.Validate(plainly(t, text)) == nil {
			t.Errorf("takes %q", text)
		}
	}
}
