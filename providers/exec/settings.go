package exec

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

type settings struct {
	Commands     commands      `yaml:"commands"`
	Dir          string        `yaml:"dir"`
	Env          []string      `yaml:"env"`
	Timeout      time.Duration `yaml:"timeout"`
	ApplyTimeout time.Duration `yaml:"apply_timeout"`
	MaxOutput    int           `yaml:"max_output"`
}

// commands are argument lists, by what they are asked.
type commands struct {
	Changes []string `yaml:"changes"`
	Alerts  []string `yaml:"alerts"`
	Units   []string `yaml:"units"`
	Observe []string `yaml:"observe"`
	Plan    []string `yaml:"plan"`
	Apply   []string `yaml:"apply"`
	Status  []string `yaml:"status"`
	Verify  []string `yaml:"verify"`
}

func (c *commands) byMethod() map[string][]string {
	return map[string][]string{
		"changes": c.Changes, "alerts": c.Alerts, "units": c.Units, "observe": c.Observe,
		"plan": c.Plan, "apply": c.Apply, "status": c.Status, "verify": c.Verify,
	}
}

func fields() []providers.Field {
	list := func(name, help string) providers.Field {
		return providers.Field{Name: name, Type: providers.FieldStrings, Help: help + "; a program and its arguments, no shell"}
	}
	return []providers.Field{
		{Name: "commands", Type: providers.FieldObject, Required: true, Help: "what is run for what", Fields: []providers.Field{
			list("changes", "lists changes"), list("alerts", "lists alerts"), list("units", "lists what can be rolled back"),
			list("observe", "says what a unit is now"), list("plan", "says how a unit would go back"), list("apply", "rolls back"),
			list("status", "says how far it is"), list("verify", "looks whether it serves"),
		}},
		{Name: "dir", Type: providers.FieldString, Help: "where the programs run; default where the configuration is"},
		{Name: "env", Type: providers.FieldStrings, Help: "names of variables that the programs may see beside PATH, HOME, LANG, LC_ALL, TZ and TMPDIR"},
		{Name: "timeout", Type: providers.FieldDuration, Default: "30s", Help: "how long a call may take"},
		{Name: "apply_timeout", Type: providers.FieldDuration, Default: "5m", Help: "how long apply may take; what came of a longer one is unknown"},
		{Name: "max_output", Type: providers.FieldInt, Default: 8 << 20, Help: "how many bytes a program may write"},
	}
}

func (s *settings) check() error {
	if err := s.Commands.check(); err != nil {
		return err
	}
	for _, name := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.HasPrefix(name, "BACKOUT_") {
			return fmt.Errorf("env %q: name a variable, without its value; BACKOUT_ is backout's own", name)
		}
	}
	if s.Timeout < 0 || s.ApplyTimeout < 0 || s.MaxOutput < 0 {
		return errors.New("timeout, apply_timeout and max_output are not negative")
	}
	s.Timeout, s.ApplyTimeout, s.MaxOutput = cmp.Or(s.Timeout, 30*time.Second), cmp.Or(s.ApplyTimeout, 5*time.Minute), cmp.Or(s.MaxOutput, 8<<20)
	return nil
}

func (c *commands) check() error {
	all := c.byMethod()
	set := 0
	for method, argv := range all {
		if argv == nil {
			continue
		}
		set++
		if len(argv) == 0 || argv[0] == "" || strings.ContainsRune(strings.Join(argv, ""), 0) {
			return fmt.Errorf("commands.%s: name a program and its arguments", method)
		}
	}
	if set == 0 {
		return errors.New("no commands: set at least one of changes, alerts and apply")
	}
	if c.Apply != nil {
		if c.Units == nil || c.Observe == nil {
			return errors.New("commands.apply needs commands.units and commands.observe: what is not seen cannot be rolled back safely")
		}
		return nil
	}
	for _, method := range []string{"units", "observe", "plan", "status", "verify"} {
		if all[method] != nil {
			return fmt.Errorf("commands.%s without commands.apply", method)
		}
	}
	return nil
}
