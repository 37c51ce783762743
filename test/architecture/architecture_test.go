// Package architecture holds the arrows between the rooms, and the length of a file, to what docs/architecture.md says.
package architecture

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/backout-dev/backout/"

// rule says what a room may import of ours, and why the rule is there. A room is a package or, with "/...", everything
// below it. The first rule that fits a package holds.
type rule struct {
	room  string
	may   []string
	why   string
	tests []string // what its tests may import beside that
}

const everything = "..."

// rules is the table of docs/architecture.md.
var rules = []rule{
	{"cmd/internal/demo/...", []string{"cmd/internal/demo/..."}, "the demo's world is a world: it must not know how backout looks at it", nil},
	{"cmd/internal/caller", []string{"rollback/policy"}, "who acts is told from what is seen and configured, by nothing else", nil},
	{"cmd/...", []string{everything}, "wiring", nil},
	{"config", nil, "configuration knows no room, so that every room can be configured", nil},
	{"providers/incident", []string{"providers"}, "the incident file is a format, not a system", []string{"providers/providertest"}},
	{"providers/attribution", []string{"providers"}, "attribution is pure functions over commit text", nil},
	{"providers/contract", []string{"providers"}, "what two versions understand of each other is told by their texts alone", nil},
	{"providers/migration", []string{"providers"}, "what a migration does is told by its text alone", nil},
	{"providers/httpapi", []string{"providers"}, "the shared way to ask an HTTP API knows no particular one", nil},
	{"providers/process", []string{"providers"}, "the shared way to run a program knows no particular one", nil},
	{"providers/kube", []string{"providers"}, "the shared way to reach a cluster knows no particular kind of object", []string{"test/servers"}},
	{"providers/ledger", []string{"providers", "rollback/ledger"}, "the record as a source of changes; it runs nothing", []string{"rollback/...", "providers/providertest"}},
	{"providers/all", []string{"providers", "providers/..."}, "the one list of built-in providers", []string{"config"}},
	{"providers/providertest/...", []string{"providers", "providers/providertest/..."}, "the promises hold for every provider alike", nil},
	{"providers/...", []string{"providers", "providers/incident", "providers/attribution", "providers/httpapi", "providers/process", "providers/kube", "rollback"}, "one outside system each; a provider never knows another", []string{"providers/providertest", "rollback/rollbacktest", "test/servers", "timeline"}},
	{"providers", nil, "the contract comes first: it knows no system and no screen", nil},
	{"timeline/culprit", []string{"timeline", "providers"}, "ranking is pure, so that the same input gives the same bytes", nil},
	{"timeline/export", []string{"timeline", "timeline/culprit", "providers", "providers/incident", "rollback/ledger"}, "one file a format", nil},
	{"timeline", []string{"providers"}, "a timeline merges what providers say, and knows none of them", []string{"providers/incident", "providers/file"}},
	{"rollback/store/...", []string{"rollback/ledger", "rollback/store", "rollback/store/..."}, "the database keeps rows; what they mean is the engine's", []string{"test/servers"}},
	{"rollback/store", []string{"rollback/ledger", "rollback/store/..."}, "the database keeps rows; what they mean is the engine's", []string{"test/servers"}},
	{"rollback/ledger", nil, "the record must be verifiable without anything else", nil},
	{"rollback/policy", nil, "policy decides from facts alone", nil},
	{"rollback/policy/file", []string{"rollback/policy"}, "a policy is read from its text and asked by facts alone", nil},
	{"rollback/proof", nil, "whether a proof counts is decided from facts alone", nil},
	{"rollback/gameday", []string{"rollback/proof"}, "a game day is decided and reported from facts alone", nil},
	{"rollback/approval", []string{"rollback/ledger", "rollback/policy"}, "whose word counts follows from what was signed alone", nil},
	{"rollback/posture", []string{"rollback/proof"}, "the numbers come from facts alone", nil},
	{"rollback/rollbacktest", []string{"rollback", "providers"}, "the promises hold for every reverser alike", nil},
	{"rollback", []string{"providers", "providers/contract", "providers/migration", "rollback/store", "rollback/ledger", "rollback/policy", "rollback/approval", "rollback/proof", "rollback/posture"}, "the engine knows no screen and no network", []string{"rollback/rollbacktest", "rollback/policy/file", "test/servers"}},
	{"tui", []string{"timeline", "timeline/culprit", "rollback", "providers", "rollback/ledger", "rollback/policy", "rollback/approval", "rollback/proof", "rollback/posture"}, "the screen shows and asks; it opens nothing itself", []string{"rollback/store"}},
	{"test/...", []string{everything}, "tests of the whole may see the whole", nil},
}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = top(t)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errOut.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func fits(pattern, path string) bool {
	if pattern == everything {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(path, base+"/")
	}
	return pattern == path
}

func TestArrows(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 20 {
		t.Fatalf("only %d packages were listed: the test looks in the wrong place", len(pkgs))
	}
	for _, p := range pkgs {
		name := strings.TrimPrefix(p.ImportPath, module)
		at := slices.IndexFunc(rules, func(r rule) bool { return fits(r.room, name) || r.room == name+"/..." })
		if at < 0 {
			t.Errorf("%s is in no room: add it to docs/architecture.md and to the rules, or put it into one", name)
			continue
		}
		r := rules[at]
		check := func(imports, allowed []string, kind string) {
			for _, imp := range imports {
				target, ours := strings.CutPrefix(imp, module)
				if !ours || target == name || slices.ContainsFunc(allowed, func(m string) bool { return fits(m, target) }) {
					continue
				}
				t.Errorf("%s imports %s%s: that arrow does not exist, because %s", name, target, kind, r.why)
			}
		}
		check(p.Imports, r.may, "")
		check(append(slices.Clone(p.TestImports), p.XTestImports...), slices.Concat(r.may, r.tests, []string{"rollback/store/..."}), " in tests")
	}
}

func TestOnlyCommandsKnowTheDemo(t *testing.T) {
	for _, p := range list(t) {
		if strings.HasPrefix(p.ImportPath, module+"cmd/") {
			continue
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module+"cmd/") {
				t.Errorf("%s imports %s: nothing but cmd knows cmd", p.ImportPath, imp)
			}
		}
	}
}

// A file that outgrows this is two files.
func TestFileLength(t *testing.T) {
	const code, tests = 400, 600
	err := filepath.WalkDir(top(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		limit := code
		if strings.HasSuffix(path, "_test.go") {
			limit = tests
		}
		if n := bytes.Count(data, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, at most %d: what are the two things that it does?", path, n, limit)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The top level is the owner's: nobody adds a folder in passing.
func TestTopLevel(t *testing.T) {
	want := []string{".ci", ".git", ".github", "cmd", "config", "dist", "docs", "providers", "rollback", "test", "timeline", "tui"}
	entries, err := os.ReadDir(top(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(want, e.Name()) {
			t.Errorf("folder %s at the top level: the rooms are listed in docs/architecture.md", e.Name())
		}
	}
}
