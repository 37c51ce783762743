package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Options say where to look.
type Options struct {
	Path      string // a file that replaces both the project's and the user's; "" looks for those
	Dir       string // where to look for the project's file
	UserFile  string // the user's own file; it need not be there
	Context   string // "" for none
	Flags     map[string]any
	Env       []string // os.Environ()
	Providers []ProviderSchema
}

// Load reads, checks and merges. Its error, where the files are to blame, is an *Error that holds every problem.
func Load(o Options) (*Config, error) {
	sources, err := readSources(o)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, s := range sources {
		c := checker{file: s.path, providers: o.Providers}
		c.root(s.root, false, "")
		problems = append(problems, c.problems...)
	}
	layers, ok := layersOf(sources, o.Context)
	if !ok {
		problems = append(problems, Problem{File: first(sources), Key: "contexts", Message: fmt.Sprintf("no context %q%s", o.Context, suggest(o.Context, contexts(sources)))})
	}
	env := environment(o.Env)
	problems = append(problems, checkEnv(env)...)
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	v := viper.New()
	for i := len(layers) - 1; i >= 0; i-- {
		var m map[string]any
		if err := layers[i].node.Decode(&m); err != nil {
			return nil, &Error{Problems: []Problem{{File: layers[i].file, Message: err.Error()}}}
		}
		delete(m, "providers")
		delete(m, "contexts")
		if err := v.MergeConfigMap(m); err != nil {
			return nil, fmt.Errorf("merge %s: %w", layers[i].file, err)
		}
	}
	bind(v, Fields(), "", env, o.Flags)
	cfg, err := assemble(v, layers)
	if err != nil {
		return nil, err
	}
	cfg.Context = o.Context
	cfg.Ledger = ledgerOf(v, layers, o.Dir)
	cfg.Policy = policyOf(v, layers, o.Dir)
	cfg.OnCall = onCallOf(v, layers, o.Dir)
	cfg.storePassword(layers)
	if cfg.Ledger.Anchors, err = anchorsOf(layers); err != nil {
		return nil, err
	}
	for _, s := range sources {
		cfg.Files = append(cfg.Files, s.path)
	}
	cfg.Providers = mergeProviders(layers, o.Providers, env)
	if err := cfg.verifyOf(layers); err != nil {
		return nil, err
	}
	if err := cfg.gameDaysOf(layers); err != nil {
		return nil, err
	}
	cfg.values = slices.Concat(origins(v, layers, env, o.Flags), cfg.Store.values(), providerValues(cfg.Providers, env))
	sort.SliceStable(cfg.values, func(i, j int) bool { return cfg.values[i].Key < cfg.values[j].Key })
	return cfg, nil
}

// layer is one section of one file; the strongest comes first.
type layer struct {
	file    string
	context bool
	node    *yaml.Node
}

func readSources(o Options) ([]source, error) {
	paths, read := []string{o.Path}, readFile
	if o.Path == "" {
		paths, read = []string{projectFile(o.Dir)}, found
		if o.UserFile != "" && exists(o.UserFile) {
			paths = append(paths, o.UserFile)
		}
	}
	var out []source
	var problems []Problem
	for _, p := range paths {
		if p == "" {
			continue
		}
		s, err := read(p)
		var bad *Error
		if errors.As(err, &bad) {
			problems = append(problems, bad.Problems...)
			continue
		}
		out = append(out, s)
	}
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return out, nil
}

// layersOf puts the context's sections before the plain ones: a context is stronger than any file's own level.
func layersOf(sources []source, name string) ([]layer, bool) {
	var out []layer
	found := name == ""
	for _, s := range sources {
		_, all := child(s.root, "contexts")
		if _, section := child(all, name); section != nil && name != "" {
			out = append(out, layer{file: s.path, context: true, node: section})
			found = true
		}
	}
	for _, s := range sources {
		out = append(out, layer{file: s.path, node: s.root})
	}
	return out, found
}

func contexts(sources []source) []string {
	var out []string
	for _, s := range sources {
		_, all := child(s.root, "contexts")
		for i := 0; all != nil && i+1 < len(all.Content); i += 2 {
			out = append(out, all.Content[i].Value)
		}
	}
	return out
}

// mergeProviders takes each provider whole from the strongest layer that names it, in the order of the files.
// dirOf is the directory of a file, from the root: how a unit goes back is the same however the file was named, and from wherever.
func dirOf(file string) string {
	dir := filepath.Dir(file)
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func mergeProviders(layers []layer, schemas []ProviderSchema, env map[string]string) []Provider {
	var out []Provider
	for _, l := range layers {
		_, section := child(l.node, "providers")
		for i := 0; section != nil && i+1 < len(section.Content); i += 2 {
			k, v := section.Content[i], section.Content[i+1]
			if slices.ContainsFunc(out, func(p Provider) bool { return p.Name == k.Value }) {
				continue
			}
			p := Provider{Name: k.Value, Type: k.Value, File: l.file, Line: k.Line, Dir: dirOf(l.file), context: l.context}
			settings, enabled := splitSettings(v, &p)
			at := slices.IndexFunc(schemas, func(s ProviderSchema) bool { return s.Type == p.Type })
			if !enabled || at < 0 {
				continue
			}
			p.fields = schemas[at].Fields
			p.settings = overrideFromEnv(settings, p, env)
			out = append(out, p)
		}
	}
	return out
}

// splitSettings takes type and enabled out of a provider's section; the rest is the provider's own.
func splitSettings(v *yaml.Node, p *Provider) (*yaml.Node, bool) {
	own, enabled := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: v.Line, Column: v.Column}, true
	for i := 0; v.Kind == yaml.MappingNode && i+1 < len(v.Content); i += 2 {
		switch v.Content[i].Value {
		case "type":
			p.Type = v.Content[i+1].Value
		case "enabled":
			enabled = v.Content[i+1].Value != "false"
		default:
			own.Content = append(own.Content, v.Content[i], v.Content[i+1])
		}
	}
	return own, enabled
}

// overrideFromEnv lets BACKOUT_PROVIDERS_<NAME>_<FIELD> replace a plain setting.
func overrideFromEnv(settings *yaml.Node, p Provider, env map[string]string) *yaml.Node {
	for _, f := range p.fields {
		value, ok := env[envName("providers."+p.Name+"."+f.Name)]
		if !ok || !fromEnv(f) {
			continue
		}
		n := &yaml.Node{}
		if f.Type == Strings {
			_ = n.Encode(strings.Split(value, ","))
		} else {
			n = &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		}
		if _, v := child(settings, f.Name); v != nil {
			*v = *n
			continue
		}
		settings.Content = append(settings.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.Name}, n)
	}
	return settings
}

func decodeStrict(n *yaml.Node, into any) error {
	data, err := yaml.Marshal(n)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}

func first(sources []source) string {
	if len(sources) == 0 {
		return "configuration"
	}
	return sources[0].path
}
