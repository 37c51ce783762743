package demo

// person is an author or a committer. All of them are made up; the addresses of tools are the ones that they really use,
// because the address is what they are recognised by.
type person struct{ name, email string }

func (p person) String() string { return p.name + " <" + p.email + ">" }

var (
	ingrid = person{"Ingrid Solheim", "ingrid.solheim@example.com"}
	mei    = person{"Mei Tanaka", "mei.tanaka@example.com"}
	nadia  = person{"Nadia Kowalczyk", "nadia.kowalczyk@example.com"}
	samuel = person{"Samuel Okafor", "samuel.okafor@example.com"}
	tomas  = person{"Tomas Berg", "tomas.berg@example.com"}

	forge      = person{"GitHub", "noreply@github.com"} // the committer of what is merged in a forge
	dependabot = person{"dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"}
	copilot    = person{"copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com"}
	aider      = person{tomas.name + " (aider)", tomas.email}
)

// What AI tools leave at the end of a message.
const (
	claudeCode = "🤖 Generated with [Claude Code](https://claude.com/claude-code)\n\n" +
		"Co-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>"
	cursor     = "Co-authored-by: Cursor <cursoragent@cursor.com>"
	assistedBy = "Assisted-by: Crush:qwen3.7-max"
	agentLogs  = "Agent-Logs-Url: https://github.com/example/shop/sessions/5b1f3a52-6c0e-4b51-9d3e-7f2a90c1d4aa"
)
