package rollback_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

// under is a bench under a policy.
func under(t *testing.T, text string) func(*rollback.Config) {
	t.Helper()
	p, err := file.Parse("policy.yaml", []byte("version: 1\ngroups: {sre: [ana, bob]}\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *rollback.Config) { c.Rules = file.NewSet(nil, p) }
}

func TestARuleOfThePolicyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		by   policy.Principal
		want error
		says string
		code int
	}{
		"refused":              {"rules: [{name: not here, when: {units: \"fake:*\"}, refuse: ask web}]", ana, rollback.ErrRefused, "rule not here: ask web", 5},
		"only a warning":       {"rules: [{name: not here, refuse: ask web, mode: warn}]", ana, nil, "", 0},
		"another's unit":       {"rules: [{name: not here, when: {units: \"k8s:*\"}, refuse: ask web}]", ana, nil, "", 0},
		"untested":             {"rules: [{name: tested, drill: L3}]", ana, rollback.ErrRefused, "rule tested: the way back has to be tested to L3 and is at L1", 5},
		"nobody approves here": {"rules: [{name: two, require: {approve: 2, from: {group: sre}}}]", ana, rollback.ErrWaiting, "rule two", 13},
		"granted":              {"grants: [{name: back, to: {group: sre}, may: run, direction: back}]", ana, nil, "", 0},
		"granted to others":    {"grants: [{name: back, to: {principal: bob}, may: run}]", ana, rollback.ErrRefused, "nothing grants that ana may run back fake:prod/pricing", 5},
		"granted, an agent":    {"grants: [{name: all, to: anybody, may: [run]}]", policy.Principal{ID: "ana", Kind: policy.Agent}, rollback.ErrRefused, "a person has to", 5},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, under(t, c.text))
			b.pricing()
			p := b.plan(t, rollback.Request{For: c.by})
			y := yes(p)
			y.By, y.Typed = c.by, "pricing"
			_, err := b.Confirm(t.Context(), p, y)
			if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.says) || rollback.ExitCode(err) != c.code {
				t.Errorf("%v (%d)", err, rollback.ExitCode(err))
			}
			waits := errors.Is(c.want, rollback.ErrWaiting)
			if p.Decision.Allowed != (c.want == nil || waits) || waits != (len(p.Decision.Needs) > 0) {
				t.Errorf("the plan says %+v", p.Decision)
			}
			if n := len(b.entries(t, ledger.KindRefusal)); n != map[bool]int{true: 0, false: 1}[c.want == nil || waits] {
				t.Errorf("%d refusals on the record", n)
			}
			b.sound(t)
		})
	}
}

// What a drill took back comes forward again, whatever the policy says of going forward: the drill was agreed to with both halves.
func TestNoRuleLeavesAUnitBehindInADrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t, under(t, "rules: [{name: never, direction: forward, refuse: nothing goes forward}, {name: tested, drill: L4}]"))
		u := b.pricing()
		d, err := b.Drive(t.Context(), b.drilled(t, nil).ID)
		if err != nil || d.State != rollback.DrillPassed || u.current.Label != "r42" {
			t.Fatalf("%q %s, serves %s, %v", d.State, d.Detail, u.current.Label, err)
		}
		b.sound(t)
	})
}

func TestADrillIsRefusedByARule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t, under(t, "rules: [{name: no drills, when: {action: drill}, refuse: not this week}]"))
		b.pricing()
		p, _ := b.drillPlan(t, rollback.Request{Drill: &rollback.DrillAsk{}})
		if _, err := b.Drill(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrRefused) || !strings.Contains(err.Error(), "rule no drills: not this week") {
			t.Error(err)
		}
	})
}

func TestALiftIsRefusedByARule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := guarded(t)
		m := suspended(t, b)
		g.Allow(true)
		no := b.another(t, under(t, "rules: [{name: hands off, when: {action: lift}, refuse: ask the owner}]"))
		if _, _, err := no.Lift(t.Context(), m.ID, lift(ana)); !errors.Is(err, rollback.ErrRefused) || !strings.Contains(err.Error(), "rule hands off: ask the owner") || !g.Suspended() {
			t.Errorf("%v, suspended %v", err, g.Suspended())
		}
		may := b.another(t, under(t, "rules: [{name: two, require: {approve: 2, from: {group: sre}}}]"))
		if got, _, err := may.Lift(t.Context(), m.ID, lift(ana)); err != nil || g.Suspended() {
			t.Errorf("approvals are of plans: %+v %v", got, err)
		}
	})
}
