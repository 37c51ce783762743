package attribution_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
)

// ada is a person who wrote a commit; every person here is made up.
func ada(message string) attribution.Commit {
	return attribution.Commit{
		AuthorName: "Ada Quist", AuthorEmail: "ada.quist@example.org",
		CommitterName: "Ada Quist", CommitterEmail: "ada.quist@example.org", Message: message,
	}
}

func by(name, email, message string) attribution.Commit {
	return attribution.Commit{AuthorName: name, AuthorEmail: email, CommitterName: "Forge", CommitterEmail: "noreply@github.com", Message: message}
}

type want struct {
	state providers.AssistanceState
	tool  string
	model string
}

func check(t *testing.T, in attribution.Commit, w want) {
	t.Helper()
	got := attribution.Judge(in)
	if got.State != w.state {
		t.Fatalf("state %q, want %q; evidence %+v", got.State, w.state, got.Evidence)
	}
	if w.tool != "" && !slices.Contains(got.Tools, w.tool) {
		t.Errorf("tools %q, want %q; evidence %+v", got.Tools, w.tool, got.Evidence)
	}
	if w.model != "" && !slices.ContainsFunc(got.Evidence, func(e providers.Evidence) bool { return e.Model == w.model }) {
		t.Errorf("no evidence with model %q: %+v", w.model, got.Evidence)
	}
	if got.State == providers.AssistanceNone && len(got.Tools) > 0 {
		t.Errorf("nothing found, but tools %q", got.Tools)
	}
	if got.Ruleset == "" || len(got.Checked) == 0 {
		t.Errorf("a verdict without its ruleset %q or sources %q", got.Ruleset, got.Checked)
	}
}

const (
	none       = providers.AssistanceNone
	possible   = providers.AssistancePossible
	assisted   = providers.AssistanceAssisted
	agent      = providers.AssistanceAgent
	automation = providers.AssistanceAutomation
)

func TestIdentitiesOfAuthors(t *testing.T) {
	for name, c := range map[string]struct {
		in   attribution.Commit
		want want
	}{
		"an agent by the id of its account":            {by("Robo", "198982749+Copilot@users.noreply.github.com", "x"), want{agent, "Copilot", ""}},
		"a renamed account keeps its id":               {by("x", "158243242+renamed[bot]@users.noreply.github.com", "x"), want{agent, "Devin", ""}},
		"a shared id is decided by the login":          {by("claude[bot]", "41898282+claude[bot]@users.noreply.github.com", "x"), want{agent, "Claude", ""}},
		"the same id as automation":                    {by("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com", "x"), want{automation, "", ""}},
		"a plain address":                              {by("Claude", "noreply@anthropic.com", "x"), want{agent, "Claude", ""}},
		"any app is automation":                        {by("tidy[bot]", "1234+tidy[bot]@users.noreply.github.com", "x"), want{automation, "", ""}},
		"a bot with an address of its own":             {by("shop-release-bot", "release@shop.example", "x"), want{automation, "", ""}},
		"someone at a vendor is someone":               {by("Ida Brandt", "ida@anthropic.com", "Fix typo"), want{none, "", ""}},
		"someone called like a tool":                   {by("Devin Halloran", "devin@halloran.example", "Fix typo"), want{none, "", ""}},
		"someone called like a tool, first name only":  {by("Claude", "claude.dupont@example.fr", "Fix typo"), want{none, "", ""}},
		"a login that is a person's":                   {by("jules", "jules@users.noreply.github.com", "x"), want{none, "", ""}},
		"a surname that ends like a bot":               {by("Mira Talbot", "mira@talbot.example", "x"), want{none, "", ""}},
		"aider wrote":                                  {by("Ada Quist (aider)", "ada@example.org", "x"), want{assisted, "aider", ""}},
		"an invented suffix is a hint":                 {by("Ada Quist (claude-sonnet-4)", "ada@example.org", "x"), want{possible, "Claude", ""}},
		"named like the tool, other address":           {by("Claude Code", "bot@shop.example", "x"), want{possible, "Claude", ""}},
		"a home-made bot with a tool's name":           {by("Claude Bot", "claude@shop.example", "x"), want{possible, "Claude", ""}},
		"an account that calls itself agent":           {by("ada-agent", "robot@quist.example", "x"), want{possible, "", ""}},
		"an address that names the tool":               {by("Ada Quist", "ada+claude@example.org", "x"), want{possible, "Claude", ""}},
		"an agent that merges did not write":           {by("Claude", "noreply@anthropic.com", "Merge branch 'main' into topic"), want{possible, "Claude", ""}},
		"a release bot's quoted notes are not its own": {by("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", "Bump a\n\nCo-authored-by: Claude <noreply@anthropic.com>\n\nSigned-off-by: dependabot[bot] <support@github.com>"), want{automation, "", ""}},
	} {
		t.Run(name, func(t *testing.T) { check(t, c.in, c.want) })
	}
}

func TestCommitterOnly(t *testing.T) {
	in := ada("chore: tidy")
	in.CommitterName = "Ada Quist (aider)"
	check(t, in, want{none, "", ""})
	if e := attribution.Judge(in).Evidence; len(e) != 1 || e[0].Role != "committed" || e[0].Tool != "aider" {
		t.Errorf("the committer is not among the evidence: %+v", e)
	}
	in.CommitterName, in.CommitterEmail = "dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"
	check(t, in, want{none, "", ""})
	in.CommitterName, in.CommitterEmail = "Claude", "noreply@anthropic.com"
	check(t, in, want{possible, "Claude", ""})
}

func TestPrincipalOfAnAgent(t *testing.T) {
	got := attribution.Judge(by("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com", "Fix\n\nCo-authored-by: Ada Quist <ada@example.org>"))
	if len(got.Evidence) != 1 || !strings.Contains(got.Evidence[0].Caveat, "on behalf of Ada Quist") {
		t.Errorf("evidence %+v does not name who asked", got.Evidence)
	}
}

func TestUnreliablePeriod(t *testing.T) {
	in := ada("fix: x\n\nCo-authored-by: Copilot <copilot@github.com>")
	in.When = time.Date(2026, 4, 30, 12, 0, 0, 0, time.UTC)
	check(t, in, want{possible, "Copilot", ""})
	if c := attribution.Judge(in).Evidence[0].Caveat; !strings.Contains(c, "unreliable") {
		t.Errorf("caveat %q does not say why", c)
	}
	in.When = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	check(t, in, want{assisted, "Copilot", ""})
}

func TestBranches(t *testing.T) {
	for branch, state := range map[string]providers.AssistanceState{
		"codex/pin-version": possible, "copilot/fix-1": possible, "devin/1700000000-fix": possible, "cursor/tidy-up-9f3c": possible,
		"jules-1234567890123456789-0a1b2c3d": possible,
		"cursor-scroll":                      none, "copilot-hooks-path": none, "agent-self": none, "ada/gemini-rewind": none,
		"feat/claude/x": none, "cursor/scroll": none, "devin/fix": none,
	} {
		t.Run(branch, func(t *testing.T) {
			in := ada("Fix the thing")
			in.Branch = branch
			check(t, in, want{state, "", ""})
			check(t, ada("Merge pull request #12 from example/"+branch+"\n\nFix the thing"), want{state, "", ""})
			check(t, ada("Merge branch '"+branch+"' into main"), want{state, "", ""})
		})
	}
}

func TestUnion(t *testing.T) {
	plain := attribution.Judge(ada("Fix"))
	helped := attribution.Judge(ada("Fix\n\nAssisted-by: Crush:glm-5"))
	bot := attribution.Judge(by("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", "Bump"))
	hint := attribution.Judge(ada("Fix\n\nAI disclosure: Codex helped."))
	wrote := attribution.Judge(by("Claude", "noreply@anthropic.com", "Fix"))
	landing := attribution.Judge(ada("Merge pull request #1 from example/topic"))
	for name, c := range map[string]struct {
		merged []providers.Assistance
		state  providers.AssistanceState
	}{
		"nothing":         {[]providers.Assistance{plain, plain}, none},
		"one of two":      {[]providers.Assistance{plain, helped}, assisted},
		"bots only":       {[]providers.Assistance{bot, bot}, automation},
		"a bot beside":    {[]providers.Assistance{bot, plain}, none},
		"a hint":          {[]providers.Assistance{bot, hint}, possible},
		"an agent's work": {[]providers.Assistance{plain, wrote, helped}, agent},
	} {
		t.Run(name, func(t *testing.T) {
			got := attribution.Union(landing, c.merged, 3)
			if got.State != c.state {
				t.Errorf("state %q, want %q: %+v", got.State, c.state, got.Evidence)
			}
			if last := got.Checked[len(got.Checked)-1]; !strings.Contains(last, "merged commits") || !strings.Contains(last, "of") {
				t.Errorf("checked %q does not say how much was read", got.Checked)
			}
		})
	}
	if got := attribution.Union(landing, nil, 0); got.State != none || len(got.Checked) != len(landing.Checked) {
		t.Errorf("a union of nothing changed the verdict: %+v", got)
	}
}
