package contract_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers/contract"
)

const unclear = "unclear"

// orders is what the older version serves; each case replaces a part of it and gives what the newer one serves, or the other way round.
const orders = `openapi: 3.0.3
info: {title: orders, version: "1"}
servers: [{url: https://shop.example/v1}]
paths:
  /orders:
    parameters: [{name: tenant, in: header, schema: {type: string}}]
    get:
      summary: all of them
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
        - {name: state, in: query, schema: {$ref: '#/components/schemas/State'}}
      responses:
        "200":
          description: here
          headers: {X-Total: {required: true, schema: {type: integer}}}
          content:
            application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Order'}}}
        "404": {description: none}
    post:
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: '#/components/schemas/New'}}
      responses:
        "201": {description: made, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
  /orders/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      responses: {"200": {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}}
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}
  schemas:
    State: {type: string, enum: [open, done]}
    Base: {type: object, properties: {note: {type: string, maxLength: 80}}}
    New:
      type: object
      required: [sku]
      additionalProperties: false
      properties: {sku: {type: string, minLength: 3, pattern: '^a'}, count: {type: integer, format: int64, default: 1}, secret: {type: string, writeOnly: true}}
    Order:
      description: what was bought
      allOf:
        - {$ref: '#/components/schemas/Base'}
        - type: object
          required: [id, state]
          properties:
            id: {type: string, readOnly: true}
            state: {$ref: '#/components/schemas/State'}
            total: {type: number, nullable: true}
            parent: {$ref: '#/components/schemas/Order'}
            payer: {oneOf: [{type: string}, {$ref: '#/components/schemas/Payer'}]}
    Payer: {type: object, properties: {name: {type: string}}}
`

// served are pairs: what the document that clients were written for has in place of what.
var served = []struct {
	name, from, to string
	level          string
	says           string
}{
	{"nothing", "", "", fine, ""},
	{"a title", "title: orders", "title: Orders of the shop", fine, ""},
	{"a description", "what was bought", "bought and paid", fine, ""},
	{"a summary", "all of them", "every one", fine, ""},
	{"an example", "{type: number, nullable: true}", "{type: number, nullable: true, example: 3}", fine, ""},
	{"a comment", "paths:", "# all\npaths:", fine, ""},
	{"an operation has a name", "summary: all", "operationId: list\n      summary: all", fine, ""},
	{"the name of what stands in a path", "{id}:\n    parameters: [{name: id,", "{order}:\n    parameters: [{name: order,", fine, ""},
	{"a schema that nothing uses", "  schemas:\n", "  schemas:\n    Unused: {type: integer}\n", fine, ""},
	{"a patch version", "3.0.3", "3.0.1", fine, ""},
	{"the next version", "3.0.3", "3.1.0", breaking, "type null"},
	{"a version that is not compared", "3.0.3", "3.9.0", unclear, "version"},
	{"an older format", "openapi: 3.0.3", "swagger: \"2.0\"", unclear, "version"},
	{"what is called on the way back", "info:", "webhooks: {made: {post: {}}}\ninfo:", unclear, "webhooks"},
	{"another path in front", "shop.example/v1", "shop.example/v2", breaking, "/v2"},
	{"nothing in front", "servers: [{url: https://shop.example/v1}]\n", "", breaking, "served from /"},
	{"another host", "shop.example/v1", "pay.example/v1", careful, "pay.example"},

	{"an operation", "    post:", "    delete: {responses: {\"204\": {description: gone}}}\n    post:", breaking, "DELETE /orders was not there"},
	{"a path", "  /orders/{id}:", "  /carts: {get: {responses: {}}}\n  /orders/{id}:", breaking, "GET /carts"},
	{"an operation that went", "    get:\n      responses: {\"200\": {description: one, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}}\n", "", fine, ""},
	{"a parameter", "name: limit", "name: page", breaking, "query parameter page was not there"},
	{"a parameter that went", "        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}\n", "", fine, ""},
	{"a header to send", "name: tenant", "name: shard", breaking, "header parameter shard"},
	{"a parameter of another type", "{type: integer, minimum: 1, maximum: 100}", "{type: string}", breaking, "type string"},
	{"a parameter of a narrower type", "{type: integer, minimum: 1", "{type: number, minimum: 1", breaking, "type number"},
	{"a higher limit", "maximum: 100", "maximum: 500", breaking, "maximum is 100"},
	{"no limit", ", maximum: 100", "", breaking, "there is none"},
	{"a lower limit", "maximum: 100", "maximum: 50", fine, ""},
	{"a lower minimum", "minimum: 1", "minimum: 0", breaking, "minimum"},
	{"the limit itself", "maximum: 100", "maximum: 100, exclusiveMaximum: true", fine, ""},
	{"how a parameter is written", "name: limit,", "name: limit, style: pipeDelimited,", unclear, "style"},
	{"a value that is asked for", "enum: [open, done]", "enum: [open, done, held]", breaking, "held"},
	{"a value that went", "enum: [open, done]", "enum: [open]", breaking, "done"},
	{"any value", "{type: string, enum: [open, done]}", "{type: string}", breaking, "any value"},

	{"another way to send it", "        content:\n          application/json: {schema: {$ref: '#/components/schemas/New'}}", "        content:\n          application/json: {schema: {$ref: '#/components/schemas/New'}}\n          application/xml: {schema: {$ref: '#/components/schemas/New'}}", breaking, "application/xml was not there"},
	{"a body that may be left out", "required: true\n        content", "required: false\n        content", breaking, "request had to be there"},
	{"a body", "    get:\n      summary", "    get:\n      requestBody: {content: {text/plain: {}}}\n      summary", breaking, "request was not there"},
	{"a property that is refused", "count: {", "gift: {type: boolean}, count: {", breaking, "gift is not known"},
	{"a property that is not given", "{note: {", "{more: {type: string}, note: {", careful, "more was not there"},
	{"a property that may be left out", "required: [sku]", "required: []", breaking, ".sku had to be there"},
	{"a property that has to be sent", "required: [sku]", "required: [sku, count]", fine, ""},
	{"properties without a name", "      additionalProperties: false\n", "", breaking, "without a name"},
	{"a shorter text", "minLength: 3", "minLength: 1", breaking, "minLength"},
	{"a pattern", "'^a'", "'^b'", unclear, "pattern"},
	{"a pattern that went", ", pattern: '^a'", "", unclear, "pattern"},
	{"another default", "default: 1", "default: 2", careful, "default"},
	{"a smaller number", "format: int64", "format: int32", fine, ""},
	{"another format", "format: int64", "format: cents", unclear, "format"},
	{"a value that is not sent", "{type: string, readOnly: true}", "{type: string}", unclear, "readOnly"},
	{"an extension", "required: [sku]", "x-order: 3\n      required: [sku]", unclear, "x-order"},
	{"a keyword that nobody knows", "minLength: 3", "minLength: 3, minLenght: 2", unclear, "minLenght"},
	{"a secret of another type", "secret: {type: string", "secret: {type: integer", breaking, ".secret"},

	{"an answer", "\"201\":", "\"202\":", breaking, "202 is not answered"},
	{"an error that was not known", "        \"404\": {description: none}\n", "", careful, "404"},
	{"an error that nobody gives", "\"404\": {description: none}", "\"404\": {description: none}\n        \"409\": {description: held}", fine, ""},
	{"an answer of another kind", "{description: made, content: {application/json", "{description: made, content: {application/xml", breaking, "application/xml was not there"},
	{"a header that is counted on", "{X-Total: {", "{X-Page: {required: true, schema: {type: integer}}, X-Total: {", breaking, "x-page is counted on"},
	{"a header", "{X-Total: {", "{X-Page: {schema: {type: integer}}, X-Total: {", careful, "x-page was not there"},
	{"a property that is counted on", "required: [id, state]", "required: [id, state, total]", breaking, ".total is counted on"},
	{"a property that is no longer promised", "required: [id, state]", "required: [id]", fine, ""},
	{"a property of the answer", "total: {", "tax: {type: number}\n            total: {", careful, "tax was not there"},
	{"a property that went", "            total: {type: number, nullable: true}\n", "", fine, ""},
	{"null is not expected", ", nullable: true", "", breaking, "type null"},
	{"null is expected", "note: {type: string", "note: {nullable: true, type: string", fine, ""},
	{"another type in the answer", "total: {type: number", "total: {type: string", breaking, "type number"},
	{"a shorter text in the answer", "maxLength: 80", "maxLength: 40", careful, "maxLength"},
	{"one of several", "oneOf: [{type: string}", "oneOf: [{type: integer}", unclear, "oneOf"},
	{"what one of several refers to", "Payer: {type: object,", "Payer: {type: object, minProperties: 1,", unclear, "oneOf"},
	{"what is not allowed", "total: {type: number", "total: {not: {minimum: 3}, type: number", unclear, "not differs"},
	{"which of several", "      description: what was bought", "      discriminator: {propertyName: state}\n      description: what was bought", unclear, "discriminator"},
	{"parts that say differently", "{note: {type: string, maxLength: 80}}", "{note: {type: string, maxLength: 80}, id: {type: integer}}", unclear, "allOf"},
	{"a reference that leads nowhere", "total: {type: number, nullable: true}", "total: {$ref: '#/components/schemas/Money'}", unclear, "Money is not resolved"},
	{"a reference to elsewhere", "total: {type: number, nullable: true}", "total: {$ref: 'https://shop.example/money.yaml'}", unclear, "leaves the repository"},
	{"a reference out of the repository", "total: {type: number, nullable: true}", "total: {$ref: '../../etc/passwd'}", unclear, "leaves the repository"},
	{"a reference to a file that is not there", "total: {type: number, nullable: true}", "total: {$ref: 'money.yaml'}", unclear, "not in the commit"},
	{"something beside a reference", "state: {$ref: '#/components/schemas/State'}", "state: {$ref: '#/components/schemas/State', nullable: true}", unclear, "beside it"},
	{"who may ask", "    post:", "    post:\n      security: [{key: []}]", unclear, "who may ask"},
	{"what is called back", "    post:", "    post:\n      callbacks: {done: {}}", unclear, "callbacks"},
	{"a key twice", "info:", "openapi: 3.0.3\ninfo:", unclear, "twice"},
	{"no YAML", "info:", "<<<<<<< HEAD\ninfo:", unclear, "cannot be read"},
}

// one gives a document at one path, and files beside it.
func one(text string, more map[string]string) contract.Files {
	return func(name string) (string, bool, error) {
		if name == "api/orders.yaml" {
			return text, true, nil
		}
		t, ok := more[name]
		return t, ok, nil
	}
}

func judged(older, newer string, more ...map[string]string) (string, string) {
	sides := [2]map[string]string{}
	copy(sides[:], more)
	found := contract.Document(one(older, sides[0]), one(newer, sides[1]), "api/orders.yaml", "api/orders.yaml")
	var texts []string
	broken, doubt := false, false
	for _, d := range found {
		texts = append(texts, d.Path+" "+d.Text)
		broken, doubt = broken || d.Breaking, doubt || d.Unclear
	}
	text := strings.Join(texts, "\n")
	switch {
	case broken:
		return breaking, text
	case doubt:
		return unclear, text
	case len(found) > 0:
		return careful, text
	}
	return fine, text
}

func TestWhatTheOlderServiceDoesNotServe(t *testing.T) {
	if contract.Recognise(orders) != contract.OpenAPI || len(served) < 60 {
		t.Errorf("%q, %d pairs", contract.Recognise(orders), len(served))
	}
	for _, c := range served {
		if c.from != "" && !strings.Contains(orders, c.from) {
			t.Errorf("%s: there is no %q", c.name, c.from)
		}
		if got, text := judged(orders, strings.Replace(orders, c.from, c.to, 1)); got != c.level || !strings.Contains(text, c.says) {
			t.Errorf("%s is %s:\n%s", c.name, got, text)
		}
	}
}

// What was taken away is asked of the older one the other way round: there it is what nobody can use any more, or what is now counted on.
func TestTheOtherWayRound(t *testing.T) {
	for _, c := range []struct{ name, from, to, level, says string }{
		{"an operation that the newer one has not", "    post:", "    delete: {responses: {\"204\": {description: gone}}}\n    post:", fine, ""},
		{"a parameter that has to be there", "name: limit,", "name: limit, required: true,", breaking, "limit had to be there"},
		{"one that the newer one has not", "        - {name: limit", "        - {name: zone, in: query, required: true, schema: {type: string}}\n        - {name: limit", breaking, "zone had to be there"},
		{"a smaller limit", "maximum: 100", "maximum: 50", breaking, "maximum is 50"},
		{"the limit itself", "maximum: 100", "maximum: 100, exclusiveMaximum: true", breaking, "maximum"},
		{"a property that has to be sent", "required: [sku]", "required: [sku, count]", breaking, ".count had to be there"},
		{"a property that is not promised", "required: [id, state]", "required: [id]", breaking, ".state is counted on"},
		{"a wider answer", "total: {type: number", "total: {type: string", breaking, "type string"},
		{"a smaller number", "format: int64", "format: int32", breaking, "int64"},
		{"null", "note: {type: string", "note: {nullable: true, type: string", breaking, "type null"},
		{"a status that is not expected", "\"404\": {description: none}", "\"404\": {description: none}\n        \"206\": {description: some}", breaking, "206 may be answered"},
	} {
		if got, text := judged(strings.Replace(orders, c.from, c.to, 1), orders); got != c.level || !strings.Contains(text, c.says) {
			t.Errorf("%s is %s:\n%s", c.name, got, text)
		}
	}
}

func TestWhatOtherFilesSay(t *testing.T) {
	doc := strings.Replace(orders, "{type: number, nullable: true}", "{$ref: '../money.yaml#/Money'}", 1)
	money := func(s string) map[string]string { return map[string]string{"money.yaml": "Money: " + s} }
	if got, text := judged(doc, doc, money("{type: integer}"), money("{type: integer, description: cents}")); got != fine {
		t.Errorf("%s: %s", got, text)
	}
	if got, text := judged(doc, doc, money("{type: string}"), money("{type: integer}")); got != breaking || !strings.Contains(text, ".total may be of type string") {
		t.Errorf("%s: %s", got, text)
	}
	lost := errors.New("what it holds is too large")
	found := contract.Document(one(doc, money("{}")), func(string) (string, bool, error) { return "", false, lost }, "api/orders.yaml", "api/orders.yaml")
	if len(found) != 1 || !found[0].Unclear || !strings.Contains(found[0].Text, "too large") {
		t.Errorf("%+v", found)
	}
	for _, sides := range [][2]string{{"", "a.yaml"}, {"a.yaml", ""}} {
		if found := contract.Document(one("", nil), one("", nil), sides[0], sides[1]); len(found) != 1 || !found[0].Unclear || found[0].Path != "a.yaml" {
			t.Errorf("%+v", found)
		}
	}
}

// Subtypes that only a discriminator leads to are part of what is compared.
func TestWhatOnlyADiscriminatorLeadsTo(t *testing.T) {
	doc := strings.Replace(orders, "    State:", "    Card: {allOf: [{$ref: '#/components/schemas/Order'}, {properties: {number: {type: string}}}]}\n    State:", 1)
	doc = strings.Replace(doc, "      description: what was bought", "      discriminator: {propertyName: state}", 1)
	if got, text := judged(doc, doc); got != fine {
		t.Errorf("%s: %s", got, text)
	}
	if got, text := judged(doc, strings.Replace(doc, "{number: {type: string}}", "{number: {type: integer}}", 1)); got != unclear {
		t.Errorf("%s: %s", got, text)
	}
}

func TestOpenAPIDifferencesAddUp(t *testing.T) {
	rank := map[string]int{fine: 0, careful: 1, unclear: 2, breaking: 3}
	rapid.Check(t, func(r *rapid.T) {
		a, b := rapid.SampledFrom(served).Draw(r, "one"), rapid.SampledFrom(served).Draw(r, "other")
		first := strings.Replace(orders, a.from, a.to, 1)
		both := strings.Replace(first, b.from, b.to, 1)
		if got, text := judged(first, first); got != fine && got != unclear {
			r.Fatalf("%q differs from itself: %s", a.name, text)
		}
		if a.from == "" || b.from == "" || both == first || !strings.Contains(both, a.to) {
			return
		}
		got, text := judged(orders, both)
		if rank[got] < 2 && rank[a.level] >= 2 && !strings.Contains(a.from+a.to, b.from) {
			r.Fatalf("%q then %q is %s: %s", a.name, b.name, got, text)
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add(orders, orders)
	f.Add(orders, strings.Replace(orders, "3.0.3", "3.1.0", 1))
	f.Add(stored, stored)
	f.Add("openapi: 3.0.0\npaths: {/: {get: {parameters: [{$ref: '#/paths'}]}}}", "openapi: 3.0.0\npaths: {/: {$ref: '#/paths/~1'}}")
	f.Fuzz(func(t *testing.T, older, newer string) {
		_ = contract.Recognise(older)
		_, _ = judged(older, newer)
	})
}
