package ledger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/ledger"
)

// record makes a ledger of n entries with its head.
func record(t interface{ Fatal(...any) }, n int) ([][]byte, ledger.Head) {
	var head ledger.Head
	var lines [][]byte
	for i := range n {
		e := ledger.Entry{
			Kind: ledger.KindNote, Actor: "ana", Text: fmt.Sprintf("note %d: <b>café</b>", i),
			Body: json.RawMessage(fmt.Sprintf(`{"z":1.0,"a":%d}`, i)),
		}
		_, line, next, err := ledger.Next(head, e, time.Date(2026, 3, 1, 12, 0, i, 123456789, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		lines, head = append(lines, line), next
	}
	return lines, head
}

func TestLineIsCanonicalAndChained(t *testing.T) {
	lines, head := record(t, 2)
	want := `{"actor":"ana","at":"2026-03-01T12:00:00.123456789Z","body":{"a":0,"z":1},"kind":"note","prev":"","seq":1,"text":"note 0: <b>café</b>"}`
	if string(lines[0]) != want {
		t.Errorf("line 1 is\n%s\nwant\n%s", lines[0], want)
	}
	var second ledger.Entry
	if err := json.Unmarshal(lines[1], &second); err != nil {
		t.Fatal(err)
	}
	if second.Prev != ledger.Hash(lines[0]) {
		t.Errorf("entry 2 links to %s, want the SHA-256 of line 1", second.Prev)
	}
	if head != (ledger.Head{Seq: 2, Hash: ledger.Hash(lines[1])}) {
		t.Errorf("head is %+v", head)
	}
}

func TestUntouchedLedgerVerifies(t *testing.T) {
	for _, n := range []int{0, 1, 7} {
		lines, head := record(t, n)
		r := ledger.Verify(slices.Values(lines), head)
		if !r.OK || r.Entries != int64(n) || (r.Head.Seq != head.Seq || r.Head.Hash != head.Hash) || len(r.Limits) == 0 {
			t.Errorf("%d entries: %+v", n, r)
		}
	}
}

// Any one change of the stored lines is found, and the entry that it was done to is among those named.
func TestAnySingleDamageIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "entries")
		lines, head := record(t, n)
		i := rapid.IntRange(0, n-1).Draw(t, "at")
		about := []int64{int64(i + 1)}
		switch rapid.SampledFrom([]string{"alter", "drop", "swap", "repeat", "tail"}).Draw(t, "damage") {
		case "alter":
			pos := rapid.IntRange(0, len(lines[i])-1).Draw(t, "byte")
			was := lines[i][pos]
			now := rapid.Byte().Filter(func(b byte) bool { return b != was }).Draw(t, "to")
			lines[i] = slices.Clone(lines[i])
			lines[i][pos] = now
			about = nil // the damaged byte may be the number itself
		case "drop":
			lines = slices.Delete(lines, i, i+1)
		case "swap":
			j := rapid.IntRange(0, n-1).Draw(t, "with")
			if i == j {
				t.Skip("swapped with itself")
			}
			lines[i], lines[j] = lines[j], lines[i]
			about = []int64{int64(min(i, j) + 1)}
		case "repeat":
			lines = slices.Insert(lines, i, lines[i])
		case "tail":
			lines = lines[:i]
			about = []int64{head.Seq}
		}
		r := ledger.Verify(slices.Values(lines), head)
		if r.OK {
			t.Fatalf("damage not found: %s", lines)
		}
		for _, seq := range about {
			if !slices.ContainsFunc(r.Problems, func(p ledger.Problem) bool { return p.Seq == seq }) {
				t.Fatalf("damage to entry %d, reported %+v", seq, r.Problems)
			}
		}
	})
}

func TestDamageIsNamed(t *testing.T) {
	lines, head := record(t, 6)
	cases := map[string]struct {
		lines  [][]byte
		damage ledger.Damage
		text   string
	}{
		"dropped":   {slices.Concat(lines[:2], lines[4:]), ledger.Dropped, "entries 3 to 4 are missing"},
		"reordered": {[][]byte{lines[0], lines[2], lines[1], lines[3], lines[4], lines[5]}, ledger.Reordered, "entry 2 stands after entry 3"},
		"truncated": {lines[:4], ledger.Truncated, "ends at entry 4"},
		"rewritten": {func() [][]byte {
			other, _ := record(t, 5)
			_, line, _, err := ledger.Next(ledger.Head{Seq: 5, Hash: ledger.Hash(other[4])}, ledger.Entry{Text: "another story"}, time.Unix(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			return append(other, line)
		}(), ledger.Rewritten, "entry 6 is not the one"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := ledger.Verify(slices.Values(c.lines), head)
			if len(r.Problems) != 1 || r.Problems[0].Damage != c.damage || !strings.Contains(r.Problems[0].Text, c.text) {
				t.Errorf("got %+v, want one %q with %q", r.Problems, c.damage, c.text)
			}
		})
	}
}

// Without a head from elsewhere a cut tail cannot be seen; the report has to say so.
func TestLimitsNameWhatOnlyACheckpointShows(t *testing.T) {
	lines, head := record(t, 6)
	r := ledger.Verify(slices.Values(lines[:3]))
	if !r.OK {
		t.Fatalf("a cut tail was found without a checkpoint: %+v", r)
	}
	if !strings.Contains(strings.Join(r.Limits, " "), "cut entries off the end") {
		t.Errorf("limits are %q", r.Limits)
	}
	if r := ledger.Verify(slices.Values(lines[:3]), head); r.OK {
		t.Error("a cut tail was not found with a checkpoint")
	}
}

func TestInexactNumbersAreRefused(t *testing.T) {
	for _, n := range []string{"9007199254740993", "-9007199254740993", "123456789012345678901234567890"} {
		if _, err := ledger.Canonical([]byte(`{"n":` + n + `}`)); err == nil {
			t.Errorf("%s was taken", n)
		}
	}
	if _, err := ledger.Canonical([]byte(`{"n":9007199254740992}`)); err != nil {
		t.Error(err)
	}
}

func TestScrub(t *testing.T) {
	cases := map[string]string{
		"plain words, token bucket full":                      "plain words, token bucket full",
		"password: hunter2, then fine":                        "password: [redacted], then fine",
		`DB_PASSWORD="a b c" set`:                             `DB_PASSWORD=[redacted] set`,
		"curl -H 'Authorization: Bearer abcdefghijklmnop123'": "curl -H 'Authorization: Bearer [redacted]'",
		"https://bob:pa55@host/x":                             "https://bob:[redacted]@host/x",
		"key AKIAABCDEFGHIJKLMNOP leaked":                     "key [redacted] leaked",
		"ghp_" + strings.Repeat("a1", 18):                     "[redacted]",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n":             "[redacted]",
		"commit 0123456789abcdef0123456789abcdef0123":         "commit 0123456789abcdef0123456789abcdef0123",
	}
	for in, want := range cases {
		if got := ledger.Scrub(in); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", in, got, want)
		}
		if got := ledger.Scrub(ledger.Scrub(in)); got != want {
			t.Errorf("scrubbing %q twice gives %q", in, got)
		}
	}
	got, err := ledger.ScrubJSON([]byte(`{"a":["token=abc123def"],"n":12345678901234567890}`))
	if err != nil || string(got) != `{"a":["token=[redacted]"],"n":12345678901234567890}` {
		t.Errorf("ScrubJSON gave %s, %v", got, err)
	}
}
