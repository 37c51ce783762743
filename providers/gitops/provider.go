// Package gitops is the provider for the reconcilers that keep a cluster as a repository says: Argo CD and Flux. It tells what
// they synced, when and on whose behalf, and it holds those back that would undo a rollback: from the highest one down, each
// on the condition that it is as the plan saw it, until somebody lifts that. It deploys nothing itself.
package gitops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Provider is the Argo CD and the Flux of one cluster. It implements providers.ChangeSource and Watcher, and of the abilities of
// a rollback.Reverser those for the units of others: Suspender, Measurer and ExitProber. It is safe for use by several goroutines.
type Provider struct {
	*providers.Vitals
	name    string
	set     settings
	cluster *kube.Reach
	argocd  *httpapi.Client // nil: nobody said where its API is
	now     func() time.Time
}

type settings struct {
	kube.Scope `yaml:",inline"`
	UnitsOf    []string          `yaml:"units_of"`
	MeasureTTL time.Duration     `yaml:"measure_ttl"`
	ArgoCD     *httpapi.Settings `yaml:"argocd"`
}

const defaultTTL = 24 * time.Hour

// Factory makes providers of the type "gitops".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "gitops", Help: "Argo CD and Flux: what they synced, and holding them back while something is taken back by hand",
		Fields: kube.Fields(nil,
			providers.Field{Name: "units_of", Type: providers.FieldStrings, Help: "names of the providers whose units these reconcilers own; default: all of them"},
			providers.Field{Name: "measure_ttl", Type: providers.FieldDuration, Default: defaultTTL.String(), Help: "how long a reconciler may be held back before that is an alert"},
			providers.Field{Name: "argocd", Type: providers.FieldObject, Help: "the API of Argo CD, which renders what a repository says now; without it that is known only as far as the cluster tells", Fields: apiFields()},
		),
		New: create,
	}
}

// apiFields are the settings of Argo CD's API, which takes tokens and no passwords.
func apiFields() []providers.Field {
	return slices.DeleteFunc(httpapi.Fields("Argo CD"), func(f providers.Field) bool { return f.Name == "basic_auth" })
}

func create(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if s.MeasureTTL < 0 {
		return nil, errors.New("measure_ttl must not be negative")
	}
	s.MeasureTTL = cmp.Or(s.MeasureTTL, defaultTTL)
	cluster, err := s.Reach(env, "backout/gitops")
	if err != nil {
		return nil, err
	}
	p := &Provider{Vitals: providers.NewVitals(env.Name, env.Now, 0), name: env.Name, set: s, cluster: cluster, now: env.Now}
	if s.ArgoCD == nil {
		return p, nil
	}
	if p.argocd, err = httpapi.New(env, *s.ArgoCD, p.Vitals); err != nil {
		return nil, fmt.Errorf("provider %s: argocd: %w", env.Name, err)
	}
	return p, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Place implements providers.Placed: the context of the kubeconfig.
func (p *Provider) Place() string { return p.cluster.Context() }

// Close implements io.Closer: it lets go of the connections.
func (p *Provider) Close() error {
	if p.argocd != nil {
		return errors.Join(p.cluster.Close(), p.argocd.Close())
	}
	return p.cluster.Close()
}

// LookTimeout implements rollback.Watchful: rendering a chart takes its time.
func (p *Provider) LookTimeout() time.Duration {
	d := 2 * p.cluster.Timeout()
	if p.argocd != nil {
		d += 2 * p.argocd.Timeout()
	}
	return d
}

// ApplyTimeout implements rollback.Patient.
func (p *Provider) ApplyTimeout() time.Duration { return 2*attempts*p.cluster.Timeout() + argoHeeds }

// asks reports whether the units of a provider are among those that these reconcilers may own.
func (p *Provider) asks(provider string) bool {
	return len(p.set.UnitsOf) == 0 || slices.Contains(p.set.UnitsOf, provider)
}

// Units implements rollback.Reverser: it has none of its own. What a reconciler deploys goes back where it runs, and for good
// in its repository.
func (p *Provider) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(func(rollback.Unit, error) bool) {}
}

func (p *Provider) none(id rollback.UnitID) error {
	return fmt.Errorf("%s: %w: provider %s has no units, it only holds reconcilers back", id, rollback.ErrNotFound, p.name)
}

// Observe implements rollback.Reverser.
func (p *Provider) Observe(_ context.Context, id rollback.UnitID) (rollback.Observation, error) {
	return rollback.Observation{}, p.none(id)
}

// Plan implements rollback.Reverser.
func (p *Provider) Plan(_ context.Context, obs rollback.Observation, _ rollback.Revision) (rollback.Proposal, error) {
	return rollback.Proposal{}, p.none(obs.Unit.ID)
}

// Status implements rollback.Reverser.
func (p *Provider) Status(_ context.Context, id rollback.UnitID, _ rollback.Revision) (rollback.Convergence, error) {
	return rollback.Convergence{}, p.none(id)
}

// Verify implements rollback.Reverser.
func (p *Provider) Verify(_ context.Context, id rollback.UnitID, _ rollback.Revision) ([]rollback.Check, error) {
	return nil, p.none(id)
}
