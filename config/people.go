package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Person is one entry of the section principals: a human, an automation or an AI agent, by whatever it is called and whatever keys it
// has. Keys are fingerprints (SHA256:...), Also its other names in the record, such as user@host.
type Person struct {
	Name   string   `yaml:"name"`
	Kind   string   `yaml:"kind"` // "" is human
	Also   []string `yaml:"also"`
	Keys   []string `yaml:"keys"`
	Groups []string `yaml:"groups"`
	Roles  []string `yaml:"roles"`
}

// OnCall is where another tool writes who is on call. File is absolute; "" is none. What is older than MaxAge says nothing.
type OnCall struct {
	File   string
	MaxAge time.Duration
}

func peopleFields() []Field {
	return []Field{
		{Name: "name", Type: String, Required: true, Help: "as the record names it: identity.name of whoever it is"},
		{Name: "kind", Type: String, Default: "human", Enum: []string{"human", "automation", "agent"}, Help: "what it is"},
		{Name: "also", Type: Strings, Help: "its other names in the record, such as user@host"},
		{Name: "keys", Type: Strings, Help: "fingerprints of its SSH keys (SHA256:...), as ssh-keygen -l prints them"},
		{Name: "groups", Type: Strings, Help: "groups that it is in"},
		{Name: "roles", Type: Strings, Help: "roles that it always has; who is on call, on_call.file says"},
	}
}

func onCallFields() []Field {
	return []Field{
		{Name: "file", Type: String, Default: "", Help: "JSON or YAML that another tool writes: {at: TIME, on_call: [{principal: NAME, role: ROLE, until: TIME}]}"},
		{Name: "max_age", Type: Duration, Default: "1h", Help: "how old it may be; from then on nobody knows who is on call"},
	}
}

func onCallOf(v *viper.Viper, layers []layer, dir string) OnCall {
	return OnCall{File: pathOf("on_call.file", v, layers, dir), MaxAge: v.GetDuration("on_call.max_age")}
}

// peopleOf reads the section principals from the strongest layer that has it.
func (c *Config) peopleOf(layers []layer) error {
	for _, l := range layers {
		k, n := child(l.node, "principals")
		if n == nil {
			continue
		}
		problem := func(at *yaml.Node, key, message string) error {
			return &Error{Problems: []Problem{{File: l.file, Line: at.Line, Column: at.Column, Key: key, Message: message}}}
		}
		if err := n.Decode(&c.Principals); err != nil {
			return problem(k, "principals", err.Error())
		}
		whose := map[string]string{}
		for i := range c.Principals {
			p, key := &c.Principals[i], fmt.Sprintf("principals[%d]", i)
			if p.Kind == "" {
				p.Kind = "human"
			}
			for _, f := range p.Keys {
				if !strings.HasPrefix(f, "SHA256:") {
					return problem(n.Content[i], key+".keys", fmt.Sprintf("%q is no fingerprint: ssh-keygen -l prints it as SHA256:...", f))
				}
			}
			for _, what := range append(append([]string{p.Name}, p.Also...), p.Keys...) {
				if other, twice := whose[what]; twice {
					return problem(n.Content[i], key, fmt.Sprintf("%q is %s's already", what, other))
				}
				whose[what] = p.Name
			}
		}
		return nil
	}
	return nil
}
