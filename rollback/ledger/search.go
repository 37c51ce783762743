package ledger

import "time"

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

// Found is what was found, the newest first. Lines are the entries as they are stored.
type Found struct {
	Entries   []Entry
	Lines     [][]byte
	More      bool  // there are older ones; the next query goes on before the last one here
	Unindexed int64 // so many of the oldest entries were not looked at, because no index holds them yet
}
