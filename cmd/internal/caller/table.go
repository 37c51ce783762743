package caller

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed agents.yaml
var known []byte

// Agent is one entry of the table: an AI agent, and what it can be told by. Env are conditions on variables (NAME, NAME=VALUE,
// NAME~PART), Process names of programs or directories of scripts (SCOPE/PACKAGE); any one of them suffices.
type Agent struct {
	Name    string   `yaml:"name" json:"name"`
	Env     []string `yaml:"env" json:"env,omitempty"`
	Process []string `yaml:"process" json:"process,omitempty"`
	Sources []string `yaml:"sources" json:"sources,omitempty"` // where that is written
}

// Known is the table that backout brings.
func Known() ([]Agent, error) {
	dec := yaml.NewDecoder(bytes.NewReader(known))
	dec.KnownFields(true)
	var out []Agent
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the table of AI agents: %w", err)
	}
	for i := range out {
		if err := out[i].Check(); err != nil {
			return nil, fmt.Errorf("read the table of AI agents: entry %d: %w", i+1, err)
		}
	}
	return out, nil
}

// Check says what is wrong with an entry.
func (a *Agent) Check() error {
	switch {
	case strings.TrimSpace(a.Name) == "":
		return errors.New("it has no name")
	case len(a.Env) == 0 && len(a.Process) == 0:
		return fmt.Errorf("%s can be told by nothing: give env or process", a.Name)
	case slices.ContainsFunc(a.Env, func(c string) bool { name, _, _ := condition(c); return name == "" }):
		return fmt.Errorf("%s: env is NAME, NAME=VALUE or NAME~PART", a.Name)
	case slices.ContainsFunc(a.Process, func(p string) bool { return strings.TrimSpace(p) == "" }):
		return fmt.Errorf("%s: process is a name, and one is empty", a.Name)
	}
	return nil
}

// condition takes a condition on a variable apart; with is "", "=" or "~".
func condition(c string) (name, with, value string) {
	if i := strings.IndexAny(c, "=~"); i >= 0 {
		return c[:i], c[i : i+1], c[i+1:]
	}
	return c, "", ""
}

// marked reports whether a variable fulfils a condition, and says what was seen without telling a value that the table does not have.
func marked(c string, env map[string]string) (what string, is bool) {
	name, with, value := condition(c)
	got := strings.TrimSpace(env[name])
	if got == "" {
		return "", false
	}
	switch with {
	case "=":
		return fmt.Sprintf("%s is %s", name, value), strings.EqualFold(got, value)
	case "~":
		return fmt.Sprintf("%s holds %s", name, value), strings.Contains(strings.ToLower(got), strings.ToLower(value))
	default:
		return name + " is set", true
	}
}

// interpreters run a script that is what a process really is.
var interpreters = [...]string{"node", "nodejs", "bun", "deno", "python", "python3", "uv", "uvx", "npx", "pipx"}

// fits reports whether a process is what an entry names.
func fits(mark string, p *Process) bool {
	names := []string{base(p.Executable), base(p.Name)}
	var script string
	if len(p.Args) > 0 {
		names = append(names, base(p.Args[0]))
	}
	if slices.ContainsFunc(names, interprets) {
		script = scriptOf(p.Args)
		names = append(names, base(script))
	}
	if strings.Contains(mark, "/") {
		return strings.Contains(strings.ReplaceAll(script, `\`, "/")+"/", "/"+mark+"/")
	}
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, mark) })
}

func interprets(name string) bool {
	if rest, ok := strings.CutPrefix(name, "python3."); ok {
		return strings.Trim(rest, "0123456789") == ""
	}
	return slices.Contains(interpreters[:], name)
}

// scriptOf is what an interpreter runs: its first argument that is no flag, or the module after -m.
func scriptOf(args []string) string {
	for i := 1; i < len(args); i++ {
		switch {
		case args[i] == "-c" || args[i] == "-e" || args[i] == "--eval":
			return ""
		case args[i] == "-m" && i+1 < len(args):
			return args[i+1]
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// base is the name of a program without its directory and the ending that systems and languages give it.
func base(p string) string {
	name := path.Base(strings.ReplaceAll(p, `\`, "/"))
	for _, ending := range []string{" (deleted)", ".exe", ".js", ".mjs", ".cjs", ".py"} {
		name = strings.TrimSuffix(name, ending)
	}
	if name == "." || name == "/" {
		return ""
	}
	return strings.TrimPrefix(name, "-") // a login shell
}
