package rollback_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

func number(v float64) *float64 { return &v }

// recovering is a ratio that is well 20 s after the effect, within the first cell, and bad again for a while within the
// second.
func recovering(since time.Duration) float64 {
	switch {
	case since < 20*time.Second:
		return 1.2
	case since < 40*time.Second:
		return .9
	case since < 50*time.Second:
		return 2
	case since < 70*time.Second:
		return .5
	default:
		return 0
	}
}

func percent(v float64) rollback.Check {
	c := rollback.Check{Name: "errors", State: rollback.CheckPass, Observed: fmt.Sprintf("%g%%", v), Goal: "at most 1%", Value: number(v), Limit: number(1)}
	if v > 1 {
		c.State = rollback.CheckFail
	}
	return c
}

// The checks are looked at once before anything is touched, and what they look like is kept cell by cell.
func TestTheChecksAreLookedAtBeforeAnythingIsTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *rollback.Config) { c.Hold = 60 * time.Second; c.Deadline = 5 * time.Minute })
		b.pricing()
		var applied time.Time
		b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
			c := percent(8)
			if len(b.target.effects()) > 0 {
				if applied.IsZero() {
					applied = time.Now()
				}
				c = percent(recovering(time.Since(applied)))
			}
			return []rollback.Check{c, {Name: "odd", State: rollback.CheckPass, Value: number(math.NaN()), Limit: number(math.Inf(1))}}, nil
		}
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{}).ID)
		if err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%s: %s, %v", run.State, run.Detail, err)
		}
		if len(run.BeforeChecks) != 2 || run.BeforeChecks[0].Observed != "8%" || run.BeforeChecks[0].State != rollback.CheckFail || run.BeforeChecks[1].Value != nil {
			t.Errorf("before: %+v", run.BeforeChecks)
		}
		if got := run.Trail.Check("errors"); got != "#=*.." {
			t.Errorf("the trail of errors is %q", got)
		}
		if got := run.Trail.Check("odd"); got != "=====" {
			t.Errorf("the trail of a check without a number is %q", got)
		}
		var body struct {
			Before []rollback.Check `json:"before_checks"`
		}
		if err := json.Unmarshal(b.entries(t, ledger.KindVerification)[0].Body, &body); err != nil || len(body.Before) != 2 {
			t.Errorf("the record has %+v, %v", body, err)
		}
	})
}

// What is unknown has a cell of its own, what nobody looked at another, and five minutes are kept.
func TestTheTrailOfARunIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *rollback.Config) { c.Deadline = 7 * time.Minute })
		b.pricing()
		start := time.Now()
		b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
			c := rollback.Check{Name: "answers", State: rollback.CheckFail}
			if time.Since(start) > 6*time.Minute {
				c.State = rollback.CheckUnknown
			}
			return []rollback.Check{c}, nil
		}
		b.alerts.set("a1", providers.AlertFiring)
		run, err := b.Execute(t.Context(), b.confirmed(t, rollback.Request{Alerts: []rollback.AlertRef{{Provider: "alerts", ID: "a1"}, {Provider: "alerts", ID: "a2"}}}).ID)
		if err != nil || run.State != rollback.RunUnverified {
			t.Fatalf("%s: %s, %v", run.State, run.Detail, err)
		}
		if got := run.Trail.Check("answers"); got != "#######???" {
			t.Errorf("the check's trail is %q", got)
		}
		if got := run.Trail.Alert(rollback.AlertRef{Provider: "alerts", ID: "a1"}); got != "##########" {
			t.Errorf("the firing alert's trail is %q", got)
		}
		if got := run.Trail.Alert(rollback.AlertRef{Provider: "alerts", ID: "a2"}); got != "??????????" {
			t.Errorf("the trail of an alert that nobody knows is %q", got)
		}
		if len(run.Log) > 10 {
			t.Errorf("the log has %d lines", len(run.Log))
		}
	})
}

func TestWhatAPlanTouchesIsPartOfIt(t *testing.T) {
	b := newBench(t)
	b.pricing()
	hashes := map[string]bool{}
	for _, blast := range []string{"", "12 pods", "\x1b[31m13 pods"} {
		b.target.proposal = func(p *rollback.Proposal) { p.Blast = blast }
		p := b.plan(t, rollback.Request{})
		hashes[p.Hash] = true
		if want := providers.Clean(blast); p.Units[0].Blast != want {
			t.Errorf("blast %q, want %q", p.Units[0].Blast, want)
		}
	}
	if len(hashes) != 3 {
		t.Errorf("%d hashes of three plans", len(hashes))
	}
}
