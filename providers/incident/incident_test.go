package incident_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

const whole = `{
  "format": "backout.incident/v1", "id": "INC-7", "title": "checkout 5xx", "at": "2026-03-01T14:20:00+02:00",
  "onset": {"earliest": "2026-03-01T12:01:00Z", "latest": "2026-03-01T12:06:00Z"}, "x_team": {"b": 1, "a": [2]},
  "services": [{"name": "checkout", "depends_on": ["pay"], "x_port": 8080}],
  "edges": [{"from": "checkout", "to": "pay", "kind": "calls", "evidence": "declared"}],
  "alerts": [{"id": "a1", "name": "HighErrors", "starts_at": "2026-03-01T12:06:00Z", "labels": {"pod": "c-1"}, "x_runbook": "https://example.org"}],
  "changes": [{"id": "c1", "provider": "git", "kind": "deploy", "title": "<b> & more", "landed_at": "2026-03-01T12:02:00Z",
    "assistance": {"state": "agent", "evidence": ["Co-authored-by: Tool", {"raw": "x", "tool": "t"}]}, "x_train": null}],
  "signals": [{"name": "error_ratio", "points": [[1772366400, 0.01], [1772366460, 0.2]]}],
  "record": [{"seq": 1, "prev": "ab", "n": 1.50}], "truth": {"culprits": ["c1"], "x_by": "ana"}
}`

func decode(t *testing.T, s string) incident.Document {
	t.Helper()
	d, err := incident.Decode([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encode(t *testing.T, d incident.Document) string {
	t.Helper()
	b, err := incident.Encode(&d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNothingIsLostOnTheWay(t *testing.T) {
	out := encode(t, decode(t, whole))
	var want, got any
	if err := json.Unmarshal([]byte(strings.NewReplacer(
		"2026-03-01T14:20:00+02:00", "2026-03-01T12:20:00Z", `"Co-authored-by: Tool"`, `{"raw": "Co-authored-by: Tool"}`,
	).Replace(whole)), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if !strings.Contains(out, `"title":"<b> & more"`) || !strings.Contains(out, `"n":1.50`) {
		t.Errorf("text is escaped, or a number of the record was rewritten:\n%s", out)
	}
	if again := encode(t, decode(t, out)); again != out {
		t.Errorf("the second time differs:\n%s\n%s", out, again)
	}
}

func TestTextIsCleanAndReferencesHold(t *testing.T) {
	d := decode(t, `{"format":"backout.incident/v1","title":"a\u001b[2Jb","changes":[{"id":"x\ny","title":"\u202eevil"},{"id":"x y","reverts":["x\ny"]}],"truth":{"culprits":["x\ny"]}}`)
	if d.Title != "ab" || d.Changes[0].Title != "evil" {
		t.Errorf("texts %q, %q", d.Title, d.Changes[0].Title)
	}
	id := d.Changes[0].ID
	if id == d.Changes[1].ID || d.Truth.Culprits[0] != id || d.Changes[1].Reverts[0] != id {
		t.Errorf("ids %q and %q, truth %q, reverts %q", id, d.Changes[1].ID, d.Truth.Culprits, d.Changes[1].Reverts)
	}
	if again := decode(t, encode(t, d)); again.Changes[0].ID != id {
		t.Errorf("id %q became %q", id, again.Changes[0].ID)
	}
}

func TestReadFindsDocumentsAndSaysWhereOneIsWrong(t *testing.T) {
	line := encode(t, decode(t, whole))
	input := "\xef\xbb\xbf" + line + "\n\n" + `{"format":"other"}` + "\n" + `{"format":"backout.incident/v1","title":"half` + "\n" + whole + "\n" + line[:40]
	var got []string
	for d, err := range incident.Read(strings.NewReader(input)) {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, d.ID)
		}
	}
	want := []string{
		"INC-7",
		`line 3: decode incident file: format is "other", this version reads "backout.incident/v1"`,
		"line 4: the document is not complete: a string is not closed",
		"INC-7",
		"line 16: the document is not complete",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestReadRefusesWhatIsTooLarge(t *testing.T) {
	var errs []error
	for _, err := range incident.ReadMax(strings.NewReader(`{"format":"backout.incident/v1"}`+"\n{"+strings.Repeat(" ", 1000)), 500) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || errs[0] != nil || errs[1] == nil || !strings.Contains(errs[1].Error(), "line 2: the document is larger than 500 bytes") {
		t.Errorf("errors %v", errs)
	}
}

func TestFeedLines(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, ev := range []providers.Event{
		{Change: &providers.Change{ID: "c1", Provider: "git", Title: "\"quoted\" <b>", LandedAt: at, Unknown: map[string]json.RawMessage{"z": json.RawMessage("1"), "b": json.RawMessage(`{"k":[]}`)}}},
		{Alert: &providers.Alert{ID: "a1", StartsAt: at, Labels: map[string]string{"b": "1", "a": "2"}}},
	} {
		b, err := incident.EncodeEvent(ev)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b, []byte(`{"type":"`)) || bytes.ContainsRune(b, '\n') {
			t.Errorf("not a feed line: %s", b)
		}
		got, err := incident.DecodeEvent(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(ev, got); d != "" {
			t.Error(d)
		}
	}
	for line, why := range map[string]string{
		`{"id":"x"}`: `type is ""`, `{"type":"change"}`: "no id", `{"type":"alert","id":"a","starts_at":"yesterday"}`: "parsing time", `{"type":"change","id":"a"`: "unexpected end",
		`{"type":"change","id":"a","landed_at":"9999-12-31T23:59:59-10:00"}`: "out of range",
	} {
		if _, err := incident.DecodeEvent([]byte(line)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: error %v, want %q", line, err, why)
		}
	}
}

func TestSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(incident.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("incident.json", doc); err != nil {
		t.Fatal(err)
	}
	document, line := c.MustCompile("incident.json"), c.MustCompile("incident.json#/$defs/line")
	valid := func(s *jsonschema.Schema, text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(v)
	}
	full := encode(t, decode(t, whole))
	for _, text := range []string{whole, full} {
		if err := valid(document, text); err != nil {
			t.Error(err)
		}
	}
	for _, text := range []string{`{}`, `{"format":"v2"}`, strings.Replace(full, `"id":"c1"`, `"id":""`, 1), strings.Replace(full, `["pay"]`, `"pay"`, 1)} {
		if err := valid(document, text); err == nil {
			t.Errorf("valid: %s", text)
		}
		if _, err := incident.Decode([]byte(text)); err == nil {
			t.Errorf("decodes: %s", text)
		}
	}
	if err := valid(line, `{"type":"change","id":"c1","landed_at":"2026-03-01T12:00:00Z"}`); err != nil {
		t.Error(err)
	}
	if valid(line, `{"type":"note","id":"c1"}`) == nil || valid(line, `{"type":"alert"}`) == nil {
		t.Error("a line without a known type or an id is valid")
	}
}

// TestSchemaKnowsEveryField keeps the schema and the types together.
func TestSchemaKnowsEveryField(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]any
		} `json:"$defs"`
	}
	if err := json.Unmarshal(incident.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1, 0)
	str, strs, src := "s", []string{"s"}, []providers.Source{{}}
	for name, v := range map[string]any{
		"alert": providers.Alert{ID: str, Provider: str, Name: str, Service: str, Environment: str, Severity: str, Summary: str, Labels: map[string]string{"a": "b"}, StartsAt: at, EndsAt: at, URL: str, State: "firing", SilencedBy: strs, Sources: src},
		"change": providers.Change{
			ID: str, Provider: str, Kind: "deploy", Service: str, Environment: str, Title: str, Paths: strs, Files: 1, Lines: 1, Author: providers.Author{Name: str}, Approvers: strs,
			LandedAt: at, LandedApproximate: true, EffectiveFrom: at, EffectiveTo: at, VerifiedAt: at, From: str, To: str, Unit: str, Status: str, URL: str, Commit: str, ChangeSet: str, Reverts: strs,
			Artifacts: strs, Delivers: str, Within: strs, Assistance: providers.Assistance{State: "none"}, Rollout: []providers.RolloutStep{{}}, Sources: src,
		},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(b, &fields); err != nil {
			t.Fatal(err)
		}
		for f := range fields {
			if s.Defs[name].Properties[f] == nil {
				t.Errorf("the schema of %s does not know %s", name, f)
			}
		}
		if len(fields) != len(s.Defs[name].Properties) {
			t.Errorf("the schema of %s has %d fields, the type %d", name, len(s.Defs[name].Properties), len(fields))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"type":"change","id":"c1","landed_at":"2026-03-01T12:00:00.5+01:00","ID":"d","x":"\ud800"}`))
	f.Add([]byte(`{"type":"alert","id":"a\u001b[2J","labels":{"a":"b"},"Type":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := incident.Decode(b); err == nil {
			once := encode(t, d)
			if twice := encode(t, decode(t, once)); twice != once {
				t.Errorf("once:  %s\ntwice: %s", once, twice)
			}
		}
		if ev, err := incident.DecodeEvent(b); err == nil {
			once, err := incident.EncodeEvent(ev)
			if err != nil {
				t.Fatal(err)
			}
			again, err := incident.DecodeEvent(once)
			if err != nil {
				t.Fatal(err)
			}
			if twice, _ := incident.EncodeEvent(again); !bytes.Equal(once, twice) {
				t.Errorf("once:  %s\ntwice: %s", once, twice)
			}
		}
		for range incident.Read(bytes.NewReader(b)) {
		}
	})
}
