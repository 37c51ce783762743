// Package caller says who acts: a human, an automation or an AI agent, with what that was told from and what could not be looked
// at. It is the only place that does. What it says is a hint and not authentication: whoever leaves no trace is not recognised,
// and what holds then are keys that ask somebody, and roles of the store. Everything but the looks at the system is pure.
package caller

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback/policy"
)

// Answer is yes, no, or that it is not known.
type Answer string

// Answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// Process is an ancestor of this process, the nearest first. Fields that could not be read are empty.
type Process struct {
	PID        int
	Name       string   // as the system calls it
	Executable string   // path
	Args       []string // with the program first
}

// Sight is what can be seen from within this process.
type Sight struct {
	Env       []string // NAME=VALUE, the last one of a name counts
	Ancestors []Process
	Terminal  Answer   // does this process have a controlling terminal
	Unseen    []string // what could not be looked at, and why
}

// Configured is what the configuration says of who acts. Agents are recognised beside those of the table.
type Configured struct {
	Name, Kind string
	Login      string // who acts where nothing says so: user@host
	Agents     []Agent
	People     People
	Key        string // the fingerprint of the key that would sign, "" none
}

// Evidence is one thing that was seen and what it says.
type Evidence struct {
	From    string   `json:"from"` // environment, ancestor, configuration, key, terminal, login
	What    string   `json:"what"`
	Agent   string   `json:"agent,omitempty"`   // the entry of the table that it fits
	Sources []string `json:"sources,omitempty"` // where it is written that this is so
}

// Caller is who acts, and why that is said. Attended is whether somebody can have seen what is asked: there is a controlling
// terminal. It is evidence and decides nothing.
type Caller struct {
	Principal policy.Principal `json:"principal"`
	Attended  Answer           `json:"attended"`
	Evidence  []Evidence       `json:"evidence"`
	Unseen    []string         `json:"unseen,omitempty"`
}

// itself is the agent of which no more is known than that it says so itself.
const itself = "ai-agent"

// Recognise says who acts. An AI agent that was seen is one, whatever is configured: nothing makes it its human again. What is
// configured names a human or an automation where no agent was seen, and may say itself that an agent acts.
func Recognise(table []Agent, seen Sight, says Configured) Caller {
	c := Caller{Principal: policy.Principal{ID: says.Name, Kind: policy.Human}, Attended: seen.Terminal, Unseen: seen.Unseen}
	if c.Attended == "" {
		c.Attended = Unknown
	}
	if c.Principal.ID == "" {
		c.Principal.ID = says.Login
		c.see(Evidence{From: "login", What: "the user of this machine is " + says.Login})
	} else {
		c.see(Evidence{From: "configuration", What: "identity.name is " + says.Name})
	}
	env := variables(seen.Env)
	c.marks(slices.Concat(table, says.Agents), env, seen.Ancestors)
	c.registered(&says)
	c.said(says.Kind, env)
	switch agent := c.agent(); {
	case agent == says.Name && agent != "", agent == itself && says.Name != "":
		c.Principal = policy.Principal{ID: says.Name, Kind: policy.Agent, OnBehalfOf: says.Login}
	case agent != "":
		c.Principal = policy.Principal{ID: agent, Kind: policy.Agent, OnBehalfOf: c.Principal.ID}
	}
	switch c.Attended {
	case Yes:
		c.see(Evidence{From: "terminal", What: "there is a controlling terminal"})
	case No:
		c.see(Evidence{From: "terminal", What: "there is no controlling terminal: nobody sits there"})
	default:
	}
	return c
}

func (c *Caller) see(e Evidence) { c.Evidence = append(c.Evidence, e) }

// marks puts down what agents left in the environment, and which of them are ancestors.
func (c *Caller) marks(table []Agent, env map[string]string, ancestors []Process) {
	for i := range table {
		a := &table[i]
		for _, cond := range a.Env {
			if what, is := marked(cond, env); is {
				c.see(Evidence{From: "environment", What: what, Agent: a.Name, Sources: a.Sources})
			}
		}
		for j := range ancestors {
			p := &ancestors[j]
			if slices.ContainsFunc(a.Process, func(mark string) bool { return fits(mark, p) }) {
				c.see(Evidence{From: "ancestor", What: fmt.Sprintf("process %d is %s", p.PID, a.Name), Agent: a.Name, Sources: a.Sources})
			}
		}
	}
}

// registered takes in what the configuration says of who has that name, and whose key would sign: an AI agent's name or key makes one.
func (c *Caller) registered(says *Configured) {
	if p, ok := says.People.Holder(says.Key); ok && says.Key != "" && p.Kind == policy.Agent {
		c.see(Evidence{From: "key", What: "the signing key " + says.Key + " is registered to it", Agent: p.Name})
	}
	p, ok := says.People.Named(c.Principal.ID)
	switch {
	case !ok:
	case p.Kind == policy.Agent:
		c.see(Evidence{From: "configuration", What: "principals has " + p.Name + " as an AI agent", Agent: p.Name})
	default:
		c.Principal.Kind = p.Kind
		c.see(Evidence{From: "configuration", What: fmt.Sprintf("principals has %s as %s", p.Name, p.Kind)})
	}
}

// said takes in what the configuration says of the kind, and where nothing does, whether this is a job of CI.
func (c *Caller) said(kind string, env map[string]string) {
	ci := strings.TrimSpace(env["CI"])
	switch {
	case kind == string(policy.Agent):
		c.see(Evidence{From: "configuration", What: "identity.kind is agent", Agent: itself})
	case kind != "" && c.agent() != "":
		c.see(Evidence{From: "configuration", What: "identity.kind is " + kind + ", which counts for nothing where an agent was seen"})
	case kind == string(policy.Human) && c.Principal.Kind == policy.Automation:
		c.see(Evidence{From: "configuration", What: "identity.kind is human, which counts for nothing: it is registered as an automation"})
	case kind != "":
		c.Principal.Kind = policy.PrincipalKind(kind)
		c.see(Evidence{From: "configuration", What: "identity.kind is " + kind})
	case ci != "" && !strings.EqualFold(ci, "false"):
		c.Principal.Kind = policy.Automation
		c.see(Evidence{From: "environment", What: "CI is set"})
	}
}

// agent is the first agent that was seen, "" none.
func (c *Caller) agent() string {
	for _, e := range c.Evidence {
		if e.Agent != "" {
			return e.Agent
		}
	}
	return ""
}

// Why tells in one line what an agent was recognised by, "" where none was.
func (c *Caller) Why() string {
	var parts []string
	for _, e := range c.Evidence {
		if e.Agent != "" {
			parts = append(parts, fmt.Sprintf("%s: %s (%s)", e.From, e.What, e.Agent))
		}
	}
	return strings.Join(parts, "; ")
}

// variables are an environment by name.
func variables(env []string) map[string]string {
	out := make(map[string]string, len(env))
	for _, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok {
			out[name] = value
		}
	}
	return out
}
