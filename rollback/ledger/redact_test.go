package ledger

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// story is a ledger whose second entry slipped, and what is wanted of it.
type story struct {
	t     *testing.T
	lines [][]byte
	head  Head
}

func (s *story) add(e Entry) {
	s.t.Helper()
	_, line, next, err := Next(s.head, e, time.Date(2026, 3, 1, 12, 0, len(s.lines), 0, time.UTC))
	if err != nil {
		s.t.Fatal(err)
	}
	s.lines, s.head = append(s.lines, line), next
}

func (s *story) redact(seq int64, fields ...string) []string {
	s.t.Helper()
	r, err := Redact(s.lines[seq-1], fields)
	if err != nil {
		s.t.Fatal(err)
	}
	s.lines[seq-1] = r.Line
	body, err := json.Marshal(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(Entry{Kind: KindRedaction, Actor: "ana", Text: "redacted", Body: body})
	return r.Removed
}

func told(t *testing.T) *story {
	s := &story{t: t}
	s.add(Entry{Kind: KindNote, Actor: "ana", Text: "one"})
	s.add(Entry{
		Kind: KindConfirmation, Actor: "bob", Text: "the pin is 4711", Payload: Hash([]byte("raw")),
		Body: json.RawMessage(`{"reason":"pin 4711","plan_hash":"abc","units":[{"from":"a","from_label":"x<4711>"}],"n":10}`),
	})
	s.add(Entry{Kind: KindNote, Actor: "ana", Text: "three"})
	return s
}

func TestARedactedEntryKeepsItsPlaceAndShowsAsRedacted(t *testing.T) {
	s := told(t)
	before := Verify(slices.Values(s.lines), s.head)
	removed := s.redact(2, "text", "body.reason", "body.units.0.from_label")
	if !slices.Equal(removed, []string{"pin 4711", "x<4711>", "the pin is 4711"}) {
		t.Errorf("taken out: %q", removed)
	}
	if all := string(s.lines[1]) + string(s.lines[3]); strings.Contains(all, "4711") {
		t.Errorf("it is still there: %s", all)
	}
	r := Verify(slices.Values(s.lines), s.head, before.Head)
	if !r.OK || !slices.Equal(r.Redacted, []int64{2}) || r.Entries != 4 {
		t.Errorf("%+v", r)
	}
	s.redact(4, "body.reason") // what a redaction says can be redacted as well, and goes on being one
	s.redact(2, "payload")
	if r := Verify(slices.Values(s.lines), s.head, before.Head); !r.OK || !slices.Equal(r.Redacted, []int64{2, 4}) {
		t.Errorf("after more of them: %+v", r)
	}
}

func TestWhatTheRecordIsCheckedByCannotBeTakenOut(t *testing.T) {
	s := told(t)
	for _, field := range []string{
		"actor", "at", "seq", "prev", "body", "body.", "body.plan_hash", "body.n", "body.units", "body.units.0", "body.units.1.from", "body.units.x",
		"body.none", "body.reason.more", "",
	} {
		if r, err := Redact(s.lines[1], []string{field}); err == nil {
			t.Errorf("%q is taken out: %s", field, r.Line)
		}
	}
	if _, err := Redact(s.lines[0], []string{"payload"}); err == nil {
		t.Error("a payload that is not there is taken out")
	}
	s.add(Entry{Kind: KindProof, Actor: "ana", Text: "proved", Body: json.RawMessage(`{"surprise":"pin 4711"}`)})
	if r, err := Redact(s.lines[len(s.lines)-1], []string{"body.surprise"}); err == nil {
		t.Errorf("a part of a proof is taken out: %s", r.Line)
	}
	s.redact(2, "text")
	if _, err := Redact(s.lines[1], []string{"text"}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("redacted twice: %v", err)
	}
}

// A stand-in is bound by the redaction that made it, and no entry becomes one without.
func TestEveryByteOfARedactedLedgerIsBound(t *testing.T) {
	s := told(t)
	s.redact(2, "text")
	s.redact(2, "body.reason")
	s.add(Entry{Kind: KindNote, Actor: "ana", Text: "last"})
	for i, line := range s.lines {
		for at := range line {
			for _, bit := range []byte{1, 4, 32, 128} {
				edited := slices.Clone(line)
				edited[at] ^= bit
				lines := slices.Clone(s.lines)
				lines[i] = edited
				if r := Verify(slices.Values(lines), s.head); r.OK {
					t.Fatalf("byte %d of entry %d was altered, and nothing is wrong: %s", at, i+1, edited)
				}
			}
		}
	}
}

func TestAForgedStandInIsFound(t *testing.T) {
	s := told(t)
	wrote := s.lines[1]
	forged, err := Redact(s.lines[0], []string{"text"})
	if err != nil {
		t.Fatal(err)
	}
	s.redact(2, "text")
	cut := s.lines[1]
	for name, c := range map[string]struct {
		seq  int64
		line []byte
	}{
		"nobody redacted it":   {1, forged.Line},
		"its content is back":  {2, wrote},
		"another actor":        {2, []byte(strings.Replace(string(cut), `"bob"`, `"eve"`, 1))},
		"another digest":       {2, []byte(strings.Replace(string(cut), Hash(wrote), Hash(cut), 1))},
		"a digest that is not": {2, []byte(strings.Replace(string(cut), Hash(wrote), "x", 1))},
	} {
		lines := slices.Clone(s.lines)
		lines[c.seq-1] = c.line
		if r := Verify(slices.Values(lines), s.head); r.OK || !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Seq == c.seq }) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// An entry as it is written has no say in whether it stands in for another.
	var e Entry
	if err := json.Unmarshal(cut, &e); err != nil {
		t.Fatal(err)
	}
	if e, _, _, err := Next(s.head, e, time.Now()); err != nil || e.Redacted != nil {
		t.Errorf("written as a stand-in: %+v %v", e, err)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"seq":1,"text":"x","body":{"a":[{"b":"c"}],"redacted":{}},"prev":""}`), "body.a.0.b")
	f.Add([]byte(`{"seq":2,"redacted":{"digest":"","fields":null},"text":"y"}`), "text")
	f.Fuzz(func(t *testing.T, line []byte, field string) {
		r, err := Redact(line, []string{field})
		if err != nil || field == FieldPayload {
			return
		}
		if DigestOf(r.Line) != DigestOf(line) || r.Body.StandIn != Hash(r.Line) {
			t.Errorf("%s of %q: %q stands for %s, not %s", field, line, r.Line, DigestOf(r.Line), DigestOf(line))
		}
		if again, err := Redact(r.Line, []string{field}); err == nil {
			t.Errorf("%s of %q can be taken out twice: %q", field, line, again.Line)
		}
	})
}
