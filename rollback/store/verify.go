package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Verify walks the ledger of one instant as it is stored, compares it with the head beside it and with checkpoints that
// were kept elsewhere, every payload with the digest in its entry, and how each run ended, where each measure stands what was
// proved and how drills ended with what the journal says of it.
func (d *DB) Verify(ctx context.Context, held ...ledger.Checkpoint) (ledger.Report, error) {
	return d.VerifyTelling(ctx, func(int64) {}, held...)
}

// often is after how many lines it is told how far a verification is.
const often = 10_000

// VerifyTelling is [DB.Verify] that tells now and then how many entries it has read: a long record takes a while.
func (d *DB) VerifyTelling(ctx context.Context, tell func(read int64), held ...ledger.Checkpoint) (ledger.Report, error) {
	var r ledger.Report
	err := d.view(ctx, func(tx *sql.Tx) error {
		head, headErr := headOf(ctx, tx)
		if headErr != nil && !errors.Is(headErr, sql.ErrNoRows) {
			return headErr
		}
		var beside besides
		var walk error
		lines := func(yield func([]byte) bool) {
			read := int64(0)
			walk = eachRow(ctx, tx, func(r row) bool {
				beside.look(r)
				if read++; read%often == 0 {
					tell(read)
				}
				return yield(r.line)
			})
		}
		heads, foreign, origin, err := verifyOrigin(ctx, tx, held)
		if err != nil {
			return err
		}
		r = ledger.Verify(lines, append([]ledger.Head{head}, heads...)...)
		if walk != nil {
			return walk
		}
		r.Origin = origin
		for _, c := range foreign {
			r.Add(r.Head.Seq, ledger.Foreign, "the checkpoint is of the ledger %s, and this is %s: look at another record, or ask who put this one in its place", c.Origin, origin)
		}
		for _, seq := range beside.off {
			r.Add(seq, ledger.Altered, "what is written beside the line of entry %d, its number or its hash, is not that of the line", seq)
		}
		if headErr != nil {
			r.Add(r.Head.Seq, ledger.Truncated, "the head that is written beside the record is gone: entries at the end may be missing")
		}
		if err := verifyPayloads(ctx, tx, beside, &r); err != nil {
			return err
		}
		if err := verifyRuns(ctx, tx, beside.claims, &r); err != nil {
			return err
		}
		if err := verifyMeasures(ctx, tx, beside.claims, &r); err != nil {
			return err
		}
		if err := verifyProofs(ctx, tx, beside.claims, &r); err != nil {
			return err
		}
		return verifyDrills(ctx, tx, beside.claims, &r)
	})
	if err != nil {
		return ledger.Report{}, fmt.Errorf("verify the ledger: %w", err)
	}
	return r, nil
}

func headOf(ctx context.Context, q querier) (h ledger.Head, err error) {
	if err := q.QueryRowContext(ctx, "SELECT seq, hash FROM head WHERE id = 1").Scan(&h.Seq, &h.Hash); err != nil {
		return h, fmt.Errorf("ledger head: %w", classify(err))
	}
	return h, nil
}

// claim is what an entry says of other tables: the payload that it names, how a run ended, where a measure stands, what was
// proved, or where a drill stands.
type claim struct {
	Seq     int64       `json:"seq"`
	Payload string      `json:"payload"`
	Kind    ledger.Kind `json:"kind"`
	Run     string      `json:"run"`
	Unit    string      `json:"unit"`
	Body    struct {
		State   string `json:"state"`
		Measure string `json:"measure"`
		Payload string `json:"payload"`
		ID      string `json:"id"`
		Drill   string `json:"drill"`
		Event   string `json:"event"`
	} `json:"body"`
	digest string // of the body, where it is a proof
}

// tells reports whether an entry says anything of other tables.
func (c *claim) tells() bool {
	switch c.Kind {
	case ledger.KindOutcome, ledger.KindMeasure, ledger.KindProof, ledger.KindDrill:
		return true
	default:
		return c.Payload != ""
	}
}

// besides is what has to be compared with what lies beside the lines, collected on the walk over them.
type besides struct {
	claims []claim
	off    []int64         // entries whose columns are not those of their line
	taken  map[string]bool // payloads that were redacted
}

func (b *besides) look(r row) {
	var c claim
	err := json.Unmarshal(r.line, &c)
	if c.Seq != r.seq || ledger.DigestOf(r.line).String() != r.hash {
		b.off = append(b.off, r.seq)
	}
	if err == nil && c.Kind == ledger.KindRedaction && c.Body.Payload != "" {
		if b.taken == nil {
			b.taken = map[string]bool{}
		}
		b.taken[c.Body.Payload] = true
	}
	if err == nil && c.tells() {
		if c.Kind == ledger.KindProof {
			c.digest = digestBody(r.line)
		}
		b.claims = append(b.claims, c)
	}
}

func verifyPayloads(ctx context.Context, tx *sql.Tx, beside besides, r *ledger.Report) error {
	for _, c := range beside.claims {
		if c.Payload == "" {
			continue
		}
		var body []byte
		err := tx.QueryRowContext(ctx, "SELECT body FROM payload WHERE digest = ?", c.Payload).Scan(&body)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if beside.taken[c.Payload] {
			if err == nil {
				r.Add(c.Seq, ledger.Unbound, "the payload of entry %d was redacted, and is there again", c.Seq)
			}
			if !slices.Contains(r.Redacted, c.Seq) { // another entry may have had the same payload
				r.Redacted = append(r.Redacted, c.Seq)
				slices.Sort(r.Redacted)
			}
			continue
		}
		if err != nil || ledger.Hash(body) != c.Payload {
			r.Add(c.Seq, ledger.Unbound, "the payload of entry %d is not there or was altered", c.Seq)
		}
	}
	return nil
}

// verifyRuns compares the journal with the record: a run and its outcome are written together.
func verifyRuns(ctx context.Context, tx *sql.Tx, seen []claim, r *ledger.Report) error {
	type end struct{ id, state string }
	ends, err := collect(ctx, tx, func(s scanner) (e end, err error) { return e, s.Scan(&e.id, &e.state) },
		"SELECT id, CASE WHEN final THEN state ELSE '' END FROM run ORDER BY n")
	if err != nil {
		return err
	}
	told := map[string]*claim{} // the first outcome of each run
	for i := range seen {
		if c := &seen[i]; c.Kind == ledger.KindOutcome && told[c.Run] == nil {
			told[c.Run] = c
		}
	}
	for _, e := range ends {
		c := told[e.id]
		switch {
		case c == nil && e.state != "":
			r.Add(r.Head.Seq, ledger.Disputed, "the journal says that %s ended %q, and the record does not", e.id, e.state)
		case c != nil && c.Body.State != e.state:
			r.Add(c.Seq, ledger.Disputed, "entry %d says that %s ended %q, the journal says %q", c.Seq, e.id, c.Body.State, or(e.state, "not yet"))
		}
	}
	return nil
}

// verifyMeasures compares the journal with the record: whatever becomes of a measure is written into both together.
func verifyMeasures(ctx context.Context, tx *sql.Tx, seen []claim, r *ledger.Report) error {
	rows, err := collect(ctx, tx, scanMeasure, "SELECT "+measureColumns+" FROM measure ORDER BY rowid")
	if err != nil {
		return err
	}
	told := map[string]claim{}
	for _, c := range seen {
		if c.Kind == ledger.KindMeasure {
			told[c.Body.Measure] = c
		}
	}
	paired(rows, told, "measure", func(m *Measure) string { return m.ID }, func(m *Measure, c claim) string {
		if c.Body.State == m.State {
			return ""
		}
		return fmt.Sprintf("says that the measure %s is %q, the journal says %q", m.ID, c.Body.State, m.State)
	}, r)
	return nil
}

// paired compares rows of the journal, which are a kind of thing, with the entries that tell of them, by id: none may be without
// the other. differs says how an entry differs from a row; "" not at all.
func paired[T any](rows []T, told map[string]claim, what string, id func(*T) string, differs func(*T, claim) string, r *ledger.Report) {
	for i := range rows {
		c, ok := told[id(&rows[i])]
		if !ok {
			r.Add(r.Head.Seq, ledger.Disputed, "the journal holds the %s %s, and the record does not", what, id(&rows[i]))
		} else if how := differs(&rows[i], c); how != "" {
			r.Add(c.Seq, ledger.Disputed, "entry %d %s", c.Seq, how)
		}
		delete(told, id(&rows[i]))
	}
	for id, c := range told {
		r.Add(c.Seq, ledger.Disputed, "entry %d tells of the %s %s, which the journal does not hold", c.Seq, what, id)
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
