package rollback_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// What opened after the change is what a rollback has to have cured; what was open before is somebody else's.
func TestAlertsFromBeforeTheChangeDoNotCount(t *testing.T) {
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	alert := func(id string, starts time.Time) rollback.AlertRef {
		return rollback.AlertRef{Provider: "alerts", ID: id, Name: "Alert" + id, StartsAt: starts}
	}
	cases := map[string]struct {
		alerts  []rollback.AlertRef
		change  *providers.Change
		served  func(u *fakeUnit)
		counted string
		helps   bool
	}{
		"after":                 {alerts: []rollback.AlertRef{alert("a", at(-5))}, counted: "a", helps: true},
		"before":                {alerts: []rollback.AlertRef{alert("a", at(-60))}, helps: false},
		"one of each":           {alerts: []rollback.AlertRef{alert("a", at(-60)), alert("b", at(-5))}, counted: "b", helps: true},
		"at the same time":      {alerts: []rollback.AlertRef{alert("a", at(-11))}, counted: "a", helps: true},
		"nobody knows since":    {alerts: []rollback.AlertRef{alert("a", time.Time{})}, counted: "a", helps: true},
		"it rolled out earlier": {alerts: []rollback.AlertRef{alert("a", at(-20))}, change: &providers.Change{ID: "c", Service: "pricing", Environment: "prod", To: "r42", EffectiveFrom: at(-25)}, counted: "a", helps: true},
		"nobody knows since when it serves": {
			alerts: []rollback.AlertRef{alert("a", at(-60))}, served: func(u *fakeUnit) { u.current.Since = time.Time{} }, counted: "a", helps: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			u := b.pricing()
			if c.served != nil {
				c.served(u)
			}
			p := b.plan(t, rollback.Request{Alerts: c.alerts, Change: c.change})
			ids := ""
			for _, a := range p.Alerts {
				ids += a.ID
			}
			told := strings.Contains(strings.Join(p.Warnings, "\n"), "does not count")
			hopeless := strings.Contains(strings.Join(p.Warnings, "\n"), "unlikely to help")
			if ids != c.counted || len(p.Earlier) != len(c.alerts)-len(c.counted) || told != (len(p.Earlier) > 0) || hopeless == c.helps {
				t.Errorf("counted %q, want %q; earlier %+v; warnings %q", ids, c.counted, p.Earlier, p.Warnings)
			}
		})
	}
}

// An alert that was open before does not keep a rollback from being verified, and does not verify one either.
func TestEarlierAlertIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.alerts.set("old", providers.AlertFiring)
		b.target.onVerify = ownWord
		b.target.proposal = func(p *rollback.Proposal) { p.Checks = nil }
		req := rollback.Request{Alerts: []rollback.AlertRef{{Provider: "alerts", ID: "old", StartsAt: t0.Add(-time.Hour)}}}
		if p := b.plan(t, req); !p.Unseen {
			t.Error("the plan does not say that nothing looks from outside")
		}
		run := b.confirmed(t, req)
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunUnverified || !strings.Contains(run.Detail, "nothing looks at it from outside") {
			t.Errorf("%v %s: %s", err, run.State, run.Detail)
		}
	})
}
