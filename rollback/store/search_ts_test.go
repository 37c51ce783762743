package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/test/servers"
)

// TestSearchOnPostgreSQL finds there what SQLite finds, and nothing of what was redacted.
func TestSearchOnPostgreSQL(t *testing.T) {
	db := opened(t, servers.StartPostgres(t).Create(t, "search"), Options{})
	story(t, db)
	for _, test := range searches {
		if got := numbers(t, db, test.s); !slices.Equal(got, test.want) {
			t.Errorf("%s: found %v, want %v", test.name, got, test.want)
		}
	}
	for _, text := range []string{"->", `""`, "*", `\`, "'", `a\'b & !c`} {
		if _, err := db.Search(t.Context(), ledger.Query{Text: text}); err != nil && !errors.Is(err, ErrQuery) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := db.Redact(t.Context(), 5, []string{"text"}, "why", ledger.Entry{Actor: "eve", Text: "redacted", At: hour(9)}); err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, db, ledger.Query{Text: "brulee"}); len(got) != 0 {
		t.Errorf("what was redacted is found: %v", got)
	}
	if _, err := db.write.ExecContext(t.Context(), "DELETE FROM search"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), "UPDATE search_state SET below = 8"); err != nil {
		t.Fatal(err)
	}
	if err := db.Index(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, db, ledger.Query{Text: "bread"}); !slices.Equal(got, []int64{1}) {
		t.Errorf("indexed anew: found %v", got)
	}
}
