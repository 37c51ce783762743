package file_test

import (
	"fmt"
	"path"
	"slices"
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
		for _, w := range who {
			for _, sc := range r.scopes {
				for _, d := range []string{"back", "forward"} {
					for h := range 24 {
						inside := r.fromHour == r.untilHour || r.fromHour < r.untilHour && h >= r.fromHour && h < r.untilHour ||
							r.fromHour > r.untilHour && (h >= r.fromHour || h < r.untilHour)
						for _, k := range r.kinds {
							unitFits, _ := path.Match(r.unit, strings.ReplaceAll(unit.ID, "/", "_"))
							envFits := r.env == "" || r.env == unit.Environment
							agents := k != "agent" || strings.Contains(" see plan propose ", " "+sc+" ")
							if agents && inside && (r.unit == "" || unitFits) && envFits && (r.direction == "" || r.direction == d) {
								given[fmt.Sprint(w, sc, d, h, k)] = true
							}
						}
					}
				}
			}
		}
	}
	return given
}

func TestMatrixOfPrincipalsScopesUnitsAndDirections(t *testing.T) {
	groups := map[string][]string{"sre": {"ana", "bob"}, "web": {"will"}}
	all := []string{"human", "automation", "agent"}
	rights := []right{
		{group: "sre", kinds: []string{"human"}, scopes: []string{"see", "plan", "propose", "approve", "run", "drill", "lift"}, env: "prod", direction: "back"},
		{group: "web", kinds: all, scopes: []string{"see", "plan"}},
		{group: "web", kinds: []string{"human"}, scopes: []string{"run"}, unit: "flags:*", fromHour: 8, untilHour: 18},
		{principal: "bot", kinds: []string{"automation"}, scopes: []string{"run", "drill"}, env: "staging"},
		{principal: "bot", kinds: all, scopes: []string{"plan", "propose"}, unit: "k8s:*"},
		{principal: "cleo", kinds: []string{"human"}, scopes: []string{"run", "policy"}, direction: "forward", fromHour: 22, untilHour: 6},
	}
	text := "version: 1\ngroups: {sre: [ana, bob], web: [will]}\ngrants:\n"
	for i, r := range rights {
		to := "{principal: " + r.principal + "}"
		if r.group != "" {
			to = "{group: " + r.group + "}"
		}
		text += fmt.Sprintf("  - {name: g%d, to: %s, may: %s", i, to, quoted(r.scopes))
		if len(r.kinds) < 3 {
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
	set := file.NewSet(nil, parse(t, text))
	asked, allowed, books := 0, 0, map[string]map[string]bool{}
	for _, id := range []string{"ana", "will", "bot", "cleo", "mallory", ""} {
		for _, kind := range all {
			for _, action := range actions {
				for _, unit := range []policy.UnitFacts{{ID: "k8s:prod/shop", Environment: "prod"}, {ID: "flags:prod/tax", Environment: "prod"}, {ID: "k8s:st/shop", Environment: "staging"}, {ID: "x"}} {
					for _, direction := range []string{"back", "forward"} {
						for _, hour := range []int{0, 5, 6, 8, 17, 18, 22} {
							s := policy.Situation{
								Action: policy.Action(action), Direction: policy.Direction(direction), Units: []policy.UnitFacts{unit},
								Actor: policy.Principal{ID: id, Kind: policy.PrincipalKind(kind)}, Now: time.Date(2026, 11, 24, hour, 0, 0, 0, time.UTC),
							}
							scope := action
							if slices.Contains([]string{"rollback", "forward"}, action) {
								scope = "run"
							}
							if books[unit.ID] == nil {
								books[unit.ID] = byTheBook(rights, groups, unit)
							}
							want := books[unit.ID][fmt.Sprint(id, scope, direction, hour, kind)]
							if got := !set.Answer(s).Refused; got != want {
								t.Fatalf("%s (%s) %s %s %s at %d: %v, and by the book %v", id, kind, action, direction, unit.ID, hour, got, want)
							} else if got {
								allowed++
							}
							asked++
						}
					}
				}
			}
		}
	}
	if allowed == 0 || allowed == asked {
		t.Fatalf("%d of %d allowed: the matrix asks nothing", allowed, asked)
	}
	t.Logf("%d asked, %d allowed", asked, allowed)
}
