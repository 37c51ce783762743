package rollback_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// ownWord is a target that only tells which content it is at.
func ownWord(u *fakeUnit) ([]rollback.Check, error) {
	return []rollback.Check{{Name: "revision", Inside: true, State: rollback.CheckPass, Observed: u.current.Label}}, nil
}

// Where nothing will look from outside, the plan says so before anybody confirms it.
func TestPlanWarnsThatNothingLooks(t *testing.T) {
	none := func(context.Context, []string) ([]rollback.Check, error) { return nil, nil }
	cases := map[string]struct {
		checks []string // of the unit
		config func(*rollback.Config)
		req    rollback.Request
		warns  bool
	}{
		"nothing":             {warns: true},
		"a check of the unit": {checks: []string{"answers"}},
		"an alert to cure":    {req: rollback.Request{Alerts: []rollback.AlertRef{{Provider: "alerts", ID: "a1"}}}},
		"a probe of its service": {config: func(c *rollback.Config) {
			c.Checks, c.CheckNames = none, func(services []string) []string { return services }
		}},
		"probes of other services": {warns: true, config: func(c *rollback.Config) {
			c.Checks, c.CheckNames = none, func([]string) []string { return nil }
		}},
		"checks that cannot be named beforehand": {config: func(c *rollback.Config) { c.Checks = none }},
		"nothing to do":                          {req: rollback.Request{To: "r42"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(cfg *rollback.Config) {
				if c.config != nil {
					c.config(cfg)
				}
			})
			b.pricing()
			b.target.proposal = func(p *rollback.Proposal) { p.Checks = c.checks }
			p := b.plan(t, c.req)
			warned := slices.ContainsFunc(p.Warnings, func(w string) bool {
				return strings.Contains(w, "nothing looks at it from outside") && strings.Contains(w, "configure checks")
			})
			if warned != c.warns || p.Unseen != c.warns {
				t.Errorf("unseen %v, warnings %q; want one: %v", p.Unseen, p.Warnings, c.warns)
			}
		})
	}
}
