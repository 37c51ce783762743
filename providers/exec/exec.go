// Package exec makes a provider of any program: a script that lists changes or alerts, or a deploy script that can be
// asked to observe, apply and verify. Each call is one process: a JSON request on standard input, JSON on standard
// output. The published contract is schema.json beside this file, and docs/exec.md.
package exec

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
)

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema of every request and answer. It refers to that of the incident file for changes and alerts.
func Schema() []byte { return append([]byte(nil), schema...) }

// protocol is the version of the contract, in every request.
const protocol = 1

// Factory makes providers of the type "exec". What a provider can do is what there are commands for: without one for
// changes it is no providers.ChangeSource, without one for apply no rollback.Reverser.
func Factory() providers.Factory {
	return providers.Factory{
		Type: "exec", Help: "any program as a source of changes or alerts, or as the way to roll back", Fields: fields(), New: create,
	}
}

// core is what every provider of this type has, whatever it can do.
type core struct {
	name        string
	environment string
	dir         string
	env         []string
	mask        []string
	commands    commands
	timeout     time.Duration
	applyLimit  time.Duration
	maxOutput   int64
	vitals      *providers.Vitals
	now         func() time.Time
	fault       atomic.Value // string: see Inject
}

// Name implements providers.Provider.
func (c *core) Name() string { return c.name }

// Health implements providers.Provider.
func (c *core) Health() providers.Health { return c.vitals.Health() }

// basicEnv is what every program may see.
func basicEnv() []string { return []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"} }

func create(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	dir := s.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(env.Dir, dir)
	}
	c := &core{
		name: env.Name, environment: env.Environment, dir: dir, env: process.Environ(append(basicEnv(), s.Env...)...),
		commands: s.Commands, timeout: s.Timeout, applyLimit: s.ApplyTimeout, maxOutput: int64(s.MaxOutput),
		vitals: providers.NewVitals(env.Name, env.Now, s.Timeout/2), now: env.Now,
	}
	for _, v := range process.Environ(s.Env...) {
		_, value, _ := strings.Cut(v, "=")
		c.mask = append(c.mask, value)
	}
	return c.able(), nil
}

// able gives the provider exactly the abilities that there are commands for, since they are found by type assertion.
func (c *core) able() providers.Provider {
	ch, al, re := changes{c}, alerts{c}, reverser{c}
	switch [3]bool{c.commands.Changes != nil, c.commands.Alerts != nil, c.commands.Apply != nil} {
	case [3]bool{true, false, false}:
		return struct {
			*core
			changes
		}{c, ch}
	case [3]bool{false, true, false}:
		return struct {
			*core
			alerts
		}{c, al}
	case [3]bool{true, true, false}:
		return struct {
			*core
			changes
			alerts
		}{c, ch, al}
	case [3]bool{false, false, true}:
		return struct {
			*core
			reverser
		}{c, re}
	case [3]bool{true, false, true}:
		return struct {
			*core
			changes
			reverser
		}{c, ch, re}
	case [3]bool{false, true, true}:
		return struct {
			*core
			alerts
			reverser
		}{c, al, re}
	default:
		return struct {
			*core
			changes
			alerts
			reverser
		}{c, ch, al, re}
	}
}

// failing wraps an error with the command that it is about.
func (c *core) failing(method string, err error) error {
	return fmt.Errorf("%s command: %w", method, err)
}
