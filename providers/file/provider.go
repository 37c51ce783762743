// Package file reads incident files and feeds of changes and alerts from disk, follows those that grow, and indexes feeds
// of millions of lines without decoding them.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/backout-dev/backout/providers"
)

type settings struct {
	Paths  []string `yaml:"paths"`
	Follow bool     `yaml:"follow"`
}

// Factory makes providers of type "file".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "file",
		Help: "incident files (.json, .jsonl) and feeds of changes and alerts, one a line",
		Fields: []providers.Field{
			{Name: "paths", Type: providers.FieldStrings, Required: true, Help: "files, or patterns such as feeds/*.jsonl; relative ones start at the configuration file"},
			{Name: "follow", Type: providers.FieldBool, Default: true, Help: "read on when a file grows, is truncated or is rotated"},
		},
		New: build,
	}
}

func build(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	set := settings{Follow: true}
	if err := decode(&set); err != nil {
		return nil, fmt.Errorf("file provider %s: %w", env.Name, err)
	}
	if len(set.Paths) == 0 {
		return nil, providers.Permanent(fmt.Errorf("file provider %s: no paths; name a file or a pattern", env.Name))
	}
	return &Provider{
		Vitals: providers.NewVitals(env.Name, env.Now, 0), env: env, set: set, current: map[string]*generation{},
		bad: map[string]badLines{},
	}, nil
}

// Provider is one set of files. It is a ChangeSource, an AlertSource, an Indexer, a Watcher, a Topology and a
// SignalSource. It is safe for use by several goroutines. Close it when it is no longer needed.
type Provider struct {
	*providers.Vitals
	env providers.Environment
	set settings

	shelf shelf

	mu      sync.Mutex             // outside of a generation's: never taken while one of those is held
	all     []*generation          // by number; closed ones are nil
	current map[string]*generation // by path
	bad     map[string]badLines
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// Close closes the files.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for i, g := range p.all {
		if g != nil {
			errs = append(errs, g.f.Close())
			p.all[i] = nil
		}
	}
	clear(p.current)
	return errors.Join(errs...)
}

// paths lists the files that there are, sorted. A pattern may match none; a plain path must exist.
func (p *Provider) paths() ([]string, error) {
	paths, _, err := providers.Paths(p.env.Dir, p.set.Paths)
	return paths, err
}

// open gives the current files, sorted by path.
func (p *Provider) open() ([]*generation, error) {
	paths, err := p.paths()
	if err != nil {
		return nil, err
	}
	out := make([]*generation, 0, len(paths))
	for _, path := range paths {
		g, err := p.generationOf(path)
		if err != nil {
			return nil, p.classed(err)
		}
		out = append(out, g)
	}
	return out, nil
}

// classed says whether a file that cannot be read may come to be readable by itself.
func (p *Provider) classed(err error) error {
	if errors.Is(err, fs.ErrNotExist) && p.set.Follow {
		return providers.Retryable(err)
	}
	return providers.Permanent(err)
}

// maxOpen is how many earlier generations of one path stay open, so that their lines can still be decoded.
const maxOpen = 4

// generationOf opens a path, or gives the file that is open already when it is still the same one.
func (p *Provider) generationOf(path string) (*generation, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at feed: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.current[path]
	if g != nil && g.same(st) {
		return g, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	if st, err = f.Stat(); err == nil && st.IsDir() {
		err = fmt.Errorf("%s is a directory; name its files, such as %s", path, filepath.Join(path, "*.jsonl"))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open feed: %w", err), f.Close())
	}
	g = &generation{
		n: len(p.all), path: path, f: f, info: st, whole: strings.EqualFold(filepath.Ext(path), ".json"),
		docs: map[int64]*document{},
	}
	p.all = append(p.all, g)
	p.current[path] = g
	p.retire(path)
	return g, nil
}

// retire closes the oldest generations of a path. The caller holds the lock.
func (p *Provider) retire(path string) {
	open := 0
	for i := len(p.all) - 1; i >= 0; i-- {
		if g := p.all[i]; g != nil && g.path == path {
			if open++; open > maxOpen {
				_ = g.f.Close() // read only: nothing can be lost
				p.all[i] = nil
			}
		}
	}
}

// begin starts an outside call; the function that it gives ends it.
func (p *Provider) begin() func(ctx context.Context, err error) {
	start := p.env.Now()
	return func(ctx context.Context, err error) {
		if err == nil && ctx.Err() != nil {
			return // somebody lost interest: that says nothing of the files
		}
		p.Done(start, err)
		if err == nil {
			p.noteBad()
		}
	}
}
