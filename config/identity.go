package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Identity is who acts; empty fields are left to the command. Agents are AI agents beside those that are known.
type Identity struct {
	Name, Kind string
	Agents     []Agent
}

// Agent is an AI agent and what it can be told by: Env are conditions on variables (NAME, NAME=VALUE, NAME~PART), Process
// names of programs that are ancestors.
type Agent struct {
	Name    string   `yaml:"name"`
	Env     []string `yaml:"env"`
	Process []string `yaml:"process"`
}

func identityFields() []Field {
	return []Field{
		{Name: "name", Type: String, Default: "", Help: "default: user@host"},
		{Name: "kind", Type: String, Default: "", Enum: []string{"", "human", "automation", "agent"}, Help: "default: human, in CI automation; an AI agent that is recognised stays one whatever stands here"},
		{Name: "agents", Type: Objects, Help: "AI agents beside those that backout knows; those of all files and of the context count", Fields: []Field{
			{Name: "name", Type: String, Required: true, Help: "its name in the record"},
			{Name: "env", Type: Strings, Help: "any one tells it: NAME is set, NAME=VALUE, NAME~PART of the value"},
			{Name: "process", Type: Strings, Help: "any one tells it: the name of a program, or of a script of node or python, that is an ancestor"},
		}},
	}
}

// agentsOf reads identity.agents of all layers: a stronger one must not hide an agent that a weaker one knows.
func (c *Config) agentsOf(layers []layer) error {
	for _, l := range layers {
		_, identity := child(l.node, "identity")
		k, n := child(identity, "agents")
		if n == nil {
			continue
		}
		problem := func(at *yaml.Node, key, message string) error {
			return &Error{Problems: []Problem{{File: l.file, Line: at.Line, Column: at.Column, Key: key, Message: message}}}
		}
		var agents []Agent
		if err := n.Decode(&agents); err != nil {
			return problem(k, "identity.agents", err.Error())
		}
		for i := range agents {
			a, key := &agents[i], fmt.Sprintf("identity.agents[%d]", i)
			if len(a.Env) == 0 && len(a.Process) == 0 {
				return problem(n.Content[i], key, "can be told by nothing: give env or process")
			}
			for _, e := range a.Env {
				if strings.IndexAny(e+"=", "=~") == 0 {
					return problem(n.Content[i], key+".env", "is NAME, NAME=VALUE or NAME~PART")
				}
			}
			for _, p := range a.Process {
				if strings.TrimSpace(p) == "" {
					return problem(n.Content[i], key+".process", "is the name of a program, and one is empty")
				}
			}
		}
		c.Identity.Agents = append(c.Identity.Agents, agents...)
	}
	return nil
}
