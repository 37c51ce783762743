package posture_test

import (
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/posture"
	"github.com/backout-dev/backout/rollback/proof"
)

var now = time.Date(2026, 10, 30, 12, 0, 0, 0, time.UTC)

func ago(days int) time.Time { return now.AddDate(0, 0, -days) }

func tested(tier int) proof.Standing { return proof.Standing{Level: proof.L4, Tier: tier} }

func executed(days int, took time.Duration, o proof.Outcome) proof.Record {
	end := ago(days)
	return proof.Record{Outcome: o, Times: proof.Times{Decided: end.Add(-took), Approved: end.Add(-time.Second), Verified: end, Ended: end}}
}

func facts() *posture.Facts {
	return &posture.Facts{
		Now: now, Since: ago(30), Silent: []string{"terraform"},
		Units: []posture.Unit{
			{ID: "a", Alone: "yes", Deployments: 9, Standing: tested(1)},
			{ID: "b", Alone: "no", Standing: proof.Standing{Tier: 1}},
			{ID: "c", Alone: "unknown", Deployments: 4, Standing: proof.Standing{Tier: 3}},
		},
		Runs: []posture.Run{
			{ID: "RUN-1", At: ago(40), Over: true, Verified: true, Changes: []string{"old"}},
			{ID: "RUN-2", At: ago(20), Over: true, Verified: true, Tested: true, Changes: []string{"x"}},
			{ID: "RUN-3", At: ago(3), Over: true, Changes: []string{"y"}},
			{ID: "RUN-4", At: ago(0), Changes: []string{"z"}},
		},
		Records: []proof.Record{executed(40, time.Hour, proof.Pass), executed(20, 4*time.Minute, proof.Pass), executed(3, time.Minute, proof.Fail), executed(2, 2*time.Minute, proof.Aborted)},
		Changes: []posture.Change{{"x", "agent"}, {"w", "assisted"}, {"y", "none"}, {"v", "none"}, {"z", ""}, {"u", "possible"}, {"t", "automation"}},
		Losses: []posture.Loss{
			{Proof: "p1", Rule: "I1", At: ago(5)},
			{Proof: "p1", Rule: "I1", At: ago(4)},
			{Proof: "p2", Rule: "I1", At: ago(4)},
			{Proof: "p1", Rule: "age", At: ago(1)},
			{Proof: "p3", Rule: "I6", At: ago(31)},
		},
	}
}

func TestUnitsAndRuns(t *testing.T) {
	r := posture.Of(facts())
	if r.Units != 3 || r.Reversible != 1 || r.Unknown != 1 || r.Tested != 1 {
		t.Errorf("units: %+v", r)
	}
	if want := 30. / 38; r.Coverage == nil || *r.Coverage != want { // 3*10 of 3*10 + 3*1 + 1*5
		t.Errorf("coverage is %v, want %v", *r.Coverage, want)
	}
	if r.Rollbacks != 3 || !slices.Equal(r.Untested, []string{"RUN-3", "RUN-4"}) {
		t.Errorf("rollbacks: %d, untested %v", r.Rollbacks, r.Untested)
	}
}

func TestWhatWasExecuted(t *testing.T) {
	r := posture.Of(facts())
	if r.Success.Passed != 1 || r.Success.Of != 2 || r.Took.N != 1 || r.Took.Max != 4*time.Minute {
		t.Errorf("what was stopped, or was before, counts: %+v %+v", r.Success, r.Took)
	}
	if !slices.Equal(r.Lost, []posture.Cause{{"I1", 2}, {"age", 1}}) || r.ByEvent != 2 || r.ByAge != 1 {
		t.Errorf("lost: %+v", r)
	}
}

func TestChangesAndWeeks(t *testing.T) {
	r := posture.Of(facts())
	if r.Tagged.Changes != 2 || r.Tagged.RolledBack.Passed != 1 || r.Untagged.Changes != 2 || r.Untagged.RolledBack.Passed != 1 || r.NotLooked != 3 {
		t.Errorf("AI: %+v %+v %d", r.Tagged, r.Untagged, r.NotLooked)
	}
	var rolled, verified []int
	for _, w := range r.Weeks {
		rolled, verified = append(rolled, w.Rollbacks), append(verified, w.Verified)
	}
	if !slices.Equal(rolled, []int{0, 1, 0, 1}) || !slices.Equal(verified, []int{0, 1, 0, 0}) || r.Weeks[1].Longest != 4*time.Minute || r.Weeks[3].Longest != 0 {
		t.Errorf("weeks: %+v", r.Weeks)
	}
}

func TestOfNothingNothingIsSaid(t *testing.T) {
	r := posture.Of(&posture.Facts{Now: now, Since: ago(30), Read: ago(40)})
	if late := posture.Of(&posture.Facts{Now: now, Since: ago(30), Read: ago(1)}); !r.Read.Equal(ago(30)) || !late.Read.Equal(ago(1)) {
		t.Errorf("changes were read since %s and %s", r.Read, late.Read)
	}
	if r.Coverage != nil || r.Success.High != 1 || r.Took.String() != "never measured" || r.Untested == nil || r.Lost == nil || r.Silent == nil || len(r.Weeks) != 4 {
		t.Errorf("%+v", r)
	}
}
