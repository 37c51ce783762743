package rollback_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback"
)

// A check that fails all the time says so once in the log, however its latency changes, and the run shows the newest.
func TestLogTellsWhatBecameDifferent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		looks := 0
		b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
			looks++
			return []rollback.Check{{Name: "price", State: rollback.CheckFail, Observed: fmt.Sprintf("500 in %d ms", looks)}}, nil
		}
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, l := range run.Log {
			if strings.HasPrefix(l.Text, "verifying: ") {
				lines++
			}
		}
		if looks < 3 || lines != 1 {
			t.Errorf("%d looks, %d lines: %+v", looks, lines, run.Log)
		}
		if want := fmt.Sprintf("500 in %d ms", looks); !strings.Contains(run.Detail, want) || run.Checks[0].Observed != want {
			t.Errorf("the run says %q and %+v, want %q", run.Detail, run.Checks, want)
		}
	})
}

// Where several units are checked, each check says of which.
func TestChecksOfSeveralUnitsNameTheUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.add("storefront", rev("s9", "bad", 9), rev("s8", "s8", 90))
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%s %s %v", run.State, run.Detail, err)
		}
		var names []string
		for _, c := range run.Checks {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, ", "); got != "storefront: answers, pricing: answers" {
			t.Errorf("checks %q", got)
		}
	})
}
