package kubernetes

import (
	"cmp"
	"context"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// Topology implements providers.Topology: the services that workloads make up, which Kubernetes Service leads to which of
// them, which configuration a workload uses, and what owns it.
func (p *Provider) Topology(ctx context.Context) ([]providers.Service, []providers.Edge, error) {
	b, err := p.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	now := p.now().UTC()
	found := map[string]providers.Service{}
	edges := map[providers.Edge]bool{}
	add := func(from, to string, kind providers.EdgeKind, evidence string) {
		if from != to && from != "" && to != "" {
			edges[providers.Edge{
				From: providers.Clean(from), To: providers.Clean(to), Kind: kind, Evidence: providers.Clean(evidence), Source: p.name, SeenAt: now,
			}] = true
		}
	}
	for _, w := range b.workloads {
		env := p.cluster.EnvironmentOf(w.namespace)
		found[w.service+"\x00"+env] = providers.Service{Name: w.service, Environment: providers.Clean(env)}
		unit := string(p.unitID(w.kind, w.namespace, w.name))
		for _, r := range w.refs {
			add(unit, p.settingID(r), providers.EdgeConfig, w.kind+" "+w.name+" uses "+r.kind+" "+r.name)
		}
		for _, owner := range []string{w.owner, w.managed} {
			add(unit, owner, providers.EdgeOwner, w.kind+" "+w.name+" belongs to "+owner)
		}
	}
	for _, r := range b.routes {
		for _, w := range b.workloads {
			if w.namespace == r.namespace && r.leadsTo(w.labels) {
				add(r.name, w.service, providers.EdgeCalls, "service "+r.namespace+"/"+r.name+" leads to "+w.kind+" "+w.name)
			}
		}
	}
	return sortedServices(found), sortedEdges(edges), nil
}

func sortedServices(found map[string]providers.Service) []providers.Service {
	out := make([]providers.Service, 0, len(found))
	for _, s := range found {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b providers.Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Environment, b.Environment))
	})
	return out
}

func sortedEdges(edges map[providers.Edge]bool) []providers.Edge {
	out := make([]providers.Edge, 0, len(edges))
	for e := range edges {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b providers.Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Evidence, b.Evidence))
	})
	return out
}
