package session

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	ledgerprovider "github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/rollback"
)

// recordName is the name of the record among the providers.
const recordName = "backout"

// makeProviders makes what is configured; one that cannot be made becomes a failing health line and delays nobody.
func (s *Session) makeProviders(ctx context.Context) error {
	configured := s.opts.Config.Providers
	if s.opts.File != "" || len(configured) == 0 {
		var err error
		if configured, err = s.unasked(); err != nil {
			return err
		}
	}
	s.types = map[string]string{recordName: "ledger"}
	for i := range configured {
		s.types[configured[i].Name] = configured[i].Type
		s.makeProvider(ctx, &configured[i])
	}
	s.providers = append(s.providers, ledgerprovider.New(recordName, s.reader(), s.opts.Now))
	return nil
}

// unasked is what is shown where nothing is configured: what git and kubectl would look at from here.
func (s *Session) unasked() (out []config.Provider, err error) {
	add := func(name, typ string, values map[string]any) {
		if err == nil {
			var p config.Provider
			p, err = s.builtIn(name, typ, values)
			out = append(out, p)
		}
	}
	if s.opts.File != "" {
		add("file", "file", map[string]any{"paths": []string{s.opts.File}, "follow": false})
		return out, err
	}
	if inWorkTree(s.opts.Dir) {
		add("git", "git", map[string]any{"path": s.opts.Dir})
	}
	if s.opts.Cluster {
		add("k8s", "kubernetes", nil)
	}
	return out, err
}

func (s *Session) makeProvider(ctx context.Context, p *config.Provider) {
	factory, ok := s.opts.Registry.Lookup(p.Type)
	if !ok {
		return // the configuration was checked against the same registry
	}
	made, err := factory.New(providers.Environment{
		Name: p.Name, Environment: s.opts.Config.Environment, Dir: p.Dir, Now: s.opts.Now, Log: s.opts.Log.With("provider", p.Name),
		Archive: s.archive(),
	}, func(into any) error { return p.Decode(ctx, into) })
	if err != nil {
		s.problems = append(s.problems, providers.Health{Provider: p.Name, State: providers.HealthFailing, Detail: strings.TrimPrefix(providers.Clean(err.Error()), "provider "+p.Name+": ")})
		s.opts.Log.Error("provider could not be made", "provider", p.Name, "error", err)
		return
	}
	s.providers = append(s.providers, made)
	if r, ok := made.(rollback.Reverser); ok {
		s.reversers[made.Name()] = r
	}
	if c, ok := made.(providers.Contents); ok {
		s.contents[made.Name()] = c
	}
}

func (s *Session) archive() Archive { return Archive{Dir: filepath.Join(s.opts.StateDir, "archive")} }

func (s *Session) builtIn(name, typ string, values map[string]any) (config.Provider, error) {
	factory, _ := s.opts.Registry.Lookup(typ)
	schema := config.ProviderSchema{Type: typ}
	for _, f := range factory.Fields {
		schema.Fields = append(schema.Fields, config.Field{Name: f.Name, Type: config.FieldType(f.Type)})
	}
	return config.NewProvider(name, typ, s.opts.Dir, schema, values)
}

// inWorkTree looks for a .git entry upwards, without running git: the provider itself says what is wrong with it.
func inWorkTree(dir string) bool {
	for {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "objects")); err == nil {
				return true // a bare repository
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// catalogue and declaredEdges are the topology that the configuration states.
func (s *Session) catalogue() []providers.Service {
	var out []providers.Service
	for _, c := range s.opts.Config.Services {
		env := c.Environment
		if env == "" {
			env = s.opts.Config.Environment
		}
		out = append(out, providers.Service{Name: c.Name, Tier: c.Tier, Owner: c.Owner, Environment: env, DependsOn: c.DependsOn})
	}
	return out
}

func (s *Session) declaredEdges() []providers.Edge {
	var out []providers.Edge
	for _, e := range s.opts.Config.Edges {
		out = append(out, providers.Edge{From: e.From, To: e.To, Kind: providers.EdgeKind(e.Kind), Evidence: e.Evidence, Source: "configuration"})
	}
	return out
}

// Hints say in one line each what is not configured yet.
func (s *Session) Hints() []string {
	alerts, units := false, len(s.reversers) > 0
	for _, p := range s.providers {
		if p.Name() == recordName {
			continue // it alerts of what backout itself left behind
		}
		if _, ok := p.(providers.AlertSource); ok && p.Name() != "file" {
			alerts = true
		} else if _, ok := p.(providers.AlertStates); ok {
			alerts = true
		}
	}
	var out []string
	if len(s.providers) == 1 && len(s.problems) == 0 {
		why := "no configuration, no git work tree here and no kubeconfig: cd into one, or write a backout.yaml (docs/configuration.md)"
		if files := s.opts.Config.Files; len(files) > 0 {
			why = strings.Join(files, ", ") + " names no provider: half written? (docs/configuration.md)"
		}
		out = append(out, "nothing to show: "+why)
	}
	if !alerts {
		how := "add alertmanager: {url: http://HOST:9093} to the providers in backout.yaml"
		if len(s.opts.Config.Providers) == 0 { // what is shown unasked has to be named once anything is
			how = "write providers: {git: {}, alertmanager: {url: http://HOST:9093}} to backout.yaml"
		}
		out = append(out, "no alert source: "+how+" (docs/providers.md)")
	}
	if !units {
		out = append(out, "no unit to roll back: add releases: {units: [{name: NAME, path: DIR}]} to the providers in backout.yaml")
	}
	return out
}
