package approval

import (
	"bytes"
	"strings"
	"testing"
)

func TestTheLineSurvivesAChat(t *testing.T) {
	c := newCrew(t, nil)
	s := c.sign(t, "b1", word("b", Yes, noon))
	line, err := s.Line()
	if err != nil {
		t.Fatal(err)
	}
	var wrapped strings.Builder
	for i := 0; i < len(line); i += 60 {
		wrapped.WriteString("> " + line[i:min(i+60, len(line))] + "\u200b \r\n")
	}
	for name, pasted := range map[string]string{
		"as it is": line, "quoted": "bob 03:14\n> `" + line + "`\nthere you are", "wrapped": wrapped.String(), "in quotes": "\"" + line + "\"", "nbsp": "\u00a0" + line + "\u2060\n",
	} {
		got, err := Read(pasted)
		if err != nil || !bytes.Equal(got.Signature, s.Signature) || got.Statement.Nonce != s.Statement.Nonce {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, pasted := range map[string]string{
		"nothing": "", "cut": line[:len(line)-5], "two": line + "\n" + line, "other version": strings.Replace(line, "-1.", "-2.", 1),
		"a letter less": line[:40] + line[41:], "a sign more": strings.Replace(line, ".end", "!.end", 1), "no signature": strings.SplitAfter(line, ".")[0] + strings.Split(line, ".")[1] + ".end",
		"too much": strings.Repeat("x", maxPaste) + line,
	} {
		if _, err := Read(pasted); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestAStatementIsCanonicalOrNothing(t *testing.T) {
	text, err := word("b", Yes, noon).Text()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(text); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{
		"space": " " + string(text), "more": string(text) + "{}", "unknown": strings.Replace(string(text), "{", `{"x":1,`, 1),
		"twice": strings.Replace(string(text), `"v":1`, `"v":1,"v":1`, 1), "version": strings.Replace(string(text), `"v":1`, `"v":2`, 1),
		"word": strings.Replace(string(text), `"yes"`, `"maybe"`, 1), "forever": strings.Replace(string(text), "2026-11-24T13", "2036-11-24T13", 1), "case": strings.Replace(string(text), `"plan"`, `"Plan"`, 1),
	} {
		if _, err := Parse([]byte(other)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// Whatever is pasted, what is read is what was written, and nothing else.
func FuzzRead(f *testing.F) {
	c := newCrew(f, nil)
	line, err := c.sign(f, "b1", word("b", Yes, noon)).Line()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add("> " + line[:50] + "\n> " + line[50:])
	f.Add(prefix + "e30.e30" + suffix)
	f.Fuzz(func(t *testing.T, pasted string) {
		s, err := Read(pasted)
		if err != nil {
			return
		}
		again, err := s.Line()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := Read(again)
		if err != nil || back.Statement.Nonce != s.Statement.Nonce || !bytes.Equal(back.Signature, s.Signature) {
			t.Fatalf("%v", err)
		}
	})
}
