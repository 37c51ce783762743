package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

func TestWhatWasRedactedIsInNoFileAnyMore(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	long := strings.Repeat("so long that it takes pages of its own ", 500) + secret
	dir := t.TempDir()
	db := opened(t, filepath.Join(dir, "b.db"), Options{})
	write(t, db, 3, "before")
	body, err := json.Marshal(ledger.RunBody{Reason: secret})
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, ledger.Entry{Kind: ledger.KindNote, Actor: "ana", Text: long}, "raw "+secret)
	put(t, db, ledger.Entry{Kind: ledger.KindConfirmation, Actor: "ana", Text: "x", Body: body}, "raw "+secret)
	old := held(t, db)
	write(t, db, 3, "after")

	by := ledger.Entry{Actor: "bob", Text: "redacted", At: time.Unix(5, 0)}
	if _, err := db.Redact(t.Context(), 4, []string{"text"}, "slipped in", by); err != nil {
		t.Fatal(err)
	}
	done, err := db.Redact(t.Context(), 5, []string{"body.reason"}, "slipped in", by)
	if err != nil || len(done.Still) != 1 || !strings.HasPrefix(done.Still[0], "payload ") {
		t.Fatalf("what is left is not told: %+v %v", done, err)
	}
	if done, err = db.Redact(t.Context(), 4, []string{"payload"}, "slipped in", by); err != nil || len(done.Still) != 0 {
		t.Fatalf("%+v %v", done, err)
	}
	holdNo(t, dir, secret)
	redactedTwo(t, db, old)
	alter(t, db, "INSERT INTO payload SELECT json_extract(line, '$.payload'), 'raw "+secret+"' FROM ledger WHERE seq = 4")
	if r, err := db.Verify(t.Context()); err != nil || r.OK {
		t.Errorf("a payload that came back: %+v %v", r, err)
	}
}

// redactedTwo looks whether entries 4 and 5 show as redacted by bob, and the rest as it was.
func redactedTwo(t *testing.T, db *DB, old ledger.Checkpoint) {
	t.Helper()
	r, err := db.Verify(t.Context(), old)
	if err != nil || !r.OK || !slices.Equal(r.Redacted, []int64{4, 5}) || r.Entries != 11 {
		t.Errorf("%+v %v", r, err)
	}
	p, err := db.ProveEntry(t.Context(), old, 4)
	if err != nil || p.Line != "" {
		t.Errorf("a proof shows what stands in as what was written: %+v %v", p, err)
	}
	if entries, err := db.Entries(t.Context(), 8, 1); err != nil || entries[0].Kind != ledger.KindRedaction || entries[0].Actor != "bob" {
		t.Errorf("the record does not say who did it: %+v %v", entries, err)
	}
}

func put(t *testing.T, db *DB, e ledger.Entry, payload string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Append(e, []byte(payload))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// holdNo looks for a text in the bytes of all files of a directory.
func holdNo(t *testing.T, dir, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err != nil || bytes.Contains(data, []byte(text)) {
			t.Errorf("%s holds it still (%v)", file, err)
		}
	}
}

func TestNothingIsRedactedInPart(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	write(t, db, 3, "a story")
	before := held(t, db)
	by := ledger.Entry{Actor: "bob", Text: "redacted"}
	if _, err := db.Redact(t.Context(), 9, []string{"text"}, "why", by); !errors.Is(err, ErrNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
	if _, err := db.Redact(t.Context(), 2, []string{"text", "body.reason"}, "why", by); err == nil {
		t.Error("a field that is not there")
	}
	alter(t, db, "DELETE FROM payload WHERE digest = (SELECT json_extract(line, '$.payload') FROM ledger WHERE seq = 2)")
	if _, err := db.Redact(t.Context(), 2, []string{"text", "payload"}, "why", by); !errors.Is(err, ErrNotFound) {
		t.Errorf("a payload that is not there: %v", err)
	}
	if head, err := db.Head(t.Context()); err != nil || head.Hash != before.Head.Hash {
		t.Errorf("%+v %v", head, err)
	}
	alter(t, db, "UPDATE ledger SET line = replace(line, 'a story', 'another') WHERE seq = 3")
	if _, err := db.Redact(t.Context(), 3, []string{"text"}, "why", by); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a redaction hides what was altered: %v", err)
	}
}

// A reason stands in the plan, in the steps, in the log and in the measure of its run as well, and goes with the entry.
func TestWhatWasRedactedIsNotInTheJournalEither(t *testing.T) {
	const secret = `pass"wört & <hunter2>`
	dir := t.TempDir()
	db := opened(t, filepath.Join(dir, "b.db"), Options{})
	quoted, err := json.Marshal("because of " + secret)
	if err != nil {
		t.Fatal(err)
	}
	doc := json.RawMessage(`{"n":1.0,"reason":` + string(quoted) + `,"list":[` + string(quoted) + `,7],"hash":"h"}`)
	withSecret(t, db, doc, secret, true)
	withSecret(t, db, doc, secret, false)
	done, err := db.Redact(t.Context(), 2, []string{"text"}, "slipped in", ledger.Entry{Actor: "bob", Text: "redacted"})
	if err != nil || !slices.Equal(done.Runs, []string{"RUN-0001"}) {
		t.Fatalf("%+v %v", done, err)
	}
	for _, left := range []string{"entry 5", "the journal of RUN-0002", "the steps of RUN-0002", "the log of RUN-0002", "the journal of the measure RUN-0002/1"} {
		if !slices.Contains(done.Still, left) {
			t.Errorf("%s is not told: %q", left, done.Still)
		}
	}
	if len(done.Still) != 5 {
		t.Errorf("still in %q", done.Still)
	}
	run, err := db.Run(t.Context(), "RUN-0001")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"hash":"h","list":["because of [redacted]",7],"n":1.0,"reason":"because of [redacted]"}`
	for _, got := range []json.RawMessage{run.Plan, run.Confirmation, run.Doc, run.Steps[0].Doc, run.Steps[0].Result, run.Measures[0].Doc} {
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if run.Detail != "for [redacted]" || run.Log[0].Text != "they said [redacted]" {
		t.Errorf("%q %q", run.Detail, run.Log[0].Text)
	}
	if r, err := db.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("%+v %v", r.Problems, err)
	}
}

// withSecret writes a run that has a text wherever people's words lie, and entries that tell of it.
func withSecret(t *testing.T, db *DB, doc json.RawMessage, secret string, final bool) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *Tx) error {
		run := Run{
			Op: fmt.Sprint("op", final), PlanHash: "h", Plan: doc, Confirmation: doc, Doc: doc, State: "aborted", Detail: "for " + secret, StartedAt: time.Unix(1, 0),
			Steps: []Step{{N: 1, Unit: "u:a/b", State: "pending", Doc: doc, Result: doc}},
		}
		entry := func(e ledger.Entry, body any) error {
			raw, err := json.Marshal(body)
			if err != nil {
				return err
			}
			e.Run, e.Body = run.ID, raw
			_, err = tx.Append(e, nil)
			return err
		}
		if err := tx.CreateRun(&run); err != nil {
			return err
		}
		_, logged := tx.exec("INSERT INTO run_log (run, at, text) VALUES (?, 1, ?)", run.ID, "they said "+secret)
		err := errors.Join(logged,
			tx.SaveMeasure(Measure{ID: run.ID + "/1", Run: run.ID, Step: 1, Unit: "u:a/b", State: "lifted", Closed: true, Doc: doc}),
			entry(ledger.Entry{Kind: ledger.KindMeasure, Text: "lifted"}, ledger.MeasureBody{Measure: run.ID + "/1", State: "lifted"}),
			entry(ledger.Entry{Kind: ledger.KindNote, Text: secret}, map[string]string{}))
		if err != nil || !final {
			return err
		}
		run.Final = true
		return errors.Join(entry(ledger.Entry{Kind: ledger.KindOutcome, Text: "over"}, ledger.RunBody{State: "aborted"}), tx.SaveRun(run))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What was done to what stays readable, and is told to be there still.
func TestWhatARunIsReadByStays(t *testing.T) {
	got, err := redactDocument([]byte(`{"unit":"fake:prod/secretive","units":["fake:prod/secretive"],"detail":"of secretive","from":{"digest":"secretive","label":"secretive"},"secretive":1}`), []string{"secretive"})
	want := `{"detail":"of [redacted]","from":{"digest":"secretive","label":"[redacted]"},"secretive":1,"unit":"fake:prod/secretive","units":["fake:prod/secretive"]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
}
