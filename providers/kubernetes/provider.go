package kubernetes

import (
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Provider is one cluster, or some namespaces of it. It is safe for use by several goroutines.
type Provider struct {
	*providers.Vitals
	name    string
	set     settings
	cluster *kube.Reach
	now     func() time.Time
	env     providers.Environment

	chronicle *chronicle
	alerts    *alertBook

	mu      sync.Mutex
	live    *feed             // of the Watch that goes on; nil: none does
	scoped  []string          // the namespaces that may be read, once that was found out
	refused map[string]string // what may not be read, and why

	using sync.Mutex
	used  map[string]usage // the workloads of a namespace as they were a moment ago
}

// Factory makes providers of type "kubernetes".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "kubernetes", Help: "workloads, configuration and scale of a Kubernetes cluster: history, alerts, topology and rollback",
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
	cluster, err := s.Reach(env, "backout/kubernetes")
	if err != nil {
		return nil, err
	}
	return &Provider{
		Vitals: providers.NewVitals(env.Name, env.Now, 0), name: env.Name, set: s,
		cluster: cluster, now: env.Now, env: env, refused: map[string]string{}, chronicle: newChronicle(env, cluster.Server()),
		alerts: &alertBook{firing: map[ailment]providers.Alert{}},
	}, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Close lets go of the connections to the cluster.
func (p *Provider) Close() error { return p.cluster.Close() }

// Place implements providers.Placed: the context of the kubeconfig.
func (p *Provider) Place() string { return p.cluster.Context() }

// unitID is the id of an object; kind is in lower case, "deployment" being the one that is not written.
func (p *Provider) unitID(kind, namespace, name string) rollback.UnitID {
	if kind != "deployment" {
		name = kind + "." + name
	}
	return rollback.UnitID(p.name + ":" + namespace + "/" + name)
}
