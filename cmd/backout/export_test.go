package main

import (
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// An export shows the ranking that people acted on, not the one that the way back left behind.
func TestAnExportRanksWhenSomebodyActed(t *testing.T) {
	now := time.Date(2026, 3, 4, 11, 0, 0, 0, time.UTC)
	at := func(minutes int, kind ledger.Kind) ledger.Entry {
		return ledger.Entry{Kind: kind, At: now.Add(-time.Duration(minutes) * time.Minute)}
	}
	for name, c := range map[string]struct {
		record []ledger.Entry
		want   time.Duration
	}{
		"nobody did":            {[]ledger.Entry{at(50, ledger.KindNote)}, 0},
		"the first of two":      {[]ledger.Entry{at(50, ledger.KindNote), at(30, ledger.KindPlan), at(29, ledger.KindOutcome), at(10, ledger.KindPlan)}, 30},
		"a clock that is ahead": {[]ledger.Entry{at(-5, ledger.KindPlan)}, 0},
	} {
		if got := decided(c.record, now); !got.Equal(now.Add(-c.want * time.Minute)) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
