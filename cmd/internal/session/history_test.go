package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func alertAt(id string, second int) providers.Alert {
	return providers.Alert{ID: id, Provider: "p", Service: "pricing", StartsAt: noon.Add(time.Duration(second) * time.Second)}
}

// learn puts alerts on a timeline of its own, as a process does that learns of them in this order.
func learn(alerts ...providers.Alert) *timeline.Snapshot {
	s := timeline.New(func() time.Time { return noon.Add(time.Hour) })
	for _, a := range alerts {
		s.Put(a.Provider, providers.Event{Alert: &a})
	}
	return s.Snapshot()
}

func ids(list []providers.Alert) (out []string) {
	for _, a := range list {
		out = append(out, a.ID)
	}
	return out
}

func TestTheNextProcessGivesAnIncidentTheSameID(t *testing.T) {
	early, late, later := alertAt("early", 0), alertAt("late", 2), alertAt("later", 60)
	first := learn(late, early) // a check that fails slowly is heard of after one that began after it
	kept := addAlerts(nil, first.Alerts(providers.Window{}), first.Incidents())
	if got := ids(kept); !slices.Equal(got, []string{"late", "early"}) {
		t.Fatalf("kept as %v, want the one that named the incident first", got)
	}
	over := early
	over.EndsAt, over.State = noon.Add(time.Minute), providers.AlertResolved
	lost := late
	lost.State = providers.AlertUnknown
	second := learn(append(slices.Clone(kept), over, later, lost)...)
	if a, b := first.Incidents(), second.Incidents(); len(a) != 1 || len(b) != 1 || a[0].ID != b[0].ID {
		t.Fatalf("%+v became %+v", a, b)
	}
	kept = addAlerts(kept, second.Alerts(providers.Window{}), second.Incidents())
	if got := ids(kept); !slices.Equal(got, []string{"late", "early", "later"}) || !kept[1].EndsAt.Equal(over.EndsAt) || kept[0].State == providers.AlertUnknown {
		t.Fatalf("kept as %+v, want the same order, the end, and what was known before it became unknown", kept)
	}
}

func TestWhatIsKeptOfAlertsIsBounded(t *testing.T) {
	var all []providers.Alert
	for i := range historyMax + 100 {
		all = append(all, alertAt(fmt.Sprint(i), (i*7919)%(historyMax+100))) // in no order of time
	}
	kept := boundAlerts(slices.Clone(all), noon.Add(time.Hour))
	if len(kept) != historyMax || slices.ContainsFunc(kept, func(a providers.Alert) bool { return a.StartsAt.Before(noon.Add(100 * time.Second)) }) {
		t.Fatalf("%d are kept, want the newest %d", len(kept), historyMax)
	}
	if order := slices.DeleteFunc(ids(all), func(id string) bool { return !slices.Contains(ids(kept), id) }); !slices.Equal(order, ids(kept)) {
		t.Fatal("the order in which they were learned of is lost")
	}
	if kept := boundAlerts(slices.Clone(all), noon.Add(historyAge+time.Hour)); len(kept) != 0 {
		t.Fatalf("%d are kept for longer than %s", len(kept), historyAge)
	}
}
