package file_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

const head = "version: 1\ngroups: {sre: [ana, bob]}\nroles: {commander: [cleo]}\n"

func parse(t *testing.T, text string) *file.Policy {
	t.Helper()
	p, err := file.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryMistakeHasItsPlaceAndWhatToWriteInstead(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"empty":                  {"", "policy.yaml:1:1: is empty: begin with version: 1"},
		"no YAML":                {"version: 1\nrules: [", "policy.yaml:2:1: is not valid YAML"},
		"two documents":          {"version: 1\n---\nversion: 1\n", "begins a second document"},
		"another version":        {"version: 2\n", "policy.yaml:1:10: version: is 1"},
		"no version":             {"rules: []\n", "version: is missing"},
		"unknown key":            {"version: 1\nrulez: []\n", `policy.yaml:2:1: rulez: is not known here: did you mean "rules"?`},
		"twice":                  {"version: 1\nrules: []\nrules: []\n", "stands twice"},
		"alias":                  {"version: 1\nrules: [&a {name: a, refuse: x}, *a]\n", "write out what it stands for"},
		"unknown fact":           {head + "rules:\n  - {name: a, refuse: x, when: {envv: prod}}\n", `policy.yaml:5:39: rules[0].when.envv: is no fact: did you mean "env"?`},
		"unknown value":          {head + "rules:\n  - {name: a, refuse: x, when: {tier: prd}}\n", `is never "prd": did you mean "prod"?`},
		"a moment in short form": {head + "rules:\n  - {name: a, refuse: x, when: {now: x}}\n", "is compared in 'if'"},
		"CEL, unknown name":      {head + "rules:\n  - name: a\n    refuse: x\n    if: size(unitz) > 1\n", "policy.yaml:7:14: rules[0].if: undeclared reference to 'unitz'"},
		"CEL in quotes":          {head + "rules:\n  - name: a\n    refuse: x\n    if: \"size(unitz) > 1\"\n", "policy.yaml:7:15: "},
		"CEL in a block":         {head + "rules:\n  - name: a\n    refuse: x\n    if: |\n      plan.seen &&\n        plan.age > 1\n", "policy.yaml:9:"},
		"CEL, wrong type":        {head + "rules:\n  - {name: a, refuse: x, if: plan.level}\n", "is int, and has to be true or false"},
		"CEL, no overload":       {head + "rules:\n  - {name: a, refuse: x, if: plan.level == 'L3'}\n", "no matching overload"},
		"asks for nothing":       {head + "rules:\n  - {name: a, when: {env: prod}}\n", "asks for nothing: write refuse"},
		"two of a name":          {head + "rules:\n  - {name: a, refuse: x}\n  - {name: a, refuse: y}\n", "is taken by another entry"},
		"unknown group":          {head + "rules:\n  - {name: a, require: [{approve: 1, from: {group: sra}}]}\n", `did you mean "sre"?`},
		"nobody":                 {head + "rules:\n  - {name: a, require: []}\n", "asks for nobody"},
		"a number of none":       {head + "rules:\n  - {name: a, require: {approve: 0, from: {group: sre}}}\n", "is a number from 1 to 100"},
		"expiry without need":    {head + "rules:\n  - {name: a, refuse: x, approval_expires: 30m}\n", "is about approvals, and none are asked for"},
		"a duration":             {head + "rules:\n  - {name: a, require: {approve: 1, from: {group: sre}}, approval_expires: soon}\n", "is a duration such as 30m"},
		"drill":                  {head + "rules:\n  - {name: a, drill: L9}\n", `is not "L9"`},
		"agents may not run":     {head + "grants:\n  - {name: a, to: anybody, kind: agent, may: [plan, run]}\n", "gives an AI agent the right to run"},
		"hours":                  {head + "grants:\n  - {name: a, to: {group: sre}, may: run, hours: {from: \"9\", to: \"17:00\", timezone: Local}}\n", "is a time of day"},
		"zone":                   {head + "grants:\n  - {name: a, to: {group: sre}, may: run, hours: {from: \"9:00\", to: \"17:00\", timezone: Local}}\n", `"Local" is no time zone`},
		"friction without end":   {head + "friction:\n  - {name: a, refuse: x, reason: y, owner: ana}\n", "is temporary and says not when it ends"},
		"friction without owner": {head + "friction:\n  - {name: a, refuse: x, reason: y, expires_at: 2026-12-15T00:00:00Z}\n", "owner: is missing"},
		"friction, no reason":    {head + "friction:\n  - {name: a, refuse: x, owner: y, expires_at: 2026-12-15T00:00:00Z}\n", "reason: is missing"},
		"freeze without end":     {head + "freezes:\n  - {name: a, reason: x, owner: y, start: 2026-12-15T00:00:00Z}\n", "end: is missing"},
		"freeze without owner":   {head + "freezes:\n  - {name: a, reason: x, start: 2026-12-15T00:00:00Z, end: 2026-12-16T00:00:00Z}\n", "owner: is missing"},
		"freeze that recurs":     {head + "freezes:\n  - {name: a, reason: x, owner: y, cron: \"0 18 * * 5\", duration: 60h, timezone: UTC}\n", "says not when it ends"},
		"freeze backwards":       {head + "freezes:\n  - {name: a, reason: x, owner: y, start: 2026-12-17T00:00:00Z, end: 2026-12-16T00:00:00Z}\n", "is not after its start"},
		"no offset":              {head + "freezes:\n  - {name: a, reason: x, owner: y, start: 2026-12-17, end: 2026-12-18T00:00:00Z}\n", "is a moment with its offset"},
		"cron":                   {head + "freezes:\n  - {name: a, reason: x, owner: y, cron: \"0 25 * * 5\", duration: 60h, timezone: UTC, expires_at: 2026-12-16T00:00:00Z}\n", "its hour \"25\""},
		"case of no rule":        {head + "rules: [{name: two, refuse: x}]\ncases:\n  - {name: a, given: {env: prod}, expect: deny, rules: [tow]}\n", `did you mean "two"?`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := file.Parse("policy.yaml", []byte(c.text))
			var bad *file.Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestATeamCannotFillTheGroupsOfItsOrganisation(t *testing.T) {
	org := parse(t, head)
	_, err := file.ParseOver("team.yaml", []byte("version: 1\ngroups: {sre: [mallory]}\n"), org)
	if err == nil || !strings.Contains(err.Error(), "team.yaml:2:15: groups.sre: is the organisation's") {
		t.Fatal(err)
	}
	team, err := file.ParseOver("team.yaml", []byte("version: 1\nrules: [{name: a, require: {approve: 1, from: {group: sre}}}]\n"), org)
	if err != nil || len(team.Rules) != 1 {
		t.Fatalf("naming the organisation's group: %v", err)
	}
	// A group of the team's own opens no exception of the organisation's.
	org = parse(t, "version: 1\nrules: [{name: all, when: {not actor.groups: trusted}, refuse: x}]\n")
	team, err = file.ParseOver("team.yaml", []byte("version: 1\ngroups: {trusted: [mallory]}\n"), org)
	if err != nil {
		t.Fatal(err)
	}
	if a := file.NewSet(org, team).Answer(policy.Situation{Action: policy.ActionRollback, Actor: policy.Principal{ID: "mallory", Kind: policy.Human}}); !a.Refused {
		t.Error("a team named somebody trusted, and the organisation's rule believed it")
	}
}

func TestAFileCountsOnlyWithTheDigestThatIsPinned(t *testing.T) {
	p := parse(t, head)
	if err := file.Pinned([]byte(head), p.Digest); err != nil {
		t.Error(err)
	}
	if err := file.Pinned([]byte(head+" "), p.Digest); err == nil || !strings.Contains(err.Error(), "pinned") {
		t.Error(err)
	}
}

func TestTemporaryMeasuresSayWhenTheyEnd(t *testing.T) {
	p := parse(t, head+`freezes:
  - {name: peak, reason: sales, owner: ana, start: 2026-11-26T00:00:00-05:00, end: 2026-11-30T06:00:00-05:00}
friction:
  - {name: second look, add: {approve: 1, from: {group: sre}}, reason: INC-1, owner: bob, until: plan.level >= 3}
`)
	got := p.Temporary()
	if len(got) != 2 || !got[0].Ends.Equal(time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)) || got[1].Until != "plan.level >= 3" || got[1].Owner != "bob" {
		t.Errorf("%+v", got)
	}
}
