package session

import (
	"testing"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

func unitPlan(id rollback.UnitID, from, to string, findings ...rollback.Finding) rollback.UnitPlan {
	return rollback.UnitPlan{
		Unit: rollback.Unit{ID: id}, From: rollback.Revision{Label: from}, To: rollback.Revision{Digest: "sha256:0123456789abcdef", Label: to}, Findings: findings,
	}
}

func TestWayNamesAllThatGoTogetherInOrder(t *testing.T) {
	orders, pricing := unitPlan("releases:shop/orders", "r217", "r210"), unitPlan("releases:shop/pricing", "r216", "")
	if got, want := way([]rollback.UnitPlan{orders}), "orders r217 -> r210"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := way([]rollback.UnitPlan{orders, pricing}), "2 units together: orders r217 -> r210, then pricing r216 -> 0123456789ab"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A refused plan says what stands against it, not only that something does.
func TestRefusedPlanSaysWhy(t *testing.T) {
	p := rollback.Plan{
		Verdict: rollback.Blocked, Decision: policy.Decision{Reasons: []string{"the plan is blocked"}},
		Units: []rollback.UnitPlan{unitPlan("releases:shop/pricing", "r216", "r210",
			rollback.Finding{Verdict: rollback.Independent, Text: "they differ"},
			rollback.Finding{Verdict: rollback.Blocked, Text: "RUN-0003 holds it"})},
	}
	if got := whyNot(&p); got != "RUN-0003 holds it" {
		t.Errorf("%q", got)
	}
	p.Units[0].Findings = nil
	if got := whyNot(&p); got != "the plan is blocked" {
		t.Errorf("%q", got)
	}
}

// What is gone already is not ready to be taken back, although nothing forbids it.
func TestSuspectThatIsGoneIsNothingToTakeBack(t *testing.T) {
	p := rollback.Plan{
		Verdict: rollback.NoOp, Decision: policy.Decision{Allowed: true},
		Units: []rollback.UnitPlan{unitPlan("k8s:shop/web", "r6", "r6", rollback.Finding{Verdict: rollback.NoOp, Text: "nothing to do: it serves r6"})},
	}
	if got := readinessIn(&p).WhyNot; got != "nothing to do: it serves r6" {
		t.Errorf("%q", got)
	}
	p.Verdict = rollback.Independent
	if got := readinessIn(&p).WhyNot; got != "" {
		t.Errorf("a plan that may run: %q", got)
	}
}
