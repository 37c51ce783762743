// Package helm is the provider for Helm releases, of Helm 3 and 4: it reads their history from the release records in the
// cluster, without Helm's library, and plans the way back. The rollback itself is made by a second program, backout-helm,
// that is started for an approved operation alone.
package helm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Provider reads the Helm releases of one cluster. It implements providers.ChangeSource, providers.Watcher,
// rollback.Reverser, rollback.Watchful and rollback.Patient, and is safe for use by several goroutines.
type Provider struct {
	name    string
	s       settings
	dir     string // of the configuration
	vitals  *providers.Vitals
	now     func() time.Time
	cluster *kube.Reach

	compared sync.Map // how each object stood against a manifest, by its uid

	mu      sync.Mutex
	records map[string]*record              // what was decoded, by uid, until the object changes
	kinds   map[string]map[string]kube.Kind // by apiVersion; kept only while the process lives
}

// Factory makes providers of the type "helm".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "helm", Help: "Helm releases, from their records in the cluster: history and rollback",
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
	cluster, err := s.Reach(env, "backout/helm")
	if err != nil {
		return nil, err
	}
	return &Provider{
		cluster: cluster, name: env.Name, s: s, dir: env.Dir, now: env.Now,
		vitals:  providers.NewVitals(env.Name, env.Now, 0),
		records: map[string]*record{}, kinds: map[string]map[string]kube.Kind{},
	}, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Health implements providers.Provider.
func (p *Provider) Health() providers.Health { return p.vitals.Health() }

// Close lets go of the connections to the cluster.
func (p *Provider) Close() error { return p.cluster.Close() }

// Place implements providers.Placed: the context of the kubeconfig.
func (p *Provider) Place() string { return p.cluster.Context() }

// bounded gives every look a deadline and puts its end on the health line.
func (p *Provider) bounded(ctx context.Context) (context.Context, func(error)) {
	start := p.now()
	asked := ctx
	ctx, cancel := context.WithTimeout(asked, p.LookTimeout())
	return ctx, func(err error) {
		cancel()
		if err != nil && errors.Is(asked.Err(), context.Canceled) {
			return // whoever calls off a question has learned nothing about the cluster
		}
		if err == nil || !errors.Is(err, rollback.ErrNotFound) {
			p.vitals.Done(start, err)
		}
	}
}

// LookTimeout implements rollback.Watchful: a look at a release asks for each of its objects.
func (p *Provider) LookTimeout() time.Duration { return 4 * p.cluster.Timeout() }

// ApplyTimeout implements rollback.Patient: hooks may rightly take as long as the setting hook_timeout.
func (p *Provider) ApplyTimeout() time.Duration { return p.s.HookTimeout + 30*time.Second }

// coordinates name one release.
type coordinates struct{ namespace, release string }

func (p *Provider) id(c coordinates) rollback.UnitID {
	return rollback.UnitID(p.name + ":" + c.namespace + "/" + c.release)
}

// chart is what the objects of a release name as their owner.
func (p *Provider) chart(c coordinates) string {
	return kube.Owner{Kind: kube.OwnerChart, Namespace: c.namespace, Name: c.release}.String()
}

// locate takes a unit's id apart.
func (p *Provider) locate(id rollback.UnitID) (coordinates, error) {
	rest, ours := strings.CutPrefix(string(id), p.name+":")
	namespace, release, whole := strings.Cut(rest, "/")
	if !ours || !whole || namespace == "" || release == "" {
		return coordinates{}, fmt.Errorf("%s: %w: a Helm release is %s:namespace/release", id, rollback.ErrNotFound, p.name)
	}
	if !p.cluster.Covers(namespace) {
		return coordinates{}, fmt.Errorf("%s: %w: provider %s does not look at namespace %s", id, rollback.ErrNotFound, p.name, namespace)
	}
	return coordinates{namespace, release}, nil
}

func (p *Provider) service(c coordinates) string {
	if s := p.s.Services[c.namespace+"/"+c.release]; s != "" {
		return s
	}
	return c.release
}
