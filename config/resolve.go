package config

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Value is one setting with where it came from.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin"` // "flag", "environment BACKOUT_X", "FILE:LINE", "default"
}

// Values lists every setting with its origin, sorted by key. Secrets appear as where they are read from.
func (c *Config) Values() []Value { return c.values }

const envPrefix = "BACKOUT_"

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

func environment(env []string) map[string]string {
	out := map[string]string{}
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && strings.HasPrefix(k, envPrefix) {
			out[k] = v
		}
	}
	return out
}

// checkEnv checks the values of variables that are settings; one that is no setting at all is left alone, because other
// programs may share the prefix.
func checkEnv(env map[string]string) []Problem {
	var problems []Problem
	each(Fields(), "", func(key string, f Field) {
		value, ok := env[envName(key)]
		if !ok {
			return
		}
		n := &yaml.Node{}
		if err := yaml.Unmarshal([]byte(value), n); err == nil && len(n.Content) == 1 {
			n = n.Content[0]
		}
		n.Value = value
		if message := wrongScalar(n, f); message != "" {
			problems = append(problems, Problem{File: "environment " + envName(key), Key: key, Message: fmt.Sprintf("%s, not %q", message, value)})
		}
	})
	sort.Slice(problems, func(i, j int) bool { return problems[i].File < problems[j].File })
	return problems
}

// each visits every plain setting by its dotted key.
func each(fields []Field, prefix string, visit func(key string, f Field)) {
	for _, f := range fields {
		switch f.Type {
		case Object:
			each(f.Fields, join(prefix, f.Name), visit)
		case Objects, Map, Lists, Secret:
		default:
			visit(join(prefix, f.Name), f)
		}
	}
}

// bind gives Viper the defaults, the environment and the flags; it resolves the precedence.
func bind(v *viper.Viper, fields []Field, prefix string, env map[string]string, flags map[string]any) {
	each(fields, prefix, func(key string, f Field) {
		if f.Default != nil {
			v.SetDefault(key, f.Default)
		}
		if value, ok := env[envName(key)]; ok {
			v.Set(key, value)
		}
		if value, ok := flags[key]; ok {
			v.Set(key, value)
		}
	})
}

func assemble(v *viper.Viper, layers []layer) (*Config, error) {
	c := &Config{
		Environment: v.GetString("environment"), Region: v.GetString("region"), ReadOnly: v.GetBool("readonly"),
		Since: v.GetDuration("since"), StateDir: v.GetString("state_dir"), CacheDir: v.GetString("cache_dir"), LogLevel: v.GetString("log_level"),
		Store:    Store{URL: v.GetString("store.url")},
		Identity: Identity{Name: v.GetString("identity.name"), Kind: v.GetString("identity.kind")},
		TUI: TUI{
			TimeZone: v.GetString("tui.time_zone"), ASCII: v.GetBool("tui.ascii"), Color: v.GetString("tui.color"),
			SyncOutput: v.GetString("tui.sync_output"),
		},
		Rollback: Rollback{
			Hold: v.GetDuration("rollback.hold"), Deadline: v.GetDuration("rollback.deadline"), Poll: v.GetDuration("rollback.poll"),
			Cap: v.GetInt("rollback.cap"),
		},
		Proofs: Proofs{
			Tier1: v.GetDuration("proofs.tier1"), Tier2: v.GetDuration("proofs.tier2"), Tier3: v.GetDuration("proofs.tier3"),
			Deployments: v.GetInt("proofs.deployments"), Rotation: v.GetStringSlice("proofs.rotation"),
			Probe:     Probe{Units: v.GetStringSlice("proofs.probe.units"), Every: v.GetDuration("proofs.probe.every"), Rate: v.GetInt("proofs.probe.rate")},
			TwoPeople: v.GetBool("proofs.two_people"),
		},
	}
	c.Drills.Max, c.Drills.Grace = v.GetDuration("drills.max"), v.GetDuration("drills.grace")
	if err := errors.Join(c.drillsOf(layers), nested(layers, "proofs", "owners", &c.Proofs.Owners)); err != nil {
		return nil, err
	}
	var err error
	if c.Approvals, err = approvalsOf(v, layers); err != nil {
		return nil, err
	}
	if err := errors.Join(c.agentsOf(layers), c.peopleOf(layers), c.approvable(layers)); err != nil {
		return nil, err
	}
	c.Security.Advisories = v.GetStringSlice("security.advisories")
	for key, into := range map[string]any{"tiers": &c.Tiers, "services": &c.Services, "edges": &c.Edges} {
		if err := strongest(layers, key, into); err != nil {
			return nil, err
		}
	}
	for i := range c.Edges {
		if c.Edges[i].Kind == "" {
			c.Edges[i].Kind = "requires"
		}
	}
	return c, nil
}

// strongest decodes a list or map from the node of the strongest layer that has it, because Viper would lower its keys.
func strongest(layers []layer, key string, into any) error {
	for _, l := range layers {
		if k, n := child(l.node, key); n != nil {
			if err := n.Decode(into); err != nil {
				return &Error{Problems: []Problem{{File: l.file, Line: k.Line, Column: k.Column, Key: key, Message: err.Error()}}}
			}
			return nil
		}
	}
	return nil
}

// nested is strongest for a list or a map inside a section.
func nested(layers []layer, section, key string, into any) error {
	for _, l := range layers {
		_, s := child(l.node, section)
		if s == nil {
			continue
		}
		if k, n := child(s, key); n != nil {
			if err := n.Decode(into); err != nil {
				return &Error{Problems: []Problem{{File: l.file, Line: k.Line, Column: k.Column, Key: join(section, key), Message: err.Error()}}}
			}
			return nil
		}
	}
	return nil
}

func origins(v *viper.Viper, layers []layer, env map[string]string, flags map[string]any) []Value {
	var out []Value
	each(Fields(), "", func(key string, f Field) {
		out = append(out, Value{Key: key, Value: typed(v, key, f), Origin: originOf(key, layers, env, flags)})
	})
	for _, key := range []string{"tiers", "services", "edges", "verify", "ledger.anchors"} {
		for _, l := range layers {
			k, n := (*yaml.Node)(nil), l.node
			for part := range strings.SplitSeq(key, ".") {
				k, n = child(n, part)
			}
			if n == nil {
				continue
			}
			var value any
			_ = n.Decode(&value)
			out = append(out, Value{Key: key, Value: value, Origin: fmt.Sprintf("%s:%d", l.file, k.Line)})
			break
		}
	}
	return out
}

// typed gives a setting as what it is: the environment has only text.
func typed(v *viper.Viper, key string, f Field) any {
	switch f.Type {
	case Bool:
		return v.GetBool(key)
	case Int:
		return v.GetInt(key)
	case Float:
		return v.GetFloat64(key)
	default:
		return v.Get(key)
	}
}

// providerValues lists the settings of the providers in force, each with where it came from.
func providerValues(providers []Provider, env map[string]string) []Value {
	var out []Value
	for _, p := range providers {
		prefix, suffix := join("providers", p.Name), ""
		if p.context {
			suffix = " (context)"
		}
		out = append(out, Value{Key: join(prefix, "type"), Value: p.Type, Origin: fmt.Sprintf("%s:%d%s", p.File, p.Line, suffix)})
		for i := 0; i+1 < len(p.settings.Content); i += 2 {
			k := p.settings.Content[i]
			key, origin := join(prefix, k.Value), fmt.Sprintf("%s:%d%s", p.File, k.Line, suffix)
			if f, ok := find(p.fields, k.Value); ok && fromEnv(f) {
				if _, set := env[envName(key)]; set {
					origin = "environment " + envName(key)
				}
			}
			var value any
			_ = p.settings.Content[i+1].Decode(&value)
			out = append(out, Value{Key: key, Value: value, Origin: origin})
		}
	}
	return out
}

// fromEnv reports whether a provider's setting can come from the environment.
func fromEnv(f Field) bool {
	return f.Type != Secret && f.Type != Object && f.Type != Objects && f.Type != Map && f.Type != Lists
}

func originOf(key string, layers []layer, env map[string]string, flags map[string]any) string {
	if _, ok := flags[key]; ok {
		return "flag"
	}
	if _, ok := env[envName(key)]; ok {
		return "environment " + envName(key)
	}
	for _, l := range layers {
		n, k := l.node, (*yaml.Node)(nil)
		for _, part := range strings.Split(key, ".") {
			if k, n = child(n, part); n == nil {
				break
			}
		}
		if n != nil {
			where := fmt.Sprintf("%s:%d", l.file, k.Line)
			if l.context {
				where += " (context)"
			}
			return where
		}
	}
	return "default"
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
