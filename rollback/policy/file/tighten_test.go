package file_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

var (
	people  = []string{"ana", "bob", "cleo", "will", "bot", ""}
	places  = []string{"prod", "staging", "dev", ""}
	units   = []string{"k8s:prod/shop", "k8s:prod/cart", "flags:prod/tax", "releases:local/shop", "x"}
	actions = []string{"see", "plan", "propose", "approve", "rollback", "forward", "drill", "lift", "policy"}
	exprs   = []string{"size(units) > 1", "plan.level < 3", "'prod' in env", "actor.id == 'ana' || incident != ''", "units.exists(u, u.startsWith('k8s:'))", "now.getHours('Europe/Berlin') >= 18", "units[1] == 'x'", "!('sre' in actor.groups)"}
)

// quoted is a value as YAML reads it back.
func quoted(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func when(t *rapid.T) string {
	tests := map[string]any{}
	for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"env", "tier", "action", "actor.kind", "actor.groups", "units", "plan.verdict", "plan.guarded", "direction"}), 0, 3, rapid.ID).Draw(t, "facts") {
		values := map[string][]string{
			"env": {"prod", "st*", "dev"}, "tier": {"prod", "dev"}, "action": actions, "actor.kind": {"human", "automation", "agent"}, "actor.groups": {"sre", "web"},
			"units": {"k8s:*", "*shop", "x"}, "plan.verdict": {"independent", "unknown"}, "plan.guarded": {"true", "false"}, "direction": {"back", "forward"},
		}[k]
		if rapid.Bool().Draw(t, "not") {
			k = "not " + k
		}
		tests[k] = rapid.SampledFrom(values).Draw(t, k)
	}
	return quoted(tests)
}

// entry is one rule, freeze, friction or grant as text.
func entry(t *rapid.T, kind, name string) string {
	cond := "when: " + when(t)
	if rapid.Bool().Draw(t, "cel") {
		cond += ", if: " + quoted(rapid.SampledFrom(exprs).Draw(t, "if"))
	}
	ask := func(need string) string {
		return rapid.SampledFrom([]string{"refuse: x", "drill: L3", need + ": {approve: 1, from: {group: sre}}", need + ": [{approve: 2, from: {group: sre}}, {approve: 1, from: {role: chief}}], not: [requester]"}).Draw(t, "ask")
	}
	mode := "mode: " + rapid.SampledFrom([]string{"deny", "warn", "audit"}).Draw(t, "mode")
	end := "reason: r, owner: o, expires_at: " + rapid.SampledFrom([]string{"2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"}).Draw(t, "end")
	switch kind {
	case "rules":
		return fmt.Sprintf("{name: %s, %s, %s, %s}", name, cond, ask("require"), mode)
	case "friction":
		return fmt.Sprintf("{name: %s, %s, %s, %s, %s}", name, cond, ask("add"), mode, end)
	case "freezes":
		if rapid.Bool().Draw(t, "recurs") {
			return fmt.Sprintf("{name: %s, %s, cron: \"0 18 * * 5\", duration: 62h, timezone: Europe/Berlin, %s}", name, cond, end)
		}
		return fmt.Sprintf("{name: %s, %s, start: 2026-03-01T00:00:00Z, end: 2026-04-01T00:00:00Z, %s}", name, cond, end)
	default:
		may := rapid.SliceOfNDistinct(rapid.SampledFrom(file.Scopes()), 1, 4, rapid.ID).Draw(t, "may")
		to := rapid.SampledFrom([]string{"anybody", "{group: sre}", "{role: chief}", "{principal: will}", "{group: web}"}).Draw(t, "to")
		more := rapid.SampledFrom([]string{"", ", kind: human", ", kind: [human, automation]"}).Draw(t, "kind") +
			rapid.SampledFrom([]string{"", ", units: \"k8s:*\"", ", units: [x, \"*shop\"]"}).Draw(t, "units") +
			rapid.SampledFrom([]string{"", ", env: prod", ", env: [staging, dev]"}).Draw(t, "env") +
			rapid.SampledFrom([]string{"", ", direction: back", ", direction: forward"}).Draw(t, "direction") +
			rapid.SampledFrom([]string{"", ", hours: {from: \"08:00\", to: \"18:00\", timezone: Europe/Berlin, days: [mon, tue]}", ", hours: {from: \"22:00\", to: \"06:00\", timezone: UTC}"}).Draw(t, "hours")
		return fmt.Sprintf("{name: %s, to: %s, may: %s%s}", name, to, quoted(may), more)
	}
}

func document(t *rapid.T, head string, kinds ...string) string {
	out := head
	for _, k := range kinds {
		var entries []string
		for i := range rapid.IntRange(0, 3).Draw(t, k) {
			entries = append(entries, entry(t, k, fmt.Sprintf("%s%d", k, i)))
		}
		out += k + ": [" + strings.Join(entries, ", ") + "]\n"
	}
	return out
}

func situation(t *rapid.T) policy.Situation {
	s := policy.Situation{
		Action: policy.Action(rapid.SampledFrom(actions).Draw(t, "action")), Direction: policy.Direction(rapid.SampledFrom([]string{"back", "forward"}).Draw(t, "direction")),
		Actor: policy.Principal{ID: rapid.SampledFrom(people).Draw(t, "actor"), Kind: policy.PrincipalKind(rapid.SampledFrom([]string{"human", "automation", "agent"}).Draw(t, "kind"))},
		Tier:  rapid.SampledFrom(places).Draw(t, "tier"), Incident: rapid.SampledFrom([]string{"", "INC-1"}).Draw(t, "incident"),
		Plan: policy.PlanFacts{Verdict: rapid.SampledFrom([]string{"independent", "unknown", ""}).Draw(t, "verdict"), Level: rapid.IntRange(0, 4).Draw(t, "level"), Guarded: rapid.Bool().Draw(t, "guarded")},
		Now:  time.Date(2026, 3, rapid.IntRange(1, 31).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), 0, 0, 0, time.UTC).AddDate(0, rapid.SampledFrom([]int{-3, 0, 1}).Draw(t, "month"), 0),
	}
	for range rapid.IntRange(0, 3).Draw(t, "units") {
		s.Units = append(s.Units, policy.UnitFacts{ID: rapid.SampledFrom(units).Draw(t, "unit"), Environment: rapid.SampledFrom(places).Draw(t, "env")})
	}
	return s
}

func mustParse(t *rapid.T, text string, under *file.Policy) *file.Policy {
	p, err := file.ParseOver("p.yaml", []byte(text), under)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// tighter says why the second answer allows more than the first, "" it does not.
func tighter(before, after policy.Answer) string {
	ground := policy.Decision{Allowed: true}
	b, a := ground.With(before), ground.With(after)
	switch {
	case a.Allowed && !b.Allowed:
		return "it allows what was refused"
	case b.NeedsReason && !a.NeedsReason:
		return "it wants no reason any more"
	}
	for _, n := range b.Needs {
		if !slices.ContainsFunc(a.Needs, func(o policy.Need) bool { return quoted(o) == quoted(n) }) {
			return "a need is gone: " + n.String()
		}
	}
	return ""
}

const orgHead = "version: 1\ngroups: {sre: [ana, bob]}\nroles: {chief: [cleo]}\n"

// Any team's policy over an organisation's, and any further rule, freeze or friction in it, never allows more. A grant is no
// such thing: a team gives what its organisation gives too, or less.
func TestTighteningNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		org := mustParse(t, document(t, orgHead+rapid.SampledFrom([]string{"", "responders: [{group: sre}]\n"}).Draw(t, "responders"), "rules", "freezes", "friction"), nil)
		teamHead := "version: 1\ngroups: {web: [will, ana]}\n"
		text := document(t, teamHead, "rules", "freezes", "friction", "grants")
		team := mustParse(t, text, org)
		kind := rapid.SampledFrom([]string{"rules", "freezes", "friction"}).Draw(t, "more")
		more := mustParse(t, strings.Replace(text, kind+": [", kind+": ["+entry(t, kind, "one-more")+", ", 1), org)
		for range 8 {
			s := situation(t)
			alone, over, tightened := file.NewSet(org, nil).Answer(s), file.NewSet(org, team).Answer(s), file.NewSet(org, more).Answer(s)
			if why := tighter(alone, over); why != "" {
				t.Fatalf("a team's policy: %s\n%+v", why, s)
			}
			if why := tighter(over, tightened); why != "" {
				t.Fatalf("one more of %s: %s\n%+v", kind, why, s)
			}
			if quoted(file.NewSet(org, team).Answer(s)) != quoted(over) {
				t.Fatal("asked again, it says something else")
			}
		}
	})
}
