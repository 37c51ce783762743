//go:build unix

package exec_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/exec"
	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/rollback"
)

func compiled(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for url, text := range map[string][]byte{
		"https://backout.dev/schema/exec-v1.json": exec.Schema(), "https://backout.dev/schema/incident-v1.json": incident.Schema(),
	} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource(url, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]*jsonschema.Schema{}
	for _, name := range []string{"request", "event", "unit", "observation", "proposal", "result", "convergence", "verification"} {
		s, err := c.Compile("https://backout.dev/schema/exec-v1.json#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

func valid(t *testing.T, s *jsonschema.Schema, line string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return nil
	}
	return s.Validate(doc)
}

// Every request that is sent, and every answer of the example in the docs, is as the published schema says.
func TestMessagesAreAsTheSchemaSays(t *testing.T) {
	a := newApp(t)
	dir := t.TempDir()
	// tee keeps the traffic; plan, status and verify are answered here, because the example leaves them out.
	argv := program(t, fmt.Sprintf(`
n='%s/'$$.$BACKOUT_METHOD
cat > "$n.request"
case $BACKOUT_METHOD in
plan) echo '{"steps":[{"n":1,"title":"back","args":{"label":"r41"}}],"diff":"","warnings":["w"],"blast":"12 pods"}' ;;
status) echo '{"done":true,"detail":"there"}' ;;
verify) echo '{"checks":[{"name":"http","state":"pass","observed":"200","goal":"200","value":0.2,"limit":1}]}' ;;
*) APP_DIR='%s' /bin/sh '%s' backout < "$n.request" ;;
esac | tee "$n.answer"`, dir, a.dir, a.script))
	c := obj{}
	for _, m := range []string{"changes", "units", "observe", "plan", "apply", "status", "verify"} {
		c[m] = argv
	}
	p := made(t, obj{"commands": c})
	exercise(t, p)
	schemas := compiled(t)
	answers := map[string]string{
		"changes": "event", "units": "unit", "observe": "observation", "plan": "proposal", "apply": "result", "status": "convergence", "verify": "verification",
	}
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) < 2*len(answers) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(filepath.Base(f), ".")
		schema := schemas["request"]
		if parts[2] == "answer" {
			schema = schemas[answers[parts[1]]]
		}
		for line := range strings.Lines(string(text)) {
			if err := valid(t, schema, line); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(f), line, err)
			}
		}
	}
}

func exercise(t *testing.T, p providers.Provider) {
	t.Helper()
	r := p.(rollback.Reverser)
	n := 0
	for _, err := range p.(providers.ChangeSource).Changes(t.Context(), providers.Window{}) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range r.Units(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	obs, err := r.Observe(t.Context(), unit)
	if err != nil || n != 3 || len(obs.History) != 2 {
		t.Fatalf("%d changes, %+v, %v", n, obs, err)
	}
	prop, err := r.Plan(t.Context(), obs, obs.History[0])
	if err != nil {
		t.Fatal(err)
	}
	if res, err := r.Apply(t.Context(), rollback.Operation{ID: "op1", Fence: 1}, prop.Steps[0]); err != nil || res.Outcome != rollback.Applied {
		t.Fatal(res, err)
	}
	if c, err := r.Status(t.Context(), unit, obs.History[0]); err != nil || !c.Done {
		t.Fatal(c, err)
	}
	if _, err := r.Verify(t.Context(), unit, obs.History[0]); err != nil {
		t.Fatal(err)
	}
}

func TestTheSchemaRefusesWhatTheProviderRefuses(t *testing.T) {
	schemas := compiled(t)
	for _, c := range [][2]string{
		{"request", `{"protocol":1,"method":"apply","provider":"p","unit":"u"}`},
		{"request", `{"protocol":2,"method":"units","provider":"p"}`},
		{"event", `{"type":"note","id":"1"}`},
		{"event", `{"type":"change"}`},
		{"observation", `{"token":"","current":{"digest":"sha256:0"}}`},
		{"result", `{"outcome":"OK"}`},
		{"convergence", `{"done":"yes"}`},
		{"verification", `{"checks":[{"name":"x","state":"fine"}]}`},
	} {
		if valid(t, schemas[c[0]], c[1]) == nil {
			t.Errorf("%s is a valid %s", c[1], c[0])
		}
	}
}
