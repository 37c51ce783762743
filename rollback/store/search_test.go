package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// hour is the time of the nth entry of these tests.
func hour(n int) time.Time {
	return time.Date(2026, 10, 9, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour)
}

// story is a ledger of seven entries by two people and a machine.
func story(t *testing.T, db *DB) {
	t.Helper()
	body := func(v any) json.RawMessage {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	both := ledger.RunBody{
		State: "succeeded", Reason: "the ovens burn", Assistance: "agent",
		Units: []ledger.RunUnit{{Unit: "releases:bakery/oven"}, {Unit: "releases:bakery/mixer"}},
	}
	for i, e := range []ledger.Entry{
		{Kind: ledger.KindNote, Actor: "ana@acme", Text: "Bread is late: oven v2.41.0 answers 503"},
		{Kind: ledger.KindPlan, Actor: "ana@acme", Run: "RUN-0001", Unit: "releases:bakery/oven", Text: "plan 9c1e44d0: v2.41.0 -> v2.40.3"},
		{Kind: ledger.KindRefusal, Actor: "bot/baker", ActorKind: "agent", Unit: "releases:bakery/oven", Text: "refused bot/baker", Body: body(ledger.RunBody{State: "refused"})},
		{Kind: ledger.KindOutcome, Actor: "ana@acme", Run: "RUN-0001", Text: "both went back", Body: body(both)},
		{Kind: ledger.KindNote, Actor: "bob@acme", Text: `Crème brûlée OR "NOT" NEAR(words : x) * ^`},
		{Kind: ledger.KindNote, Actor: "bob@acme", Text: "パン is fine"},
		{Kind: ledger.KindProof, Actor: "bob@acme", Unit: "releases:bakery/oven", Text: "passed", Body: json.RawMessage(`{"outcome":"pass","assistance":{"state":"possible"},"n":[1,{"deep":"yeast"}]}`)},
	} {
		e.At = hour(i + 1)
		if err := db.Update(t.Context(), func(tx *Tx) error { _, err := tx.Append(e, nil); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers are those of the entries that a search finds.
func numbers(t *testing.T, db *DB, s ledger.Query) []int64 {
	t.Helper()
	f, err := db.Search(t.Context(), s)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return seqs(f)
}

func seqs(f ledger.Found) []int64 {
	out := []int64{}
	for i := range f.Entries {
		out = append(out, f.Entries[i].Seq)
	}
	return out
}

// searches are what has to be found in the story, however it came into the index.
var searches = []struct {
	name string
	s    ledger.Query
	want []int64
}{
	{"everything", ledger.Query{}, []int64{7, 6, 5, 4, 3, 2, 1}},
	{"a word", ledger.Query{Text: "bread"}, []int64{1}},
	{"all words", ledger.Query{Text: "oven 503"}, []int64{1}},
	{"a version", ledger.Query{Text: "v2.41.0"}, []int64{2, 1}},
	{"a phrase", ledger.Query{Text: `"went back"`}, []int64{4}},
	{"not a phrase", ledger.Query{Text: `"back went"`}, []int64{}},
	{"a beginning", ledger.Query{Text: "9c1e*"}, []int64{2}},
	{"a beginning in quotes", ledger.Query{Text: `"both we"*`}, []int64{4}},
	{"part of a word", ledger.Query{Text: "rea"}, []int64{}},
	{"without accents", ledger.Query{Text: "creme brulee"}, []int64{5}},
	{"another script", ledger.Query{Text: "パン"}, []int64{6}},
	{"in a body", ledger.Query{Text: "ovens burn"}, []int64{4}},
	{"deep in a body", ledger.Query{Text: "yeast"}, []int64{7}},
	{"an actor", ledger.Query{Actor: "bob@acme"}, []int64{7, 6, 5}},
	{"an actor in part", ledger.Query{Actor: "bob"}, []int64{}},
	{"a unit, also of several", ledger.Query{Unit: "releases:bakery/oven"}, []int64{7, 4, 3, 2}},
	{"a unit of several", ledger.Query{Unit: "releases:bakery/mixer"}, []int64{4}},
	{"actor and unit", ledger.Query{Actor: "ana@acme", Unit: "releases:bakery/oven"}, []int64{4, 2}},
	{"a kind", ledger.Query{Kind: ledger.KindNote}, []int64{6, 5, 1}},
	{"outcomes", ledger.Query{Outcome: "succeeded"}, []int64{4}},
	{"an outcome of a proof", ledger.Query{Outcome: "pass"}, []int64{7}},
	{"assistance", ledger.Query{Assistance: "agent"}, []int64{4}},
	{"assistance with evidence", ledger.Query{Assistance: "possible"}, []int64{7}},
	{"since", ledger.Query{Since: hour(6)}, []int64{7, 6}},
	{"until", ledger.Query{Until: hour(2)}, []int64{2, 1}},
	{"a word in a time", ledger.Query{Text: "v2.41.0", Since: hour(2), Until: hour(3)}, []int64{2}},
	{"another time", ledger.Query{Since: hour(1000)}, []int64{}},
	{"before", ledger.Query{Actor: "bob@acme", Before: 7}, []int64{6, 5}},
	{"operators are words", ledger.Query{Text: "OR"}, []int64{5}},
	{"columns are words", ledger.Query{Text: "words:x"}, []int64{5}},
	{"a column is none", ledger.Query{Text: "keys:bob"}, []int64{}},
	{"brackets, stars and hats", ledger.Query{Text: `NEAR( ^not "words : x`}, []int64{5}},
	{"a line break and a zero", ledger.Query{Text: "both\x00\nwent\xff"}, []int64{4}},
}

func TestSearch(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	story(t, db)
	for _, test := range searches {
		if got := numbers(t, db, test.s); !slices.Equal(got, test.want) {
			t.Errorf("%s: found %v, want %v", test.name, got, test.want)
		}
	}
	for _, text := range []string{"->", `""`, "*", strings.Repeat("a ", maxTerms+1)} {
		if _, err := db.Search(t.Context(), ledger.Query{Text: text}); !errors.Is(err, ErrQuery) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSearchGoesOnPageByPage(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	write(t, db, 30, "page ")
	var all []int64
	s := ledger.Query{Text: "page", Limit: 7}
	for {
		f, err := db.Search(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, seqs(f)...)
		if !f.More {
			break
		}
		s.Before = all[len(all)-1]
	}
	if len(all) != 30 || all[0] != 30 || all[29] != 1 || !slices.IsSortedFunc(all, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("the pages are %v", all)
	}
}

// TestSearchOfAnOlderLedger is one whose entries were written before there was an index.
func TestSearchOfAnOlderLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	db := opened(t, path, Options{})
	story(t, db)
	alter(t, db, "DELETE FROM search_span")
	alter(t, db, "DROP TABLE search")
	alter(t, db, "CREATE VIRTUAL TABLE search USING fts5(words, keys, content='', tokenize='unicode61 remove_diacritics 2')")
	alter(t, db, "UPDATE search_state SET below = 7")
	if f, err := db.Search(t.Context(), ledger.Query{Text: "bread"}); err != nil || len(f.Entries) != 0 || f.Unindexed != 7 {
		t.Errorf("what was not searched is not told: %+v %v", f, err)
	}
	if got := ofKinds(t, db); !slices.Equal(got, []int64{1, 2, 5, 6}) {
		t.Errorf("notes and plans without an index are %v", got)
	}
	put(t, db, ledger.Entry{Kind: ledger.KindNote, Actor: "eve", Text: "bread again", At: hour(9)}, "")
	if got := numbers(t, db, ledger.Query{Text: "bread"}); !slices.Equal(got, []int64{8}) {
		t.Errorf("what was written since is found at once: %v", got)
	}
	if _, err := db.Redact(t.Context(), 5, []string{"text"}, "why", ledger.Entry{Actor: "eve", Text: "redacted", At: hour(9)}); err != nil {
		t.Error(err)
	}
	var told []int64
	if err := db.Index(t.Context(), func(left int64) { told = append(told, left) }); err != nil || !slices.Equal(told, []int64{0}) {
		t.Fatalf("told %v, %v", told, err)
	}
	for _, test := range searches {
		want := slices.DeleteFunc(slices.Clone(test.want), func(n int64) bool { return n == 5 })
		s := test.s
		if s.Before == 0 {
			s.Before = 8
		}
		got := slices.DeleteFunc(numbers(t, db, s), func(n int64) bool { return n == 5 })
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", test.name, got, want)
		}
	}
	if got := numbers(t, db, ledger.Query{Text: "brulee"}); len(got) != 0 {
		t.Errorf("what was redacted before it was indexed is found: %v", got)
	}
	if got := ofKinds(t, db); !slices.Equal(got, []int64{1, 2, 5, 6, 8}) {
		t.Errorf("notes and plans are %v", got)
	}
	wholeIndex(t, db)
}

func ofKinds(t *testing.T, db *DB) []int64 {
	t.Helper()
	entries, err := db.OfKinds(t.Context(), ledger.KindNote, ledger.KindPlan)
	if err != nil {
		t.Fatal(err)
	}
	return seqs(ledger.Found{Entries: entries})
}

func TestWhatWasRedactedIsNotInTheIndex(t *testing.T) {
	const secret = "xyzzyplugh"
	dir := t.TempDir()
	db := opened(t, filepath.Join(dir, "b.db"), Options{})
	write(t, db, 40, "before")
	body, err := json.Marshal(ledger.RunBody{Reason: secret, State: "succeeded"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: "the word is " + secret}, "")
	put(t, db, ledger.Entry{Kind: ledger.KindOutcome, Actor: "ana", Text: "another", Body: body}, "")
	write(t, db, 40, "after")
	if got := numbers(t, db, ledger.Query{Text: "xyzzy*"}); !slices.Equal(got, []int64{42, 41}) {
		t.Fatalf("found %v", got)
	}
	by := ledger.Entry{Actor: "bob", Text: "redacted", At: time.Unix(5, 0)}
	_, textErr := db.Redact(t.Context(), 41, []string{"text"}, "slipped in", by)
	_, bodyErr := db.Redact(t.Context(), 42, []string{"body.reason"}, "slipped in", by)
	if err := errors.Join(textErr, bodyErr); err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, db, ledger.Query{Text: "xyzzy*"}); len(got) != 0 {
		t.Errorf("it is found still: %v", got)
	}
	if got := numbers(t, db, ledger.Query{Text: "word", Actor: "ana"}); len(got) != 0 {
		t.Errorf("another word of the same text is found still: %v", got)
	}
	if got := numbers(t, db, ledger.Query{Actor: "ana", Outcome: "succeeded"}); !slices.Equal(got, []int64{42}) {
		t.Errorf("what was not taken out is not found any more: %v", got)
	}
	holdNo(t, dir, "zzyplugh") // the index leaves out what a word has in common with the one before it
	wholeIndex(t, db)
}

// wholeIndex looks whether the index holds every entry, and has SQLite look whether it is in order.
func wholeIndex(t *testing.T, db *DB) {
	t.Helper()
	var held, entries int64
	err := db.read.QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM search_docsize), (SELECT count(*) FROM ledger)").Scan(&held, &entries)
	if err != nil || held != entries {
		t.Errorf("the index holds %d of %d entries, %v", held, entries, err)
	}
	if _, err := db.write.ExecContext(t.Context(), "INSERT INTO search (search) VALUES ('integrity-check')"); err != nil {
		t.Errorf("the index is not in order: %v", err)
	}
}

func TestWhatWasNotWrittenIsNotFound(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	story(t, db)
	why := errors.New("something else failed")
	err := db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Actor: "eve", Text: "bread that was never baked"}, nil)
		return errors.Join(err, why)
	})
	if !errors.Is(err, why) {
		t.Fatal(err)
	}
	if got := numbers(t, db, ledger.Query{Text: "bread"}); !slices.Equal(got, []int64{1}) {
		t.Errorf("found %v", got)
	}
	wholeIndex(t, db)
}

func TestADamagedEntryHidesNoOther(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	story(t, db)
	alter(t, db, "UPDATE ledger SET line = '{' WHERE seq = 4")
	if f, err := db.Search(t.Context(), ledger.Query{}); err != nil || fmt.Sprint(seqs(f)) != "[7 6 5 4 3 2 1]" || !strings.Contains(f.Entries[3].Text, "damaged") {
		t.Errorf("found %+v, %v", f, err)
	}
	if got := numbers(t, db, ledger.Query{Actor: "ana@acme"}); !slices.Equal(got, []int64{2, 1}) {
		t.Errorf("found %v", got)
	}
}
