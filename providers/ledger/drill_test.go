package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	record "github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/rollback/ledger"
)

// Both halves of a drill are drills, so that no ranking takes them for a cause; what it leaves is an alert once its time
// is over, and the way forward had a minute.
func TestDrillsAreTheirOwnKind(t *testing.T) {
	db := open(t)
	half := func(run, kind, from, to string, at int) ledger.Entry {
		return ledger.Entry{At: minute(at), Kind: ledger.KindOutcome, Actor: "ana", ActorKind: "human", Run: run, Body: body(t, ledger.RunBody{
			Kind: kind, Drill: "DRILL-0001", State: "succeeded", ConfirmedAt: minute(at - 1), AppliedAt: minute(at - 1), EndedAt: minute(at),
			Units: []ledger.RunUnit{{Unit: "k8s:shop/checkout", Service: "checkout", From: from, FromLabel: from, To: to, ToLabel: to}},
		})}
	}
	set := word(t, 1, "set", "in force", "", "")
	set.Body = body(t, ledger.MeasureBody{Measure: "RUN-0001.0", Event: "set", State: "in force", What: "checkout is rolled back", Service: "checkout", Owner: "ana", Expires: minute(5), Drill: "DRILL-0001"})
	write(t, db, set, half("RUN-0001", "drill", "r42", "r41", 2), half("RUN-0002", "forward", "r41", "r42", 4))
	p := record.New("ledger", db, func() time.Time { return minute(9) })
	changes := collect(t, p, providers.Window{})
	if len(changes) != 2 {
		t.Fatalf("%d changes: %+v", len(changes), changes)
	}
	for i, want := range []string{"DRILL-0001: k8s:shop/checkout back to r41", "DRILL-0001: k8s:shop/checkout forward again to r42"} {
		if c := changes[i]; c.Kind != providers.KindDrill || c.Title != want || c.ChangeSet != "DRILL-0001" {
			t.Errorf("%+v, want %s", c, want)
		}
	}
	onItsWay := record.New("ledger", db, func() time.Time { return minute(5).Add(59 * time.Second) })
	if alerts := alertsAt(t, onItsWay, providers.Window{}); len(alerts) != 0 {
		t.Errorf("it is on its way forward since less than a minute: %+v", alerts)
	}
	alerts := alertsAt(t, p, providers.Window{})
	if len(alerts) != 1 || alerts[0].Name != "measure expired" || !strings.Contains(alerts[0].Summary, "checkout is rolled back") {
		t.Errorf("%+v", alerts)
	}
}
