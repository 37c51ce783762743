package tui

import (
	"encoding/json"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Sizes of what the audit screen holds of a record that may have millions of entries.
const (
	auditPage = 200  // entries read at once
	auditKept = 4000 // entries held at most where all are shown
)

// auditRow is one entry as the list has it. One that is not there has no line.
type auditRow struct {
	entry  ledger.Entry
	line   []byte
	result string
}

// auditRows are the entries of one query, the newest first, of which only those around the cursor were read. Where everything is
// shown, a row's number follows from the entry's, so that any place of a long record is one read away.
type auditRows struct {
	q      ledger.Query
	all    bool
	known  bool // the first answer is there
	head   int64
	bySeq  map[int64]auditRow // where everything is shown
	list   []auditRow         // where something was looked for
	more   bool
	behind int64 // so many of the oldest entries are not in the index yet
}

func newAuditRows(q ledger.Query) auditRows {
	q.Limit, q.Before = auditPage, 0
	bare := q
	bare.Limit = 0
	return auditRows{q: q, all: bare == ledger.Query{}, bySeq: map[int64]auditRow{}}
}

func (r *auditRows) n() int {
	if r.all {
		return int(r.head)
	}
	return len(r.list)
}

// row is the ith row; false while it was not read.
func (r *auditRows) row(i int) (auditRow, bool) {
	if r.all {
		row, ok := r.bySeq[r.head-int64(i)]
		return row, ok
	}
	if i < 0 || i >= len(r.list) {
		return auditRow{}, false
	}
	return r.list[i], true
}

// want is the query for what is missing in a window of h rows from top on; false where nothing is.
func (r *auditRows) want(top, h int) (ledger.Query, bool) {
	q := r.q
	switch {
	case !r.known:
		return q, true
	case !r.all:
		if !r.more || len(r.list) == 0 || top+2*h < len(r.list) {
			return q, false
		}
		q.Before = r.list[len(r.list)-1].entry.Seq
		return q, true
	}
	for i := top; i < min(top+h, r.n()); i++ {
		seq := r.head - int64(i)
		if _, ok := r.bySeq[seq]; !ok {
			q.Before = min(seq+auditPage/4, r.head) + 1 // whoever goes up finds some there too
			return q, true
		}
	}
	return q, false
}

// take puts an answer in its place.
func (r *auditRows) take(q ledger.Query, f ledger.Found) {
	first := !r.known
	r.known, r.behind = true, f.Unindexed
	if !r.all {
		for i := range f.Entries {
			r.list = append(r.list, rowOf(f.Entries[i], f.Lines[i]))
		}
		r.more = f.More
		return
	}
	if len(f.Entries) == 0 && first {
		return
	}
	if first {
		r.head = f.Entries[0].Seq
		q.Before = r.head + 1
	}
	if len(r.bySeq) > auditKept {
		clear(r.bySeq)
	}
	down := int64(1)
	if f.More {
		down = f.Entries[len(f.Entries)-1].Seq
	}
	for seq := q.Before - 1; seq >= down; seq-- {
		r.bySeq[seq] = auditRow{entry: ledger.Entry{Seq: seq, Text: "missing from the record: v verifies it"}}
	}
	for i := range f.Entries {
		r.bySeq[f.Entries[i].Seq] = rowOf(f.Entries[i], f.Lines[i])
	}
}

func rowOf(e ledger.Entry, line []byte) auditRow {
	var body struct {
		State   string `json:"state"`
		Outcome string `json:"outcome"`
	}
	if len(e.Body) > 0 {
		_ = json.Unmarshal(e.Body, &body) // one of another shape has no result
	}
	row := auditRow{entry: e, line: line, result: body.Outcome}
	if row.result == "" {
		row.result = body.State
	}
	return row
}
