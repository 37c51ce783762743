// Package releases is the provider for hosts that deploy by release directories and a current link: it reads which release
// served when, and takes a unit back by switching the link on the condition that it is still what the plan saw.
package releases

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

const (
	defaultSoak    = 10 * time.Minute
	defaultPoll    = time.Second
	remotePoll     = 10 * time.Second
	defaultTimeout = 30 * time.Second
)

// Provider reads and switches the units of one host. It implements providers.ChangeSource, providers.Watcher,
// rollback.Reverser and rollback.Locker, and is safe for use by several goroutines.
type Provider struct {
	name        string
	environment string
	scope       string
	soak        time.Duration
	poll        time.Duration
	timeout     time.Duration
	units       []*unit
	host        host
	vitals      *providers.Vitals
	now         func() time.Time
	archive     providers.Archive
	digests     *digestCache
	client      *http.Client

	mu   sync.Mutex
	seen map[string][]switched // by unit: what this process saw, for an archive that keeps nothing

	broken map[string]string // by unit: what is wrong behind its link
}

// unit is one current link and the releases beside it. The names hold no slash.
type unit struct {
	id       rollback.UnitID
	name     string
	service  string
	base     string // the directory that holds both
	releases string
	current  string
	reload   []string
	checks   []check
	soak     time.Duration
}

func (u *unit) dir(label string) string { return filepath.Join(u.base, u.releases, label) }

func (u *unit) link() string { return filepath.Join(u.base, u.current) }

// Factory makes providers of the type "releases".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "releases", Help: "release directories and a current link, on this host or over ssh: history and rollback",
		Fields: fields(), New: create,
	}
}

func create(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &Provider{
		name: env.Name, environment: env.Environment, scope: s.Scope, soak: s.MinSoak, poll: s.Poll, timeout: s.Timeout,
		vitals: providers.NewVitals(env.Name, env.Now, 0), now: env.Now, archive: env.Archive,
		client: quietClient(), seen: map[string][]switched{}, broken: map[string]string{},
	}
	p.digests = &digestCache{provider: env.Name, archive: env.Archive, known: map[string]fingerprinted{}}
	if s.local() {
		p.host = newLocal()
	} else {
		p.host = newRemote(s)
	}
	for _, us := range s.Units {
		p.units = append(p.units, us.unit(env, s))
	}
	return p, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Health implements providers.Provider.
func (p *Provider) Health() providers.Health { return p.vitals.Health() }

// unit finds a unit by its id.
func (p *Provider) unit(id rollback.UnitID) (*unit, error) {
	i := slices.IndexFunc(p.units, func(u *unit) bool { return u.id == id })
	if i < 0 {
		var known []string
		for _, u := range p.units {
			known = append(known, string(u.id))
		}
		return nil, fmt.Errorf("%s: %w: provider %s has %s", id, rollback.ErrNotFound, p.name, strings.Join(known, ", "))
	}
	return p.units[i], nil
}

// bounded gives every call to the host a deadline and puts its end on the health line.
func (p *Provider) bounded(ctx context.Context) (context.Context, func(error)) {
	start := p.now()
	asked := ctx
	ctx, cancel := context.WithTimeout(asked, p.timeout)
	return ctx, func(err error) {
		cancel()
		if err != nil && errors.Is(asked.Err(), context.Canceled) {
			return // whoever calls off a question has learned nothing about the host
		}
		p.vitals.Done(start, err)
		if remark := p.remark(); remark != "" && err == nil {
			p.vitals.Note(remark)
		}
	}
}
