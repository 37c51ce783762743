package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"github.com/backout-dev/backout/rollback/ledger"
)

// everything reports whether everything is looked for.
func everything(s *ledger.Query) bool {
	return s.Text == "" && len(keysOf(s)) == 0 && s.Since.IsZero() && s.Until.IsZero()
}

func keysOf(s *ledger.Query) []string {
	keys := []string{key("actor", s.Actor), key("unit", s.Unit), key("kind", string(s.Kind)), key("outcome", s.Outcome), key("assistance", s.Assistance)}
	return slices.DeleteFunc(keys, func(k string) bool { return k == "" })
}

// holds looks at the entry itself, because the index only says where to look.
func holds(s *ledger.Query, e *ledger.Entry) bool {
	if !s.Since.IsZero() && e.At.Before(s.Since) || !s.Until.IsZero() && e.At.After(s.Until) {
		return false
	}
	t := traitsOf(e)
	among := func(want string, all ...string) bool { return want == "" || slices.Contains(all, want) }
	return among(s.Actor, t.actor) && among(s.Unit, t.units...) && among(string(s.Kind), t.kind) && among(s.Outcome, t.outcomes...) && among(s.Assistance, t.assistance)
}

// Search finds entries of one instant. What was asked for in words that are none is [ErrQuery].
func (d *DB) Search(ctx context.Context, s ledger.Query) (ledger.Found, error) {
	terms, err := termsOf(s.Text)
	if err != nil {
		return ledger.Found{}, err
	}
	if s.Limit <= 0 {
		s.Limit = 50
	}
	var f ledger.Found
	err = d.searching(ctx, func(tx *sql.Tx, find finder) error {
		f = ledger.Found{}
		return fill(ctx, tx, find, &f, &s, terms)
	})
	if err != nil {
		return ledger.Found{}, fmt.Errorf("search the ledger: %w", err)
	}
	return f, nil
}

func fill(ctx context.Context, tx *sql.Tx, find finder, f *ledger.Found, s *ledger.Query, terms []term) error {
	lo, hi := int64(1), int64(1<<62)
	if !everything(s) {
		var err error
		if f.Unindexed, err = below(ctx, tx); err != nil {
			return err
		}
		if !s.Since.IsZero() || !s.Until.IsZero() {
			if lo, hi, err = spans(ctx, tx, s); err != nil {
				return err
			}
		}
		lo = max(lo, f.Unindexed+1)
	}
	if s.Before > 0 {
		hi = min(hi, s.Before-1)
	}
	keys, batch := keysOf(s), s.Limit+1
	for lo <= hi {
		rows, err := look(ctx, tx, find, terms, keys, lo, hi, batch)
		if err != nil {
			return err
		}
		for _, r := range rows {
			e, err := entryOf(r.line)
			if err != nil {
				e = ledger.Entry{Seq: r.seq, Text: "damaged: see backout ledger verify"}
			}
			if !holds(s, &e) {
				continue
			}
			if len(f.Entries) == s.Limit {
				f.More = true
				return nil
			}
			f.Entries, f.Lines = append(f.Entries, e), append(f.Lines, r.line)
		}
		if len(rows) < batch {
			return nil
		}
		hi, batch = rows[len(rows)-1].seq-1, block // those of a block that lie at another time are many, or none
	}
	return nil
}

// look reads lines with a number from lo to hi, the newest first: by the index, or all where nothing but a time was asked for.
func look(ctx context.Context, q querier, find finder, terms []term, keys []string, lo, hi int64, limit int) ([]row, error) {
	if len(terms) > 0 || len(keys) > 0 {
		return find(ctx, q, terms, keys, lo, hi, limit)
	}
	scan := func(s scanner) (r row, err error) { return r, s.Scan(&r.seq, &r.line) }
	return collect(ctx, q, scan, "SELECT seq, line FROM ledger WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?", lo, hi, limit)
}

// OfKinds reads all entries of some kinds, the oldest first: by the index, and line by line where that is not whole yet.
func (d *DB) OfKinds(ctx context.Context, kinds ...ledger.Kind) ([]ledger.Entry, error) {
	var out []ledger.Entry
	err := d.searching(ctx, func(tx *sql.Tx, find finder) error {
		out = nil
		upTo, err := below(ctx, tx)
		if err != nil {
			return err
		}
		var rows []row
		if upTo > 0 {
			err = eachRow(ctx, tx, func(r row) bool {
				if r.seq <= upTo && slices.ContainsFunc(kinds, func(k ledger.Kind) bool { return bytes.Contains(r.line, []byte(`"kind":"`+k+`"`)) }) {
					rows = append(rows, r)
				}
				return r.seq < upTo
			})
		}
		for _, k := range kinds {
			if err != nil {
				return err
			}
			var more []row
			more, err = find(ctx, tx, nil, []string{key("kind", string(k))}, upTo+1, math.MaxInt64, -1)
			rows = append(rows, more...)
		}
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.seq, b.seq) })
		for _, r := range rows {
			e, err := entryOf(r.line)
			if err != nil {
				return fmt.Errorf("entry %d: %w", r.seq, err)
			}
			if slices.Contains(kinds, e.Kind) {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}
