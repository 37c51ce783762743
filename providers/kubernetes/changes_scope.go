package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const maxScopes = 100 // namespaces that are watched one by one

// readableScopes are the namespaces to read: one "" where all of them may be. Where the user may not read all, each is asked for.
func (p *Provider) readableScopes(ctx context.Context) ([]string, error) {
	if p.cluster.Limited() {
		return p.cluster.Namespaces(), nil
	}
	p.mu.Lock()
	known := p.scoped
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	allowed, _, err := p.cluster.May(ctx, "list", deployments, "", "", "")
	if err != nil {
		return nil, fmt.Errorf("ask what may be read: %w", err)
	}
	found := []string{""}
	if !allowed {
		if found, err = p.readable(ctx); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	p.scoped = found
	p.mu.Unlock()
	return found, nil
}

// readable asks of each namespace whether its Deployments may be read.
func (p *Provider) readable(ctx context.Context) ([]string, error) {
	var found []string
	total := 0
	for o, err := range p.cluster.List(ctx, namespaces, "", kube.Selection{}) {
		if err != nil {
			return nil, refusedAll(err)
		}
		if !p.cluster.Covers(o.GetName()) {
			continue
		}
		total++
		if len(found) == maxScopes {
			continue
		}
		yes, _, err := p.cluster.May(ctx, "list", deployments, "", o.GetName(), "")
		if err != nil {
			return nil, fmt.Errorf("ask what may be read: %w", err)
		}
		if yes {
			found = append(found, o.GetName())
		} else {
			p.refuse(everything+" in "+o.GetName(), "")
		}
	}
	if len(found) == 0 {
		return nil, providers.Permanent(fmt.Errorf("context %s may read Deployments in none of %d namespaces: ask for the right to get, list and watch them", p.cluster.Context(), total))
	}
	return found, nil
}

func refusedAll(err error) error {
	if providers.ClassOf(err) != providers.ClassPermanent {
		return err
	}
	return providers.Permanent(fmt.Errorf("neither all namespaces nor their names may be read: say under namespaces which to look at: %w", err))
}

// refuse remembers what may not be read, for the health line.
func (p *Provider) refuse(what, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[what] = why
}

func (p *Provider) allow(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.refused, what)
}

// remark says which parts of the cluster are not seen.
func (p *Provider) remark() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refused) == 0 {
		return ""
	}
	kinds := map[string][]string{} // by namespace
	for what := range p.refused {
		kind, namespace, _ := strings.Cut(what, " in ")
		kinds[namespace] = append(kinds[namespace], kind)
	}
	var whole, parts []string
	for _, namespace := range slices.Sorted(maps.Keys(kinds)) {
		switch all := slices.Sorted(slices.Values(kinds[namespace])); {
		case all[0] == everything:
			whole = append(whole, namespace)
		case namespace == "":
			parts = append(parts, providers.Few(all, 11))
		default:
			parts = append(parts, providers.Few(all, 11)+" in "+namespace)
		}
	}
	var out []string
	if len(p.scoped) > 0 && p.scoped[0] != "" {
		out = append(out, "sees "+providers.Few(p.scoped, 6)+" alone, may not read namespace "+providers.Few(whole, 8))
	}
	if len(parts) > 0 {
		out = append(out, "may not read "+providers.Few(parts, 3))
	}
	return strings.Join(out, "; ")
}

const everything = "everything"

// Health implements providers.Provider. It also says which parts of the cluster may not be read.
func (p *Provider) Health() providers.Health {
	h := p.Vitals.Health()
	if h.State == providers.HealthOK || h.State == providers.HealthSlow {
		for _, s := range []string{p.remark(), h.Detail} {
			if s != "" {
				h.Detail = providers.Clean(s)
				break
			}
		}
	}
	return h
}

// source is one kind of object that is read.
type source struct {
	resource  kube.Resource
	selection kube.Selection
	reduce    func(*kube.Object) record
}

// notHelm leaves out what is large and tells of no change of its own.
const notHelm = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token"

// sources are the kinds to read. The first are those without which there is nothing to tell.
func (p *Provider) sources(ctx context.Context) ([]source, error) {
	all := append(p.workloadSources(), []source{
		{resource: replicaSets, selection: kube.Selection{Slim: true}, reduce: optional(p.reduceReplicaSet)},
		{resource: controllerRevisions, selection: kube.Selection{Slim: true}, reduce: optional(p.reduceControllerRevision)},
		{resource: configMaps, reduce: optional(p.reduceConfigMap)},
		{resource: cronJobs, reduce: optional(p.reduceCronJob)},
		{resource: autoscalers, reduce: optional(p.reduceAutoscaler)},
		{resource: services, selection: kube.Selection{Slim: true}, reduce: optional(p.reduceRoute)},
	}...)
	if p.set.Secrets != nil && !*p.set.Secrets {
		return all, nil
	}
	key, err := p.chronicle.secretKey(ctx)
	if err != nil {
		return nil, err
	}
	return append(all, source{resource: secrets, selection: kube.Selection{Fields: notHelm}, reduce: optional(p.reduceSecret(key))}), nil
}

// workloadSources are the kinds by which one sees how workloads are.
func (p *Provider) workloadSources() []source {
	workloads := func(kind string) func(*kube.Object) record {
		return func(o *kube.Object) record { return p.reduceWorkload(o, kind) }
	}
	return []source{
		{resource: deployments, reduce: workloads("deployment")},
		{resource: statefulSets, reduce: workloads("statefulset")},
		{resource: daemonSets, reduce: workloads("daemonset")},
		{resource: pods, selection: kube.Selection{Slim: true}, reduce: optional(p.reducePod)},
	}
}

// optional makes a nil of a kind of record no record.
func optional[R any, P interface {
	*R
	record
}](reduce func(*kube.Object) P) func(*kube.Object) record {
	return func(o *kube.Object) record {
		if r := reduce(o); r != nil {
			return r
		}
		return nil
	}
}
