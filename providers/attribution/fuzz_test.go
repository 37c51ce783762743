package attribution_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
)

func FuzzJudge(f *testing.F) {
	f.Add("Ada Quist", "ada@example.org", "fix: x\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n")
	f.Add("Ada (aider)", "a@b", "Merge pull request #1 from x/codex/y\n\nAssisted-by: A:M [x]\n```\nAI usage: none\n<!-- <details>")
	f.Add("x[bot]", "1+x[bot]@users.noreply.github.com", `a\n\nAssited-by: \n GLM via Crush &lt;crush@charm.land`)
	f.Add("", "", "Generated with [:](\nAssisted-by: :\nAssisted-by: (\nCo-authored-by: <>")
	f.Fuzz(func(t *testing.T, name, email, message string) {
		got := attribution.Judge(attribution.Commit{AuthorName: name, AuthorEmail: email, CommitterName: name, CommitterEmail: email, Message: message})
		switch got.State {
		case none, possible, assisted, agent, automation:
		default:
			t.Fatalf("state %q", got.State)
		}
		if len(got.Evidence) > 40 {
			t.Fatalf("%d pieces of evidence", len(got.Evidence))
		}
		for _, e := range got.Evidence {
			if e.Raw != providers.Clean(e.Raw) || e.Tool != providers.Clean(e.Tool) {
				t.Fatalf("unclean evidence %+v", e)
			}
		}
	})
}

func FuzzNote(f *testing.F) {
	f.Add("a.go\n  s_1::t_2 1-10\n---\n{" + session + "}")
	f.Add("---\n{}")
	f.Add(strings.Repeat("a 1-2\n", 100) + "---\n{\"prompts\":null}")
	f.Fuzz(func(t *testing.T, note string) {
		n, err := attribution.ParseNote(note)
		if err != nil && len(n.Agents) > 0 {
			t.Fatalf("an error and agents: %+v", n)
		}
		for _, a := range n.Agents {
			if a.Lines < 0 {
				t.Fatalf("%d lines", a.Lines)
			}
		}
		if n.Human < 0 || n.Unknown < 0 {
			t.Fatalf("counted %+v", n)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	typical := ada("fix: retry the charge\n\n" + strings.Repeat("A line of an ordinary length about what was changed and why.\n", 20) + "\nCo-Authored-By: Claude <noreply@anthropic.com>\n")
	b.Run("typical", func(b *testing.B) {
		for b.Loop() {
			attribution.Judge(typical)
		}
	})
	huge := ada("fix: x\n\n" + strings.Repeat("Copilot and Claude, AI and the cursor: ", 30_000))
	b.Run("megabyte", func(b *testing.B) {
		for b.Loop() {
			attribution.Judge(huge)
		}
	})
}
