package attribution_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
)

func TestTrailers(t *testing.T) {
	for line, w := range map[string]want{
		"Co-Authored-By: Claude Opus 4.8 (1M context) <noreply@anthropic.com>":                         {assisted, "Claude", "Claude Opus 4.8 (1M context)"},
		"co-authored-by: Claude (claude-opus-4-6) <noreply@anthropic.com>":                             {assisted, "Claude", "claude-opus-4-6"},
		"Co-Authored-By: Claude (GLM-4.7) <noreply@anthropic.com>":                                     {assisted, "Claude", "GLM-4.7"},
		"Co-Authored-By: Claude Code 2.1.133 / Claude Opus 4.7 (1M context) <noreply@anthropic.com>":   {assisted, "Claude", "Claude Opus 4.7 (1M context)"},
		"Co-authored-by: Crush &lt;crush@charm.land&gt;":                                               {assisted, "Crush", ""},
		"Co-authored-by: Cursor <cursoragent@cursor.com":                                               {assisted, "Cursor", ""},
		"  Co-authored-by: aider (gpt-5.4) <aider@aider.chat>":                                         {assisted, "aider", "gpt-5.4"},
		"Co-authored-by: Google Gemini":                                                                {assisted, "Gemini", ""},
		"Co-authored-by: Claude Sonnet 4.6 <noreply@shop.example>":                                     {assisted, "Claude", ""},
		"Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>":                         {assisted, "Copilot", ""},
		"Co-authored-by: Bo Lind <bo@example.org>, Claude <noreply@anthropic.com>":                     {assisted, "Claude", ""},
		"Co-developed-by: Gemini AI <noreply@google.com>":                                              {assisted, "Gemini", ""},
		"Signed-off-by: Claude Code <noreply@anthropic.com>":                                           {assisted, "Claude", ""},
		"Co-authored-by: Claude Code <claude@shop.example>":                                            {possible, "Claude", ""},
		"Co-authored-by: Devin Halloran <devin@halloran.example>":                                      {none, "", ""},
		"Co-authored-by: Claude <claude.dupont@example.fr>":                                            {none, "", ""},
		"Co-authored-by: Claude Dupont <claude.dupont@example.fr>":                                     {none, "", ""},
		"Co-authored-by: tidy-bot <tidy@example.org>":                                                  {none, "", ""},
		"Co-authored-by: github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>":  {none, "", ""},
		"Reviewed-by: Gemini Code Assist <176961590+gemini-code-assist[bot]@users.noreply.github.com>": {none, "", ""},

		"Assisted-by: Claude:claude-3-opus coccinelle sparse":         {assisted, "Claude", "claude-3-opus"},
		"Assisted-by: OpenCode (claude-opus-4-6)":                     {assisted, "opencode", "claude-opus-4-6"},
		"Assisted-by: GLM-5 via Crush <crush@charm.land>":             {assisted, "Crush", "GLM-5"},
		"Assisted-by: GLM-5 via Crush":                                {assisted, "Crush", "GLM-5"},
		"Assisted-by: Crush:accounts/fireworks/models/kimi-k2p6":      {assisted, "Crush", "accounts/fireworks/models/kimi-k2p6"},
		"Assisted-by: Crush:AWS Claude Opus 4.6":                      {assisted, "Crush", "AWS Claude Opus 4.6"},
		"Assisted-by: Cascade/SWE-1.6":                                {assisted, "Windsurf Cascade", "SWE-1.6"},
		"Assisted-by: Claude Code (Sonnet 4.5)":                       {assisted, "Claude", "Sonnet 4.5"},
		"Assisted-by: [Claude Code]":                                  {assisted, "Claude", ""},
		"Assisted-by: AI":                                             {assisted, "unknown AI tool", ""},
		"Assisted-by: https://example.org/quist#llms":                 {assisted, "unknown AI tool", ""},
		"Assisted-by: Foundry:holo9-70b":                              {assisted, "Foundry", "holo9-70b"},
		"Assited-by: Claude":                                          {possible, "Claude", ""},
		"Assisted-by: Bo Lind <bo@example.org>":                       {none, "", ""},
		"Assisted-by: Bo Lind":                                        {none, "", ""},
		"Assisted-by: Devin Halloran":                                 {possible, "Devin", ""},
		"Assisted-by: Devin Halloran <devin@halloran.example>":        {none, "", ""},
		"Assisted-by: @bo":                                            {none, "", ""},
		"Assisted-by: AGENT_NAME:MODEL_VERSION [TOOL1] [TOOL2]":       {none, "", ""},
		"Assisted-by: <tool>":                                         {none, "", ""},
		"Assisted-by: none":                                           {none, "", ""},
		"Assisted-by: coccinelle":                                     {none, "", ""},
		"Generated-by: AI":                                            {assisted, "unknown AI tool", ""},
		"Generated-by: protoc-gen-go v1.30":                           {none, "", ""},
		"Generated-By: ShopStage":                                     {none, "", ""},
		"Made-with: Cursor":                                           {assisted, "Cursor", ""},
		"AI-Assisted: yes":                                            {assisted, "unknown AI tool", ""},
		"AI-Assisted: no":                                             {none, "", ""},
		"AI-Tools: GitLab Duo, OpenCode":                              {assisted, "opencode", ""},
		"Co-authored-by-AI: Claude Code (claude-sonnet-4-6)":          {assisted, "Claude", "claude-sonnet-4-6"},
		"Claude-Generated-By: Claude Code (cli/claude-opus-4-5=100%)": {assisted, "Claude", "claude-opus-4-5"},
		"Claude-Session: https://claude.ai/code/session_01abcDEF":     {assisted, "Claude", ""},
		"Amp-Thread-ID: https://ampcode.com/threads/T-0a1b":           {assisted, "Amp", ""},
		"Entire-Checkpoint: a3b2c4d5e6f7":                             {assisted, "", ""},
		"Replit-Commit-Author: Agent":                                 {assisted, "Replit", ""},
		"Replit-Commit-Author: Deployment":                            {none, "", ""},
	} {
		t.Run(line, func(t *testing.T) {
			check(t, ada("fix: retry the charge\n\nBecause it is late.\n\n"+line+"\n"), w)
			check(t, ada("fix: retry the charge\r\n\r\n"+line+"\r\n\r\nAnd a paragraph after the trailer.\r\n"), w)
		})
	}
}

func TestWhatIsOnlyShownDoesNotCount(t *testing.T) {
	const line = "Co-Authored-By: Claude <noreply@anthropic.com>"
	for name, message := range map[string]string{
		"indented code":    "docs: the format\n\n    " + line,
		"fenced code":      "docs: the format\n\n```\n" + line + "\n```\n",
		"a quotation":      "docs: the format\n\n> " + line,
		"an HTML comment":  "docs: the format\n\n<!--\n" + line + "\n-->",
		"folded details":   "bump\n\n<details>\n" + line + "\n</details>\n",
		"a quoted break":   `fix: split at "\n` + line + `"`,
		"the key in prose": "feat: write a Co-Authored-By trailer for Claude",
	} {
		t.Run(name, func(t *testing.T) { check(t, ada(message), want{none, "", ""}) })
	}
	for name, message := range map[string]string{
		"a fence that never closes": "fix: x\n\n```\ncode\n\n" + line,
		"after a closed fence":      "fix: x\n\n```go\ncode\n```\n\n" + line,
		"breaks spelled out":        `fix: x\n\n` + line,
		"the end of a huge message": "fix: x\n\n" + strings.Repeat("all of it matters\n", 60_000) + "\n" + line,
		"in the subject":            "fix: x, assisted-by:claude-code",
	} {
		t.Run(name, func(t *testing.T) { check(t, ada(message), want{assisted, "Claude", ""}) })
	}
}

func TestFooters(t *testing.T) {
	for line, w := range map[string]want{
		"🤖 Generated with [Claude Code](https://claude.com/claude-code)": {assisted, "Claude", ""},
		"💘 Generated with Crush":                                         {assisted, "Crush", ""},
		"Generated with Crush":                                           {assisted, "Crush", ""},
		"🤖 Generated with opencode":                                      {assisted, "opencode", ""},
		"🤖 Generated with [Brandnewtool](https://new.example)":           {assisted, "Brandnewtool", ""},
		"Generated with protoc-gen-go":                                   {none, "", ""},
		"Generated by Copilot metrics exporter, see docs":                {none, "", ""},
		"It was generated with great care":                               {none, "", ""},
		"Link: https://app.devin.ai/sessions/0123456789abcdef0123":       {assisted, "Devin", ""},
	} {
		t.Run(line, func(t *testing.T) { check(t, ada("feat: x\n\n"+line), w) })
	}
}

func TestProseIsOnlyAHint(t *testing.T) {
	for line, w := range map[string]want{
		"AI disclosure: Codex gpt-5.5 helped.":               {possible, "Codex", ""},
		"**AI usage:** None used except to check the tests.": {possible, "", ""},
		"AI usage: none":                                           {none, "", ""},
		"No AI was used in this pr.":                               {none, "", ""},
		"Test written by Claude":                                   {possible, "Claude", ""},
		"Patched with the help of Copilot.":                        {possible, "Copilot", ""},
		"Amp wrote basically this whole thing, but I reviewed it.": {possible, "Amp", ""},
		"This was not written with Copilot.":                       {none, "", ""},
		"Reviewed by Gemini 3 Flash":                               {none, "", ""},
		"Addresses review feedback from Devin":                     {none, "", ""},
		"Move the cursor using the arrow keys":                     {none, "", ""},
		"Implemented using Copilot SDK":                            {none, "", ""},
		"Charge 5 amp at most &amp; warn":                          {none, "", ""},
		"Devin helped with the review":                             {none, "", ""},
	} {
		t.Run(line, func(t *testing.T) { check(t, ada("fix: x\n\n"+line), w) })
	}
	check(t, ada("Dashboard AI assistant (#118)"), want{none, "", ""})
	check(t, ada("Revert \"feat: use the Claude SDK (#3)\" (#4)\n\nThis reverts commit 0123456789abcdef0123456789abcdef01234567."), want{none, "", ""})
	check(t, ada("aider: tidy the model list"), want{possible, "aider", ""})
	check(t, ada("Merge pull request #9 from example/pin\n\n[codex] Pin the source"), want{possible, "Codex", ""})
}

func TestTextIsSafeToShow(t *testing.T) {
	got := attribution.Judge(ada("x\n\nAssisted-by: \x1b[31mClaude\x1b[0m:opus\u202e-4\n"))
	for _, e := range got.Evidence {
		for _, s := range []string{e.Raw, e.Tool, e.Model} {
			if s != providers.Clean(s) {
				t.Errorf("%q is not clean", s)
			}
		}
	}
}

func TestManyLinesOfTheSameAreOne(t *testing.T) {
	got := attribution.Judge(ada("x\n\n" + strings.Repeat("Co-Authored-By: Claude <noreply@anthropic.com>\n\nmore\n\n", 500)))
	if len(got.Evidence) != 1 {
		t.Errorf("%d pieces of evidence, want 1", len(got.Evidence))
	}
}
