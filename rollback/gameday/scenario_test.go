package gameday_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/gameday"
)

const whole = `title: Pricing is down
hypothesis: it is found
steady:
  hold: 4s
  use: [shop]
  http:
    - {name: page, url: "https://shop.example.com/", status: 200}
fault:
  - release: {unit: "releases:shop/pricing", revision: r301}
  - exec: {unit: "releases:shop/pricing", program: keeper, args: [suspend], undo: [resume]}
on_call: ["*"]
stay_out: [nadia]
stop:
  deadline: 5m
  command:
    - {argv: [./guard]}
expect: {page: 10s, suspect: fault}
next: {days: 90, weekday: tuesday}
`

func parsed(t *testing.T, text string) gameday.Scenario {
	t.Helper()
	s, err := gameday.Parse("day.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAScenarioIsReadWhole(t *testing.T) {
	s := parsed(t, whole)
	if s.Steady.Hold != 4*time.Second || s.Steady.HTTP[0].Status != 200 || s.Stop.Command[0].Argv[0] != "./guard" || s.Stop.Deadline != 5*time.Minute {
		t.Errorf("%+v", s)
	}
	if s.Fault[0].Program() != "release" || s.Fault[1].Program() != "keeper" || s.Fault[1].Exec.Undo[0] != "resume" || s.Next.DaysFindings != 90 {
		t.Errorf("%+v", s)
	}
	s = parsed(t, strings.Replace(whole, "  hold: 4s\n", "", 1))
	if s.Steady.Hold != 30*time.Second {
		t.Errorf("without a hold it is %s", s.Steady.Hold)
	}
}

// Each mistake is told with its line.
func TestMistakesOfAScenario(t *testing.T) {
	for _, c := range []struct{ name, old, now, want string }{
		{"unknown key", "hypothesis:", "hypotesis:", "day.yaml:2: hypotesis is no key here"},
		{"unknown key deep", "revision: r301", "revisoin: r301", "day.yaml:9: revisoin is no key here"},
		{"unknown key in a check", "status: 200", "stauts: 200", "day.yaml:7: stauts is no key here"},
		{"wrong type", "hold: 4s", "hold: soon", "day.yaml:4: "},
		{"not YAML", "fault:\n", "fault: [\n", "day.yaml:"},
		{"no hypothesis", "hypothesis: it is found", "hypothesis: \"\"", "day.yaml:2: hypothesis is missing"},
		{"no revision", ", revision: r301", "", "day.yaml:9: release needs the revision"},
		{"no undo", ", undo: [resume]", "", "day.yaml:10: exec needs undo"},
		{"no unit", `unit: "releases:shop/pricing", revision`, `unit: pricing, revision`, "day.yaml:9: unit has to be a unit's id"},
		{"both kinds", "revision: r301}", "revision: r301}\n    exec: {unit: \"a:b\", program: p, undo: [x]}", "day.yaml:9: a step of the fault is either release or exec"},
		{"twice the same unit", "  - exec:", "  - release: {unit: \"releases:shop/pricing\", revision: r2}\n  - exec:", "day.yaml:10: releases:shop/pricing is released twice"},
		{"no deadline", "deadline: 5m", "deadline: 0s", "day.yaml:13: stop.deadline is missing"},
		{"a deadline of a week", "deadline: 5m", "deadline: 168h", "day.yaml:14: stop.deadline has to be from"},
		{"a hold beyond the deadline", "hold: 4s", "hold: 6m", "day.yaml:4: steady.hold (6m0s) is not shorter"},
		{"credentials", "https://shop", "https://a:b@shop", "day.yaml:7: url has credentials in it"},
		{"on call and out", "stay_out: [nadia]", "stay_out: [\"*\"]", "day.yaml:12: stay_out would keep everybody out"},
		{"nobody on call", `on_call: ["*"]`, "on_call: []", "day.yaml:11: on_call is missing"},
		{"suspect", "suspect: fault", "suspect: me", "day.yaml:17: expect.suspect is fault or none"},
		{"no next", "days: 90", "days: 0", "day.yaml:18: next.days has to be"},
		{"no such day", "weekday: tuesday", "weekday: someday", "day.yaml:18: next.weekday is no day of the week"},
		{"a second document", "next:", "---\nnext:", "day.yaml:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(whole, c.old, c.now, 1)
			if text == whole {
				t.Fatalf("%q is not in it", c.old)
			}
			_, err := gameday.Parse("day.yaml", []byte(text))
			var bad *gameday.Problems
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := gameday.Parse("day.yaml", nil); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := gameday.Parse("day.yaml", []byte(strings.Repeat("# \n", gameday.MaxScenario))); err == nil {
		t.Error("a file of any length is read")
	}
}

// What backout ships is held to the same rules.
func TestShippedScenarios(t *testing.T) {
	files, err := filepath.Glob("../../cmd/internal/demo/gamedays/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := gameday.Parse(file, data)
		if err != nil || s.After == "" || len(s.StayOut) == 0 || s.Expect.Suspect == "" {
			t.Errorf("%s: %v %+v", file, err, s)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, who string
		want         bool
	}{
		{"ana", "ana", true},
		{"ana", "anabel", false},
		{"*", "", true},
		{"*@example.com", "ana@example.com", true},
		{"team-*-oncall", "team-a-oncall", true},
		{"team-*-oncall", "team-a-lead", false},
		{"a*a", "a", false},
	} {
		if gameday.Matches([]string{"nobody", c.pattern}, c.who) != c.want {
			t.Errorf("%q and %q: %v", c.pattern, c.who, !c.want)
		}
	}
}

// Every key of a scenario file is in the docs.
func TestTheKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/gamedays.md")
	if err != nil {
		t.Fatal(err)
	}
	var look func(t *testing.T, typ reflect.Type)
	look = func(t *testing.T, typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key != "" && !strings.Contains(string(page), "`"+key+"`") && !strings.Contains(string(page), "`"+key+": ") {
				t.Errorf("%s.%s: `%s` is not in docs/gamedays.md", typ.Name(), f.Name, key)
			}
			look(t, f.Type)
		}
	}
	look(t, reflect.TypeFor[gameday.Scenario]())
}
