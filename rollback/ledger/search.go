package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Assistances are the words for what is known of AI in a change.
func Assistances() []string { return []string{"agent", "assisted", "possible", "automation", "none"} }

// Query is what is looked for in the record. All that is set has to hold; the zero value finds everything.
type Query struct {
	Text       string // words that have to be there, "in this order" in quotes, and beginnings*
	Actor      string
	Unit       string // also one of several that an entry is about
	Kind       Kind
	Outcome    string // how something ended, as the entry says it
	Assistance string // what was known of AI in the change that an entry is about
	Since      time.Time
	Until      time.Time
	Before     int64 // only entries with a smaller number; 0 is from the newest on
	Limit      int   // 50 where it is not set
}

// Check refuses words that no entry can have: that nothing is found would be taken for an answer.
func (q *Query) Check() error {
	if q.Kind != "" && !slices.Contains(Kinds(), q.Kind) {
		return fmt.Errorf("%q is no kind of entry: %s", q.Kind, KindList())
	}
	if q.Assistance != "" && !slices.Contains(Assistances(), q.Assistance) {
		return fmt.Errorf("%q is not what is known of AI in a change: %s", q.Assistance, strings.Join(Assistances(), ", "))
	}
	return nil
}

// KindList is all kinds, in one line.
func KindList() string {
	names := make([]string, len(Kinds()))
	for i, k := range Kinds() {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// Found is what was found, the newest first. Lines are the entries as they are stored.
type Found struct {
	Entries   []Entry
	Lines     [][]byte
	More      bool  // there are older ones; the next query goes on before the last one here
	Unindexed int64 // so many of the oldest entries were not looked at, because no index holds them yet
}
