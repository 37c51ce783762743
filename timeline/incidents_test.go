package timeline_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

func firing(id, service string, minute int) providers.Alert {
	return providers.Alert{ID: id, Name: id, Provider: "am", Service: service, Severity: "warning", StartsAt: noon.Add(time.Duration(minute) * time.Minute)}
}

func putAlerts(s *timeline.Store, alerts ...providers.Alert) {
	events := make([]providers.Event, len(alerts))
	for i := range alerts {
		events[i].Alert = &alerts[i]
	}
	s.Put("am", events...)
}

// groups is the alerts of each incident, newest incident first.
func groups(s *timeline.Snapshot) [][]string {
	var out [][]string
	for _, inc := range s.Incidents() {
		var ids []string
		for _, a := range inc.Alerts {
			ids = append(ids, a.ID)
		}
		out = append(out, ids)
	}
	return out
}

func shop(s *timeline.Store) {
	s.SetTopology("file", []providers.Service{
		{Name: "storefront", DependsOn: []string{"login", "orders", "pricing"}}, {Name: "orders", DependsOn: []string{"pricing"}}, {Name: "pricing"}, {Name: "mailer"},
	}, nil)
}

func TestIncidentsForm(t *testing.T) {
	tests := map[string]struct {
		topology bool
		alerts   []providers.Alert
		want     [][]string
	}{
		"no topology: close in time": {false, []providers.Alert{firing("a", "orders", 0), firing("b", "mailer", 9), firing("c", "login", 30)}, [][]string{{"c"}, {"a", "b"}}},
		"callers and callees":        {true, []providers.Alert{firing("a", "orders", 0), firing("b", "storefront", 3), firing("c", "mailer", 4)}, [][]string{{"c"}, {"a", "b"}}},
		"what calls the same":        {true, []providers.Alert{firing("a", "login", 0), firing("b", "pricing", 1)}, [][]string{{"b"}, {"a"}}},
		"open that long":             {true, []providers.Alert{firing("a", "orders", 0), firing("b", "pricing", 50)}, [][]string{{"a", "b"}}},
		"a stranger to the topology": {true, []providers.Alert{firing("a", "orders", 0), firing("b", "new-thing", 5), firing("c", "new-thing", 55)}, [][]string{{"a", "b", "c"}}},
		"no service at all":          {true, []providers.Alert{firing("watchdog", "", -500), firing("a", "orders", 0), firing("b", "", 5)}, [][]string{{"a", "b"}, {"watchdog"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := timeline.New(clock)
			if tt.topology {
				shop(s)
			}
			for _, a := range tt.alerts {
				putAlerts(s, a)
			}
			if d := cmp.Diff(tt.want, groups(s.Snapshot())); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEnvironmentsAreApart(t *testing.T) {
	s := timeline.New(clock)
	a, b, c := firing("a", "orders", 0), firing("b", "orders", 1), firing("c", "orders", 2)
	a.Environment, b.Environment, c.Environment = "prod", "staging", "prod"
	putAlerts(s, a, b, c)
	if d := cmp.Diff([][]string{{"b"}, {"a", "c"}}, groups(s.Snapshot())); d != "" {
		t.Error(d)
	}
}

func TestAnIncidentKeepsItsID(t *testing.T) {
	s := timeline.New(clock)
	first := firing("first", "orders", 0)
	putAlerts(s, first)
	id := timeline.IncidentID("am", "first", first.StartsAt)
	check := func(when string, n int) {
		t.Helper()
		list := s.Snapshot().Incidents()
		if len(list) != 1 || list[0].ID != id || len(list[0].Alerts) != n {
			t.Fatalf("%s: %+v, want %s with %d alerts", when, list, id, n)
		}
	}
	check("at first", 1)
	putAlerts(s, firing("later", "orders", 5))
	check("another came", 2)
	early := firing("early", "orders", -5)
	putAlerts(s, early)
	check("one came late that began before", 3)
	if got := s.Snapshot().Incidents()[0].Onset; !got.Latest.Equal(early.StartsAt) || !got.Earliest.Equal(early.StartsAt.Add(-5*time.Minute)) {
		t.Errorf("onset %+v", got)
	}
	if inc, ok := s.Snapshot().Incident(timeline.IncidentID("am", "early", early.StartsAt)); !ok || inc.ID != id {
		t.Errorf("the id that another process gives it finds %+v", inc)
	}
	first.EndsAt = noon.Add(time.Hour)
	putAlerts(s, first)
	check("one ended", 3)
}

func TestIncidentsCloseWhenAllIsOver(t *testing.T) {
	s := timeline.New(clock)
	a, b := firing("a", "orders", 0), firing("b", "orders", 1)
	b.Severity = "critical"
	putAlerts(s, a, b)
	open := func() bool { i := s.Snapshot().Incidents()[0]; return i.Open() }
	if !open() {
		t.Error("closed while both fire")
	}
	b.State = providers.AlertSuppressed // silenced by whoever works on it: it goes on
	a.EndsAt = noon.Add(time.Hour)
	putAlerts(s, a, b)
	if !open() || len(s.Snapshot().Incidents()[0].Alerts) != 2 {
		t.Error("an alert that was silenced after it fired closes nothing")
	}
	b.State = providers.AlertUnknown
	b.EndsAt = noon.Add(time.Hour)
	putAlerts(s, b)
	if !open() {
		t.Error("unknown is not resolved")
	}
	b.State, b.EndsAt = providers.AlertResolved, noon.Add(2*time.Hour)
	putAlerts(s, b)
	inc := s.Snapshot().Incidents()[0]
	if !inc.ClosedAt.Equal(b.EndsAt) || inc.Severity != "critical" || inc.Title != "orders a" {
		t.Errorf("%+v", inc)
	}
}

func TestASuppressedAlertOpensNothing(t *testing.T) {
	s := timeline.New(clock)
	quiet := firing("quiet", "orders", 0)
	quiet.State = providers.AlertSuppressed
	putAlerts(s, quiet)
	for _, state := range []providers.AlertState{providers.AlertSuppressed, providers.AlertUnknown, providers.AlertSuppressed, providers.AlertResolved} {
		quiet.State = state // lost to a restart, found again, over: it woke nobody
		if state == providers.AlertResolved {
			quiet.EndsAt = noon.Add(time.Hour)
		}
		putAlerts(s, quiet)
		if n := len(s.Snapshot().Incidents()); n != 0 {
			t.Errorf("%s: %d incidents", state, n)
		}
	}
}

func TestASilenceThatEndsRenamesNoIncident(t *testing.T) {
	s := timeline.New(clock)
	quiet := firing("quiet", "orders", 0)
	quiet.State = providers.AlertSuppressed
	putAlerts(s, quiet)
	putAlerts(s, firing("loud", "orders", 1))
	id := s.Snapshot().Incidents()[0].ID
	for _, state := range []providers.AlertState{providers.AlertUnknown, providers.AlertFiring} {
		quiet.State = state
		putAlerts(s, quiet)
		list := s.Snapshot().Incidents()
		if len(list) != 1 || list[0].ID != id {
			t.Errorf("%s: %+v, want one incident %s", state, list, id)
		}
	}
	if n := len(s.Snapshot().Incidents()[0].Alerts); n != 2 {
		t.Errorf("%d alerts once both fire", n)
	}
}

// byHand is the shop with four alerts, and what was done by hand, as the record keeps it.
func byHand(t *testing.T, ops ...timeline.HandOp) *timeline.Snapshot {
	t.Helper()
	s := timeline.New(clock)
	shop(s)
	putAlerts(s, firing("a", "orders", 0), firing("b", "orders", 2), firing("c", "mailer", 4), firing("d", "orders", 8))
	b, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	var replayed []timeline.HandOp
	if err := json.Unmarshal(b, &replayed); err != nil {
		t.Fatal(err)
	}
	s.Hand(replayed...)
	return s.Snapshot()
}

var (
	ordersIncident = timeline.IncidentID("am", "a", noon)
	mailerIncident = timeline.IncidentID("am", "c", noon.Add(4*time.Minute))
	byThen         = noon.Add(5 * time.Minute)
)

func TestSplitAndMergeByHand(t *testing.T) {
	split := timeline.HandOp{Action: timeline.HandSplit, At: byThen, Who: "ana", Incident: ordersIncident, Alerts: []timeline.AlertRef{{Provider: "am", ID: "b"}}}
	merge := timeline.HandOp{Action: timeline.HandMerge, At: byThen, Incident: split.NewIncident(), Other: mailerIncident}
	snap := byHand(t, split, merge)
	if d := cmp.Diff([][]string{{"b", "c"}, {"a", "d"}}, groups(snap)); d != "" {
		t.Error(d)
	}
	if inc, ok := snap.Incident(mailerIncident); !ok || inc.ID != split.NewIncident() {
		t.Errorf("the id of what was merged finds %+v", inc)
	}
	whole := timeline.HandOp{Action: timeline.HandMerge, At: byThen, Incident: ordersIncident, Other: mailerIncident}
	if d := cmp.Diff([][]string{{"a", "b", "c", "d"}}, groups(byHand(t, whole))); d != "" {
		t.Error(d)
	}
}

func TestCloseByHand(t *testing.T) {
	snap := byHand(t, timeline.HandOp{Action: timeline.HandClose, At: byThen, Who: "ana", Reason: "known noise", Incident: ordersIncident})
	inc, _ := snap.Incident(ordersIncident)
	if !inc.ClosedAt.Equal(byThen) || inc.ClosedBy != "ana" || inc.Reason != "known noise" {
		t.Errorf("%+v", inc)
	}
	if d := cmp.Diff([][]string{{"d"}, {"c"}, {"a", "b"}}, groups(snap)); d != "" {
		t.Errorf("what begins after the close is another incident: %s", d)
	}
}

func TestOpenByHand(t *testing.T) {
	op := timeline.HandOp{Action: timeline.HandOpen, At: noon, Who: "ana", Title: "customers call"}
	inc, ok := byHand(t, op).Incident(op.NewIncident())
	if !ok || !inc.ByHand || inc.Title != "customers call" || !inc.Open() || len(inc.Alerts) != 0 {
		t.Errorf("%+v", inc)
	}
	shut := timeline.HandOp{Action: timeline.HandClose, At: byThen, Who: "ana", Reason: "over", Incident: op.NewIncident()}
	if inc, _ := byHand(t, op, shut).Incident(op.NewIncident()); inc.Open() {
		t.Errorf("%+v", inc)
	}
}

// TestIncidentsPartitionAlerts puts alerts in one call in any order: each is in one incident, and the order is no matter.
func TestIncidentsPartitionAlerts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var alerts []providers.Alert
		for i := range rapid.IntRange(0, 40).Draw(t, "n") {
			a := firing(fmt.Sprint("a", i), rapid.SampledFrom([]string{"", "orders", "pricing", "mailer", "login", "other"}).Draw(t, "service"), rapid.IntRange(0, 200).Draw(t, "minute"))
			a.Environment = rapid.SampledFrom([]string{"", "prod", "staging"}).Draw(t, "env")
			if rapid.Bool().Draw(t, "ended") {
				a.EndsAt = a.StartsAt.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "took")) * time.Minute)
			}
			alerts = append(alerts, a)
		}
		picture := func(alerts []providers.Alert) string {
			s := timeline.New(clock)
			shop(s)
			putAlerts(s, alerts...)
			n := 0
			for _, inc := range s.Snapshot().Incidents() {
				n += len(inc.Alerts)
			}
			if n != len(alerts) {
				t.Fatalf("%d alerts in incidents, of %d", n, len(alerts))
			}
			b, _ := json.Marshal(s.Snapshot().Incidents())
			return string(b)
		}
		if d := cmp.Diff(picture(alerts), picture(rapid.Permutation(alerts).Draw(t, "order"))); d != "" {
			t.Fatal(d)
		}
	})
}
