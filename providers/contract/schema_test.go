package contract_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers/contract"
)

const stored = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://shop.example/event.json",
  "title": "an event",
  "type": "object",
  "required": ["id", "kind"],
  "properties": {
    "id": {"type": "string"},
    "kind": {"enum": ["made", "paid"]},
    "count": {"type": ["integer", "null"], "exclusiveMinimum": 0},
    "lines": {"type": "array", "maxItems": 10, "items": {"$ref": "#/$defs/line"}},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "anything": true
  },
  "$defs": {"line": {"type": "object", "additionalProperties": false, "properties": {"sku": {"type": "string"}}}}
}`

func TestWhatWasKeptHasToBeRead(t *testing.T) {
	if contract.Recognise(stored) != contract.JSONSchema {
		t.Error("it is not recognised")
	}
	for _, c := range []struct{ name, from, to, level, says string }{
		{"nothing", "", "", fine, ""},
		{"a title", "an event", "what happened", fine, ""},
		{"a comment", `"title":`, `"$comment": "x", "title":`, fine, ""},
		{"a definition that nothing uses", `"$defs": {`, `"$defs": {"none": {}, `, fine, ""},
		{"tabs", "  ", "\t", fine, ""},
		{"a property", `"anything"`, `"note": {"type": "string"}, "anything"`, careful, "note was not there"},
		{"a property that is refused", `{"sku": {`, `{"price": {}, "sku": {`, breaking, "lines[].price is not known"},
		{"a value", `"paid"]`, `"paid", "held"]`, breaking, "held"},
		{"a value that went", `, "paid"]`, `]`, breaking, "paid"},
		{"a wider type", `{"type": "string"},`, `{"type": ["string", "integer"]},`, breaking, ".id may be of type integer"},
		{"no type", `{"type": "string"},`, `{},`, breaking, ".id may be of any type"},
		{"what had to be there", `["id", "kind"]`, `["id"]`, breaking, ".kind had to be there"},
		{"what has to be there", `["id", "kind"]`, `["id", "kind", "count"]`, breaking, ".count is counted on"},
		{"a wider limit", `"exclusiveMinimum": 0`, `"minimum": 0`, breaking, "minimum"},
		{"more of them", `"maxItems": 10`, `"maxItems": 11`, breaking, "maxItems"},
		{"values of another type", `"additionalProperties": {"type": "string"}`, `"additionalProperties": {"type": "integer"}`, breaking, "labels.*"},
		{"properties without a name", `"additionalProperties": false`, `"additionalProperties": true`, breaking, "without a name"},
		{"nothing may stand there", `"anything": true`, `"anything": false`, careful, "anything"},
		{"a constant", `{"enum": ["made", "paid"]}`, `{"const": "made"}`, breaking, "paid"},
		{"what depends on others", `"required":`, `"dependentRequired": {"id": ["count"]}, "required":`, unclear, "dependentRequired"},
		{"what does not count otherwise", `"required":`, `"unevaluatedProperties": false, "required":`, unclear, "unevaluatedProperties"},
		{"names by a pattern", `"required":`, `"patternProperties": {"^x": {}}, "required":`, unclear, "patternProperties"},
		{"a condition", `"required":`, `"if": {}, "required":`, unclear, "if differs"},
		{"a reference that only runs", `"#/$defs/line"`, `"#line"`, unclear, "not resolved"},
		{"by its whole name", `"#/$defs/line"`, `"https://shop.example/event.json#/$defs/line"`, fine, ""},
		{"another draft", `draft/2020-12/schema`, `draft/2019-09/schema`, fine, ""},
		{"a draft that is not compared", `https://json-schema.org/draft/2020-12/schema`, `http://json-schema.org/draft-04/schema#`, unclear, "version"},
		{"a circle", `{"$ref": "#/$defs/line"}`, `{"$ref": "#/properties/lines/items"}`, unclear, "circle"},
	} {
		if !strings.Contains(stored, c.from) {
			t.Errorf("%s: there is no %q", c.name, c.from)
		}
		if got, text := judged(stored, strings.ReplaceAll(stored, c.from, c.to)); got != c.level || !strings.Contains(text, c.says) {
			t.Errorf("%s is %s:\n%s", c.name, got, text)
		}
	}
}

func TestOnlyKeysMakeADocument(t *testing.T) {
	for _, text := range []string{
		"", "a: 1", "openapi", "openapi: {generator: go}", `{"$schema": "https://json.schemastore.org/package.json", "x": "json-schema.org"}`,
		"apiVersion: v1\nkind: ConfigMap\ndata: {swagger: yes}", "- openapi: 3.0.0",
	} {
		if k := contract.Recognise(text); k != "" {
			t.Errorf("%q is %s", text, k)
		}
	}
	for text, want := range map[string]contract.Kind{
		"openapi: 3.0.0\n<<<<<<< HEAD\n": contract.OpenAPI, "swagger: '2.0'": contract.OpenAPI, `{"openapi":"3.1.0"}`: contract.OpenAPI,
		"openapi: 3.0.0\n---\na: 1": contract.OpenAPI, `{"$schema": "http://json-schema.org/draft-07/schema#"`: contract.JSONSchema,
	} {
		if k := contract.Recognise(text); k != want {
			t.Errorf("%q is %q", text, k)
		}
	}
}

// What is made to be slow ends soon, and nothing of it is called fine.
func TestWhatIsTooLargeIsNoAnswer(t *testing.T) {
	head := "openapi: 3.0.3\npaths: {/a: {get: {responses: {\"200\": {content: {a/b: {schema: {$ref: '#/components/schemas/A'}}}}}}}}\ncomponents: {schemas: {A: "
	many := &strings.Builder{}
	for i := range 6000 {
		fmt.Fprintf(many, "k%d: {}, ", i)
	}
	for name, text := range map[string]string{
		"a schema of itself":    "{allOf: [{$ref: '#/components/schemas/A'}, {$ref: '#/components/schemas/A'}]}",
		"more names than any":   "{properties: {" + many.String() + "}}",
		"nested without an end": strings.Repeat("{not: ", 300) + "{}" + strings.Repeat("}", 300),
		"an alias":              "{properties: {a: &a {}, b: *a}}",
	} {
		if got, said := judged(head+text+"}}", head+strings.Replace(text, "{", "{x-a: 1, ", 1)+"}}"); got != unclear {
			t.Errorf("%s is %s: %.300s", name, got, said)
		}
	}
}
