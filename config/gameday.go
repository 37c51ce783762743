package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// GameDay is one entry of the section gamedays: units on which game days may make faults, and the programs that they may use
// there. Unit and Environment are patterns, in which * stands for any text and ? for any one character; those that are set all
// have to match. What no entry matches is never broken on purpose.
type GameDay struct {
	Unit        string    `yaml:"unit"`
	Environment string    `yaml:"environment"`
	Programs    []Program `yaml:"programs"`

	File string `yaml:"-"`
	Dir  string `yaml:"-"` // that relative paths are relative to
}

// Program is a program with its first arguments, by the name that a scenario calls it.
type Program struct {
	Name string   `yaml:"name"`
	Argv []string `yaml:"argv"`
}

// Matches reports whether the entry is about a unit.
func (g *GameDay) Matches(unit, environment string) bool {
	return (g.Unit != "" || g.Environment != "") && like(g.Unit, unit) && like(g.Environment, environment)
}

func gameDayFields() []Field {
	return []Field{
		{Name: "unit", Type: String, Help: "the units that game days may break: a unit's id, in which * is any text and ? any one character"},
		{Name: "environment", Type: String, Help: "the environments in which they may, likewise"},
		{Name: "programs", Type: Objects, Help: "what a scenario's faults may run; a scenario cannot name any other program", Fields: []Field{
			{Name: "name", Type: String, Required: true, Help: "by which a scenario calls it; release is what releases where it names none"},
			{Name: "argv", Type: Strings, Required: true, Help: "the program and its first arguments, no shell; {unit}, {service} and {revision} stand for those"},
		}},
	}
}

// gameDaysOf reads the section from the strongest layer that has it.
func (c *Config) gameDaysOf(layers []layer) error {
	for _, l := range layers {
		k, n := child(l.node, "gamedays")
		if n == nil {
			continue
		}
		problem := func(at *yaml.Node, key, message string) error {
			return &Error{Problems: []Problem{{File: l.file, Line: at.Line, Column: at.Column, Key: key, Message: message}}}
		}
		if err := n.Decode(&c.GameDays); err != nil {
			return problem(k, "gamedays", err.Error())
		}
		for i := range c.GameDays {
			g := &c.GameDays[i]
			g.File, g.Dir = l.file, dirOf(l.file)
			at, key := k, fmt.Sprintf("gamedays[%d]", i)
			if i < len(n.Content) {
				at = n.Content[i]
			}
			if g.Unit == "" && g.Environment == "" {
				return problem(at, key, "allows everything: give unit or environment")
			}
			names := map[string]bool{}
			for j, p := range g.Programs {
				if len(p.Argv) == 0 || p.Argv[0] == "" {
					return problem(at, fmt.Sprintf("%s.programs[%d].argv", key, j), "names no program")
				}
				if names[p.Name] {
					return problem(at, fmt.Sprintf("%s.programs[%d].name", key, j), fmt.Sprintf("%q stands twice", p.Name))
				}
				names[p.Name] = true
			}
		}
		break
	}
	return nil
}
