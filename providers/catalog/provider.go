// Package catalog reads what people declare about services: who owns them, what they call, which versions they need and were tried
// with, and what they do to the outside. It reads files of its own form and those that Backstage reads.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/backout-dev/backout/providers"
)

const (
	maxFile  = 4 << 20
	maxFiles = 2000
)

type settings struct {
	Paths []string `yaml:"paths"`
}

// Factory makes providers of type "catalog".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "catalog",
		Help: "what is declared of services: dependencies, versions that they need, effects outside; also Backstage's catalog-info.yaml",
		Fields: []providers.Field{
			{Name: "paths", Type: providers.FieldStrings, Required: true, Help: "files, or patterns such as */catalog-info.yaml; relative ones start at the configuration file"},
		},
		New: build,
	}
}

func build(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	var set settings
	if err := decode(&set); err != nil {
		return nil, fmt.Errorf("catalog provider %s: %w", env.Name, err)
	}
	if len(set.Paths) == 0 {
		return nil, providers.Permanent(fmt.Errorf("catalog provider %s: no paths; name a file or a pattern", env.Name))
	}
	return &Provider{Vitals: providers.NewVitals(env.Name, env.Now, 0), env: env, set: set}, nil
}

// Provider is one catalogue. It is a Topology and has no events. It is safe for use by several goroutines.
type Provider struct {
	*providers.Vitals
	env providers.Environment
	set settings
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// Topology implements providers.Topology. One file that cannot be read makes the whole an error: what it declares may be the very
// thing that forbids a rollback.
func (p *Provider) Topology(ctx context.Context) ([]providers.Service, []providers.Edge, error) {
	start := p.env.Now()
	c, err := p.read(ctx)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err() // somebody lost interest: that says nothing of the files
	}
	p.Done(start, err)
	if err != nil {
		return nil, nil, err
	}
	c.join()
	return c.services, c.edges, nil
}

func (p *Provider) read(ctx context.Context) (*contents, error) {
	paths, err := p.paths()
	if err != nil {
		return nil, err
	}
	c := &contents{source: p.env.Name, environment: p.env.Environment}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.file(path, p.shown(path)); err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", p.shown(path), classed(err))
		}
	}
	return c, nil
}

// shown is a path as people wrote it, where it is below the configuration.
func (p *Provider) shown(path string) string {
	if rel, err := filepath.Rel(p.env.Dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return path
}

// paths lists the files that there are, sorted. Neither a plain path nor a pattern may name nothing: a catalogue that is misspelt
// would say that nothing hangs together.
func (p *Provider) paths() ([]string, error) {
	paths, void, err := providers.Paths(p.env.Dir, p.set.Paths)
	switch {
	case err != nil:
		return nil, err
	case len(void) > 0:
		return nil, providers.Permanent(fmt.Errorf("pattern %s names no file", void[0]))
	case len(paths) > maxFiles:
		return nil, providers.Permanent(fmt.Errorf("%d files, and at most %d are read: name fewer", len(paths), maxFiles))
	}
	return paths, nil
}

func load(path string) (data []byte, info fs.FileInfo, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("is no plain file")
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	return data, info, err
}

// classed: what is not there may come, as a checkout is made anew; what is written wrongly has to be mended.
func classed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Retryable(err)
	}
	return providers.Permanent(err)
}
