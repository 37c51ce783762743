package attribution_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
)

const session = `"sessions":{"s_0123456789abcd":{"agent_id":{"tool":"cursor","id":"x","model":"claude-sonnet-4-5"},"human_author":"ada@example.org"}}`

func TestNotes(t *testing.T) {
	for name, c := range map[string]struct {
		note string
		want want
	}{
		"lines of a session":        {"a.go\n  s_0123456789abcd::t_00000000000001 1-10,15\n---\n{" + session + "}", want{assisted, "Cursor", "claude-sonnet-4-5"}},
		"a session with no line":    {"a.go\n---\n{" + session + "}", want{possible, "Cursor", ""}},
		"begins with the divider":   {"---\n{" + session + "}", want{possible, "Cursor", ""}},
		"empty":                     {"---\n{\"prompts\":{}}", want{none, "", ""}},
		"a short legacy key":        {"a.go\n  a1b2c 3-4\n---\n{\"prompts\":{\"a1b2c\":{\"agent_id\":{\"tool\":\"codex\",\"model\":\"unknown\"}}}}", want{assisted, "Codex", ""}},
		"only a person's lines":     {"a.go\n  h_0123456789abcd 3-4\n---\n{\"humans\":{\"h_0123456789abcd\":{}}}", want{none, "", ""}},
		"a key that leads nowhere":  {"a.go\n  ffffffffffffffff 3-4\n---\n{}", want{possible, "unknown AI tool", ""}},
		"a test double":             {"a.go\n  a1b2c3d 3-4\n---\n{\"prompts\":{\"a1b2c3d\":{\"agent_id\":{\"tool\":\"mock_ai\"}}}}", want{none, "", ""}},
		"no divider":                {"a.go\n  a1b2c3d 3-4\n", want{none, "", ""}},
		"broken JSON":               {"a.go\n---\n{\"sessions\":", want{none, "", ""}},
		"absurd spans count little": {"a.go\n  s_0123456789abcd 5-1,-3,1-99999999999999999999,x\n---\n{" + session + "}", want{possible, "Cursor", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			in := ada("fix: x")
			in.Note = c.note
			check(t, in, c.want)
		})
	}
}

func TestNoteCounts(t *testing.T) {
	n, err := attribution.ParseNote("a.go\n  s_0123456789abcd::t_1 1-10,15-20\n  h_1 30\nb.go\n  s_0123456789abcd 7\n---\n{" + session + "}")
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Agents) != 1 || n.Agents[0].Lines != 17 || n.Human != 1 || n.Agents[0].Human != "ada@example.org" {
		t.Errorf("counted %+v", n)
	}
	if _, err := attribution.ParseNote(strings.Repeat("x", attribution.MaxNote+1)); err == nil {
		t.Error("a note beyond the limit was read")
	}
}

func TestACheckpointWithoutLinesTakesTheWeightFromItsLink(t *testing.T) {
	in := ada("fix: x\n\nEntire-Checkpoint: a3b2c4d5e6f7")
	in.Checkpoints = []string{`{"agent":"Claude Code","initial_attribution":{"agent_lines":0,"total_committed":9,"agent_percentage":0}}`}
	check(t, in, want{possible, "Claude", ""})
	in.Checkpoints = []string{`{"agent":"Claude Code","initial_attribution":{"agent_lines":5,"total_committed":9,"agent_percentage":55}}`}
	check(t, in, want{assisted, "Claude", ""})
	in.Checkpoints = []string{`{`}
	check(t, in, want{assisted, "", ""})
}

func TestReadCommits(t *testing.T) {
	in := `{"id":"1","author":{"name":"Ada Quist","email":"ada@example.org"},"committer":{"name":"x","email":"y"},"message":"fix","later":1}

{"id":"2","author":`
	in += "\n" + `{"id":"3","author":{"name":"a","email":"b"},"date":"2026-04-30T10:00:00+02:00","message":"m","branch":"codex/x","notes":{"refs/notes/ai":"---\n{}"},"entire":{"agent":"Claude Code"}}`
	var rows []attribution.Row
	failed := 0
	for r, err := range attribution.ReadCommits(strings.NewReader(in)) {
		if err != nil {
			failed++
			if !strings.Contains(err.Error(), "line 3") {
				t.Errorf("the error %q does not name the line", err)
			}
			continue
		}
		rows = append(rows, r)
	}
	if failed != 1 || len(rows) != 2 || rows[0].Commit.AuthorName != "Ada Quist" {
		t.Fatalf("%d failed, rows %+v", failed, rows)
	}
	c := rows[1].Commit
	if c.Note != "---\n{}" || c.Branch != "codex/x" || c.When.Hour() != 8 || len(c.Checkpoints) != 1 {
		t.Errorf("row 3 became %+v", c)
	}
	for _, err := range attribution.ReadCommits(strings.NewReader(strings.Repeat("x", 17<<20))) {
		if err == nil || errors.Is(err, providers.ErrNotFound) {
			t.Errorf("a line of 17 MB: %v", err)
		}
	}
}

func TestOwnTable(t *testing.T) {
	extra := `
version: shop-3
tools: [{name: Shopbot, words: [shopbot]}]
identities:
  - {tool: Shopbot, emails: [shopbot@shop.example], until: 2026-06-01}
  - {tool: house robot, emails: [noreply@anthropic.com], as: automation}
branches: [{tool: Shopbot, pattern: '^shopbot/.+'}]
`
	rules, err := attribution.Load(strings.NewReader(extra))
	if err != nil {
		t.Fatal(err)
	}
	if got := rules.Judge(by("x", "shopbot@shop.example", "x")); got.State != agent || !strings.HasSuffix(got.Ruleset, "+shop-3") {
		t.Errorf("the added identity: %+v", got)
	}
	if got := rules.Judge(by("x", "noreply@anthropic.com", "x")); got.State != automation {
		t.Errorf("an added identity does not win: %+v", got)
	}
	if got := attribution.Judge(by("x", "shopbot@shop.example", "x")); got.State != none {
		t.Errorf("the built-in table learned from an added one: %+v", got)
	}
	for _, bad := range []string{"identities: [{tool: x, since: yesterday}]", "branches: [{tool: x, pattern: '('}]", "persons: []", "tools: [{words: [x]}]"} {
		if _, err := attribution.Load(strings.NewReader(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}
