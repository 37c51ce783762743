package file_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

const shop = `version: 1
groups: {sre: [ana, bob], web: [will]}
roles: {commander: [cleo]}
responders: [{group: sre}, {role: commander}]
rules:
  - name: prod-two
    when: {env: prod}
    direction: back
    if: size(units) > 1 || plan.level < 3
    require: [{approve: 2, from: {group: sre}}, {approve: 1, from: {role: commander}}]
    not: [requester, change.author]
    approval_expires: 30m
  - {name: forward-tested, direction: forward, when: {tier: prod}, drill: L3}
  - {name: say-why, when: {plan.verdict: conditional}, reason: required}
  - {name: not-yet, when: {change.ai: agent}, refuse: "agents' changes need a person", mode: warn}
  - {name: quietly, when: {change.ai: agent}, refuse: watched, mode: audit}
  - {name: flags, when: {units: "flags:*"}, refuse: flags belong to web}
freezes:
  - {name: peak, reason: sales, owner: ana, start: 2026-11-26T00:00:00Z, end: 2026-11-30T00:00:00Z}
  - {name: weekend, reason: nobody is here, owner: ana, cron: "0 18 * * 5", duration: 62h, timezone: Europe/Berlin, expires_at: 2027-01-01T00:00:00Z}
friction:
  - {name: ai-look, when: {change.ai: [agent, assisted]}, add: {approve: 1, from: {group: web}}, reason: INC-1, owner: ana, expires_at: 2026-12-15T00:00:00Z}
  - {name: until-tested, drill: L1, reason: INC-2, owner: ana, until: plan.level >= 1}
`

func TestAnswer(t *testing.T) {
	set := file.NewSet(nil, parse(t, shop))
	base := policy.Situation{
		Action: policy.ActionRollback, Direction: policy.Back, Actor: policy.Principal{ID: "ana", Kind: policy.Human}, Tier: "prod",
		Units: []policy.UnitFacts{{ID: "k8s:prod/shop", Environment: "prod"}}, Plan: policy.PlanFacts{Verdict: "independent", Level: 4},
		Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	}
	cases := map[string]struct {
		with    func(*policy.Situation)
		outcome string
		rules   string
	}{
		"tested, alone":      {func(*policy.Situation) {}, "allow", ""},
		"untested":           {func(s *policy.Situation) { s.Plan.Level = 1 }, "needs", "prod-two"},
		"untested elsewhere": {func(s *policy.Situation) { s.Plan.Level = 1; s.Units[0].Environment = "dev" }, "allow", ""},
		"one of them in production": {func(s *policy.Situation) {
			s.Plan.Level = 1
			s.Units = append(s.Units, policy.UnitFacts{ID: "x", Environment: "dev"})
		}, "needs", "prod-two"},
		"forward, untested":     {func(s *policy.Situation) { s.Action, s.Direction, s.Plan.Level = "forward", "forward", 2 }, "deny", "forward-tested"},
		"a drill gets it there": {func(s *policy.Situation) { s.Action, s.Direction, s.Plan.Level = "drill", "forward", 2 }, "allow", ""},
		"conditional":           {func(s *policy.Situation) { s.Plan.Verdict = "conditional" }, "needs", "say-why"},
		"a change of an agent":  {func(s *policy.Situation) { s.Change.AI = "agent" }, "needs", "ai-look not-yet quietly"},
		"the friction is over": {func(s *policy.Situation) {
			s.Change.AI, s.Now = "assisted", time.Date(2026, 12, 15, 0, 0, 0, 0, time.UTC)
		}, "allow", ""},
		"possible is no friction":     {func(s *policy.Situation) { s.Change.AI = "possible" }, "allow", ""},
		"a pattern":                   {func(s *policy.Situation) { s.Units[0].ID = "flags:prod/new-tax" }, "deny", "flags"},
		"until a condition holds":     {func(s *policy.Situation) { s.Plan.Level, s.Units[0].Environment = 0, "dev" }, "deny", "until-tested"},
		"an agent":                    {func(s *policy.Situation) { s.Actor.Kind = policy.Agent }, "deny", "agents"},
		"an agent plans":              {func(s *policy.Situation) { s.Actor.Kind, s.Action = policy.Agent, "plan" }, "allow", ""},
		"frozen, back, a responder":   {func(s *policy.Situation) { s.Now = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC) }, "allow", "peak"},
		"frozen, back, somebody else": {func(s *policy.Situation) { s.Now, s.Actor.ID = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), "will" }, "deny", "peak"},
		"frozen, back, an automation": {func(s *policy.Situation) {
			s.Now, s.Actor.Kind = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), policy.Automation
		}, "deny", "peak"},
		"frozen, forward": {func(s *policy.Situation) {
			s.Now, s.Action, s.Direction = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), "forward", "forward"
		}, "deny", "peak"},
		"friday before six in Berlin": {func(s *policy.Situation) { s.Now = time.Date(2026, 12, 4, 16, 59, 0, 0, time.UTC) }, "allow", ""},
		"friday, six in Berlin":       {func(s *policy.Situation) { s.Now = time.Date(2026, 12, 4, 17, 0, 0, 0, time.UTC) }, "allow", "weekend"},
		"monday before eight":         {func(s *policy.Situation) { s.Now = time.Date(2026, 12, 7, 6, 59, 0, 0, time.UTC) }, "allow", "weekend"},
		"monday, eight":               {func(s *policy.Situation) { s.Now = time.Date(2026, 12, 7, 7, 0, 0, 0, time.UTC) }, "allow", ""},
		"no weekend any more":         {func(s *policy.Situation) { s.Now = time.Date(2027, 1, 1, 23, 0, 0, 0, time.UTC) }, "allow", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := base
			s.Units = slices.Clone(base.Units)
			c.with(&s)
			a := set.Answer(s)
			var said []string
			for _, r := range a.Rulings {
				said = append(said, r.Rule)
			}
			slices.Sort(said)
			if got := strings.Join(said, " "); file.Outcome(a) != c.outcome || got != c.rules {
				t.Errorf("%s by %q, want %s by %q\n%+v", file.Outcome(a), got, c.outcome, c.rules, a)
			}
		})
	}
}

func TestARulingSaysWhatItRead(t *testing.T) {
	set := file.NewSet(nil, parse(t, shop))
	a := set.Answer(policy.Situation{Action: "rollback", Direction: "back", Actor: policy.Principal{ID: "ana", Kind: policy.Human}, Units: []policy.UnitFacts{{ID: "a", Environment: "prod"}}, Plan: policy.PlanFacts{Level: 2}, Now: file.Noon()})
	if len(a.Rulings) != 1 || a.Rulings[0].Because() != "direction=back, env=prod, plan.level=2, units=a" {
		t.Errorf("%+v", a.Rulings)
	}
	need := a.Needs[0]
	if need.Rule != "prod-two" || need.ApprovalExpires != 30*time.Minute || !slices.Equal(need.Not, []string{"requester", "change.author"}) ||
		!slices.Equal(need.Any, []policy.Threshold{{Approve: 2, From: policy.Who{Group: "sre"}}, {Approve: 1, From: policy.Who{Role: "commander"}}}) {
		t.Errorf("%+v", need)
	}
}

func TestAConditionThatCannotBeEvaluatedHolds(t *testing.T) {
	set := file.NewSet(nil, parse(t, head+"rules: [{name: a, if: \"units[3] == 'x'\", refuse: x}]\nfriction: [{name: b, refuse: y, reason: r, owner: o, until: \"units[3] == 'x'\"}]\n"))
	if a := set.Answer(policy.Situation{Action: "rollback"}); !a.Refused || len(a.Rulings) != 2 {
		t.Errorf("%+v", a)
	}
}

func TestCasesAndWhatTheyLeaveOut(t *testing.T) {
	set := file.NewSet(nil, parse(t, shop+`cases:
  - {name: tested, given: {actor.id: ana, env: prod, units: "k8s:prod/shop"}, expect: allow}
  - {name: wrong, given: {actor.id: ana, env: prod, units: "k8s:prod/shop", plan.level: 1}, expect: allow}
  - {name: wrong rule, given: {units: "flags:x", plan.level: 3}, expect: deny, rules: prod-two}
`))
	results, untouched := set.Test()
	if len(results) != 3 || !results[0].Passed || results[1].Passed || results[1].Why != "is needs and not allow" || results[2].Passed || results[2].Why != "prod-two says nothing here" {
		t.Errorf("%+v", results)
	}
	if want := []string{"forward-tested", "say-why", "not-yet", "quietly", "peak", "weekend", "ai-look", "until-tested"}; !slices.Equal(untouched, want) {
		t.Errorf("untouched %q, want %q", untouched, want)
	}
}

func TestMembersAreThoseOfTheFilesAndThoseKnownAnyway(t *testing.T) {
	org := parse(t, head)
	team, err := file.ParseOver("team.yaml", []byte("version: 1\ngroups: {web: [will]}\n"), org)
	if err != nil {
		t.Fatal(err)
	}
	set := file.NewSet(org, team)
	for _, c := range []struct {
		id    string
		roles []string
		who   policy.Who
		want  bool
	}{
		{"ana", nil, policy.Who{Group: "sre"}, true},
		{"will", nil, policy.Who{Group: "web"}, true},
		{"will", nil, policy.Who{Group: "sre"}, false},
		{"ana", nil, policy.Who{Group: "sre", Role: "commander"}, false},
		{"ana", []string{"commander"}, policy.Who{Group: "sre", Role: "commander"}, true},
		{"cleo", nil, policy.Who{Principal: "cleo"}, true},
		{"", nil, policy.Who{Group: "sre"}, false},
		{"anybody", nil, policy.Who{}, true},
	} {
		if got := set.Member(c.id, nil, c.roles, c.who); got != c.want {
			t.Errorf("%s %v as %s: %v", c.id, c.roles, c.who, got)
		}
	}
}
