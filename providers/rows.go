package providers

import (
	"context"
	"iter"
)

// Row is the part of an event that a timeline keeps in memory; the rest is decoded when somebody looks at it.
type Row struct {
	At, End int64  // unix nanoseconds; At 0 means unknown, End 0 means still open or unknown
	Ref     uint64 // handle for Indexer.Load, stable while the provider lives
	Alert   bool   // an alert, else a change
	Kind    Kind
	State   AlertState // as reported; empty for a change
	Service, Environment, Unit,
	ID string
	Provider string // what the record says of itself; empty: the Indexer's own name
	// Commit and Artifact (the first content digest) are what tells that two systems report the same change. What delivered a
	// change ([Change.Within]) stands in no row: such files hold what was merged already.
	Commit, Artifact string
}

// Indexer is implemented by change or alert sources too large to be decoded whole. A timeline prefers it to
// ChangeSource and AlertSource.
type Indexer interface {
	// Rows yields batches; within a batch At never falls. Of two rows with the same provider and id the one that is
	// yielded later holds. A batch may be reused after the next is asked for.
	Rows(ctx context.Context, w Window) iter.Seq2[[]Row, error]
	// Load decodes one event. It reads at most one record.
	Load(ref uint64) (Event, error)
}
