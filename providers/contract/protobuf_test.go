package contract_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers/contract"
)

const head = "syntax = \"proto3\";\npackage shop.v1;\nimport \"google/type/money.proto\";\noption go_package = \"x/y\";\n"

// base is what all cases begin with; each replaces a part of it.
const base = head + `
message Order {
  string id = 1;
  int32 count = 2 [(validate.rules).int32.gt = 0];
  Status status = 3;
  google.type.Money total = 4;
  map<string, string> labels = 5;
  repeated Line lines = 6;
  oneof payer { string card = 7; string account = 8; }
  message Line { string sku = 1; }
}
enum Status { STATUS_UNSPECIFIED = 0; STATUS_OPEN = 1; }
message GetRequest { string id = 1; }
service Orders {
  rpc Get(GetRequest) returns (Order);
  rpc Watch(GetRequest) returns (stream Order);
}
`

const legacy = "syntax = \"proto2\";\npackage shop.v1;\nmessage Old {\n  required string id = 1;\n  optional string note = 2;\n  extensions 100 to 200;\n}\nextend Old { optional string more = 100; }\n"

const (
	fine     = "fine"
	careful  = "careful"
	breaking = "breaking"
)

func level(found []contract.Difference) string {
	out := fine
	for _, d := range found {
		if d.Breaking {
			return breaking
		}
		out = careful
	}
	return out
}

var cases = []struct {
	name, from, to string // what the newer version has in place of what
	level          string
	says           string
}{
	{"nothing", "", "", fine, ""},
	{"a comment", "message Order {", "// what is bought\nmessage Order {", fine, ""},
	{"an option", "x/y", "x/z", fine, ""},
	{"a field", "string id = 1;\n  int32", "string id = 1;\n  string note = 9;\n  int32", careful, "shop.v1.Order.note was not there"},
	{"a field that is no longer filled", "string id = 1;\n  int32", "int32", careful, "Order.id is no longer filled"},
	{"a type with the same form on the wire", "int32 count", "int64 count", careful, "int64, it was int32"},
	{"a type with another form", "int32 count", "sint32 count", breaking, "sint32, it was int32"},
	{"a message in place of text", "string sku", "Order sku", breaking, "another type"},
	{"another message", "google.type.Money total", "Status total", breaking, "another type"},
	{"a type by a longer name", "Status status", "shop.v1.Status status", careful, "by another name"},
	{"a number that is used again", "int32 count = 2", "int32 amount = 2", breaking, "the number (2) that count had"},
	{"several of what was one", "string sku", "repeated string sku", breaking, "repeated"},
	{"out of its oneof", "string account = 8; }", "} string account = 8;", careful, "oneof"},
	{"marked as optional", "string sku", "optional string sku", fine, ""},
	{"the value of a map", "map<string, string>", "map<string, bytes>", careful, "LabelsEntry.value"},
	{"the form of a map's value", "map<string, string>", "map<string, int32>", breaking, "LabelsEntry.value"},
	{"a value of an enum", "STATUS_OPEN = 1;", "STATUS_OPEN = 1; STATUS_HELD = 2;", careful, "STATUS_HELD was not there"},
	{"a number of an enum that is used again", "STATUS_OPEN = 1", "STATUS_HELD = 1", breaking, "that STATUS_OPEN had"},
	{"a value with two names", "STATUS_OPEN = 1;", "STATUS_OPEN = 1; STATUS_OPENED = 1; option allow_alias = true;", careful, "STATUS_OPENED is another name"},
	{"a message", "message GetRequest", "message Event { string id = 1; }\nmessage GetRequest", breaking, "shop.v1.Event was not there"},
	{"a message within", "message Line", "message Tax { string id = 1; }\n  message Line", breaking, "shop.v1.Order.Tax"},
	{"a message that went", "message GetRequest { string id = 1; }", "", careful, "no longer has the message shop.v1.GetRequest"},
	{"a call", "rpc Get(", "rpc Put(Order) returns (Order);\n  rpc Get(", breaking, "shop.v1.Orders.Put was not there"},
	{"a call that went", "rpc Get(GetRequest) returns (Order);", "", fine, ""},
	{"a call of something else", "returns (Order);\n  rpc Watch", "returns (GetRequest);\n  rpc Watch", breaking, "Orders.Get takes or gives"},
	{"a call that does not stream", "stream Order", "Order", breaking, "Orders.Watch"},
	{"a service", "service Orders", "service Admin { rpc Get(GetRequest) returns (Order); }\nservice Orders", breaking, "shop.v1.Admin"},
	{"another package", "package shop.v1;", "package shop.v2;", breaking, "shop.v2.Order was not there"},
	{"a required field", "optional string note = 2;", "optional string note = 2;\n  required string by = 3;", breaking, "what the older one writes is refused"},
	{"a required field that went", "required string id = 1;", "", breaking, "was required"},
	{"a required field that may be left out", "required string id", "optional string id", breaking, "refuses what lacks it"},
	{"a field that must be there", "optional string note", "required string note", breaking, "leaves out is refused"},
	{"an extension", "string more = 100;", "string more = 100; optional string most = 101;", careful, "most was not there"},
}

func TestWhatTheOlderOneDoesNotUnderstand(t *testing.T) {
	for _, c := range cases {
		older := map[string]string{"proto/order.proto": base, "proto/old.proto": legacy}
		newer := map[string]string{"proto/order.proto": strings.Replace(base, c.from, c.to, 1), "proto/old.proto": strings.Replace(legacy, c.from, c.to, 1)}
		found, err := contract.Protobuf(older, newer)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var texts []string
		for _, d := range found {
			texts = append(texts, d.Path+" "+d.Text)
		}
		if got := level(found); got != c.level || !strings.Contains(strings.Join(texts, "\n"), c.says) {
			t.Errorf("%s is %s: %q", c.name, got, texts)
		}
	}
}

func TestAMessageMayMoveToAnotherFile(t *testing.T) {
	line := "syntax = \"proto3\"; package a; message Line { string sku = 1; }"
	found, err := contract.Protobuf(map[string]string{"a.proto": line}, map[string]string{"b.proto": line})
	if err != nil || len(found) != 0 {
		t.Errorf("%v %+v", err, found)
	}
}

func TestWhatCannotBeReadIsNoAnswer(t *testing.T) {
	for _, text := range []string{"message", "syntax = \"proto3\"; message A { string a = 1; string b = 1; }", "\x00", "syntax = \"proto9\";", strings.Repeat("{", 10_000)} {
		_, err := contract.Protobuf(map[string]string{"a.proto": base}, map[string]string{"a.proto": text})
		if err == nil || !strings.Contains(err.Error(), "a.proto") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// Nothing differs from itself, and no difference hides another.
func TestDifferencesAddUp(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := rapid.SampledFrom(cases).Draw(r, "one"), rapid.SampledFrom(cases).Draw(r, "other")
		one := strings.Replace(base, a.from, a.to, 1)
		both := strings.Replace(one, b.from, b.to, 1)
		if a.from == "" || both == strings.Replace(base, b.from, b.to, 1) {
			return
		}
		same, err := contract.Protobuf(map[string]string{"x.proto": both}, map[string]string{"x.proto": both})
		if err == nil && len(same) != 0 {
			r.Fatalf("differs from itself: %+v", same)
		}
		found, err := contract.Protobuf(map[string]string{"x.proto": base}, map[string]string{"x.proto": both})
		alone, _ := contract.Protobuf(map[string]string{"x.proto": base}, map[string]string{"x.proto": one})
		if err == nil && level(alone) == breaking && level(found) != breaking {
			r.Fatalf("%q then %q: %+v", a.name, b.name, found)
		}
	})
}

func FuzzProtobuf(f *testing.F) {
	f.Add(base, legacy)
	f.Add("syntax = \"proto3\";", "edition = \"2023\"; message A { string a = 1; }")
	f.Add(base, "\xff")
	f.Fuzz(func(t *testing.T, older, newer string) {
		_, _ = contract.Protobuf(map[string]string{"a.proto": older}, map[string]string{"a.proto": newer})
	})
}
