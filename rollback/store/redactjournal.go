package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback/ledger"
)

// shortest is the length of a text below which it is found everywhere and says nothing.
const shortest = 4

// structural are the fields of documents in the journal that say what was done to what: nothing is taken out of them, because a
// run could not be read or taken back without. What lies there all the same is told.
var structural = []string{
	"action", "by", "cas", "change", "commit", "digest", "environment", "executor", "expires", "from", "hash", "holder", "id", "incident", "kind",
	"name", "op", "outcome", "plan_hash", "provider", "rule", "run", "service", "stamp", "state", "to", "token", "unit", "units", "verdict", "via",
}

// journalColumns are the places of a run where people's words lie, by table. The first column names the row.
var journalColumns = []struct {
	table, key, of string
	documents      []string
	texts          []string
}{
	{"run", "id", "id", []string{"plan", "confirmation", "doc"}, []string{"detail", "abort_reason"}},
	{"step", "n", "run", []string{"doc", "result"}, nil},
	{"run_log", "id", "run", nil, []string{"text"}},
	{"measure", "id", "run", []string{"doc"}, nil},
}

// redactJournal takes texts out of the journal of runs that are over, of one run or of all ("").  It returns which it touched.
func (t *Tx) redactJournal(run string, removed []string) ([]string, error) {
	removed = slices.DeleteFunc(slices.Clone(removed), func(s string) bool { return len(s) < shortest })
	if len(removed) == 0 {
		return nil, nil
	}
	runs, err := collect(t.ctx, t.tx, scanText, "SELECT id FROM run WHERE final AND (id = ? OR ? = '') ORDER BY n", run, run)
	if err != nil {
		return nil, err
	}
	var touched []string
	for _, id := range runs {
		found := false
		for _, place := range journalColumns {
			for _, column := range append(slices.Clone(place.documents), place.texts...) {
				n, err := t.redactColumn(place.table, place.key, place.of, id, column, slices.Contains(place.documents, column), removed)
				if err != nil {
					return nil, fmt.Errorf("the journal of %s: %w", id, err)
				}
				found = found || n > 0
			}
		}
		if found {
			touched = append(touched, id)
		}
	}
	return touched, nil
}

func (t *Tx) redactColumn(table, key, of, run, column string, document bool, removed []string) (n int, err error) {
	type cell struct {
		row  any
		text []byte
	}
	cells, err := collect(t.ctx, t.tx, func(s scanner) (c cell, err error) { return c, s.Scan(&c.row, &c.text) },
		"SELECT "+key+", "+column+" FROM "+table+" WHERE "+of+" = ?", run)
	if err != nil {
		return 0, err
	}
	for _, c := range cells {
		var out []byte
		switch {
		case len(c.text) == 0:
			continue
		case !document:
			out = []byte(without(string(c.text), removed))
		default:
			if out, err = redactDocument(c.text, removed); err != nil {
				return n, err
			}
		}
		if bytes.Equal(out, c.text) {
			continue
		}
		var value any = out
		if !document {
			value = string(out)
		}
		if _, err := t.exec("UPDATE "+table+" SET "+column+" = ? WHERE "+of+" = ? AND "+key+" = ?", value, run, c.row); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func without(text string, removed []string) string {
	for _, r := range removed {
		text = strings.ReplaceAll(text, r, ledger.Redacted)
	}
	return text
}

// redactDocument takes texts out of a JSON document. One that holds none of them comes back as it is.
func redactDocument(doc []byte, removed []string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	found := false
	v = redactValue("", v, removed, &found)
	if !found {
		return doc, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// redactValue walks a document; the texts of a list are those of the field that it is.
func redactValue(field string, v any, removed []string, found *bool) any {
	switch v := v.(type) {
	case string:
		if slices.Contains(structural, field) {
			return v
		}
		out := without(v, removed)
		*found = *found || out != v
		return out
	case []any:
		for i := range v {
			v[i] = redactValue(field, v[i], removed, found)
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = redactValue(k, v[k], removed, found)
		}
		return v
	default:
		return v
	}
}
