package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// ledgerMeasurements search a long record, as one that was written before there was an index, and beside grep over its lines.
func ledgerMeasurements(s settings) []measurement {
	return []measurement{{fmt.Sprintf("search of a record of %d entries", s.events), "50 ms", func(ctx context.Context, dir string) (result, error) {
		path, lines := filepath.Join(dir, "b.db"), filepath.Join(dir, "ledger.jsonl")
		if err := record(ctx, path, lines, s.events); err != nil {
			return result{}, err
		}
		start := time.Now()
		db, err := store.Open(ctx, path, store.Options{})
		if err != nil {
			return result{}, err
		}
		opening := time.Since(start)
		defer db.Close()
		start = time.Now()
		if err := db.Index(ctx, nil); err != nil {
			return result{}, err
		}
		indexing := time.Since(start)
		worst, which := time.Duration(0), ""
		for name, q := range queries(s.events) {
			took := timed(50, func(int) {
				if _, err2 := db.Search(ctx, q); err2 != nil {
					err = errors.Join(err, err2)
				}
			})
			if err != nil {
				return result{}, err
			}
			if d := percentile(took, 95); d > worst {
				worst, which = d, name
			}
		}
		r := result{value: ms(worst), within: worst <= 50*time.Millisecond}
		r.note = fmt.Sprintf("the largest p95 of 50 of %d queries (%s); opened in %s, indexed once in %s", len(queries(s.events)), which, ms(opening), indexing.Round(time.Second))
		if grep, err := grepped(ctx, lines); err == nil {
			r.note += fmt.Sprintf("; grep over the same lines takes %s for the rare word, %.0f times as long", ms(grep), float64(grep)/float64(worst))
		}
		return r, nil
	}}}
}

// queries are what people ask: a word that is rare, in half of the entries, in none; who and what; a time; and all of it.
func queries(n int) map[string]ledger.Query {
	noon := firstEvent.Add(time.Duration(n) * 10 * time.Second)
	return map[string]ledger.Query{
		"rare word":            {Text: "zanzibar"},
		"word of half of them": {Text: "timeout"},
		"no hit":               {Text: "quetzal"},
		"beginning":            {Text: "zanz*"},
		"phrase":               {Text: `"because of a timeout"`},
		"actor and unit":       {Actor: "user05@acme", Unit: "releases:shop/service-005"},
		"actor and other unit": {Actor: "user05@acme", Unit: "releases:shop/service-006"},
		"time":                 {Since: noon, Until: noon.Add(time.Hour)},
		"word in an old time":  {Text: "timeout", Until: firstEvent.Add(time.Hour)},
		"outcome":              {Outcome: "failed"},
		"assistance and kind":  {Assistance: "agent", Kind: ledger.KindPlan},
	}
}

// record writes a record as a backout left it that knew of no index, and its lines into a file beside it.
func record(ctx context.Context, path, lines string, n int) (err error) {
	empty, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	if err := empty.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f, err := os.Create(lines)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to take back once it was committed
	insert, err := tx.PrepareContext(ctx, "INSERT INTO ledger (seq, line, hash) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	prev := ""
	for i := range n {
		line := entryLine(i, prev)
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:])
		if _, err := insert.ExecContext(ctx, i+1, line, prev); err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE head SET seq = ?, hash = ?", n, prev); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE search_state SET below = ?", n); err != nil {
		return err
	}
	return tx.Commit()
}

// entryLine is the ith line: six for each of many runs, by 37 people on 200 units.
func entryLine(i int, prev string) []byte {
	kinds := []ledger.Kind{ledger.KindPlan, ledger.KindConfirmation, ledger.KindIntent, ledger.KindResult, ledger.KindOutcome, ledger.KindProof}
	kind, run := kinds[i%6], i/6
	unit := fmt.Sprintf("releases:shop/service-%03d", run%200)
	state, text := "", fmt.Sprintf("%s of %s from v1.%d.0", kind, unit, i%90)
	if kind == ledger.KindOutcome {
		state = []string{"succeeded", "succeeded", "failed"}[run%3]
	}
	if i%2 == 0 {
		text += " because of a timeout"
	}
	if i%100_000 == 77 {
		text += " in zanzibar"
	}
	return fmt.Appendf(nil, `{"actor":"user%02d@acme","actor_kind":"human","at":%q,"body":{"assistance":%q,"plan_hash":"%x","reason":"error ratio above 2%%","state":%q,"units":[{"from":"sha256:%x","to":"sha256:%x","unit":%q}]},"change":"deploy-%07x","kind":%q,"prev":%q,"run":"RUN-%04d","seq":%d,"text":%q,"unit":%q}`,
		run%37, firstEvent.Add(time.Duration(i)*20*time.Second).Format(time.RFC3339), []string{"agent", "none", "none"}[run%3], sha256.Sum256([]byte{byte(run)}), state,
		sha256.Sum256([]byte(unit)), sha256.Sum256([]byte{byte(i)}), unit, run*7919, kind, prev, run, i+1, text, unit)
}

// grepped is how long grep looks for the rare word in the lines.
func grepped(ctx context.Context, lines string) (time.Duration, error) {
	var failed error
	took := timed(5, func(int) {
		out, err := exec.CommandContext(ctx, "grep", "-cF", "zanzibar", lines).Output()
		if err != nil || strings.TrimSpace(string(out)) == "0" {
			failed = errors.Join(failed, fmt.Errorf("grep found %q: %w", out, err))
		}
	})
	return median(took), failed
}
