//go:build unix

package exec_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

func TestAbilitiesAreWhatThereAreCommandsFor(t *testing.T) {
	x := []string{"true"}
	for name, c := range map[string]struct {
		commands        obj
		changes, alerts bool
		reverser        bool
	}{
		"changes":  {obj{"changes": x}, true, false, false},
		"alerts":   {obj{"alerts": x}, false, true, false},
		"both":     {obj{"changes": x, "alerts": x}, true, true, false},
		"reverser": {obj{"units": x, "observe": x, "apply": x}, false, false, true},
		"c+r":      {obj{"changes": x, "units": x, "observe": x, "apply": x}, true, false, true},
		"a+r":      {obj{"alerts": x, "units": x, "observe": x, "apply": x}, false, true, true},
		"all":      {obj{"changes": x, "alerts": x, "units": x, "observe": x, "apply": x, "plan": x, "status": x, "verify": x}, true, true, true},
	} {
		p := made(t, obj{"commands": c.commands})
		_, ch := p.(providers.ChangeSource)
		_, al := p.(providers.AlertSource)
		_, re := p.(rollback.Reverser)
		if ch != c.changes || al != c.alerts || re != c.reverser {
			t.Errorf("%s: changes %v, alerts %v, reverser %v", name, ch, al, re)
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	x := []string{"true"}
	for _, s := range []obj{
		{"commands": obj{}},
		{"commands": obj{"changes": []string{}}},
		{"commands": obj{"changes": []string{"a\x00b"}}},
		{"commands": obj{"apply": x, "units": x}},
		{"commands": obj{"observe": x}},
		{"commands": obj{"changes": x}, "env": []string{"A=b"}},
		{"commands": obj{"changes": x}, "env": []string{"BACKOUT_TOKEN"}},
		{"commands": obj{"changes": x}, "timeout": "-1s"},
		{"commands": obj{"changes": x}, "surprise": true},
	} {
		if _, err := tryMake(t, s); err == nil {
			t.Errorf("%v was taken", s)
		}
	}
}

func TestAProgramSeesOnlyWhatWasNamedAndItsSecretsAreNotRepeated(t *testing.T) {
	t.Setenv("BACKOUT_TEST_SECRET", "hunter2-hunter2")
	t.Setenv("UNRELATED_SECRET", "x")
	argv := program(t, `[ -z "${UNRELATED_SECRET:-}" ] || exit 9
printf 'login with %s\033[2J refused\n' "$BACKOUT_TEST_SECRET" >&2; exit 4`)
	if _, err := tryMake(t, obj{"commands": obj{"changes": argv}, "env": []string{"BACKOUT_TEST_SECRET"}}); err == nil {
		t.Fatal("a name of backout's own was taken")
	}
	t.Setenv("DEPLOY_SECRET", "hunter2-hunter2")
	argv = program(t, `[ -z "${UNRELATED_SECRET:-}" ] || exit 9
printf 'login with %s\033[2J refused\n' "$DEPLOY_SECRET" >&2; exit 4`)
	p := made(t, obj{"commands": obj{"changes": argv}, "env": []string{"DEPLOY_SECRET"}})
	for _, err := range p.(providers.ChangeSource).Changes(t.Context(), providers.Window{}) {
		if err == nil || !strings.Contains(err.Error(), "exit code 4: login with *** refused") {
			t.Errorf("got %v", err)
		}
	}
	if h := p.Health(); h.State != providers.HealthFailing || strings.Contains(h.Detail, "hunter2") {
		t.Errorf("health %+v", h)
	}
}

func TestAGarbageLineNamesItsNumber(t *testing.T) {
	argv := program(t, `echo '{"type":"change","id":"1"}'; echo; echo 'Traceback (most recent call last)'; echo '{"type":"change","id":"2"}'`)
	var got []string
	for c, err := range made(t, obj{"commands": obj{"changes": argv}}).(providers.ChangeSource).Changes(t.Context(), providers.Window{}) {
		if err != nil {
			if providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("got %v", err)
			}
			got = append(got, "error")
			continue
		}
		got = append(got, c.ID)
	}
	if strings.Join(got, " ") != "1 error" {
		t.Errorf("got %v", got)
	}
}

func reverser(t *testing.T, body string, more ...string) rollback.Reverser {
	t.Helper()
	argv := program(t, body)
	c := obj{"units": argv, "observe": argv, "apply": argv, "plan": argv, "status": argv, "verify": argv}
	for _, name := range more {
		delete(c, name)
	}
	return made(t, obj{"commands": c, "apply_timeout": "200ms"}).(rollback.Reverser)
}

func TestWhatCameOfAnApply(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want rollback.Outcome
		says string
	}{
		"applied":            {`echo '{"outcome":"applied","token":"t2"}'`, rollback.Applied, ""},
		"failed and said so": {`echo '{"outcome":"failed","detail":"quota"}'`, rollback.Failed, "quota"},
		"exit code":          {`echo '{"outcome":"applied"}'; echo oops >&2; exit 1`, rollback.OutcomeUnknown, "oops"},
		"too slow":           {`echo '{"outcome":"applied"}'; sleep 60`, rollback.OutcomeUnknown, "apply_timeout"},
		"no answer":          {``, rollback.OutcomeUnknown, "makes no sense"},
		"two answers":        {`echo '{"outcome":"failed"}{"outcome":"applied"}'`, rollback.OutcomeUnknown, "after the JSON object"},
		"other words":        {`echo '{"outcome":"OK"}'`, rollback.OutcomeUnknown, `"OK"`},
		"no outcome":         {`echo '{"detail":"fine"}'`, rollback.OutcomeUnknown, "outcome"},
		"a list":             {`echo '[{"outcome":"applied"}]'`, rollback.OutcomeUnknown, "object"},
		"escape sequences":   {`printf '{"outcome":"applied","detail":"a\\u001b[2Jb"}'`, rollback.Applied, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := reverser(t, c.body).Apply(t.Context(), rollback.Operation{ID: "op"}, rollback.Step{N: 1, Unit: unit})
			if err != nil || res.Outcome != c.want || !strings.Contains(res.Detail, c.says) {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
	gone := made(t, obj{"commands": obj{"units": []string{"true"}, "observe": []string{"true"}, "apply": []string{"/nonexistent"}}}).(rollback.Reverser)
	if res, err := gone.Apply(t.Context(), rollback.Operation{ID: "op"}, rollback.Step{N: 1, Unit: unit}); err != nil || res.Outcome != rollback.Failed {
		t.Errorf("a program that is not there gave %+v, %v", res, err)
	}
}

const goodObservation = `{"unit":{"id":"local/app"},"token":"t1","current":{"digest":"sha256:` +
	`0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","label":"r1"}}`

func TestObservationsThatCannotBeTrusted(t *testing.T) {
	for name, answer := range map[string]string{
		"another unit":  strings.Replace(goodObservation, "local/app", "local/other", 1),
		"no token":      strings.Replace(goodObservation, `"t1"`, `""`, 1),
		"a bare digest": strings.Replace(goodObservation, "sha256:", "", 1),
		"hidden label":  strings.Replace(goodObservation, `"r1"`, `"r1\u202e"`, 1),
		"other cas":     strings.Replace(goodObservation, `"id"`, `"cas":"maybe","id"`, 1),
		"null current":  `{"token":"t1","current":null}`,
		"empty":         `{}`,
	} {
		if obs, err := reverser(t, "cat <<'EOF'\n"+answer+"\nEOF").Observe(t.Context(), unit); err == nil || providers.ClassOf(err) != providers.ClassPermanent {
			t.Errorf("%s: got %+v, %v", name, obs, err)
		}
	}
	obs, err := reverser(t, "cat <<'EOF'\n"+goodObservation+"\nEOF").Observe(t.Context(), unit)
	if err != nil || obs.Unit.ID != unit || obs.Unit.CAS != rollback.CASNone || obs.Unit.Environment != "prod" || time.Since(obs.At) > time.Minute {
		t.Errorf("got %+v, %v", obs, err)
	}
}

func TestPlansAndChecksThatCannotBeTrusted(t *testing.T) {
	obs, to := rollback.Observation{Unit: rollback.Unit{ID: unit}, Token: "t1"}, rollback.Revision{Digest: "sha256:2", Label: "r0"}
	obs.Current.Digest = "sha256:1"
	for name, answer := range map[string]string{
		"no steps":     `{"steps":[]}`,
		"another unit": `{"steps":[{"n":1,"title":"t","unit":"script:local/other"}]}`,
		"other token":  `{"steps":[{"n":1,"title":"t","token":"t0"}]}`,
		"other goal":   `{"steps":[{"n":1,"title":"t","to":"sha256:3"}]}`,
		"twice":        `{"steps":[{"n":1,"title":"t"},{"n":1,"title":"t"}]}`,
	} {
		if p, err := reverser(t, "cat <<'EOF'\n"+answer+"\nEOF").Plan(t.Context(), obs, to); err == nil {
			t.Errorf("%s: got %+v", name, p)
		}
	}
	good := `{"steps":[{"n":1,"title":"back","args":{"k":"v"}}],"diff":"-a\u001b[31m\n+b\n","estimate_ns":-5,"blast":"12\u001b[31m pods"}`
	p, err := reverser(t, "cat <<'EOF'\n"+good+"\nEOF").Plan(t.Context(), obs, to)
	if err != nil || p.Diff != "-a\n+b\n" || p.Blast != "12 pods" || p.Estimate != 0 || p.Steps[0].Token != "t1" || p.Steps[0].To != to.Digest || len(p.Warnings) != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, answer := range []string{`{}`, `{"checks":null}`, `{"checks":[{"name":"x","state":"fine"}]}`, `{"checks":"pass"}`} {
		if c, err := reverser(t, "cat <<'EOF'\n"+answer+"\nEOF").Verify(t.Context(), unit, to); err == nil {
			t.Errorf("%s: got %v", answer, c)
		}
	}
	for _, answer := range []string{`{}`, `{"done":"yes"}`, `{"done":true,"failed":true}`} {
		if c, err := reverser(t, "cat <<'EOF'\n"+answer+"\nEOF").Status(t.Context(), unit, to); err == nil {
			t.Errorf("%s: got %v", answer, c)
		}
	}
}

// Whoever calls off an apply is told that the end is unknown, at once, and the program is gone with its children.
// Without a command that verifies, there is only the program's own word on which content it is at.
func TestOnlyACommandThatVerifiesLooksFromOutside(t *testing.T) {
	a := newApp(t)
	for _, outside := range []bool{false, true} {
		settings := a.settings()
		if outside {
			settings["commands"].(obj)["verify"] = program(t, `echo '{"checks":[{"name":"answers","state":"pass"},{"name":"version","state":"pass","inside":true}]}'`)
		}
		r := made(t, settings).(rollback.Reverser)
		if w, ok := r.(rollback.Watchful); !ok || w.LookTimeout() < 30*time.Second {
			t.Error("the engine is not told how long a look may take")
		}
		obs, err := r.Observe(t.Context(), "script:local/app")
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Plan(t.Context(), obs, obs.History[0])
		if err != nil || (len(p.Checks) > 0) != outside {
			t.Errorf("with a verify command %v: the plan names the checks %q, %v", outside, p.Checks, err)
		}
		checks, err := r.Verify(t.Context(), obs.Unit.ID, obs.Current)
		if err != nil || len(checks) == 0 || checks[0].Inside == outside || !checks[len(checks)-1].Inside {
			t.Errorf("with a verify command %v: %+v, %v", outside, checks, err)
		}
	}
}

func TestACalledOffApplyIsUnknownAndGone(t *testing.T) {
	dir := t.TempDir()
	r := reverser(t, `sh -c 'echo $$ > "`+dir+`/.pid"; mv "`+dir+`/.pid" "`+dir+`/pid"; exec sleep 600' & wait`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan rollback.Result, 1)
	go func() {
		res, _ := r.Apply(ctx, rollback.Operation{ID: "op"}, rollback.Step{N: 1, Unit: unit})
		done <- res
	}()
	pid := filepath.Join(dir, "pid")
	for {
		if _, err := os.Stat(pid); err == nil {
			break
		}
		time.Sleep(time.Millisecond) // between two looks for what another process writes
	}
	cancel()
	if res := <-done; res.Outcome != rollback.OutcomeUnknown {
		t.Errorf("got %+v", res)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + strings.TrimSpace(string(text)) + "/stat"
	for {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the child lives on")
		}
		time.Sleep(time.Millisecond) // between two looks at another process
	}
}

func TestARequestHoldsWhatItIsAbout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "request")
	r := reverser(t, `cat > '`+file+`'; env | sort >> '`+file+`'; echo '{"outcome":"applied"}'`)
	step := rollback.Step{N: 3, Unit: unit, Action: "apply", From: "sha256:1", To: "sha256:2", Token: "t'$(1)", Title: "back", Args: map[string]string{"label": "r 41"}}
	if res, err := r.Apply(t.Context(), rollback.Operation{ID: "op7", Fence: 4}, step); err != nil || res.Outcome != rollback.Applied {
		t.Fatal(res, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, env, _ := strings.Cut(string(text), "\n")
	var req struct {
		Protocol  int
		Method    string
		Operation rollback.Operation
		Step      rollback.Step
	}
	if err := json.Unmarshal([]byte(doc), &req); err != nil || req.Protocol != 1 || req.Method != "apply" || req.Operation.Fence != 4 || req.Step.Token != step.Token {
		t.Errorf("request %s: %v", doc, err)
	}
	for _, want := range []string{"BACKOUT_OPERATION=op7", "BACKOUT_STEP=3", "BACKOUT_TOKEN=t'$(1)", "BACKOUT_TO=sha256:2", "BACKOUT_TO_LABEL=r 41", "BACKOUT_UNIT=" + string(unit)} {
		if !strings.Contains(env, want+"\n") {
			t.Errorf("the environment lacks %s:\n%s", want, env)
		}
	}
}
