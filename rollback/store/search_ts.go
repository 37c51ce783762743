package store

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/backout-dev/backout/rollback/ledger"
)

// This file is all of searching that only PostgreSQL understands. Words are taken apart here and not by the server, so that
// both engines find the same: as unicode61 of SQLite does it, without accents.

// maxLexeme is how long a word of PostgreSQL's may be (https://www.postgresql.org/docs/current/textsearch-limitations.html).
const maxLexeme = 2000

// tsIndexer puts entries into PostgreSQL's full-text index, and takes them out.
type tsIndexer struct{ t *Tx }

func (ix *tsIndexer) close() {}

func (ix *tsIndexer) put(e *ledger.Entry) error {
	t := traitsOf(e)
	_, err := ix.t.exec("INSERT INTO search (seq, words) VALUES (?, ?::tsvector)", e.Seq, vector(wordsOf(e), t.keys()))
	if err == nil {
		_, err = ix.t.exec(`INSERT INTO search_span (block, first_at, last_at) VALUES (?1, ?2, ?2) ON CONFLICT (block) DO UPDATE
			SET first_at = least(search_span.first_at, excluded.first_at), last_at = greatest(search_span.last_at, excluded.last_at)`, e.Seq/block, stamp(e.At))
	}
	if err != nil {
		return fmt.Errorf("the index of the ledger: %w", err)
	}
	return nil
}

func (ix *tsIndexer) drop(e *ledger.Entry) error {
	if _, err := ix.t.exec("DELETE FROM search WHERE seq = ?", e.Seq); err != nil {
		return fmt.Errorf("the index of the ledger: %w", err)
	}
	return nil
}

// vector is what an entry is found by: its words with their places, and its keys, which look like no word.
func vector(text, keys string) string {
	var b strings.Builder
	for i, w := range wordsIn(text) {
		fmt.Fprintf(&b, "'%s':%d ", w, min(i+1, 1<<14-1))
	}
	for k := range strings.FieldsSeq(keys) {
		fmt.Fprintf(&b, "'=%s' ", k)
	}
	return b.String()
}

// wordsIn takes a text apart into letters and digits that stand together, small and without accents.
func wordsIn(text string) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(text))
	words := strings.FieldsFunc(plain, func(r rune) bool { return !sayable(r) })
	for i, w := range words {
		words[i] = strings.ToValidUTF8(w[:min(len(w), maxLexeme)], "")
	}
	return words
}

// findTS implements finder.
func findTS(ctx context.Context, q querier, terms []term, keys []string, lo, hi int64, limit int) ([]row, error) {
	if limit < 0 {
		limit = math.MaxInt32
	}
	scan := func(s scanner) (r row, err error) { return r, s.Scan(&r.seq, &r.line) }
	return collect(ctx, q, scan, `SELECT l.seq, l.line FROM search s JOIN ledger l ON l.seq = s.seq
		WHERE s.words @@ ?::tsquery AND s.seq BETWEEN ? AND ? ORDER BY s.seq DESC LIMIT ?`, tsquery(terms, keys), lo, hi, limit)
}

// tsquery is a query of words alone: what has a meaning of its own there is in none of them.
func tsquery(terms []term, keys []string) string {
	var parts []string
	for _, k := range keys {
		parts = append(parts, "'="+k+"'")
	}
	for _, t := range terms {
		words := wordsIn(t.text)
		for i, w := range words {
			words[i] = "'" + w + "'"
			if t.prefix && i == len(words)-1 {
				words[i] += ":*"
			}
		}
		parts = append(parts, "("+strings.Join(words, " <-> ")+")")
	}
	return strings.Join(parts, " & ")
}
