package ledger_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// canonical is the canonical form of a document, "" where it has none.
func canonical(doc string) string {
	out, err := ledger.Canonical([]byte(doc))
	if err != nil {
		return ""
	}
	return string(out)
}

// The table of RFC 8785, appendix B: the bits of a number, and its text.
func TestNumbersAreThoseOfTheRFC(t *testing.T) {
	for bits, want := range map[string]string{
		"0000000000000000": "0", "8000000000000000": "0", "0000000000000001": "5e-324", "8000000000000001": "-5e-324",
		"7fefffffffffffff": "1.7976931348623157e+308", "ffefffffffffffff": "-1.7976931348623157e+308",
		"4340000000000000": "9007199254740992", "c340000000000000": "-9007199254740992", "4430000000000000": "295147905179352830000",
		"44b52d02c7e14af5": "9.999999999999997e+22", "44b52d02c7e14af6": "1e+23", "44b52d02c7e14af7": "1.0000000000000001e+23",
		"444b1ae4d6e2ef4e": "999999999999999700000", "444b1ae4d6e2ef4f": "999999999999999900000", "444b1ae4d6e2ef50": "1e+21",
		"3eb0c6f7a0b5ed8c": "9.999999999999997e-7", "3eb0c6f7a0b5ed8d": "0.000001",
		"41b3de4355555553": "333333333.3333332", "41b3de4355555554": "333333333.33333325", "41b3de4355555555": "333333333.3333333",
		"41b3de4355555556": "333333333.3333334", "41b3de4355555557": "333333333.33333343",
		"becbf647612f3696": "-0.0000033333333333333333", "43143ff3c1cb0959": "1424953923781206.2",
	} {
		n, err := strconv.ParseUint(bits, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		written := strconv.FormatFloat(math.Float64frombits(n), 'e', -1, 64) // never as an integer: those that a number cannot hold are refused
		if got := canonical("[" + written + "]"); got != "["+want+"]" {
			t.Errorf("%s (%s) is %s, want %s", bits, written, got, want)
		}
	}
}

func TestDocumentsAreThoseOfTheRFC(t *testing.T) {
	for doc, want := range map[string]string{
		// 3.2.2 to 3.2.4: literals, numbers, strings
		"{\n \"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\n \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n \"literals\": [null, true, false]\n}": `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		// 3.2.3: by UTF-16, in which what lies beyond the first plane comes before U+FB33
		`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`: "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}",
		`{"peach":1,"péché":2,"pêche":3,"sin":{"b":[],"a":{}}}`:                       `{"peach":1,"péché":2,"pêche":3,"sin":{"a":{},"b":[]}}`,
		`"\b\t\n\f\r\u0000\u001f\u007f<>&\u2028"`:                                     "\"\\b\\t\\n\\f\\r\\u0000\\u001f\u007f<>&\u2028\"",
		`[56,{"d":true,"10":null,"1":[]}]`:                                            `[56,{"1":[],"10":null,"d":true}]`,
	} {
		if got := canonical(doc); got != want {
			t.Errorf("%s\ngives %s\nwant  %s", doc, got, want)
		}
		if again := canonical(want); again != want {
			t.Errorf("%s is not canonical: %s", want, again)
		}
	}
	for _, bad := range []string{`{"a":1,"a":2}`, `"\ud800"`, `"\udead\u0041"`, `[1,]`, `[1] 2`, `NaN`, `[01]`, "\"\xff\"", "\"a\nb\"", ``} {
		if got := canonical(bad); got != "" {
			t.Errorf("%q has the canonical form %s", bad, got)
		}
	}
}

// Whatever people type, the line of an entry is canonical, and is read back as it was.
func TestLinesAreCanonical(t *testing.T) {
	head := ledger.Head{}
	for i, text := range []string{"é😀\ufb33", "</script>&", "\u2028\x7f", "tab\tand \"quotes\" \\", "\xff\xfe", strings.Repeat("x", 4096)} {
		want := strings.NewReplacer("\xff", "\ufffd", "\xfe", "\ufffd").Replace(text) // no text is not UTF-8
		body, err := json.Marshal(map[string]any{"z": text, "a": 1.5e30, "é": []float64{0.1, -0.0000001}})
		if err != nil {
			t.Fatal(err)
		}
		e, line, next, err := ledger.Next(head, ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: text, Body: body}, time.Unix(int64(i), 1))
		if err != nil {
			t.Fatal(err)
		}
		if canonical(string(line)) != string(line) {
			t.Errorf("%s", line)
		}
		var again ledger.Entry
		if err := json.Unmarshal(line, &again); err != nil || again.Text != want || !again.At.Equal(e.At) {
			t.Errorf("%q is read back as %+v %v", text, again, err)
		}
		head = next
	}
}
