package unleash

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
	"github.com/backout-dev/backout/rollback"
)

// feature is a flag as the admin API gives it.
type feature struct {
	Name         string      `json:"name"`
	Project      string      `json:"project"`
	Stale        bool        `json:"stale"`
	Archived     bool        `json:"archived"`
	Parents      []parent    `json:"dependencies"`
	Children     []string    `json:"children"`
	Environments []placement `json:"environments"`
}

// parent is a flag that has to be on, or off, for another to be on.
type parent struct {
	Feature string `json:"feature"`
	Enabled *bool  `json:"enabled"`
}

// placement is a flag in one environment.
type placement struct {
	Name string `json:"name"`
	configuration
}

func (f *feature) in(environment string) (configuration, bool) {
	for _, e := range f.Environments {
		if e.Name == environment {
			for i, s := range e.Strategies {
				e.Strategies[i] = s.whole()
			}
			return e.configuration, true
		}
	}
	return configuration{}, false
}

// found is the answer to a search for flags.
type found struct {
	Features []feature `json:"features"`
	Total    int       `json:"total"`
}

const searchSize = 100 // the most flags that Unleash gives at once

// document reads one JSON document into a value.
func document(into any) func(io.Reader) error {
	return func(r io.Reader) error {
		dec, err := httpapi.NewDecoder(r)
		if err != nil {
			return err
		}
		if err := dec.Decode(into); err != nil {
			return httpapi.Garbled(err)
		}
		return nil
	}
}

// search gives the flags that fit a text, "" all of them, until each has enough.
func (p *Provider) search(ctx context.Context, text string, each func(feature) bool) error {
	for offset := 0; ; offset += searchSize {
		query := url.Values{"limit": {strconv.Itoa(searchSize)}, "offset": {strconv.Itoa(offset)}, "sortBy": {"createdAt"}, "sortOrder": {"asc"}}
		if text != "" {
			query.Set("query", text)
		}
		var answer struct {
			found
			Features json.RawMessage `json:"features"`
		}
		if _, err := p.api.Get(ctx, "/api/admin/search/features", query, document(&answer)); err != nil {
			return err
		}
		if err := json.Unmarshal(answer.Features, &answer.found.Features); err != nil {
			return providers.Retryable(fmt.Errorf("answered something that is no list of flags: %w", err))
		}
		for _, f := range answer.found.Features {
			if !each(f) {
				return nil
			}
		}
		if len(answer.found.Features) < searchSize {
			return nil
		}
	}
}

// Units implements rollback.Reverser: each flag in each environment. Flags that are archived are none.
func (p *Provider) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		err := p.search(ctx, "", func(f feature) bool {
			if !named.MatchString(f.Name) || !p.wants(f.Project, "") {
				return true
			}
			p.keep(f.Name, f.Project)
			for _, e := range f.Environments {
				if named.MatchString(e.Name) && p.wants(f.Project, e.Name) && !yield(p.unitOf(e.Name, f.Name), nil) {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(rollback.Unit{}, err)
		}
	}
}

func (p *Provider) unitOf(environment, flag string) rollback.Unit {
	return rollback.Unit{
		ID: rollback.UnitID(p.unit(environment, flag)), Kind: "flag", Service: p.service(flag), Environment: environment, CAS: rollback.CASNone,
	}
}

func (p *Provider) keep(flag, project string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.projects[flag] = project
}

// project finds out which one a flag is of: names are unique in a server.
func (p *Provider) project(ctx context.Context, flag string) (string, error) {
	p.mu.Lock()
	known := p.projects[flag]
	p.mu.Unlock()
	if known != "" {
		return known, nil
	}
	project := ""
	err := p.search(ctx, flag, func(f feature) bool {
		if f.Name == flag {
			project = f.Project
		}
		return project == ""
	})
	switch {
	case err != nil:
		return "", err
	case !named.MatchString(project) || !p.wants(project, ""):
		return "", gone(flag)
	}
	p.keep(flag, project)
	return project, nil
}

// gone is the error of a flag that is not there.
func gone(flag string) error {
	return providers.Permanent(fmt.Errorf("%w: Unleash has no flag %s, or it is archived, or the token may not see it", providers.ErrNotFound, flag))
}

// flag reads one flag.
func (p *Provider) flag(ctx context.Context, name string) (feature, httpapi.Answer, error) {
	for again := true; ; again = false {
		project, err := p.project(ctx, name)
		if err != nil {
			return feature{}, httpapi.Answer{}, err
		}
		var f feature
		ans, err := p.api.Get(ctx, featurePath(project, name), nil, document(&f))
		switch {
		case httpapi.NotThere(err):
			p.keep(name, "") // it may have moved to another project
			if !again {
				return feature{}, ans, gone(name)
			}
			continue
		case err != nil:
			return feature{}, ans, err
		case f.Name != name:
			return feature{}, ans, providers.Retryable(fmt.Errorf("asked for the flag %s, it answered something else", name))
		}
		return f, ans, nil
	}
}

func featurePath(project, flag string) string {
	return "/api/admin/projects/" + project + "/features/" + flag
}
