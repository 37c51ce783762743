package main

import (
	"testing"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

func TestAReplayCountsTheCuresThatItWouldHaveStopped(t *testing.T) {
	alerts := []rollback.AlertRef{{ID: "a"}}
	refused := policy.Answer{Refused: true}
	waits := policy.Answer{Needs: []policy.Need{{Rule: "two"}}}
	var p replayed
	for _, r := range []struct {
		run  rollback.Run
		said policy.Answer
	}{
		{rollback.Run{State: rollback.RunSucceeded, Plan: rollback.Plan{Alerts: alerts}}, refused},
		{rollback.Run{State: rollback.RunUnverified, Plan: rollback.Plan{Alerts: alerts}}, refused}, // nobody saw that it cured anything
		{rollback.Run{State: rollback.RunSucceeded}, refused},                                       // nothing was there to cure
		{rollback.Run{State: rollback.RunSucceeded, Plan: rollback.Plan{Alerts: alerts, Kind: "drill"}}, refused},
		{rollback.Run{State: rollback.RunSucceeded, Plan: rollback.Plan{Alerts: alerts}}, waits},
		{rollback.Run{State: rollback.RunSucceeded, Plan: rollback.Plan{Alerts: alerts}}, policy.Answer{}},
		{rollback.Run{By: rollback.Confirmation{Reason: "so"}}, policy.Answer{Reason: true}},
		{rollback.Run{}, policy.Answer{Reason: true}},
	} {
		p.add(&r.run, r.said)
	}
	if p.Runs != 8 || p.Refused != 4 || p.Cures != 1 || p.Waiting != 1 || p.WaitCures != 1 || len(p.Would) != 6 {
		t.Errorf("%+v", p)
	}
}
