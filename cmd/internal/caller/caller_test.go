package caller_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/rollback/policy"
)

func table(t *testing.T) []caller.Agent {
	t.Helper()
	agents, err := caller.Known()
	if err != nil {
		t.Fatal(err)
	}
	return agents
}

// traces are, for each mark of each entry of the table, what an agent leaves: a variable, or an ancestor's program and arguments.
var traces = map[string]map[string]trace{
	"claude-code": {
		"CLAUDECODE":                {env: "CLAUDECODE=1"},
		"claude":                    {process: caller.Process{Name: "claude", Executable: "/home/ana/.local/share/claude/versions/2.1.0", Args: []string{"claude"}}},
		"@anthropic-ai/claude-code": {process: node("/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js")},
	},
	"cursor": {
		"CURSOR_AGENT": {env: "CURSOR_AGENT=1"}, "CURSOR_EXTENSION_HOST_ROLE=agent-exec": {env: "CURSOR_EXTENSION_HOST_ROLE=agent-exec"},
		"cursor-agent": {process: node("/home/ana/.local/bin/cursor-agent")},
	},
	"codex": {
		"CODEX_SANDBOX": {env: "CODEX_SANDBOX=seatbelt"}, "CODEX_SANDBOX_NETWORK_DISABLED": {env: "CODEX_SANDBOX_NETWORK_DISABLED=1"},
		"CODEX_THREAD_ID": {env: "CODEX_THREAD_ID=0199"}, "CODEX_CI": {env: "CODEX_CI=1"},
		"codex":         {process: caller.Process{Name: "codex", Args: []string{"/opt/codex", "exec"}}},
		"@openai/codex": {process: node("/usr/lib/node_modules/@openai/codex/bin/x.js")},
	},
	"gemini-cli": {
		"GEMINI_CLI": {env: "GEMINI_CLI=1"}, "gemini": {process: node("/usr/local/bin/gemini")},
		"@google/gemini-cli": {process: node("/usr/lib/node_modules/@google/gemini-cli/dist/index.js")},
	},
	"opencode": {"OPENCODE": {env: "OPENCODE=1"}, "opencode": {process: caller.Process{Executable: "/home/ana/.opencode/bin/opencode"}}},
	"github-copilot": {
		"COPILOT_CLI": {env: "COPILOT_CLI=1"}, "COPILOT_AGENT": {env: "COPILOT_AGENT=1"}, "COPILOT_AGENT_SESSION_ID": {env: "COPILOT_AGENT_SESSION_ID=5aac"},
		"copilot": {process: node("/usr/bin/copilot")}, "@github/copilot": {process: node("/usr/lib/node_modules/@github/copilot/index.js")},
	},
	"goose":       {"GOOSE_TERMINAL": {env: "GOOSE_TERMINAL=1"}, "AGENT=goose": {env: "AGENT=goose"}},
	"amp":         {"AGENT=amp": {env: "AGENT=amp"}, "AMP_CURRENT_THREAD_ID": {env: "AMP_CURRENT_THREAD_ID=T-1"}},
	"cline":       {"CLINE_ACTIVE": {env: "CLINE_ACTIVE=true"}},
	"roo-code":    {"ROO_ACTIVE": {env: "ROO_ACTIVE=true"}},
	"kiro":        {"KIRO_SESSION_ID": {env: "KIRO_SESSION_ID=1"}, "AGENT_CONTEXT_OUT": {env: "AGENT_CONTEXT_OUT=/tmp/fifo"}},
	"amazon-q":    {"AWS_EXECUTION_ENV~amazonq": {env: "AWS_EXECUTION_ENV=AmazonQ-For-CLI Version/1.13"}},
	"antigravity": {"ANTIGRAVITY_AGENT": {env: "ANTIGRAVITY_AGENT=1"}},
	"augment":     {"AUGMENT_AGENT": {env: "AUGMENT_AGENT=1"}},
	"aider":       {"aider": {process: caller.Process{Name: "python3", Args: []string{"/usr/bin/python3.12", "-m", "aider"}}}},
	"crush":       {"crush": {process: caller.Process{Name: "crush"}}},
	"ai-agent":    {"AI_AGENT": {env: "AI_AGENT=somebody-new"}},
}

type trace struct {
	env     string
	process caller.Process
}

func node(script string) caller.Process {
	return caller.Process{PID: 7, Name: "node", Executable: "/usr/bin/node", Args: []string{"node", "--max-old-space-size=4096", script, "--secret"}}
}

var shell = caller.Process{PID: 8, Name: "bash", Executable: "/usr/bin/bash", Args: []string{"-bash"}}

func TestEachMarkOfEachEntry(t *testing.T) {
	agents := table(t)
	for _, a := range agents {
		for _, mark := range slices.Concat(a.Env, a.Process) {
			left, ok := traces[a.Name][mark]
			if !ok {
				t.Errorf("%s: %q is not tested: add what it leaves to the traces", a.Name, mark)
				continue
			}
			t.Run(a.Name+" "+mark, func(t *testing.T) {
				seen := caller.Sight{Env: []string{"HOME=/home/ana", left.env}, Ancestors: []caller.Process{shell, left.process, {PID: 1, Name: "init"}}}
				c := caller.Recognise(agents, seen, caller.Configured{Login: "ana@laptop"})
				if want := (policy.Principal{ID: a.Name, Kind: policy.Agent, OnBehalfOf: "ana@laptop"}); c.Principal != want {
					t.Errorf("got %+v, want %+v", c.Principal, want)
				}
				if why := c.Why(); !strings.Contains(why, a.Name) || strings.Contains(why, "secret") {
					t.Errorf("recognised by %q", why)
				}
			})
		}
		if len(a.Sources) == 0 || slices.ContainsFunc(a.Sources, func(s string) bool { return !strings.HasPrefix(s, "https://") }) {
			t.Errorf("%s: where this is written is missing", a.Name)
		}
	}
	for name := range traces {
		if !slices.ContainsFunc(agents, func(a caller.Agent) bool { return a.Name == name }) {
			t.Errorf("the table has no %s", name)
		}
	}
}

// What a person's own terminal has too, or what only looks like a mark, makes nobody an agent.
func TestNoAgent(t *testing.T) {
	for _, seen := range []caller.Sight{
		{Env: []string{"CLAUDECODE=", "AGENT=1", "AGENT_NAME=amp", "TERM_PROGRAM=vscode", "REPL_ID=x", "CURSOR_TRACE_ID=y"}},
		{Env: []string{"CURSOR_EXTENSION_HOST_ROLE=ui", "AWS_EXECUTION_ENV=AWS_ECS_FARGATE", "SSH_AUTH_SOCK=/tmp/agent", "CODEX_HOME=/x", "AIDER_MODEL=x"}},
		{Ancestors: []caller.Process{shell, {Name: "goose", Args: []string{"goose", "up"}}, {Name: "vim", Args: []string{"vim", "claude.md"}}}},
		{Ancestors: []caller.Process{{Name: "python3", Args: []string{"python3", "-c", "aider"}}, node("/srv/app/claude-notes.js"), node("/srv/@openai/codex-docs/serve.js")}},
		{Ancestors: []caller.Process{{}, {Args: []string{""}}}},
	} {
		c := caller.Recognise(table(t), seen, caller.Configured{Login: "ana@laptop"})
		if c.Principal != (policy.Principal{ID: "ana@laptop", Kind: policy.Human}) {
			t.Errorf("%+v: got %+v by %s", seen, c.Principal, c.Why())
		}
	}
}

func TestWhatIsConfigured(t *testing.T) {
	ci, agent := []string{"CI=true"}, []string{"CI=true", "CLAUDECODE=1"}
	for name, c := range map[string]struct {
		env  []string
		says caller.Configured
		want policy.Principal
	}{
		"nothing":                              {nil, caller.Configured{}, policy.Principal{ID: "ana@laptop", Kind: policy.Human}},
		"a name":                               {nil, caller.Configured{Name: "ana"}, policy.Principal{ID: "ana", Kind: policy.Human}},
		"a job of CI":                          {ci, caller.Configured{Name: "cron"}, policy.Principal{ID: "cron", Kind: policy.Automation}},
		"CI=false is none":                     {[]string{"CI=false"}, caller.Configured{}, policy.Principal{ID: "ana@laptop", Kind: policy.Human}},
		"a registered automation in CI":        {ci, caller.Configured{Name: "drills", Kind: "automation"}, policy.Principal{ID: "drills", Kind: policy.Automation}},
		"a person in what has CI set":          {ci, caller.Configured{Name: "ana", Kind: "human"}, policy.Principal{ID: "ana", Kind: policy.Human}},
		"an agent does not become its human":   {agent, caller.Configured{Name: "ana", Kind: "human"}, policy.Principal{ID: "claude-code", Kind: policy.Agent, OnBehalfOf: "ana"}},
		"nor an automation, in CI or anywhere": {agent, caller.Configured{Name: "ci", Kind: "automation"}, policy.Principal{ID: "claude-code", Kind: policy.Agent, OnBehalfOf: "ci"}},
		"whoever says that they are an agent":  {nil, caller.Configured{Name: "bot", Kind: "agent"}, policy.Principal{ID: "bot", Kind: policy.Agent, OnBehalfOf: "ana@laptop"}},
		"an agent of the user's own": {
			[]string{"HELPER=1"},
			caller.Configured{Kind: "human", Agents: []caller.Agent{{Name: "helper", Env: []string{"HELPER"}}}},
			policy.Principal{ID: "helper", Kind: policy.Agent, OnBehalfOf: "ana@laptop"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.says.Login = "ana@laptop"
			got := caller.Recognise(table(t), caller.Sight{Env: c.env, Terminal: caller.No}, c.says)
			if got.Principal != c.want {
				t.Errorf("got %+v, want %+v", got.Principal, c.want)
			}
			if got.Attended != caller.No || !slices.ContainsFunc(got.Evidence, func(e caller.Evidence) bool { return e.From == "terminal" }) {
				t.Errorf("that nobody sits there is not told: %+v", got)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for want, a := range map[string]caller.Agent{
		"no name":          {Env: []string{"X"}},
		"told by nothing":  {Name: "x"},
		"NAME=VALUE":       {Name: "x", Env: []string{"=1"}},
		"and one is empty": {Name: "x", Process: []string{" "}},
	} {
		if err := a.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v does not say %q", a, err, want)
		}
	}
}
