// Package rollouts is the provider for Argo Rollouts: which revision of a Rollout was exposed to how much of its traffic and
// when, what went wrong with it, and the way back, which is the abort of a rollout that is under way and the earlier template
// otherwise. Every write is conditional on what the plan saw, and what came of it is compared in full.
package rollouts

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Provider is the Rollouts of one cluster, or of some namespaces of it. It implements providers.ChangeSource, AlertSource,
// AlertStates and Watcher, and rollback.Reverser. It is safe for use by several goroutines.
type Provider struct {
	*providers.Vitals
	name    string
	set     settings
	cluster *kube.Reach
	now     func() time.Time
	archive providers.Archive
}

type settings struct {
	kube.Scope   `yaml:",inline"`
	ServiceLabel kube.ServiceLabel `yaml:"service_label"`
	PromoteFull  bool              `yaml:"promote_full"`
	MinSoak      time.Duration     `yaml:"min_soak"`
}

const defaultSoak = 10 * time.Minute

// Factory makes providers of the type "argo-rollouts".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "argo-rollouts", Help: "Argo Rollouts of a Kubernetes cluster: history with exposed share, alerts, abort and rollback",
		Fields: kube.Fields(nil,
			kube.ServiceLabel{}.Field(),
			providers.Field{Name: "promote_full", Type: providers.FieldBool, Default: false, Help: "a rollback that would replay canary steps gets a second step that skips them, which the plan shows"},
			providers.Field{Name: "min_soak", Type: providers.FieldDuration, Default: defaultSoak.String(), Help: "how long a revision must have been the stable one to count as known good"},
		),
		New: create,
	}
}

func create(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if s.MinSoak < 0 {
		return nil, errors.New("min_soak must not be negative")
	}
	s.MinSoak = cmp.Or(s.MinSoak, defaultSoak)
	cluster, err := s.Reach(env, "backout/rollouts")
	if err != nil {
		return nil, err
	}
	return &Provider{
		Vitals: providers.NewVitals(env.Name, env.Now, 0), name: env.Name, set: s,
		cluster: cluster, now: env.Now, archive: env.Archive,
	}, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Close implements io.Closer: it closes the connections that nobody uses.
func (p *Provider) Close() error { return p.cluster.Close() }

// Place implements providers.Placed: the context of the kubeconfig.
func (p *Provider) Place() string { return p.cluster.Context() }

func (p *Provider) describe(o *object) rollback.Unit {
	service := p.set.ServiceLabel.Of(o.Meta.Labels, o.Meta.Name)
	return rollback.Unit{
		ID: p.unitID(o), Kind: "rollout", Service: providers.Clean(service), Environment: p.cluster.EnvironmentOf(o.Meta.Namespace), CAS: rollback.CASAtomic,
	}
}

func (p *Provider) unitID(o *object) rollback.UnitID {
	return rollback.UnitID(p.name + ":" + o.Meta.Namespace + "/" + o.Meta.Name)
}

// locate splits a unit's id into namespace and name.
func (p *Provider) locate(id rollback.UnitID) (namespace, name string, err error) {
	rest, ours := strings.CutPrefix(string(id), p.name+":")
	namespace, name, whole := strings.Cut(rest, "/")
	if !ours || !whole || namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", "", fmt.Errorf("%s: %w: a unit of provider %s is called %s:namespace/name", id, rollback.ErrNotFound, p.name, p.name)
	}
	if !p.cluster.Covers(namespace) {
		return "", "", fmt.Errorf("%s: %w: provider %s does not look at namespace %s", id, rollback.ErrNotFound, p.name, namespace)
	}
	return namespace, name, nil
}
