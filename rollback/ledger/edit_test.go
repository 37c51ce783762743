package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// Every single-byte edit of a ledger of 1,000 entries is found. Reading all lines again for each of some 200,000 edits would
// take an hour, so only the edited line is read again and all are judged again; every 2999th edit goes the whole way, to
// show that both say the same.
func TestEverySingleByteEditIsFound(t *testing.T) {
	var head Head
	var lines [][]byte
	for i := range 1000 {
		e := Entry{Kind: KindNote, Actor: "ana", Text: fmt.Sprint("é ", i), Body: json.RawMessage(`{"n":1}`)}
		_, line, next, err := Next(head, e, time.Date(2026, 3, 1, 12, 0, i, 1, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		lines, head = append(lines, line), next
	}
	w := walk{Report: Report{OK: true}}
	for i, line := range lines {
		w.links = append(w.links, w.read(int64(i)+1, line))
	}
	if r := w.judge([]Head{head}); !r.OK {
		t.Fatalf("without an edit: %+v", r.Problems)
	}
	step := 97 // a sample
	if os.Getenv("CI") == "true" {
		step = 1
	}
	edits := 0
	for i, line := range lines {
		was, edited := w.links[i], slices.Clone(line)
		for at := i % step; at < len(line); at += step {
			edits++
			edited[at] ^= byte(1 + (i+at)%255)
			one := walk{Report: Report{OK: true}, links: w.links}
			one.links[i] = one.read(int64(i)+1, edited)
			whole := edits%2999 == 0
			if !one.OK && !whole { // what one line shows by itself no other line takes back
				w.links[i], edited[at] = was, line[at]
				continue
			}
			r := one.judge([]Head{head})
			w.links[i] = was
			if r.OK {
				t.Fatalf("byte %d of entry %d was altered, and nothing is wrong: %s", at, i+1, edited)
			}
			if whole {
				lines[i] = edited
				if all := Verify(slices.Values(lines), head); all.OK {
					t.Fatalf("byte %d of entry %d was altered: %+v, and read whole %+v", at, i+1, r.Problems, all.Problems)
				}
				lines[i] = line
			}
			edited[at] = line[at]
		}
	}
	t.Logf("%d edits", edits)
}
