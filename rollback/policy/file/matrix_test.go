package file_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

// right is a grant as the reference keeps it.
type right struct {
	group, principal    string
	kinds, scopes       []string
	unit, env           string // patterns of path.Match, "" any
	direction           string
	fromHour, untilHour int // UTC, 0 and 0 any
}

// byTheBook counts up all that is given for a unit, which is another way than the program's: who, scope, direction, hour and kind.
func byTheBook(rights []right, groups map[string][]string, unit policy.UnitFacts) map[string]bool {
	given := map[string]bool{}
	for _, r := range rights {
		who := []string{r.principal}
		if r.group != "" {
			who = groups[r.group]
		}
		for h := range 24 {
			if !r.holdsFor(unit, h) {
				continue
			}
			for _, line := range product(who, r.scopes, r.directions(), []string{fmt.Sprint(h)}, r.kinds) {
				given[strings.Join(line, " ")] = true
			}
		}
	}
	for line := range given {
		if f := strings.Split(line, " "); f[4] == "agent" && !strings.Contains(" see plan propose ", " "+f[1]+" ") {
			delete(given, line)
		}
	}
	return given
}

func (r *right) directions() []string {
	if r.direction == "" {
		return []string{"back", "forward"}
	}
	return []string{r.direction}
}

func (r *right) holdsFor(unit policy.UnitFacts, hour int) bool {
	inside := r.fromHour == r.untilHour || r.fromHour < r.untilHour && hour >= r.fromHour && hour < r.untilHour ||
		r.fromHour > r.untilHour && (hour >= r.fromHour || hour < r.untilHour)
	fits, _ := path.Match(r.unit, strings.ReplaceAll(unit.ID, "/", "_"))
	return inside && (r.unit == "" || fits) && (r.env == "" || r.env == unit.Environment)
}

// product is every way to take one of each list.
func product(lists ...[]string) [][]string {
	out := [][]string{nil}
	for _, l := range lists {
		var longer [][]string
		for _, line := range out {
			for _, v := range l {
				longer = append(longer, append(slices.Clone(line), v))
			}
		}
		out = longer
	}
	return out
}

// asFile writes the rights as the grants of a policy.
func asFile(rights []right) string {
	text := "version: 1\ngroups: {sre: [ana, bob], web: [will]}\ngrants:\n"
	for i, r := range rights {
		to := "{principal: " + r.principal + "}"
		if r.group != "" {
			to = "{group: " + r.group + "}"
		}
		text += fmt.Sprintf("  - {name: g%d, to: %s, may: %s", i, to, quoted(r.scopes))
		if len(r.kinds) < 3 { // without any it is given to all, and an AI agent still has no more than it may
			text += ", kind: " + quoted(r.kinds)
		}
		for k, v := range map[string]string{"units": r.unit, "env": r.env, "direction": r.direction} {
			if v != "" {
				text += fmt.Sprintf(", %s: %q", k, v)
			}
		}
		if r.fromHour != r.untilHour {
			text += fmt.Sprintf(", hours: {from: \"%02d:00\", to: \"%02d:00\", timezone: UTC}", r.fromHour, r.untilHour)
		}
		text += "}\n"
	}
	return text
}

func TestMatrixOfPrincipalsScopesUnitsAndDirections(t *testing.T) {
	groups := map[string][]string{"sre": {"ana", "bob"}, "web": {"will"}}
	all := []string{"human", "automation", "agent"}
	rights := []right{
		{group: "sre", kinds: []string{"human"}, scopes: []string{"see", "plan", "propose", "approve", "run", "drill", "lift"}, env: "prod", direction: "back"},
		{group: "web", kinds: all, scopes: []string{"see", "plan", "drill"}},
		{group: "web", kinds: []string{"human"}, scopes: []string{"run"}, unit: "flags:*", fromHour: 8, untilHour: 18},
		{principal: "bot", kinds: []string{"automation"}, scopes: []string{"run", "drill"}, env: "staging"},
		{principal: "bot", kinds: all, scopes: []string{"plan", "propose"}, unit: "k8s:*"},
		{principal: "cleo", kinds: []string{"human"}, scopes: []string{"run", "policy"}, direction: "forward", fromHour: 22, untilHour: 6},
	}
	set := file.NewSet(nil, parse(t, asFile(rights)))
	asked, allowed, books := 0, 0, map[string]map[string]bool{}
	known := map[string]policy.UnitFacts{"k8s:prod/shop": {Environment: "prod"}, "flags:prod/tax": {Environment: "prod"}, "k8s:st/shop": {Environment: "staging"}, "x": {}}
	for id, u := range known {
		u.ID = id
		known[id], books[id] = u, byTheBook(rights, groups, u)
	}
	for _, line := range product([]string{"ana", "will", "bot", "cleo", "mallory", ""}, all, actions, []string{"back", "forward"}, []string{"0", "5", "6", "8", "17", "18", "22"}, slices.Sorted(maps.Keys(known))) {
		id, kind, action, direction, unit := line[0], line[1], line[2], line[3], line[5]
		hour, err := strconv.Atoi(line[4])
		if err != nil {
			t.Fatal(err)
		}
		s := policy.Situation{
			Action: policy.Action(action), Direction: policy.Direction(direction), Units: []policy.UnitFacts{known[unit]},
			Actor: policy.Principal{ID: id, Kind: policy.PrincipalKind(kind)}, Now: time.Date(2026, 11, 24, hour, 0, 0, 0, time.UTC),
		}
		scope := action
		if action == "rollback" || action == "forward" {
			scope = "run"
		}
		want, got := books[unit][strings.Join([]string{id, scope, direction, line[4], kind}, " ")], !set.Answer(s).Refused
		if got != want {
			t.Fatalf("%s: %v, and by the book %v", strings.Join(line, " "), got, want)
		}
		if asked++; got {
			allowed++
		}
	}
	if allowed == 0 || allowed == asked {
		t.Fatalf("%d of %d allowed: the matrix asks nothing", allowed, asked)
	}
	t.Logf("%d asked, %d allowed", asked, allowed)
}
